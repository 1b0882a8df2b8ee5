"""The cluster as the controller knows it: live brokers, topics, and the state of every partition.

The image is a plain value that the controller's driver loads from the tree and changes only by what it has written
there. It holds no decision: those are in `decide`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["NO_LEADER", "Broker", "ClusterImage", "Endpoint", "Partition", "PartitionState", "Topic"]

NO_LEADER = -1

Partition = tuple[str, int]
"""Topic name and partition number."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One listener of a broker, as clients or peers reach it."""

    listener: str
    protocol: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Broker:
    """A registered, hence live, broker."""

    broker_id: int
    epoch: int
    """czxid of its znode: tells a broker that came back from one that never left."""
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and where its replicas belong."""

    name: str
    topic_id: bytes
    assignment: Mapping[int, tuple[int, ...]]
    """Partition -> broker ids; the first is the preferred leader."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What stands in the partition's state znode."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    controller_epoch: int
    zk_version: int
    """Data version of the znode: a write names the version that it replaces."""


@dataclass(slots=True)
class ClusterImage:
    """Brokers, topics, partition states, and the topics that are being deleted."""

    brokers: dict[int, Broker] = field(default_factory=dict)
    topics: dict[str, Topic] = field(default_factory=dict)
    states: dict[Partition, PartitionState] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)

    def partitions(self) -> Iterator[tuple[Partition, tuple[int, ...]]]:
        """Every partition and its replicas."""
        for topic in self.topics.values():
            for number, replicas in topic.assignment.items():
                yield (topic.name, number), replicas

    def replicas(self, partition: Partition) -> tuple[int, ...]:
        """The partition's replicas; empty when the topic is gone."""
        topic = self.topics.get(partition[0])
        return topic.assignment.get(partition[1], ()) if topic is not None else ()

    def forget(self, name: str) -> None:
        """Drops a topic that is deleted in the tree."""
        topic = self.topics.pop(name, None)
        self.deleting.discard(name)
        for number in topic.assignment if topic is not None else ():
            self.states.pop((name, number), None)
