"""Produce: what is written, what is refused and how, and when the answer comes."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from broker.wire.batches import read_header
from broker.wire.errors import ErrorCode
from broker.wire.messages import ProduceRequest, ProduceRequestPartition, ProduceRequestTopic, ProduceResponse
from broker.wire.records import unpack_records
from tests.broker.server.rig import Client, Rig, batch, on_rig


def request(
    data: bytes, acks: int = -1, topic: str = "t", partition: int = 0, timeout_ms: int = 1000
) -> ProduceRequest:
    return ProduceRequest(
        None, acks, timeout_ms, [ProduceRequestTopic(topic, [ProduceRequestPartition(partition, data)])]
    )


def produce(
    client: Client, data: bytes, version: int = 9, acks: int = -1, **where: object
) -> tuple[int, int]:
    """(error, base offset) of the one partition."""
    response = client.ask(request(data, acks, **where), version, ProduceResponse)  # type: ignore[arg-type]
    answer = response.responses[0].partition_responses[0]
    return answer.error_code, answer.base_offset


def test_batches_are_stamped_and_written(tmp_path: Path) -> None:
    """Base offset and leader epoch are the leader's; the records are as they came."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert produce(client, batch(b"a", b"b")) == (0, 0)
        assert produce(client, batch(b"c")) == (0, 2)
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        data = replica.log.read(0, 1 << 20)
        first = read_header(data)
        second = read_header(data, first.size)
        assert (first.base_offset, first.leader_epoch, second.base_offset) == (0, rig.epoch, 2)
        assert [record.value for record in unpack_records(data[: first.size], 0, first)] == [b"a", b"b"]
        assert replica.state.high_watermark == 3

    on_rig(test, tmp_path)


def test_each_partition_has_its_own_error(tmp_path: Path) -> None:
    """One bad partition does not spoil the others of the request."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        rig.lead("elsewhere", leader=2)
        topics = [
            ProduceRequestTopic(
                "t", [ProduceRequestPartition(0, batch(b"a")), ProduceRequestPartition(7, batch(b"a"))]
            ),
            ProduceRequestTopic("elsewhere", [ProduceRequestPartition(0, batch(b"a"))]),
            ProduceRequestTopic("unknown", [ProduceRequestPartition(0, batch(b"a"))]),
        ]
        response = rig.client().ask(ProduceRequest(None, -1, 1000, topics), 11, ProduceResponse)
        errors = [p.error_code for topic in response.responses for p in topic.partition_responses]
        assert errors == [
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            ErrorCode.NOT_LEADER_OR_FOLLOWER,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        moved = response.responses[1].partition_responses[0]
        assert moved.current_leader.leader_id == 2
        assert [(node.node_id, node.host, node.port) for node in response.node_endpoints] == [(2, "h2", 9002)]

    on_rig(test, tmp_path)


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


GOOD = batch(b"x" * 100)
TRANSACTIONAL = batch(b"x", transactional=True, producer_id=1, producer_epoch=0, base_sequence=0)
OLD_FORMAT = GOOD[:16] + b"\x01" + GOOD[17:]


@pytest.mark.parametrize(
    ("data", "version", "error"),
    [
        (flipped(GOOD, 80), 9, ErrorCode.CORRUPT_MESSAGE),
        (GOOD[:-1], 9, ErrorCode.CORRUPT_MESSAGE),
        (b"", 9, ErrorCode.INVALID_RECORD),
        (b"short", 9, ErrorCode.CORRUPT_MESSAGE),
        (OLD_FORMAT, 1, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT),
        (batch(b"x" * 2000), 9, ErrorCode.MESSAGE_TOO_LARGE),
        (TRANSACTIONAL, 9, ErrorCode.INVALID_TXN_STATE),
        (GOOD + TRANSACTIONAL, 9, ErrorCode.INVALID_RECORD),
        (GOOD + TRANSACTIONAL, 2, ErrorCode.INVALID_RECORD),
        (GOOD + GOOD, 3, ErrorCode.INVALID_RECORD),
        (batch(b"x", codec=4), 6, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE),
        (batch(b"x", codec=4), 7, ErrorCode.NONE),
    ],
    ids=[
        "crc",
        "torn",
        "nothing",
        "short",
        "old format",
        "too large",
        "transactional",
        "transactional behind another",
        "transactional behind another, in an old version",
        "two",
        "zstd too early",
        "zstd",
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, data: bytes, version: int, error: ErrorCode
) -> None:
    """With the protocol's own error; the log is as it was."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert produce(client, data, version)[0] == error
        assert produce(client, GOOD, 9) == (0, 0 if error else 1)

    on_rig(test, tmp_path, "message.max.bytes=1000")


