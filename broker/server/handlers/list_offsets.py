"""ListOffsets (2), versions 0-7: offsets by time.

Behaviour: timestamp -1 is the end that the consumer may read up to, -2 the start, -3 the record with the largest
timestamp (v7), any other the first record of that time or later, -1 when there is none.
Version notes: v0 answers with a list of offsets, which has one here; v2 adds the isolation level; v4 leader epochs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.log.log import Log
from broker.log.lookup import latest_time, offset_for_time
from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.messages import (
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["list_offsets"]

LATEST, EARLIEST, MAX_TIMESTAMP = -1, -2, -3
READ_COMMITTED = 1
LEADER_EPOCH_FROM = 4
NO_OFFSET = NO_TIMESTAMP = -1


@handles(ApiKey.LIST_OFFSETS, versions=(0, 7))
def list_offsets(broker: Broker, request: Request, message: ListOffsetsRequest) -> ListOffsetsResponse:
    """Looks up each partition."""
    committed = message.isolation_level == READ_COMMITTED
    return ListOffsetsResponse(
        topics=[
            ListOffsetsResponseTopic(
                topic.name,
                [
                    _partition(broker, request.version, topic.name, partition, committed)
                    for partition in topic.partitions
                ],
            )
            for topic in message.topics
        ]
    )


def _partition(
    broker: Broker, version: int, topic: str, asked: ListOffsetsRequestPartition, committed: bool
) -> ListOffsetsResponsePartition:
    index = asked.partition_index
    replica = broker.replicas.find(topic, index)
    if replica is None:
        known = broker.metadata.image.partition(topic, index) is not None
        return _failed(
            index, ErrorCode.NOT_LEADER_OR_FOLLOWER if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        )
    error = replica.state.check(asked.current_leader_epoch)
    if error is not ErrorCode.NONE:
        return _failed(index, error)
    high_watermark = replica.state.high_watermark
    end = replica.log.stable_offset(high_watermark) if committed else high_watermark
    try:
        offset, timestamp, epoch = _look_up(replica.log, asked.timestamp, end)
    except KafkaError as failure:
        return _failed(index, failure.code)
    if version == 0:
        found = [offset] if offset != NO_OFFSET and asked.max_num_offsets > 0 else []
        return ListOffsetsResponsePartition(index, ErrorCode.NONE, found)
    answer = ListOffsetsResponsePartition(index, ErrorCode.NONE, timestamp=timestamp, offset=offset)
    if version >= LEADER_EPOCH_FROM:
        answer.leader_epoch = epoch
    return answer


def _look_up(log: Log, timestamp: int, end: int) -> tuple[int, int, int]:
    """(offset, timestamp, leader epoch), each -1 when there is none. Raises KafkaError."""
    if timestamp == LATEST:
        return end, NO_TIMESTAMP, log.latest_epoch
    if timestamp == EARLIEST:
        return log.start_offset, NO_TIMESTAMP, log.epochs.epoch_at(log.start_offset)
    found = latest_time(log) if timestamp == MAX_TIMESTAMP else offset_for_time(log, max(timestamp, 0))
    if found is None or found.offset >= end:
        return NO_OFFSET, NO_TIMESTAMP, -1
    return found.offset, found.timestamp_ms, found.leader_epoch


def _failed(index: int, error: int) -> ListOffsetsResponsePartition:
    return ListOffsetsResponsePartition(index, error)
