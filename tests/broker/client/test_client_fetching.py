"""What a consumer makes of answers to its fetches."""

from __future__ import annotations

from broker.client.fetching import EARLIEST, FetchOptions, Positions, fetch_request
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    FetchResponse,
    FetchResponseAbortedTransaction,
    FetchResponsePartition,
    FetchResponseTopic,
)
from broker.wire.records import ControlType, Record, build_batch, control_batch

T = ("t", 0)


def batch(first: int, count: int, producer_id: int = -1) -> bytearray:
    records = [Record(first + at, 1000, b"k", b"%d" % (first + at)) for at in range(count)]
    transactional = producer_id >= 0
    return build_batch(
        records, producer_id=producer_id, producer_epoch=0 if transactional else -1, base_sequence=0 if transactional else -1,
        transactional=transactional,
    )  # fmt: skip


def answer(records: bytes, code: int = 0, aborted: list[FetchResponseAbortedTransaction] | None = None) -> FetchResponse:
    row = FetchResponsePartition(0, code, aborted_transactions=aborted, records=records)
    return FetchResponse(responses=[FetchResponseTopic("t", partitions=[row])])


def at(offset: int, **options: int) -> Positions:
    positions = Positions(FetchOptions(**options))
    positions.assign({T: offset})
    return positions


def test_positions_move_behind_what_was_read() -> None:
    """Also past batches that compaction has emptied; what lies before the position is left out."""
    positions = at(5)
    (fetched,) = positions.take(answer(batch(3, 4) + batch(7, 2))).fetched

    assert [record.offset for record in fetched.records] == [5, 6, 7, 8]
    assert fetched.next_offset == 9
    assert positions.known() == {T: 9}
    assert positions.take(answer(b"")).fetched == []


def test_a_batch_cut_short_is_left_for_the_next_fetch() -> None:
    """A broker cuts at a number of bytes."""
    positions = at(0)
    (fetched,) = positions.take(answer((batch(0, 2) + batch(2, 2))[:-5])).fetched
    assert fetched.next_offset == 2


def test_errors_belong_to_their_partition() -> None:
    """An error code, and damage, leave the position alone."""
    positions = at(0)
    assert positions.take(answer(b"", ErrorCode.NOT_LEADER_OR_FOLLOWER)).errors[T].code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    damaged = batch(0, 1)
    damaged[-1] ^= 1
    outcome = positions.take(answer(damaged))
    assert outcome.errors[T].code == ErrorCode.CORRUPT_MESSAGE
    assert outcome.fetched == []
    assert positions.known() == {T: 0}


def test_partitions_that_were_taken_away_are_ignored() -> None:
    """An answer may come after the assignment has changed."""
    positions = at(0)
    positions.assign({("other", 0): EARLIEST})
    assert positions.take(answer(batch(0, 1))).fetched == []
    assert positions.unknown() == {("other", 0): EARLIEST}
    positions.seek(T, 3)
    assert positions.known() == {}


def aborted_log() -> bytes:
    """Producer 7 writes 0-1, aborts at 2, writes 3 and commits at 4; producer 8 writes 5 outside of all that."""
    end = {"now_ms": 0, "producer_id": 7, "producer_epoch": 0, "coordinator_epoch": 0}
    return bytes(
        batch(0, 2, 7)
        + control_batch(ControlType.ABORT, base_offset=2, **end)
        + batch(3, 1, 7)
        + control_batch(ControlType.COMMIT, base_offset=4, **end)
        + batch(5, 1)
    )


def test_aborted_transactions_are_left_out_when_reading_what_is_committed() -> None:
    """By the list of the answer and the markers in the log."""
    aborted = [FetchResponseAbortedTransaction(7, 0)]
    (fetched,) = at(0, isolation_level=1).take(answer(aborted_log(), aborted=aborted)).fetched
    assert [record.offset for record in fetched.records] == [3, 5]
    assert fetched.next_offset == 6

    (everything,) = at(0).take(answer(aborted_log())).fetched
    assert [record.offset for record in everything.records] == [0, 1, 3, 5]


def test_requests_do_without_sessions() -> None:
    """One row for each partition with a known position."""
    request = fetch_request({("t", 0): 5, ("t", 1): 6, ("u", 0): 7}, FetchOptions(max_wait_ms=100))
    assert (request.session_id, request.session_epoch, request.replica_id) == (0, -1, -1)
    found = [(topic.topic, row.partition, row.fetch_offset) for topic in request.topics for row in topic.partitions]
    assert found == [("t", 0, 5), ("t", 1, 6), ("u", 0, 7)]
