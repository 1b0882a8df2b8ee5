"""Fetch, ListOffsets and OffsetForLeaderEpoch: what a consumer sees, and when."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from broker.server.handlers import fetch as fetch_module
from broker.wire.batches import batches, read_header
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    FetchRequest,
    FetchRequestPartition,
    FetchRequestTopic,
    FetchResponse,
    FetchResponsePartition,
    ListOffsetsRequest,
    ListOffsetsRequestPartition,
    ListOffsetsRequestTopic,
    ListOffsetsResponse,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochRequestPartition,
    OffsetForLeaderEpochRequestTopic,
    OffsetForLeaderEpochResponse,
)
from tests.broker.server.rig import TOPIC_ID, Client, Rig, batch, on_rig
from tests.broker.server.test_produce import produce

VERSION = 12
BIG = 1 << 30


def request(
    *offsets: int, topic: str = "t", wait_ms: int = 0, min_bytes: int = 1, max_bytes: int = BIG, partition_bytes: int = BIG,
    epoch: int = -1, isolation: int = 0,
) -> FetchRequest:  # fmt: skip
    partitions = [
        FetchRequestPartition(number, epoch, offset, partition_max_bytes=partition_bytes)
        for number, offset in enumerate(offsets)
    ]
    return FetchRequest(
        max_wait_ms=wait_ms, min_bytes=min_bytes, max_bytes=max_bytes, isolation_level=isolation,
        topics=[FetchRequestTopic(topic, partitions=partitions)],
    )  # fmt: skip


def fetch(client: Client, asked: FetchRequest, version: int = VERSION) -> list[FetchResponsePartition]:
    response = client.ask(asked, version, FetchResponse)
    assert (response.error_code, response.session_id) == (0, 0)
    return response.responses[0].partitions


def offsets_in(partition: FetchResponsePartition) -> list[int]:
    return [header.base_offset for _, header in batches(partition.records or b"")]


def test_whole_batches_from_the_one_that_holds_the_offset(tmp_path: Path) -> None:
    """The consumer skips what it has not asked for."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        produce(client, batch(b"a", b"b", b"c"))
        produce(client, batch(b"d"))
        (partition,) = fetch(client, request(1))
        assert offsets_in(partition) == [0, 3]
        assert (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset) == (
            4,
            4,
            0,
        )
        assert partition.aborted_transactions is None
        (partition,) = fetch(client, request(3, isolation=1))
        assert offsets_in(partition) == [3]
        assert partition.aborted_transactions == []

    on_rig(test, tmp_path)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (request(-1), ErrorCode.OFFSET_OUT_OF_RANGE),
        (request(5), ErrorCode.OFFSET_OUT_OF_RANGE),
        (request(0, topic="unknown"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (request(0, topic="elsewhere"), ErrorCode.NOT_LEADER_OR_FOLLOWER),
        (request(0, epoch=0), ErrorCode.FENCED_LEADER_EPOCH),
        (request(0, epoch=99), ErrorCode.UNKNOWN_LEADER_EPOCH),
    ],
    ids=["below", "beyond", "unknown", "elsewhere", "old epoch", "new epoch"],
)
def test_an_error_is_told_at_once(tmp_path: Path, asked: FetchRequest, error: ErrorCode) -> None:
    """However long the client would wait for bytes."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        rig.lead("elsewhere", leader=2)
        client = rig.client()
        produce(client, batch(b"a", b"b"))
        asked.max_wait_ms = 60_000
        (partition,) = fetch(client, asked)
        assert partition.error_code == error

    on_rig(test, tmp_path)


def test_a_fetch_waits_for_its_bytes(tmp_path: Path) -> None:
    """An append wakes it, with everything that arrived in the same wake-up."""

    async def test(rig: Rig) -> None:
        rig.lead("t", 2)
        consumer, producer = rig.client(), rig.client()
        consumer.send(request(0, 0, wait_ms=10_000), VERSION)
        assert consumer.answer(FetchResponse, VERSION) is None
        produce(producer, batch(b"a"), partition=1)
        answer = consumer.answer(FetchResponse, VERSION)
        assert answer is not None
        assert [offsets_in(partition) for partition in answer.responses[0].partitions] == [[], [0]]

    on_rig(test, tmp_path)


def test_min_bytes_are_counted_over_all_partitions(tmp_path: Path) -> None:
    """What was there when the fetch came counts too."""

    async def test(rig: Rig) -> None:
        rig.lead("t", 2)
        one = batch(b"x" * 100)
        consumer, producer = rig.client(), rig.client()
        produce(producer, one)
        consumer.send(request(0, 0, wait_ms=10_000, min_bytes=3 * len(one)), VERSION)
        produce(producer, one, partition=1)
        assert consumer.answer(FetchResponse, VERSION) is None
        produce(producer, one)
        answer = consumer.answer(FetchResponse, VERSION)
        assert answer is not None
        assert [offsets_in(partition) for partition in answer.responses[0].partitions] == [[0, 1], [0]]

    on_rig(test, tmp_path)


def test_a_fetch_gives_up_in_time(tmp_path: Path) -> None:
    """max_wait_ms, then an answer with what there is."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        client.send(request(0, wait_ms=500), VERSION)
        await trio.sleep(0.4)
        assert client.answer(FetchResponse, VERSION) is None
        await trio.sleep(0.2)
        answer = client.answer(FetchResponse, VERSION)
        assert answer is not None
        assert answer.responses[0].partitions[0].error_code == 0

    on_rig(test, tmp_path)


