"""OffsetForLeaderEpoch (23), versions 0-4: where a leader epoch ended.

Behaviour: the largest epoch up to the one asked for, and the offset after its last record; -1 and -1 when nothing is
known of it. Consumers compare, and see whether the log was cut under them (KIP-320).
Version notes: v1 answers with the epoch, v2 fences by the current leader epoch, v3 carries the replica id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderEpochResponsePartition,
    OffsetForLeaderEpochResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["offset_for_leader_epoch"]


@handles(ApiKey.OFFSET_FOR_LEADER_EPOCH, versions=(0, 4))
def offset_for_leader_epoch(
    broker: Broker, request: Request, message: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    """Looks up each partition."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderEpochResponseTopic(
                topic.topic, [_partition(broker, topic.topic, partition) for partition in topic.partitions]
            )
            for topic in message.topics
        ]
    )


def _partition(
    broker: Broker, topic: str, asked: OffsetForLeaderEpochRequestPartition
) -> OffsetForLeaderEpochResponsePartition:
    index = asked.partition
    replica = broker.replicas.find(topic, index)
    if replica is None:
        known = broker.metadata.image.partition(topic, index) is not None
        error = ErrorCode.NOT_LEADER_OR_FOLLOWER if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return OffsetForLeaderEpochResponsePartition(error, index)
    error = replica.state.check(asked.current_leader_epoch)
    if error is not ErrorCode.NONE:
        return OffsetForLeaderEpochResponsePartition(error, index)
    epoch, end_offset = replica.log.epoch_end(asked.leader_epoch)
    return OffsetForLeaderEpochResponsePartition(ErrorCode.NONE, index, epoch, end_offset)
