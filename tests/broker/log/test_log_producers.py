"""Idempotence: the state machine against a naive model that forgets nothing it need not."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.log import producers as module
from broker.log.producers import SEQUENCE_MAX, ProducerEntry, Producers, Written
from broker.log.snapshots import read_snapshot, snapshot_name, write_snapshot
from broker.wire.batches import BatchError
from broker.wire.errors import ErrorCode
from tests.broker.log.samples import FOLDER, sim_disk


class Sent(NamedTuple):
    """A batch that a client sends."""

    epoch: int
    first: int
    count: int

    @property
    def last(self) -> int:
        return (self.first + self.count - 1) % 2**31


def send(producers: Producers, batch: Sent, offset: int, producer_id: int = 7, transactional: bool = False) -> Written | ErrorCode | None:
    """What a log does with a batch: None when it was written, the earlier one, or the refusal."""
    try:
        before = producers.check(producer_id, batch.epoch, batch.first, batch.last, transactional)
    except BatchError as error:
        return ErrorCode(error.code)
    if before is None:
        written = Written(batch.first, batch.last, offset, offset + batch.count - 1, 1000 + offset)
        producers.wrote(producer_id, batch.epoch, written, transactional)
    return before


class Model:
    """The rules as a list of everything that was written."""

    def __init__(self) -> None:
        self.written: list[tuple[Sent, int]] = []

    def send(self, batch: Sent, offset: int) -> int | ErrorCode | None:
        """None when it was written, the base offset of then, or the refusal."""
        if self.written:
            epoch = self.written[-1][0].epoch
            if batch.epoch < epoch:
                return ErrorCode.INVALID_PRODUCER_EPOCH
            if batch.epoch > epoch:
                if batch.first != 0:
                    return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
            elif batch.first != (self.written[-1][0].last + 1) % 2**31:
                recent = [entry for entry in self.written[-5:] if entry[0].epoch == epoch]
                same = [at for sent, at in recent if (sent.first, sent.last) == (batch.first, batch.last)]
                return same[0] if same else ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        self.written.append((batch, offset))
        return None


sends = st.lists(
    st.tuples(st.sampled_from(["next", "next", "next", "retry", "any", "new epoch", "old epoch"]), st.integers(1, 4), st.integers(0, 7)),
    max_size=40,
)


@given(sends, st.sampled_from([0, SEQUENCE_MAX - 5, SEQUENCE_MAX]))
def test_producer_state_equals_the_model(steps: list[tuple[str, int, int]], start: int) -> None:
    """Duplicates return the old offset, gaps and old epochs are refused, sequences wrap behind 2^31 - 1."""
    producers, model = Producers("t-0"), Model()
    offset = 0
    following, epoch = start, 3
    for kind, count, back in steps:
        if kind == "retry" and model.written:
            batch = model.written[max(0, len(model.written) - 1 - back)][0]
        elif kind == "any":
            batch = Sent(epoch, back, count)
        elif kind == "new epoch":
            batch = Sent(epoch + 1, 0 if back else 3, count)
        elif kind == "old epoch":
            batch = Sent(epoch - 1, following, count)
        else:
            batch = Sent(epoch, following, count)
        answer = send(producers, batch, offset)
        wanted = model.send(batch, offset)
        assert (answer.base_offset if isinstance(answer, Written) else answer) == wanted
        if wanted is None:
            offset += count
            following, epoch = (batch.last + 1) % 2**31, batch.epoch


def test_the_last_five_batches_are_known() -> None:
    """Five requests may be in flight, so five are remembered; the sixth is out of order."""
    producers = Producers("t-0")
    for sequence in range(6):
        assert send(producers, Sent(0, sequence, 1), sequence) is None
    found = [send(producers, Sent(0, sequence, 1), 99) for sequence in range(6)]
    assert found[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert [written.base_offset for written in found[1:] if isinstance(written, Written)] == [1, 2, 3, 4, 5]


def test_an_unknown_producer_may_begin_anywhere() -> None:
    """Its earlier batches may have been dropped by retention."""
    assert send(Producers("t-0"), Sent(4, 77, 2), 0) is None


def test_messages_name_partition_and_producer() -> None:
    """A refusal says who sent what where."""
    producers = Producers("orders-3")
    send(producers, Sent(2, 0, 1), 0)
    with pytest.raises(BatchError, match=r"orders-3: producer 7 sent sequence 5 after 0"):
        producers.check(7, 2, 5, 5, False)
    with pytest.raises(BatchError, match=r"orders-3: producer 7 wrote in epoch 1, but epoch 2 has begun"):
        producers.check(7, 1, 0, 0, False)


def test_transactions_open_and_end() -> None:
    """The oldest open transaction holds back the stable offset; a marker ends it and begins the sequence anew."""
    producers = Producers("t-0")
    send(producers, Sent(0, 0, 2), 10, producer_id=1, transactional=True)
    send(producers, Sent(0, 0, 2), 12, producer_id=2, transactional=True)
    send(producers, Sent(0, 2, 2), 14, producer_id=1, transactional=True)
    assert producers.first_open_offset() == 10
    assert send(producers, Sent(0, 4, 1), 16, producer_id=1) == ErrorCode.INVALID_TXN_STATE
    assert producers.ended(1, 0, 5, 16, 0, aborted=True) == (1, 10, 16, 12, True)
    assert producers.first_open_offset() == 12
    assert producers.ended(2, 0, 5, 17, 0, aborted=False) == (2, 12, 17, 18, False)
    assert producers.first_open_offset() is None
    assert producers.ended(2, 0, 5, 18, 0, aborted=False) is None
    assert producers.ended(3, 0, 5, 19, 0, aborted=False) is None
    assert send(producers, Sent(0, 4, 1), 20, producer_id=1) is None


def test_silent_producers_are_forgotten_unless_a_transaction_is_open() -> None:
    """Expiry goes by the last batch's time."""
    producers = Producers("t-0")
    for producer_id in range(4):
        send(producers, Sent(0, 0, 1), producer_id, producer_id, transactional=producer_id == 0)
    assert producers.expire(1002) == 1
    assert sorted(entry.producer_id for entry in producers) == [0, 2, 3]