def test_a_fetch_waits_no_longer_than_a_connection_may_idle(tmp_path: Path) -> None:
    """Or one who vanished without a word would be waited for, 24 days long; one who hangs up is forgotten at once."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        patient, gone = rig.client(), rig.client()
        for client in (patient, gone):
            client.send(request(0, wait_ms=2**31 - 1), 11)
        fetches = rig.broker.replicas.fetches
        assert len(fetches) == 2
        gone.hang_up()
        assert len(fetches) == 1
        await trio.sleep(2.1)
        assert patient.answer(FetchResponse, 11) is not None
        assert len(fetches) == 0
        assert fetches.deadline() is None

    on_rig(test, tmp_path, "connections.max.idle.ms=2000")


def test_records_above_the_high_watermark_are_not_shown(tmp_path: Path) -> None:
    """They come, and wake who waits, when it has passed them."""

    async def test(rig: Rig) -> None:
        rig.lead("t", isr=(1, 2))
        consumer, producer = rig.client(), rig.client()
        produce(producer, batch(b"a"), acks=1)
        (partition,) = fetch(consumer, request(0))
        assert (offsets_in(partition), partition.high_watermark) == ([], 0)
        consumer.send(request(0, wait_ms=10_000), VERSION)
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        replica.state.fetched(2, rig.epoch, 1, trio.current_time())
        rig.broker.replicas.high_watermark_moved(replica)
        rig.wake()
        answer = consumer.answer(FetchResponse, VERSION)
        assert answer is not None
        assert offsets_in(answer.responses[0].partitions[0]) == [0]

    on_rig(test, tmp_path)


def test_a_waiting_fetch_hears_of_a_new_leader(tmp_path: Path) -> None:
    """NOT_LEADER_OR_FOLLOWER and who leads now, not silence until its time is up."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        by_id = request(0, wait_ms=10_000, topic="")
        by_id.topics[0].topic_id = TOPIC_ID
        client.send(by_id, 16)
        rig.lead("t", leader=2, isr=(1, 2))
        answer = client.answer(FetchResponse, 16)
        assert answer is not None
        partition = answer.responses[0].partitions[0]
        assert partition.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    on_rig(test, tmp_path)


def test_the_first_batch_comes_however_large_it_is(tmp_path: Path) -> None:
    """KIP-74: otherwise a consumer with small limits would never get past it. Others keep to the limits."""

    async def test(rig: Rig) -> None:
        rig.lead("t", 2)
        client = rig.client()
        for partition in (0, 0, 1):
            produce(client, batch(b"x" * 1000), partition=partition)
        first, second = fetch(client, request(0, 0, max_bytes=10, partition_bytes=10))
        assert (offsets_in(first), offsets_in(second)) == ([0], [])
        first, second = fetch(client, request(0, 0, max_bytes=2200))
        assert (offsets_in(first), offsets_in(second)) == ([0, 1], [])
        first, second = fetch(client, request(2, 0))
        assert (offsets_in(first), offsets_in(second)) == ([], [0])

    on_rig(test, tmp_path)


def test_a_response_has_the_limit_of_the_configuration(tmp_path: Path) -> None:
    """However much the client asks for."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        for _ in range(5):
            produce(client, batch(b"x" * 900_000))
        (partition,) = fetch(client, request(0))
        assert offsets_in(partition) == [0, 1, 2]

    on_rig(test, tmp_path, "fetch.max.bytes=3000000")


def test_what_is_in_memory_has_a_limit_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small reads are copies, until the client takes them; what comes from the segments' files is not."""
    monkeypatch.setattr(fetch_module, "COPIED_BYTES_MAX", 50_000)

    async def test(rig: Rig) -> None:
        rig.lead("t", 4)
        client = rig.client()
        for partition in range(4):
            produce(client, batch(b"x" * 40_000), partition=partition)
        assert [offsets_in(partition) for partition in fetch(client, request(0, 0, 0, 0))] == [[0], [0], [], []]
        for partition in range(4):
            produce(client, batch(b"x" * 40_000), partition=partition)
        assert [offsets_in(partition) for partition in fetch(client, request(0, 0, 0, 0))] == [[0, 1]] * 4

    on_rig(test, tmp_path)


