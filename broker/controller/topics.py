"""What a new topic must satisfy before it is written: its name, its partitions, its replicas. And what more partitions must.

The rules and the error codes are Kafka's (Topic.validate, ReplicationControlManager and AdminZkClient there); the
sentences are ours and name what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from broker.wire.errors import ErrorCode

from .assign import Draw, assign_more, assign_replicas

__all__ = ["NAME_MAX", "PARTITIONS_MAX", "REPLICATION_FACTOR_MAX", "TopicRefused", "check_name", "plan_assignment", "plan_more"]

NAME_MAX = 249
"""A partition's folder is named topic-partition, and file systems allow 255 bytes."""
PARTITIONS_MAX = 10_000
"""In one topic; its assignment must fit in one znode."""
REPLICATION_FACTOR_MAX = 1
"""Brokers do not copy from each other yet."""
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+\Z")


class TopicRefused(Exception):
    """A topic that will not be created: the protocol's error and a sentence for the user."""

    def __init__(self, error: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message


def check_name(name: str, existing: Collection[str]) -> None:
    """Raises TopicRefused for a name that is illegal, taken, or that collides with one in metric names ('.' and '_')."""
    if not name or name in (".", "..") or len(name) > NAME_MAX or not _LEGAL.match(name):
        raise TopicRefused(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"the topic name {name[:NAME_MAX]!r} is illegal: 1 to {NAME_MAX} of the characters a-z A-Z 0-9 . _ -, "
            "and neither '.' nor '..'",
        )
    if name in existing:
        raise TopicRefused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    if "." in name or "_" in name:
        same = name.replace(".", "_")
        for other in existing:
            if other.replace(".", "_") == same:
                raise TopicRefused(
                    ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {other}"
                )


def plan_assignment(
    live: Collection[int],
    partitions: int,
    replication_factor: int,
    given: Mapping[int, Sequence[int]],
    draw: Draw,
) -> dict[int, tuple[int, ...]]:
    """Partition -> broker ids of a new topic, by the controller's choice or as given. Raises TopicRefused."""
    if given:
        return _check_given(live, given)
    if not 1 <= partitions <= PARTITIONS_MAX:
        raise TopicRefused(
            ErrorCode.INVALID_PARTITIONS, f"Number of partitions must be from 1 to {PARTITIONS_MAX}, not {partitions}."
        )
    _check_factor(replication_factor)
    _check_enough(live, replication_factor)
    return assign_replicas(sorted(live), partitions, replication_factor, draw)


def plan_more(
    live: Collection[int],
    present: Mapping[int, Sequence[int]],
    count: int,
    given: Sequence[Sequence[int]] | None,
) -> dict[int, tuple[int, ...]]:
    """Partition -> broker ids of what a topic lacks of `count` partitions, chosen or as given. Raises TopicRefused."""
    there = len(present)
    if count < there:
        raise TopicRefused(
            ErrorCode.INVALID_PARTITIONS, f"Topic currently has {there} partitions, which is higher than the requested {count}."
        )
    if count == there:
        raise TopicRefused(ErrorCode.INVALID_PARTITIONS, f"Topic already has {there} partitions.")
    if count > PARTITIONS_MAX:
        raise TopicRefused(
            ErrorCode.INVALID_PARTITIONS, f"Number of partitions must be from 1 to {PARTITIONS_MAX}, not {count}."
        )
    factor = len(present.get(0, ()))
    new = range(there, count)
    if given is not None:
        if len(given) != len(new):
            raise TopicRefused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Increasing the number of partitions by {len(new)} but {len(given)} assignments provided.",
            )
        return _check_replicas(live, dict(zip(new, given, strict=True)), factor)
    _check_factor(factor)
    _check_enough(live, factor)
    return assign_more(sorted(live), new, factor, present[0][0])


def _check_enough(live: Collection[int], factor: int) -> None:
    if factor > len(live):
        raise TopicRefused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Replication factor: {factor} larger than available brokers: {len(live)}.",
        )


def _check_factor(factor: int) -> None:
    if factor < 1:
        raise TopicRefused(ErrorCode.INVALID_REPLICATION_FACTOR, "Replication factor must be larger than 0.")
    if factor > REPLICATION_FACTOR_MAX:
        raise TopicRefused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Replication factor {factor} is not supported yet: partitions are not copied between brokers, "
            "so the replication factor must be 1.",
        )


def _check_given(live: Collection[int], given: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    if sorted(given) != list(range(len(given))) or len(given) > PARTITIONS_MAX:
        raise TopicRefused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "Partitions should be a consecutive 0-based integer sequence."
        )
    return _check_replicas(live, given, len(given[0]))


def _check_replicas(
    live: Collection[int], given: Mapping[int, Sequence[int]], factor: int
) -> dict[int, tuple[int, ...]]:
    for number, replicas in given.items():
        if not replicas or len(set(replicas)) != len(replicas) or len(replicas) != factor:
            raise TopicRefused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Partition {number}: every partition needs the same number of replicas, each on another broker.",
            )
        unknown = [replica for replica in replicas if replica not in live]
        if unknown:
            raise TopicRefused(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"Partition {number}: no live broker has the id {unknown[0]}."
            )
        _check_factor(len(replicas))
    return {number: tuple(replicas) for number, replicas in given.items()}
