"""Fetch (1), versions 0-16: consumers read record batches.

Behaviour: whole batches as they lie on disk, from the one that holds the offset, up to the high watermark (to the last
stable offset for read_committed). When there are fewer than min_bytes the request waits for max_wait_ms at most, and
not for longer than a connection may idle: a client that vanished without a word is not waited for. The first batch of a
response comes however large it is (KIP-74). Fetch sessions are not kept: every answer has session id 0, which tells a
client to name all its partitions every time (KIP-227).
Version notes: v0-3 would need formats before v2 and get UNSUPPORTED_VERSION where there are records (they are
advertised because old librdkafka reads features from them); v9 adds the leader epoch; v13 names topics by id; v16 tells
who leads instead (KIP-951).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from broker.log.log import EXTENT_MIN
from broker.server.dispatch import PENDING, Outcome, Request, handles
from broker.server.metadata_cache import Image
from broker.server.replica_manager import Key, Replica
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Message, Records
from broker.wire.messages import (
    FetchRequest,
    FetchRequestPartition,
    FetchResponse,
    FetchResponseAbortedTransaction,
    FetchResponseEndpoint,
    FetchResponseLeader,
    FetchResponsePartition,
    FetchResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["COPIED_BYTES_MAX", "fetch"]

FORMAT_V2_FROM = 4
TOPIC_IDS_FROM = 13
NEW_LEADER_FROM = 12
ENDPOINTS_FROM = 16
READ_COMMITTED = 1
COPIED_BYTES_MAX = 8 << 20
"""What a response may hold in memory until its client takes it; what is sent from the segments' files is not in memory."""

Asked = tuple[Key, FetchRequestPartition]


class _Fetch:
    """One fetch request that is being served."""

    __slots__ = (
        "_asked",
        "_broker",
        "_bytes_wanted",
        "_committed_then",
        "_message",
        "_read_committed",
        "_request",
    )

    def __init__(self, broker: Broker, request: Request, message: FetchRequest) -> None:
        self._broker = broker
        self._request = request
        self._message = message
        self._read_committed = message.isolation_level == READ_COMMITTED
        self._asked: list[Replica] = []
        """The replicas that a waiting request watches."""
        self._committed_then = 0
        self._bytes_wanted = 0

    def serve(self) -> Message | Outcome:
        """Answers at once if there is enough, or something to say; waits otherwise."""
        message, broker = self._message, self._broker
        response, size, at_once = self._read()
        if at_once or size >= message.min_bytes or message.max_wait_ms <= 0:
            return response
        self._bytes_wanted = message.min_bytes - size
        self._committed_then = sum(replica.committed for replica in self._asked)
        deadline = broker.clock.now() + min(message.max_wait_ms, broker.config.connections_max_idle_ms) / 1000
        keys = [replica.key for replica in self._asked]
        waiting = broker.replicas.fetches.park(self.finish, keys, deadline, self.ready)
        if waiting is None:
            return response
        self._request.let_go = partial(broker.replicas.fetches.drop, waiting)
        broker.clock.nudge(deadline)
        return PENDING

    def ready(self) -> bool:
        """Whether enough has been written, and can be read, since the request began to wait."""
        return sum(replica.committed for replica in self._asked) - self._committed_then >= self._bytes_wanted

    def finish(self) -> None:
        """Answers with what there is now."""
        if not self._request.origin.gone:
            self._request.reply(self._read()[0])

    def _read(self) -> tuple[FetchResponse, int, bool]:
        """The response, its bytes of records, and whether something in it must be told at once."""
        message, image = self._message, self._broker.metadata.image
        response = FetchResponse()
        room = min(message.max_bytes, self._broker.config.fetch_max_bytes)
        size = copied = 0
        at_once = not message.topics
        self._asked.clear()
        for topic in message.topics:
            name = topic.topic
            known = True
            if self._request.version >= TOPIC_IDS_FROM:
                name = image.names.get(topic.topic_id, "")
                known = bool(name)
            answers = FetchResponseTopic(name, topic.topic_id)
            response.responses.append(answers)
            for asked in topic.partitions:
                if known:
                    answer = self._read_partition((name, asked.partition), asked, room - size, size == 0)
                else:
                    answer = _failed(asked.partition, ErrorCode.UNKNOWN_TOPIC_ID)
                answers.partitions.append(answer)
                length = len(answer.records or b"")
                size += length
                if length < EXTENT_MIN:
                    copied += length
                    if copied > COPIED_BYTES_MAX:
                        room = 0
                if answer.error_code:
                    at_once = True
                    self._tell_leader(response, image, (name, asked.partition), answer)
        return response, size, at_once

    def _read_partition(
        self, key: Key, asked: FetchRequestPartition, room: int, first: bool
    ) -> FetchResponsePartition:
        replica = self._broker.replicas.find(*key)
        if replica is None:
            known = self._broker.metadata.image.partition(*key) is not None
            error = ErrorCode.NOT_LEADER_OR_FOLLOWER if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return _failed(key[1], error)
        state, log = replica.state, replica.log
        error = state.check(asked.current_leader_epoch)
        if error is not ErrorCode.NONE:
            return _failed(key[1], error)
        offset = asked.fetch_offset
        high_watermark = state.high_watermark
        stable = log.stable_offset(high_watermark)
        end = stable if self._read_committed else high_watermark
        records: Records = b""
        try:
            if offset != end or offset < log.start_offset:
                found = log.lend(offset, min(asked.partition_max_bytes, max(room, 0)), end, first)
                records = cast(Records, found)  # the codec asks for its length alone, and the transport takes it
            aborted = log.aborted(offset, end) if self._read_committed and len(records) else []
        except KafkaError as failure:
            return _failed(key[1], failure.code, high_watermark, log.start_offset)
        if self._request.version < FORMAT_V2_FROM and len(records):
            return _failed(key[1], ErrorCode.UNSUPPORTED_VERSION)
        self._asked.append(replica)
        return FetchResponsePartition(
            key[1],
            0,
            high_watermark,
            stable,
            log.start_offset,
            aborted_transactions=[
                FetchResponseAbortedTransaction(txn.producer_id, txn.first_offset) for txn in aborted
            ]
            if self._read_committed
            else None,
            records=records,
        )

    def _tell_leader(
        self, response: FetchResponse, image: Image, key: Key, answer: FetchResponsePartition
    ) -> None:
        """Where to go instead, for a partition that is led elsewhere."""
        version = self._request.version
        moved = answer.error_code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)
        partition = image.partition(*key)
        if not moved or version < NEW_LEADER_FROM or partition is None or partition.leader < 0:
            return
        answer.current_leader = FetchResponseLeader(partition.leader, partition.leader_epoch)
        node = image.brokers.get(partition.leader)
        endpoint = None if node is None else node.endpoints.get(self._request.origin.listener)
        known = {endpoint.node_id for endpoint in response.node_endpoints}
        if version >= ENDPOINTS_FROM and node is not None and endpoint is not None and node.id not in known:
            response.node_endpoints.append(FetchResponseEndpoint(node.id, *endpoint, node.rack))


@handles(ApiKey.FETCH, versions=(0, 16))
def fetch(broker: Broker, request: Request, message: FetchRequest) -> Message | Outcome:
    """Reads, or waits."""
    if message.session_id != 0 and message.session_epoch > 0:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    return _Fetch(broker, request, message).serve()


def _failed(index: int, error: int, high_watermark: int = -1, log_start: int = -1) -> FetchResponsePartition:
    return FetchResponsePartition(
        index, error, high_watermark, -1, log_start, aborted_transactions=None, records=b""
    )