def test_old_formats_are_not_made(tmp_path: Path) -> None:
    """A version that would need them gets UNSUPPORTED_VERSION where there are records, and nothing where there are none."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        asked = FetchRequest(max_wait_ms=0, min_bytes=1, topics=request(0).topics)
        assert fetch(client, asked, 2)[0].error_code == ErrorCode.NONE
        produce(client, batch(b"a"))
        assert fetch(client, asked, 2)[0].error_code == ErrorCode.UNSUPPORTED_VERSION

    on_rig(test, tmp_path)


def test_topics_by_id(tmp_path: Path) -> None:
    """Version 13: an id that nobody has is UNKNOWN_TOPIC_ID."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        produce(client, batch(b"a"))
        asked = request(0, topic="")
        asked.topics[0].topic_id = TOPIC_ID
        (partition,) = fetch(client, asked, 13)
        assert offsets_in(partition) == [0]
        asked.topics[0].topic_id = b"?" * 16
        assert fetch(client, asked, 13)[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID

    on_rig(test, tmp_path)


def test_fetch_sessions_are_not_kept(tmp_path: Path) -> None:
    """A request in the middle of a session gets FETCH_SESSION_ID_NOT_FOUND and begins anew."""

    async def test(rig: Rig) -> None:
        asked = FetchRequest(session_id=5, session_epoch=3)
        assert (
            rig.client().ask(asked, VERSION, FetchResponse).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        )
        asked = FetchRequest(session_id=0, session_epoch=0)
        assert rig.client().ask(asked, VERSION, FetchResponse).session_id == 0

    on_rig(test, tmp_path)


def list_offsets(client: Client, timestamp: int, version: int = 7) -> tuple[int, int, int, int]:
    partitions = [ListOffsetsRequestPartition(0, timestamp=timestamp)]
    asked = ListOffsetsRequest(-1, topics=[ListOffsetsRequestTopic("t", partitions)])
    answer = client.ask(asked, version, ListOffsetsResponse).topics[0].partitions[0]
    return answer.error_code, answer.offset, answer.timestamp, answer.leader_epoch


def test_offsets_by_time(tmp_path: Path) -> None:
    """The end, the start, the newest record, and the first one of a time or later."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        assert list_offsets(client, -3) == (0, -1, -1, -1)
        produce(client, batch(b"a", b"b"))  # at 1.7e12 and a millisecond later
        produce(client, batch(b"c", b"d", b"e"))
        base = 1_700_000_000_000
        assert list_offsets(client, -1) == (0, 5, -1, rig.epoch)
        assert list_offsets(client, -2) == (0, 0, -1, rig.epoch)
        assert list_offsets(client, -3) == (0, 4, base + 2, rig.epoch)
        assert list_offsets(client, 0) == (0, 0, base, rig.epoch)
        assert list_offsets(client, base + 1) == (0, 1, base + 1, rig.epoch)
        assert list_offsets(client, base + 3) == (0, -1, -1, -1)
        response = client.ask(
            ListOffsetsRequest(
                -1, topics=[ListOffsetsRequestTopic("t", [ListOffsetsRequestPartition(0, timestamp=-1)])]
            ),
            0,
            ListOffsetsResponse,
        )
        assert response.topics[0].partitions[0].old_style_offsets == [5]

    on_rig(test, tmp_path)


def test_where_a_leader_epoch_ended(tmp_path: Path) -> None:
    """KIP-320: consumers compare it with what they have read."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        first = rig.epoch
        client = rig.client()
        produce(client, batch(b"a", b"b"))
        rig.lead("t")
        produce(client, batch(b"c"))

        def ends(epoch: int, current: int = -1) -> tuple[int, int, int]:
            partitions = [OffsetForLeaderEpochRequestPartition(0, current, epoch)]
            asked = OffsetForLeaderEpochRequest(-1, [OffsetForLeaderEpochRequestTopic("t", partitions)])
            answer = client.ask(asked, 3, OffsetForLeaderEpochResponse).topics[0].partitions[0]
            return answer.error_code, answer.leader_epoch, answer.end_offset

        assert ends(first) == (0, first, 2)
        assert ends(rig.epoch) == (0, rig.epoch, 3)
        assert ends(rig.epoch + 1) == (0, -1, -1)
        assert ends(first, current=first)[0] == ErrorCode.FENCED_LEADER_EPOCH

    on_rig(test, tmp_path)


def test_what_is_read_is_what_was_sent(tmp_path: Path) -> None:
    """Byte for byte, except for what the leader stamps."""

    async def test(rig: Rig) -> None:
        rig.lead("t")
        client = rig.client()
        sent = batch(b"a", b"b", codec=1)
        produce(client, sent)
        records = bytes(fetch(client, request(0))[0].records or b"")
        assert read_header(records).leader_epoch == rig.epoch
        assert records[16:] == sent[16:]

    on_rig(test, tmp_path)
