"""The producer against a broker that fails on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from trio.testing import MockClock

from broker.client.cluster import open_cluster
from broker.client.producer import Failure, Producer, ProducerOptions, open_producer
from broker.wire.batches import Codec, batches
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
    ProduceRequest,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
)
from broker.wire.records import Record, read_records
from coord.kit.system import SystemWall
from tests.broker.client.fake_broker import DROP, FakeBroker, fake_broker

PRODUCE, METADATA, INIT = ProduceRequest.API_KEY, MetadataRequest.API_KEY, InitProducerIdRequest.API_KEY
QUICK = ProducerOptions(delivery_timeout_s=0.5, request_timeout_s=1.0)
STILL_S = 0.02
"""Time passes only when nothing has come on any connection for so long: no deadline is missed on a slow machine."""

Body = Callable[[FakeBroker, Producer, list[Failure]], Awaitable[None]]


def with_producer(body: Body, options: ProducerOptions = ProducerOptions(), topics: dict[str, int] | None = None) -> None:  # noqa: B008
    async def main() -> None:
        failures: list[Failure] = []
        with trio.fail_after(20):
            async with (
                fake_broker({"t": 3} if topics is None else topics) as broker,
                open_cluster(f"127.0.0.1:{broker.port}", "test") as cluster,
                open_producer(cluster, SystemWall(), options, failures.append) as producer,
            ):
                await body(broker, producer, failures)

    trio.run(main, clock=MockClock(autojump_threshold=STILL_S))


def records_of(broker: FakeBroker, partition: int) -> list[Record]:
    return [record for batch in broker.logs["t", partition] for record in read_records(batch)]


def refusing(code: int, message: str | None = None) -> Callable[[Any], ProduceResponse]:
    def refuse(request: ProduceRequest) -> ProduceResponse:
        return ProduceResponse(
            responses=[
                ProduceResponseTopic(t.name, [ProduceResponsePartition(p.index, code, error_message=message) for p in t.partition_data])
                for t in request.topic_data
            ]
        )

    return refuse


def test_records_arrive_in_order_and_by_key() -> None:
    """Equal keys meet in one partition, in the order in which they were appended; every codec."""
    for codec in (Codec.NONE, Codec.SNAPPY):

        async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
            await producer.prepare("t")
            for number in range(3000):
                producer.append("t", b"key-%d" % (number % 50), b"%d" % number, [("h", b"x")])
                if number % 500 == 0:
                    await producer.room()
            await producer.flush()

            assert (producer.acknowledged, producer.failed, failures) == (3000, 0, [])
            seen: dict[bytes, tuple[int, int]] = {}
            for partition in range(3):
                for record in records_of(broker, partition):
                    assert record.key is not None
                    home, last = seen.get(record.key, (partition, -1))
                    assert home == partition
                    assert int(record.value or b"") > last
                    assert record.headers == [("h", b"x")]
                    seen[record.key] = (partition, int(record.value or b""))
            assert len(seen) == 50

        with_producer(body, ProducerOptions(codec=codec, batch_size=2000))


def test_records_without_keys_fill_one_partition_at_a_time() -> None:
    """And turn to the next one with each full batch."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        await producer.prepare("t")
        for _ in range(300):
            producer.append("t", None, bytes(90))
        await producer.flush()
        assert sum(len(records_of(broker, partition)) for partition in range(3)) == 300
        assert all(records_of(broker, partition) for partition in range(3))
        assert sum(len(broker.logs["t", partition]) for partition in range(3)) <= 40

    with_producer(body, ProducerOptions(batch_size=1000))


def test_a_lost_answer_does_not_write_twice() -> None:
    """The batch is sent again with its numbers, so the broker can tell."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].append(DROP)
        await producer.prepare("t")
        producer.append("t", b"k", b"v", partition=1)
        await producer.flush()

        first, second = broker.sent(ProduceRequest)
        numbers = []
        for request in (first, second):
            ((_, header),) = batches(request.topic_data[0].partition_data[0].records)
            numbers.append((header.producer_id, header.producer_epoch, header.base_sequence))
        assert numbers[0] == numbers[1]
        assert numbers[0][0] >= 0
        assert producer.acknowledged == 1

    with_producer(body)


def test_a_duplicate_counts_as_written() -> None:
    """DUPLICATE_SEQUENCE_NUMBER says that it is there already."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].append(refusing(ErrorCode.DUPLICATE_SEQUENCE_NUMBER))
        await producer.prepare("t")
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert (producer.acknowledged, failures) == (1, [])

    with_producer(body)


def test_passing_errors_are_tried_again() -> None:
    """Also after the leader has moved, which Metadata tells."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        for code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.REQUEST_TIMED_OUT):
            broker.faults[PRODUCE].append(refusing(code))
        await producer.prepare("t")
        asked = len(broker.sent(MetadataRequest))
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert (producer.acknowledged, failures) == (1, [])
        assert len(broker.sent(ProduceRequest)) == 4
        assert len(broker.sent(MetadataRequest)) > asked

    with_producer(body)


def test_lasting_errors_are_reported() -> None:
    """With the broker's own message, and what follows is still written."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].append(refusing(ErrorCode.INVALID_RECORD, "no key"))
        await producer.prepare("t")
        producer.append("t", b"k", b"v", partition=2)
        producer.append("t", b"k", b"w", partition=2)
        await producer.flush()
        (failure,) = failures
        assert (failure.topic, failure.partition, failure.records, str(failure.error)) == ("t", 2, 2, "no key")
        assert producer.failed == 2

        producer.append("t", b"k", b"x", partition=2)
        await producer.flush()
        assert [record.value for record in records_of(broker, 2)] == [b"x"]
        ids = {next(batches(p.records))[1].producer_id for r in broker.sent(ProduceRequest) for p in r.topic_data[0].partition_data}
        assert len(ids) == 2, "the numbers after a gap would be refused: a new id"

    with_producer(body)


