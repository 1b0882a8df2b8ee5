"""Kafka's range assignor, and the subscriptions and assignments that group members exchange through the broker.

Range: for each topic, the members that subscribe to it in the order of their ids take consecutive partitions, the first
of them one more where the number does not divide. All clients that offer `range` must compute the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from broker.wire.codec import decode, encode_versioned
from broker.wire.fields import WireError
from broker.wire.messages import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentAssigned,
    ConsumerProtocolSubscription,
)

from .cluster import TopicPartition

__all__ = ["RANGE", "pack_assignment", "pack_subscription", "range_assignment", "topics_of", "unpack_assignment"]

RANGE = "range"
VERSION = 1
VERSION_KNOWN_MAX = 3


def range_assignment(members: Mapping[str, Sequence[str]], counts: Mapping[str, int]) -> dict[str, list[TopicPartition]]:
    """Member id to partitions, out of member id to topics and of topic to number of partitions."""
    found: dict[str, list[TopicPartition]] = {member: [] for member in members}
    for topic in sorted(counts):
        readers = sorted(member for member, topics in members.items() if topic in topics)
        if not readers:
            continue
        each, more = divmod(counts[topic], len(readers))
        at = 0
        for number, member in enumerate(readers):
            take = each + (number < more)
            found[member] += [(topic, partition) for partition in range(at, at + take)]
            at += take
    return found


def pack_subscription(topics: Sequence[str]) -> bytes:
    """What a member tells the leader."""
    return encode_versioned(ConsumerProtocolSubscription(sorted(topics), None), VERSION)


def topics_of(subscription: bytes) -> list[str]:
    """The topics of any member's subscription. Raises WireError."""
    return decode(ConsumerProtocolSubscription, _version(subscription), subscription, 2)[0].topics


def pack_assignment(partitions: Sequence[TopicPartition]) -> bytes:
    """What the leader tells a member."""
    topics: dict[str, list[int]] = defaultdict(list)
    for topic, partition in partitions:
        topics[topic].append(partition)
    rows = [ConsumerProtocolAssignmentAssigned(topic, numbers) for topic, numbers in topics.items()]
    return encode_versioned(ConsumerProtocolAssignment(rows, None), VERSION)


def unpack_assignment(assignment: bytes) -> list[TopicPartition]:
    """The member's partitions; none for an empty assignment. Raises WireError."""
    if not assignment:
        return []
    rows = decode(ConsumerProtocolAssignment, _version(assignment), assignment, 2)[0].assigned_partitions
    return [(row.topic, partition) for row in rows for partition in row.partitions]


def _version(data: bytes) -> int:
    """Later versions only add at the end, so what is known of them can be read."""
    if len(data) < 2:
        raise WireError("a group member's metadata has no version")
    return max(0, min(int.from_bytes(data[:2], "big", signed=True), VERSION_KNOWN_MAX))
