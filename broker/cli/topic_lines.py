"""How a described topic is printed: Kafka's own lines, and which of them are asked for. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from broker.client.admin import Moving, TopicConfig
from broker.client.cluster import TopicPartition
from broker.wire.api import uuid_text
from broker.wire.messages import MetadataResponsePartition, MetadataResponseTopic

__all__ = ["Shown", "topic_lines"]

MIN_ISR = "min.insync.replicas"


@dataclass(frozen=True, slots=True)
class Shown:
    """What to print; with none of these set, everything."""

    overridden: bool = False
    """Only the heads of topics with a configuration of their own."""
    under_replicated: bool = False
    unavailable: bool = False
    under_min_isr: bool = False
    at_min_isr: bool = False

    @property
    def some_partitions(self) -> bool:
        """Whether only certain partitions are asked for: topics' heads are left out then."""
        return self.under_replicated or self.unavailable or self.under_min_isr or self.at_min_isr


def topic_lines(
    row: MetadataResponseTopic,
    configs: Sequence[TopicConfig],
    moving: Mapping[TopicPartition, Moving],
    live: Collection[int],
    shown: Shown,
) -> Iterator[str]:
    """The head of a topic, and a line for each of its partitions."""
    own = [config for config in configs if not config.is_default]
    name = row.name or ""
    partitions = sorted(row.partitions, key=lambda partition: partition.partition_index)
    if shown.overridden and not own:
        return
    if not shown.some_partitions:
        yield _head(row, partitions, own, moving)
    if shown.overridden:
        return
    min_isr = next((int(c.value) for c in configs if c.name == MIN_ISR and c.value.isdigit()), 1)
    for partition in partitions:
        if _wanted(partition, min_isr, live, shown):
            yield _partition_line(name, partition, moving.get((name, partition.partition_index)))


def _head(
    row: MetadataResponseTopic,
    partitions: Sequence[MetadataResponsePartition],
    own: Sequence[TopicConfig],
    moving: Mapping[TopicPartition, Moving],
) -> str:
    name = row.name or ""
    replicas = 0
    if partitions:
        going = moving.get((name, partitions[0].partition_index))
        replicas = len(partitions[0].replica_nodes) - (len(going.adding) if going is not None else 0)
    settings = ",".join(f"{config.name}={config.value}" for config in own)
    return (
        f"Topic: {name}\tTopicId: {uuid_text(row.topic_id)}\tPartitionCount: {len(partitions)}"
        f"\tReplicationFactor: {replicas}\tConfigs: {settings}"
    )


def _wanted(partition: MetadataResponsePartition, min_isr: int, live: Collection[int], shown: Shown) -> bool:
    if not shown.some_partitions:
        return True
    in_sync = len(partition.isr_nodes)
    return (
        (shown.under_replicated and in_sync < len(partition.replica_nodes))
        or (shown.unavailable and partition.leader_id not in live)
        or (shown.under_min_isr and in_sync < min_isr)
        or (shown.at_min_isr and in_sync == min_isr)
    )


def _partition_line(topic: str, partition: MetadataResponsePartition, going: Moving | None) -> str:
    leader = "none" if partition.leader_id < 0 else str(partition.leader_id)
    line = (
        f"\tTopic: {topic}\tPartition: {partition.partition_index}\tLeader: {leader}"
        f"\tReplicas: {_ids(partition.replica_nodes)}\tIsr: {_ids(partition.isr_nodes)}"
    )
    if going is not None:
        line += f"\tAdding Replicas: {_ids(going.adding)}\tRemoving Replicas: {_ids(going.removing)}"
    return f"{line}\tElr: N/A\tLastKnownElr: N/A"


def _ids(nodes: Sequence[int]) -> str:
    return ",".join(map(str, nodes))