def test_the_number_of_producers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit those that wrote longest ago go."""
    monkeypatch.setattr(module, "PRODUCERS_MAX", 20)
    producers = Producers("t-0")
    for producer_id in range(21):
        send(producers, Sent(0, 0, 1), producer_id, producer_id)
    assert len(producers) == 19
    assert producers.get(0) is None
    assert producers.get(20) is not None


def test_producers_of_one_millisecond_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes is decided by rank; an open transaction stays."""
    monkeypatch.setattr(module, "PRODUCERS_MAX", 20)
    producers = Producers("t-0")
    for producer_id in range(200):
        producers.wrote(producer_id, 0, Written(0, 0, producer_id, producer_id, 1000), producer_id == 0)
        assert len(producers) <= 20
    assert producers.get(0) is not None
    assert producers.get(199) is not None


numbers = st.integers(0, 2**40)


@given(st.lists(st.tuples(numbers, st.integers(0, 32767), st.integers(0, SEQUENCE_MAX), st.integers(0, 9), numbers, st.booleans()), unique_by=lambda row: row[0]))
def test_a_snapshot_keeps_the_last_batch(rows: list[tuple[int, int, int, int, int, bool]]) -> None:
    """Written and read back, each producer's last batch is known as before, also across the wrap."""
    disk = sim_disk()
    entries = []
    for producer_id, epoch, last, delta, base, empty in rows:
        entry = ProducerEntry(producer_id, epoch)
        entry.last_timestamp_ms = base + 5
        entry.txn_first_offset = base if empty else -1
        entry.coordinator_epoch = delta
        if not empty:
            entry.batches.append(Written((last - delta) % 2**31, last, base, base + delta, base + 5))
        entries.append(entry)
    write_snapshot(disk, FOLDER, 42, entries)
    again = read_snapshot(disk, f"{FOLDER}/{snapshot_name(42)}")
    for one, other in zip(entries, again, strict=True):
        assert [getattr(one, name) for name in ProducerEntry.__slots__] == [getattr(other, name) for name in ProducerEntry.__slots__]
