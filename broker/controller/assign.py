"""Which brokers get the replicas of a new topic, or of partitions that a topic gets later.

Kafka's rule for brokers without racks: first replicas go round the brokers from a random start; the other replicas of
each partition follow at a distance that grows by one each time the brokers are gone round, so that two topics, and two
partitions of one topic, pair different brokers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Draw", "assign_more", "assign_replicas"]


class Draw(Protocol):
    """The one thing needed of a random generator."""

    def randrange(self, stop: int, /) -> int:
        """A number from 0 to `stop` - 1."""
        ...


def assign_replicas(
    brokers: Sequence[int], partitions: int, replication_factor: int, draw: Draw
) -> dict[int, tuple[int, ...]]:
    """Partition -> broker ids. `replication_factor` is at most the number of brokers; both counts are at least 1."""
    assert 1 <= replication_factor <= len(brokers), "the caller checks the replication factor"
    count = len(brokers)
    return _go_round(sorted(brokers), range(partitions), replication_factor, draw.randrange(count), draw.randrange(count))


def assign_more(
    brokers: Sequence[int], partitions: range, replication_factor: int, first_leader: int
) -> dict[int, tuple[int, ...]]:
    """Partition -> broker ids of the new `partitions`: the round that began at partition 0's first replica goes on."""
    assert 1 <= replication_factor <= len(brokers), "the caller checks the replication factor"
    order = sorted(brokers)
    start = next((place for place, broker in enumerate(order) if broker >= first_leader), 0)
    return _go_round(order, partitions, replication_factor, start, start)


def _go_round(
    order: Sequence[int], partitions: range, replication_factor: int, start: int, shift: int
) -> dict[int, tuple[int, ...]]:
    count = len(order)
    assignment: dict[int, tuple[int, ...]] = {}
    for partition in partitions:
        if partition and partition % count == 0:
            shift += 1
        first = (partition + start) % count
        replicas = [order[first]]
        for number in range(replication_factor - 1):
            distance = 1 + (shift + number) % (count - 1)
            replicas.append(order[(first + distance) % count])
        assignment[partition] = tuple(replicas)
    return assignment
