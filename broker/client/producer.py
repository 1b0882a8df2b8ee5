"""A producer: records in, batches out to their leaders, failures reported.

`append` never waits, so that a caller can hand over thousands of records in a row; `room` is where it waits when too
much is buffered. One request to a broker carries one batch for each partition that it leads. Each partition has one
batch under way at a time, so order holds without further rules; batches that fail for a passing reason are sent again
until their deadline.

With acks=all the producer is idempotent where the broker allows: a batch that is sent again because its answer was
lost is not written twice.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from broker.wire.api import ApiKey
from broker.wire.batches import Codec
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.messages import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    ProduceResponse,
)
from broker.wire.records import Headers
from coord.kit.host import Wall

from .accumulator import Accumulator, Batch, Lane, Producing
from .background import background
from .cluster import Cluster
from .partitioner import partition_of_key

__all__ = ["Failure", "Producer", "ProducerOptions", "open_producer"]

log = logging.getLogger(__name__)

RETRY_PAUSE_S = 0.1
REQUEST_SIZE_MAX = 1 << 20
_RESETS = frozenset(
    (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID, ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED)
)
_STALE = frozenset(
    (
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.KAFKA_STORAGE_ERROR,
    )
)


@dataclass(frozen=True, slots=True)
class ProducerOptions:
    """Times are seconds, sizes bytes."""

    acks: int = -1
    codec: Codec = Codec.NONE
    idempotent: bool = True
    """Only with acks=-1."""
    batch_size: int = 64 * 1024
    buffer_size: int = 32 * 1024 * 1024
    linger_s: float = 0.0
    """How long a batch that is not full waits for more records."""
    request_timeout_s: float = 30.0
    delivery_timeout_s: float = 120.0
    retries: int | None = None
    """How often a batch is sent again; None for as often as its deadline allows."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Records of one partition which were not written, or whose writing was not confirmed."""

    topic: str
    partition: int
    records: int
    error: KafkaError


