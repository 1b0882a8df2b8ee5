"""What this broker knows of the cluster: an immutable image that the controller's UpdateMetadata requests replace.

Handlers take `cache.image` once and see one consistent cluster. An update shares what it does not change, so it costs
in proportion to the number of topics, and those are not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import trio

from broker.wire.errors import ErrorCode
from broker.wire.fields import NO_UUID
from broker.wire.messages import (
    UpdateMetadataRequest,
    UpdateMetadataRequestBroker,
    UpdateMetadataRequestPartition,
)

__all__ = ["NO_LEADER", "WAIT_SECONDS_MAX", "BrokerNode", "Image", "MetadataCache", "Partition", "Topic"]

NO_LEADER = -1
WAIT_SECONDS_MAX = 60.0
"""The longest that a client's own timeout makes a request wait for the cluster."""
LEADER_DURING_DELETE = -2
"""The leader that an update names for a partition which is being deleted."""
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})


@dataclass(frozen=True, slots=True)
class BrokerNode:
    """A live broker. `endpoints`: listener name -> (host, port)."""

    id: int
    endpoints: Mapping[str, tuple[str, int]]
    rack: str | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """Who leads a partition and who follows."""

    leader: int
    leader_epoch: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    offline: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; `partitions` is in order of number."""

    name: str
    id: bytes
    partitions: Mapping[int, Partition]

    @property
    def is_internal(self) -> bool:
        """Whether clients are to leave it alone."""
        return self.name in INTERNAL_TOPICS


@dataclass(frozen=True, slots=True)
class Image:
    """The cluster at one moment."""

    controller_id: int = -1
    controller_epoch: int = -1
    brokers: Mapping[int, BrokerNode] = field(default_factory=dict)
    topics: Mapping[str, Topic] = field(default_factory=dict)
    names: Mapping[bytes, str] = field(default_factory=dict)
    """Topic id -> topic name."""

    def partition(self, topic: str, number: int) -> Partition | None:
        """The partition, or None."""
        found = self.topics.get(topic)
        return None if found is None else found.partitions.get(number)

    def leader_of(self, topic: str, number: int) -> int | None:
        """The partition's leader if it has one that lives."""
        partition = self.partition(topic, number)
        return partition.leader if partition is not None and partition.leader in self.brokers else None

    def is_led(self, topic: str, partitions: int) -> bool:
        """Whether the topic is there and its first `partitions` partitions have leaders that live."""
        return topic in self.topics and all(
            self.leader_of(topic, number) is not None for number in range(partitions)
        )


class MetadataCache:
    """Holds the image and tells when it has changed."""

    def __init__(self) -> None:
        self.image = Image()
        self._listeners: list[Callable[[Image, Image], None]] = []
        self._changed = trio.Event()

    def on_change(self, listener: Callable[[Image, Image], None]) -> None:
        """Calls `listener(before, after)` at every change, in the order of registration."""
        self._listeners.append(listener)

    def update(self, request: UpdateMetadataRequest) -> ErrorCode:
        """Applies a request of the controller; one of a controller that has been deposed is refused."""
        if request.controller_epoch < self.image.controller_epoch:
            return ErrorCode.STALE_CONTROLLER_EPOCH
        before, self.image = self.image, _updated(self.image, request)
        for listener in self._listeners:
            listener(before, self.image)
        changed, self._changed = self._changed, trio.Event()
        changed.set()
        return ErrorCode.NONE

    async def changed(self) -> None:
        """Waits for the next update."""
        await self._changed.wait()

    async def wait_until(self, condition: Callable[[Image], bool], timeout: float) -> bool:
        """Waits until an image satisfies `condition`; False when that takes longer than `timeout` seconds."""
        with trio.move_on_after(max(0.0, timeout)):  # a client may ask for less than nothing
            while not condition(self.image):
                await self._changed.wait()
        return condition(self.image)


def _updated(image: Image, request: UpdateMetadataRequest) -> Image:
    topics = image.topics
    names = image.names
    states = _states_by_topic(request)
    if states:
        topics, names = dict(topics), dict(names)
        for (name, topic_id), partitions in states.items():
            before = topics.pop(name, None)
            topic = _updated_topic(before, name, topic_id, partitions)
            if before is not None:
                names.pop(before.id, None)
            if topic is not None:
                topics[name] = topic
                if topic.id != NO_UUID:
                    names[topic.id] = name
    return replace(
        image,
        controller_id=request.controller_id,
        controller_epoch=request.controller_epoch,
        brokers={broker.id: _broker_node(broker) for broker in request.live_brokers},
        topics=topics,
        names=names,
    )


def _states_by_topic(
    request: UpdateMetadataRequest,
) -> dict[tuple[str, bytes], list[UpdateMetadataRequestPartition]]:
    """Partition states by topic: nested from version 5 on, with names on each before."""
    states = {(topic.topic_name, topic.topic_id): topic.partition_states for topic in request.topic_states}
    for state in request.ungrouped_partition_states:
        states.setdefault((state.topic_name, NO_UUID), []).append(state)
    return states


def _updated_topic(
    topic: Topic | None, name: str, topic_id: bytes, states: list[UpdateMetadataRequestPartition]
) -> Topic | None:
    """The topic with these states in place; None when no partition is left. Another id is another topic."""
    known = topic.partitions if topic is not None and topic_id in (topic.id, NO_UUID) else {}
    partitions = dict(known)
    for state in states:
        if state.leader == LEADER_DURING_DELETE:
            partitions.pop(state.partition_index, None)
        else:
            partitions[state.partition_index] = Partition(
                state.leader,
                state.leader_epoch,
                tuple(state.replicas),
                tuple(state.isr),
                tuple(state.offline_replicas),
            )
    if not partitions:
        return None
    if topic_id == NO_UUID and topic is not None:
        topic_id = topic.id
    return Topic(name, topic_id, dict(sorted(partitions.items())))


def _broker_node(broker: UpdateMetadataRequestBroker) -> BrokerNode:
    # before version 3 a listener has no name but its security protocol's, and only plain ones are served here
    endpoints = {
        endpoint.listener or "PLAINTEXT": (endpoint.host, endpoint.port) for endpoint in broker.endpoints
    }
    if not endpoints and broker.v0_host:
        endpoints = {"PLAINTEXT": (broker.v0_host, broker.v0_port)}
    return BrokerNode(broker.id, endpoints, broker.rack)