def test_a_deadline_ends_the_trying() -> None:
    """A partition without a leader, and a broker that always says no: both are given up in time."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].extend([refusing(ErrorCode.NOT_ENOUGH_REPLICAS)] * 100)
        await producer.prepare("t")
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert failures[0].error.code == ErrorCode.NOT_ENOUGH_REPLICAS

    with_producer(body, QUICK)

    async def leaderless(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        await producer.prepare("t")
        broker.faults[PRODUCE].append(refusing(ErrorCode.NOT_LEADER_OR_FOLLOWER))
        row = MetadataResponseTopic(0, "t", partitions=[MetadataResponsePartition(0, at, -1) for at in range(3)])
        nobody = MetadataResponse(brokers=[MetadataResponseBroker(1, "127.0.0.1", broker.port)], controller_id=1, topics=[row])
        broker.faults[METADATA].extend([nobody] * 100)
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert failures[0].error.code == ErrorCode.LEADER_NOT_AVAILABLE

    with_producer(leaderless, QUICK)


def test_retries_can_be_limited() -> None:
    """As kafka-console-producer's --message-send-max-retries."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].extend([refusing(ErrorCode.NOT_ENOUGH_REPLICAS)] * 100)
        await producer.prepare("t")
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert len(broker.sent(ProduceRequest)) == 3
        assert len(failures) == 1

    with_producer(body, ProducerOptions(retries=2))


def test_a_batch_that_is_too_large_is_split() -> None:
    """Until it fits; a single record that does not fit is a failure."""

    def refuse_large(request: ProduceRequest) -> ProduceResponse | None:
        large = [p for p in request.topic_data[0].partition_data if len(p.records or b"") > 500]
        return refusing(ErrorCode.MESSAGE_TOO_LARGE)(request) if large else None

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].extend([refuse_large] * 100)
        await producer.prepare("t")
        for number in range(20):
            producer.append("t", b"k", b"%03d" % number + bytes(50), partition=0)
        producer.append("t", b"k", bytes(1000), partition=0)
        await producer.flush()
        assert [(record.value or b"")[:3] for record in records_of(broker, 0)] == [b"%03d" % number for number in range(20)]
        assert [(failure.records, failure.error.code) for failure in failures] == [(1, ErrorCode.MESSAGE_TOO_LARGE)]

    with_producer(body)


def test_without_acknowledgement_nothing_is_waited_for() -> None:
    """acks=0: sent is written, as far as anybody knows."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        await producer.prepare("t")
        producer.append("t", b"k", b"v", partition=0)
        await producer.flush()
        assert producer.acknowledged == 1
        while not records_of(broker, 0):
            await trio.sleep(0.01)
        assert broker.sent(InitProducerIdRequest) == []

    with_producer(body, ProducerOptions(acks=0))


def test_a_broker_without_producer_ids_is_written_to_all_the_same() -> None:
    """Where the request is unknown, or refused; and it is asked again while the coordinator loads."""

    async def refused(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[INIT].append(InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
        broker.faults[INIT].append(InitProducerIdResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED))
        await producer.prepare("t")
        producer.append("t", b"k", b"v", partition=0)
        await producer.flush()
        ((_, header),) = batches(broker.logs["t", 0][0])
        assert header.producer_id == -1

    with_producer(refused)

    async def unknown(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        await producer.prepare("t")
        producer.append("t", b"k", b"v", partition=0)
        await producer.flush()
        assert len(records_of(broker, 0)) == 1

    async def main() -> None:
        async with fake_broker({"t": 1}) as broker:
            del broker.ranges[INIT]
            async with (
                open_cluster(f"127.0.0.1:{broker.port}", "test") as cluster,
                open_producer(cluster, SystemWall(), ProducerOptions(), print) as producer,
            ):
                await unknown(broker, producer, [])

    trio.run(main)


def test_batches_are_given_up_while_there_is_no_producer_id() -> None:
    """A coordinator that never comes is not waited for beyond the deadline."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[INIT].extend([InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)] * 100)
        await producer.prepare("t")
        producer.append("t", b"k", b"v")
        await producer.flush()
        assert failures[0].error.code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert broker.sent(ProduceRequest) == []

    with_producer(body, QUICK)


def test_lingering_batches_travel_together() -> None:
    """A batch that is not full waits for more records."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        await producer.prepare("t")
        for number in range(5):
            producer.append("t", b"k", b"%d" % number)
            await producer.room()
            await trio.sleep(0.01)
        assert broker.sent(ProduceRequest) == []
        await trio.sleep(0.3)
        assert len(broker.sent(ProduceRequest)) == 1

    with_producer(body, ProducerOptions(linger_s=0.15))


def test_room_is_bounded() -> None:
    """The caller waits when too much is buffered."""

    async def body(broker: FakeBroker, producer: Producer, failures: list[Failure]) -> None:
        broker.faults[PRODUCE].extend([refusing(ErrorCode.NOT_ENOUGH_REPLICAS)] * 3)
        await producer.prepare("t")
        producer.append("t", b"k", bytes(5000))
        began = trio.current_time()
        await producer.room()
        assert trio.current_time() - began > 0.2
        assert producer.acknowledged == 1

    with_producer(body, ProducerOptions(buffer_size=1000))