class Producer:
    """Made by `open_producer`."""

    def __init__(self, cluster: Cluster, wall: Wall, options: ProducerOptions, on_failure: Callable[[Failure], None]) -> None:
        self.acknowledged = 0
        """Records that were written, as far as acks tells."""
        self.failed = 0
        """Records that were reported as failures."""
        self._cluster = cluster
        self._wall = wall
        self._options = options
        self._on_failure = on_failure
        self._accumulator = Accumulator(options.batch_size)
        self._counts: dict[str, int] = {}
        self._sticky: dict[str, int] = {}
        self._producing: Producing | None = None
        self._numbered = options.idempotent and options.acks == -1
        self._flushing = 0
        self._deadline = 0.0
        self._wake = trio.Event()
        self._changed = trio.Event()

    # for the caller

    async def prepare(self, topic: str) -> None:
        """Learns a topic's partitions, creating it if the broker does that. Must precede `append`. Raises KafkaError."""
        found = await self._cluster.topic(topic, create=True)
        self._counts[topic] = len(found.leaders)
        self._sticky.setdefault(topic, self._wall.now_ms() % len(found.leaders))
        self._renew_deadline()

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = (), *, partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> None:  # fmt: skip
        """Buffers a record: at `partition`, else by its key, else where the last ones without a key went."""
        if partition is None:
            count = self._counts[topic]
            partition = self._sticky[topic] if key is None else partition_of_key(key, count)
        when = self._wall.now_ms() if timestamp_ms is None else timestamp_ms
        filled = self._accumulator.append(topic, partition, key, value, headers, when, self._deadline)
        if filled and key is None:  # one batch to each partition in turn
            self._sticky[topic] = (self._sticky[topic] + 1) % self._counts[topic]

    async def room(self) -> None:
        """Lets what was appended travel; returns when there is room for more."""
        self._wake.set()
        await trio.lowlevel.checkpoint()
        while self._accumulator.held > self._options.buffer_size:
            await self._changed.wait()
        self._renew_deadline()

    async def flush(self) -> None:
        """Returns when everything that was appended is settled: acknowledged, or reported as failed."""
        self._flushing += 1
        try:
            self._wake.set()
            while self._accumulator.held:
                await self._changed.wait()
        finally:
            self._flushing -= 1

    # the sending task

    async def run(self) -> None:
        """Sends for ever; `open_producer` starts and ends it."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                if self._numbered and self._producing is None and self._accumulator.held:
                    error = await self._number()
                    if error is not None:
                        self._give_up(error)
                        await trio.sleep(RETRY_PAUSE_S)
                        continue
                wait = await self._dispatch(nursery)
                with trio.move_on_after(wait):
                    await self._wake.wait()

    async def _dispatch(self, nursery: trio.Nursery) -> float:
        """Starts a request to each leader that has something ready; returns how long to wait for more."""
        now = trio.current_time()
        wait = math.inf
        ready: dict[int, list[Lane]] = defaultdict(list)
        for lane in self._accumulator.lanes():
            if lane.sending is not None or not lane.waiting:
                continue
            due = self._due(lane, now)
            if due > now:
                wait = min(wait, due - now)
                continue
            try:
                ready[await self._cluster.leader((lane.topic, lane.partition))].append(lane)
            except KafkaError as error:
                batch = lane.take(None)
                self._settle(lane, batch, error)
                wait = min(wait, RETRY_PAUSE_S)
        for leader, lanes in ready.items():
            sending: list[tuple[Lane, Batch]] = []
            size = 0
            for lane in lanes:
                batch = lane.take(self._producing)
                if sending and size + batch.size > REQUEST_SIZE_MAX:
                    nursery.start_soon(self._send, leader, sending)
                    sending, size = [], 0
                sending.append((lane, batch))
                size += batch.size
            nursery.start_soon(self._send, leader, sending)
        return wait

    def _due(self, lane: Lane, now: float) -> float:
        """When the lane's next batch may go."""
        if lane.retry_at > now:
            return lane.retry_at
        batch = lane.full[0] if lane.full else lane.filling
        if lane.full or self._flushing or batch is None or not self._options.linger_s:
            return now
        return batch.deadline - self._options.delivery_timeout_s + self._options.linger_s

    async def _send(self, leader: int, sending: list[tuple[Lane, Batch]]) -> None:
        """One request to a leader, and what its answer means for each batch."""
        options = self._options
        topics: dict[str, list[ProduceRequestPartition]] = defaultdict(list)
        for lane, batch in sending:
            topics[lane.topic].append(ProduceRequestPartition(lane.partition, batch.seal(options.codec)))
        request = ProduceRequest(
            acks=options.acks,
            timeout_ms=int(options.request_timeout_s * 1000),
            topic_data=[ProduceRequestTopic(topic, partitions) for topic, partitions in topics.items()],
        )
        errors: dict[tuple[str, int], KafkaError | None] = {}
        lost: KafkaError | None = None
        try:
            connection = await self._cluster.node(leader)
            if options.acks == 0:
                await connection.send(request)
            else:
                answer = await connection.request(request, ProduceResponse, timeout_s=options.request_timeout_s + 5)
                errors = _outcomes(answer)
        except KafkaError as error:
            lost = error
        missing = None if options.acks == 0 else KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "the answer lacks the partition")
        for lane, batch in sending:
            self._settle(lane, batch, lost or errors.get((lane.topic, lane.partition), missing))
        self._wake.set()

    def _settle(self, lane: Lane, batch: Batch, error: KafkaError | None) -> None:
        """Written, to be sent again, or given up."""
        count = len(batch.packed)
        if error is None or error.code == ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
            self.acknowledged += count
        elif error.code in (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.RECORD_LIST_TOO_LARGE) and count > 1:
            halves = batch.split()
            self._accumulator.held += sum(half.size for half in halves) - batch.size
            lane.give_back(*halves)
            return
        elif self._try_again(batch, error):
            if error.code in _STALE:
                self._cluster.forget(lane.topic)
            lane.retry_at = trio.current_time() + RETRY_PAUSE_S
            lane.give_back(batch)
            return
        else:
            self.failed += count
            if batch.producing is not None and batch.producing == self._producing:
                self._producing = None  # the numbers after a gap would be refused: start with a new id
            self._on_failure(Failure(lane.topic, lane.partition, count, error))
        lane.done()
        self._accumulator.settle(batch)
        self._change_now()

    def _try_again(self, batch: Batch, error: KafkaError) -> bool:
        if error.code in _RESETS or not error.retriable or trio.current_time() >= batch.deadline:
            return False
        batch.tries += 1
        return self._options.retries is None or batch.tries <= self._options.retries

    async def _number(self) -> KafkaError | None:
        """Takes a producer id, or finds that there is none to be had: batches go without numbers then.

        Returns why neither is known yet.
        """
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        try:
            connection = await self._cluster.any()
            if not connection.offers(ApiKey.INIT_PRODUCER_ID):
                self._numbered = False
                return None
            answer = await connection.request(request, InitProducerIdResponse)
        except KafkaError as error:
            return error
        if answer.error_code == ErrorCode.NONE:
            self._producing = Producing(answer.producer_id, answer.producer_epoch)
            return None
        refused = KafkaError(answer.error_code)
        if refused.retriable:
            return refused
        log.info("the broker gives no producer id (%s): records that are sent again may be written twice", refused)
        self._numbered = False
        return None

    def _give_up(self, error: KafkaError) -> None:
        """Reports the batches whose time is over while there is no producer id."""
        for lane in self._accumulator.lanes():
            while lane.sending is None and lane.waiting:
                batch = lane.take(None)
                if trio.current_time() < batch.deadline:
                    lane.give_back(batch)
                    break
                self._settle(lane, batch, error)

    def _renew_deadline(self) -> None:
        """Once for many records: a clock call for each would cost as much as packing it."""
        self._deadline = trio.current_time() + self._options.delivery_timeout_s

    def _change_now(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _outcomes(answer: ProduceResponse) -> dict[tuple[str, int], KafkaError | None]:
    found: dict[tuple[str, int], KafkaError | None] = {}
    for topic in answer.responses:
        for row in topic.partition_responses:
            error = KafkaError(row.error_code, row.error_message) if row.error_code else None
            found[topic.name, row.index] = error
    return found


@asynccontextmanager
async def open_producer(
    cluster: Cluster, wall: Wall, options: ProducerOptions, on_failure: Callable[[Failure], None]
) -> AsyncIterator[Producer]:
    """A producer for the length of the block; leaving it flushes."""
    async with background() as nursery:
        producer = Producer(cluster, wall, options, on_failure)
        nursery.start_soon(producer.run)
        yield producer
        await producer.flush()
