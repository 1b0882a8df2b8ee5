"""Topics, configurations and offsets, asked for and changed through a `Cluster`.

What the controller has to do is sent to the controller, and sent again when it has moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Message
from broker.wire.messages import (
    CreatePartitionsRequest,
    CreatePartitionsRequestAssignment,
    CreatePartitionsRequestTopic,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsRequestAssignment,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DescribeConfigsRequest,
    DescribeConfigsRequestResource,
    DescribeConfigsResponse,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponse,
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    MetadataResponseTopic,
)

from .cluster import Cluster, TopicPartition, retrying

__all__ = [
    "EARLIEST",
    "LATEST",
    "Moving",
    "NewTopic",
    "TopicConfig",
    "create_partitions",
    "create_topic",
    "delete_topic",
    "describe_topics",
    "list_offsets",
    "list_topics",
    "reassignments",
    "topic_configs",
]

R = TypeVar("R", bound=Message)

LATEST = -1
EARLIEST = -2
TIMEOUT_MS = 30_000
CONTROLLER_TRIES = 5
LEADER_TRIES = 20
MISSING_TRIES = 3
"""A topic that was created just now may be unknown to some brokers for a moment."""
TOPIC_RESOURCE = 2
DEFAULT_CONFIG = 5
"""`config_source` of what is set nowhere."""


@dataclass(slots=True)
class NewTopic:
    """A topic to create; -1 leaves the number to the broker, `assignments` names the replicas of each partition."""

    name: str
    partitions: int = -1
    replication_factor: int = -1
    configs: Mapping[str, str] = field(default_factory=dict)
    assignments: Sequence[Sequence[int]] = ()


async def create_topic(cluster: Cluster, topic: NewTopic, *, validate_only: bool = False) -> None:
    """Creates a topic. Raises KafkaError with the controller's own message."""
    row = CreateTopicsRequestTopic(
        name=topic.name,
        num_partitions=-1 if topic.assignments else topic.partitions,
        replication_factor=-1 if topic.assignments else topic.replication_factor,
        assignments=[CreateTopicsRequestAssignment(at, list(ids)) for at, ids in enumerate(topic.assignments)],
        configs=[CreateTopicsRequestConfig(name, value) for name, value in topic.configs.items()],
    )
    request = CreateTopicsRequest([row], TIMEOUT_MS, validate_only)
    await _by_controller(cluster, request, CreateTopicsResponse, lambda answer: _first(answer.topics))
    cluster.forget(topic.name)


async def delete_topic(cluster: Cluster, name: str) -> None:
    """Deletes a topic. Raises KafkaError."""
    request = DeleteTopicsRequest(topic_names=[name], timeout_ms=TIMEOUT_MS)
    await _by_controller(cluster, request, DeleteTopicsResponse, lambda answer: _first(answer.responses))
    cluster.forget(name)


async def create_partitions(cluster: Cluster, name: str, count: int, assignments: Sequence[Sequence[int]] = ()) -> None:
    """Gives a topic `count` partitions in all; `assignments` names the replicas of the new ones. Raises KafkaError."""
    rows = [CreatePartitionsRequestAssignment(list(ids)) for ids in assignments] or None
    request = CreatePartitionsRequest([CreatePartitionsRequestTopic(name, count, rows)], TIMEOUT_MS)
    await _by_controller(cluster, request, CreatePartitionsResponse, lambda answer: _first(answer.results))
    cluster.forget(name)


async def list_topics(cluster: Cluster) -> list[str]:
    """Names of all topics, sorted."""
    return sorted(row.name or "" for row in await cluster.refresh(None))


async def describe_topics(cluster: Cluster, names: Sequence[str] | None = None) -> list[MetadataResponseTopic]:
    """Topics with their partitions, all of them unless named; a topic that is missing has its error code."""
    return await cluster.refresh(names)


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """One configuration of a topic; `is_default` unless it is set on the topic or on the broker."""

    name: str
    value: str
    is_default: bool


async def topic_configs(cluster: Cluster, names: Sequence[str]) -> dict[str, list[TopicConfig]]:
    """Each topic's configuration, in the broker's order; topics that are gone meanwhile are left out."""
    resources = [DescribeConfigsRequestResource(TOPIC_RESOURCE, name, None) for name in names]
    answer = await cluster.request(DescribeConfigsRequest(resources), DescribeConfigsResponse)
    found = {}
    for row in answer.results:
        if row.error_code == ErrorCode.NONE:
            found[row.resource_name] = [
                TopicConfig(config.name, config.value or "", config.is_default or config.config_source == DEFAULT_CONFIG)
                for config in row.configs
            ]
        elif row.error_code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise KafkaError(row.error_code, row.error_message)
    return found


