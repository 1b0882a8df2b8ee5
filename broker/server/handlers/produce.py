"""Produce (0), versions 0-11: clients append record batches.

Behaviour: each partition's batches are checked by their headers, stamped and written from the receive buffer; records
are never unpacked. acks=0 has no response, and an error closes the connection; acks=1 answers at once; acks=all when
the high watermark has passed the records, or with REQUEST_TIMED_OUT. Transactional batches are refused: no transaction
can have been begun.
Version notes: v0-2 carry formats before v2 and are refused for each partition (they are advertised because old
librdkafka reads features from them); v7 is the first that may carry zstd; v8 adds messages; v10 tells who leads
instead (KIP-951).
"""

from __future__ import annotations

import logging
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING

from broker.log.log import AppendInfo
from broker.server.dispatch import NO_RESPONSE, PENDING, Outcome, Request, handles
from broker.server.replica_manager import Key, Replica
from broker.wire.api import ApiKey
from broker.wire.batches import LOG_OVERHEAD, BatchError
from broker.wire.errors import ErrorCode, KafkaError, message_of
from broker.wire.fields import Message
from broker.wire.messages import (
    ProduceRequest,
    ProduceRequestPartition,
    ProduceResponse,
    ProduceResponseEndpoint,
    ProduceResponseLeader,
    ProduceResponsePartition,
    ProduceResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["produce"]

log = logging.getLogger(__name__)

ALL, NONE = -1, 0
ZSTD_FROM = 7
NEW_LEADER_FROM = 10
TRANSACTIONAL_BIT, CODEC_BITS, ZSTD = 0x10, 0x07, 4
MAGIC_V2 = 2
LENGTH_AT, MAGIC_AT, ATTRIBUTES_AT = 8, 16, 22
"""Where a batch's length, its format, and the lower byte of its attributes lie in it."""

_LENGTH = Struct(">i")

Wait = tuple[Replica, AppendInfo, int, ProduceResponsePartition]
"""Records that are written and not acknowledged: the replica, where they are, in which leader epoch, and the answer."""


@handles(ApiKey.PRODUCE, versions=(0, 11))
def produce(broker: Broker, request: Request, message: ProduceRequest) -> Message | Outcome:
    """Appends everything, then answers as acks says."""
    acks = message.acks
    response = ProduceResponse()
    waits: list[Wait] = []
    failed = ErrorCode.NONE
    now_ms = broker.host.wall.now_ms()
    for topic in message.topic_data:
        answers = ProduceResponseTopic(topic.name)
        response.responses.append(answers)
        for partition in topic.partition_data:
            key = topic.name, partition.index
            try:
                answer = _append(broker, request.version, key, partition, acks, now_ms, waits)
            except KafkaError as error:
                failed = ErrorCode(error.code)
                answer = _refusal(broker, request, response, key, failed, str(error))
            answers.partition_responses.append(answer)
    if acks == NONE:
        if failed is not ErrorCode.NONE:
            request.origin.close(f"produced with acks=0 what cannot be written: {message_of(failed)}")
        return NO_RESPONSE
    if not waits:
        return response
    return _wait(broker, request, response, waits, min(message.timeout_ms, broker.config.connections_max_idle_ms) / 1000)


def _append(
    broker: Broker,
    version: int,
    key: Key,
    partition: ProduceRequestPartition,
    acks: int,
    now_ms: int,
    waits: list[Wait],
) -> ProduceResponsePartition:
    """Appends the batches of one partition. Raises KafkaError."""
    replica = broker.replicas.find(*key)
    if replica is None:
        raise _absent(broker, key)
    if not -1 <= acks <= 1:
        raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
    state, records = replica.state, partition.records
    error = state.check_append(acks, replica.log.config.min_insync_replicas)
    if error is not ErrorCode.NONE:
        raise KafkaError(error)
    if records is None or isinstance(records, bytes):
        raise BatchError(ErrorCode.INVALID_RECORD, "there is no record batch")
    if len(records) > ATTRIBUTES_AT and records[MAGIC_AT] == MAGIC_V2:
        if _LENGTH.unpack_from(records, LENGTH_AT)[0] + LOG_OVERHEAD < len(records):
            raise BatchError(ErrorCode.INVALID_RECORD, "a produce request holds exactly one record batch for a partition")
        attributes = records[ATTRIBUTES_AT]
        if attributes & TRANSACTIONAL_BIT:
            raise KafkaError(ErrorCode.INVALID_TXN_STATE)
        if version < ZSTD_FROM and attributes & CODEC_BITS == ZSTD:
            raise KafkaError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    info = replica.log.append(records, state.leader_epoch, now_ms)
    if not info.duplicate:
        broker.replicas.appended(replica, len(records))
    answer = ProduceResponsePartition(
        key[1], 0, info.base_offset, info.append_time_ms, replica.log.start_offset
    )
    if acks == ALL and state.high_watermark <= info.last_offset:
        waits.append((replica, info, state.leader_epoch, answer))
    return answer


def _absent(broker: Broker, key: Key) -> KafkaError:
    """What to tell about a partition that is not on this broker."""
    known = broker.metadata.image.partition(*key) is not None
    return KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _refusal(
    broker: Broker, request: Request, response: ProduceResponse, key: Key, error: ErrorCode, text: str
) -> ProduceResponsePartition:
    if error is ErrorCode.CORRUPT_MESSAGE:
        log.warning(
            "%s (client id %r) produced to %s-%d: %s", request.origin.host, request.client_id, *key, text
        )
    answer = ProduceResponsePartition(key[1], error, base_offset=-1, error_message=text)
    if error is ErrorCode.NOT_LEADER_OR_FOLLOWER and request.version >= NEW_LEADER_FROM:
        partition = broker.metadata.image.partition(*key)
        if partition is not None and partition.leader >= 0:
            answer.current_leader = ProduceResponseLeader(partition.leader, partition.leader_epoch)
            node = broker.metadata.image.brokers.get(partition.leader)
            endpoint = None if node is None else node.endpoints.get(request.origin.listener)
            known = {endpoint.node_id for endpoint in response.node_endpoints}
            if node is not None and endpoint is not None and node.id not in known:
                response.node_endpoints.append(ProduceResponseEndpoint(node.id, *endpoint, node.rack))
    return answer


def _wait(
    broker: Broker, request: Request, response: ProduceResponse, waits: list[Wait], timeout: float
) -> Outcome:
    """Parks the request until every wait is over."""

    def ready() -> bool:
        return all(_acknowledged(wait) is not None for wait in waits)

    def finish() -> None:
        for wait in waits:
            error = _acknowledged(wait)
            wait[3].error_code = ErrorCode.REQUEST_TIMED_OUT if error is None else error
        if not request.origin.gone:
            request.reply(response)

    deadline = broker.clock.now() + timeout
    waiting = broker.replicas.produces.park(finish, [wait[0].key for wait in waits], deadline, ready)
    if waiting is None:
        finish()
    else:
        request.let_go = partial(broker.replicas.produces.drop, waiting)
    broker.clock.nudge(deadline)
    return PENDING


def _acknowledged(wait: Wait) -> ErrorCode | None:
    replica, info, leader_epoch, _ = wait
    return replica.state.acknowledged(info.last_offset, leader_epoch, replica.log.config.min_insync_replicas)