def test_a_batch_at_the_limit_is_taken(tmp_path: Path) -> None:
    """message.max.bytes itself is allowed, one byte more is not."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert produce(client, GOOD) == (0, 0)
        assert produce(client, batch(b"x" * 101))[0] == ErrorCode.MESSAGE_TOO_LARGE

    on_rig(test, tmp_path, f"message.max.bytes={len(GOOD)}")


def test_acks_are_0_1_or_all(tmp_path: Path) -> None:
    """Anything else is refused."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert produce(client, GOOD, acks=1) == (0, 0)
        assert produce(client, GOOD, acks=2)[0] == ErrorCode.INVALID_REQUIRED_ACKS
        assert produce(client, GOOD, acks=-2)[0] == ErrorCode.INVALID_REQUIRED_ACKS

    on_rig(test, tmp_path)


def test_without_acks_there_is_no_answer(tmp_path: Path) -> None:
    """The next request is answered at once; an error closes the connection, which is all the client can notice."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        client.send(request(GOOD, acks=0), 9)
        assert client.pipe.written == b""
        assert produce(client, GOOD) == (0, 1)
        client.send(request(GOOD, acks=0, topic="unknown"), 9)
        assert client.pipe.written == b""
        assert client.pipe.closed

    on_rig(test, tmp_path)


def test_acks_all_waits_for_the_in_sync_replicas(tmp_path: Path) -> None:
    """The answer comes when the high watermark has passed the records; acks=1 does not wait."""

    async def test(rig: Rig) -> None:
        rig.lead("t", isr=(1, 2))
        client, other = rig.client(), rig.client()
        client.send(request(GOOD), 9)
        assert client.answer(ProduceResponse, 9) is None
        assert client.pipe.paused
        assert produce(other, GOOD, acks=1) == (0, 1)
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        replica.state.fetched(2, rig.epoch, 1, trio.current_time())
        rig.broker.replicas.high_watermark_moved(replica)
        rig.wake()
        answer = client.answer(ProduceResponse, 9)
        assert answer is not None
        assert answer.responses[0].partition_responses[0].error_code == 0
        assert not client.pipe.paused

    on_rig(test, tmp_path)


def test_acks_all_gives_up_in_time(tmp_path: Path) -> None:
    """REQUEST_TIMED_OUT: the records are written, and not known to be safe."""

    async def test(rig: Rig) -> None:
        rig.lead("t", isr=(1, 2))
        client = rig.client()
        client.send(request(GOOD, timeout_ms=500), 9)
        await trio.sleep(0.4)
        assert client.answer(ProduceResponse, 9) is None
        await trio.sleep(0.2)
        answer = client.answer(ProduceResponse, 9)
        assert answer is not None
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.REQUEST_TIMED_OUT

    on_rig(test, tmp_path)


def test_a_client_that_hangs_up_is_not_waited_for(tmp_path: Path) -> None:
    """Its records are written all the same."""

    async def test(rig: Rig) -> None:
        rig.lead("t", isr=(1, 2))
        client = rig.client()
        client.send(request(GOOD, timeout_ms=2**31 - 1), 9)
        assert len(rig.broker.replicas.produces) == 1
        client.hang_up()
        assert len(rig.broker.replicas.produces) == 0
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        assert replica.log.end_offset == 1

    on_rig(test, tmp_path)


def test_a_leader_that_is_deposed_answers_what_waits(tmp_path: Path) -> None:
    """NOT_LEADER_OR_FOLLOWER, and the client asks the new one."""

    async def test(rig: Rig) -> None:
        rig.lead("t", isr=(1, 2))
        client = rig.client()
        client.send(request(GOOD), 9)
        rig.lead("t", leader=2, isr=(1, 2))
        answer = client.answer(ProduceResponse, 9)
        assert answer is not None
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    on_rig(test, tmp_path)


def test_too_few_in_sync_replicas_refuse_acks_all(tmp_path: Path) -> None:
    """min.insync.replicas holds for acks=all alone."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert produce(client, GOOD)[0] == ErrorCode.NOT_ENOUGH_REPLICAS
        assert produce(client, GOOD, acks=1) == (0, 0)

    on_rig(test, tmp_path, "min.insync.replicas=2")


def test_a_retried_batch_is_written_once(tmp_path: Path) -> None:
    """An idempotent producer's duplicate gets the offset of the first; a gap in its sequence is refused."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()

        def sequence(number: int) -> bytes:
            return batch(b"a", b"b", producer_id=9, producer_epoch=0, base_sequence=number)

        assert produce(client, sequence(0)) == (0, 0)
        assert produce(client, sequence(2)) == (0, 2)
        assert produce(client, sequence(0)) == (0, 0)
        assert produce(client, sequence(6))[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert produce(client, sequence(4)) == (0, 4)

    on_rig(test, tmp_path)


def test_append_time_is_answered(tmp_path: Path) -> None:
    """message.timestamp.type=LogAppendTime: the broker's clock, with a CRC that fits."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        rig.wall.ms = 1_800_000_000_000
        response = rig.client().ask(request(GOOD), 9, ProduceResponse)
        assert response.responses[0].partition_responses[0].log_append_time_ms == 1_800_000_000_000
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        header = read_header(replica.log.read(0, 1 << 20))
        assert header.is_append_time
        assert header.max_timestamp == 1_800_000_000_000

    on_rig(test, tmp_path, "log.message.timestamp.type=LogAppendTime")