@dataclass(frozen=True, slots=True)
class Moving:
    """Replicas that a reassignment under way adds to a partition and removes from it."""

    adding: list[int]
    removing: list[int]


async def reassignments(cluster: Cluster) -> dict[TopicPartition, Moving]:
    """All reassignments under way; none where the broker does not know the request."""
    if not (await cluster.any()).offers(ListPartitionReassignmentsRequest.API_KEY):
        return {}
    found: dict[TopicPartition, Moving] = {}

    def take(answer: ListPartitionReassignmentsResponse) -> KafkaError | None:
        for topic in answer.topics:
            for row in topic.partitions:
                found[topic.name, row.partition_index] = Moving(row.adding_replicas, row.removing_replicas)
        return KafkaError(answer.error_code, answer.error_message) if answer.error_code else None

    request = ListPartitionReassignmentsRequest(TIMEOUT_MS, None)
    await _by_controller(cluster, request, ListPartitionReassignmentsResponse, take)
    return found


async def list_offsets(
    cluster: Cluster, wanted: Mapping[TopicPartition, int], *, isolation_level: int = 0
) -> dict[TopicPartition, int]:
    """Offsets by timestamp (or LATEST, EARLIEST) of each partition; -1 where no record is that late. Raises KafkaError."""
    found: dict[TopicPartition, int] = {}
    pause = 0.05
    for tries in range(LEADER_TRIES):
        missing = {partition: when for partition, when in wanted.items() if partition not in found}
        if not missing:
            break
        error = await _list_offsets_once(cluster, missing, isolation_level, found)
        if error is not None:
            if error.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and tries >= MISSING_TRIES:
                raise error
            pause = await retrying(error, pause)
            for topic in {topic for topic, _ in missing}:
                cluster.forget(topic)
    else:
        raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, "the leaders of some partitions do not tell their offsets")
    return found


async def _list_offsets_once(
    cluster: Cluster, wanted: Mapping[TopicPartition, int], isolation_level: int, found: dict[TopicPartition, int]
) -> KafkaError | None:
    """Asks each leader once; fills `found` and returns the last error."""
    by_leader: dict[int, dict[str, list[ListOffsetsRequestPartition]]] = {}
    error: KafkaError | None = None
    for (topic, partition), when in wanted.items():
        try:
            leader = await cluster.leader((topic, partition))
        except KafkaError as failed:
            error = failed
            continue
        topics = by_leader.setdefault(leader, {})
        topics.setdefault(topic, []).append(ListOffsetsRequestPartition(partition, timestamp=when))
    for leader, topics in by_leader.items():
        rows = [ListOffsetsRequestTopic(topic, partitions) for topic, partitions in topics.items()]
        try:
            request = ListOffsetsRequest(-1, isolation_level, rows)
            answer = await (await cluster.node(leader)).request(request, ListOffsetsResponse)
        except KafkaError as failed:
            error = failed
            continue
        for row in answer.topics:
            for part in row.partitions:
                if part.error_code:
                    error = KafkaError(part.error_code)
                else:
                    found[row.name, part.partition_index] = part.offset
    return error


async def _by_controller(
    cluster: Cluster, request: Message, response: type[R], outcome: Callable[[R], KafkaError | None]
) -> None:
    """Asks the controller; asks the next one when it has moved, or when the connection to it broke before the answer."""
    error: KafkaError | None = None
    for _ in range(CONTROLLER_TRIES):
        try:
            error = outcome(await cluster.request_controller(request, response, timeout_s=TIMEOUT_MS / 1000 + 5))
        except KafkaError as failed:
            error = failed
        if error is None:
            return
        if error.code not in (ErrorCode.NOT_CONTROLLER, ErrorCode.NETWORK_EXCEPTION, ErrorCode.COORDINATOR_NOT_AVAILABLE):
            raise error
        await trio.sleep(0.2)
        await cluster.refresh([])
    assert error is not None
    raise error


def _first(rows: Sequence[object]) -> KafkaError | None:
    (row,) = rows
    code: int = getattr(row, "error_code", 0)
    return KafkaError(code, getattr(row, "error_message", None)) if code else None
