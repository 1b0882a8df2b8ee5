"""Batches on their way out."""

from __future__ import annotations

from broker.client.accumulator import Accumulator, Producing
from broker.wire.batches import read_header, validate
from broker.wire.records import read_records


def fill(accumulator: Accumulator, count: int, size: int = 100, partition: int = 0) -> None:
    for number in range(count):
        accumulator.append("t", partition, b"k%d" % number, bytes(size), [("h", b"v")], 1000 + number, 60.0)


def test_a_full_batch_makes_room_for_the_next() -> None:
    """No batch exceeds its size, unless one record alone does."""
    accumulator = Accumulator(1000)
    fill(accumulator, 20)
    accumulator.append("t", 0, None, bytes(5000), (), 2000, 60.0)
    (lane,) = accumulator.lanes()

    batches = []
    while lane.waiting:
        batches.append(lane.take(None))
        lane.done()
    assert all(batch.size <= 1000 for batch in batches[:-1])
    assert batches[-1].size > 5000
    assert sum(len(batch.packed) for batch in batches) == 21
    assert sum(batch.size for batch in batches) == accumulator.held
    for batch in batches:
        accumulator.settle(batch)
    assert accumulator.held == 0


def test_a_sealed_batch_has_the_records_in_order() -> None:
    """With their times, keys and headers."""
    accumulator = Accumulator(10_000)
    fill(accumulator, 5)
    (lane,) = accumulator.lanes()
    sealed = lane.take(None).seal(2)
    header = validate(sealed)

    assert (header.record_count, header.base_timestamp, header.max_timestamp, header.producer_id) == (5, 1000, 1004, -1)
    assert [(r.timestamp, r.key, r.headers) for r in read_records(sealed)] == [
        (1000 + n, b"k%d" % n, [("h", b"v")]) for n in range(5)
    ]


def test_numbers_stay_with_a_batch_that_is_sent_again() -> None:
    """And a new producer id begins at 0."""
    accumulator = Accumulator(1000)
    fill(accumulator, 20)
    (lane,) = accumulator.lanes()
    first = lane.take(Producing(7, 0))
    count = len(first.packed)
    lane.give_back(first)

    assert lane.take(Producing(7, 0)) is first
    assert first.base_sequence == 0
    lane.done()
    assert lane.take(Producing(7, 0)).base_sequence == count
    lane.done()
    assert lane.take(Producing(8, 0)).base_sequence == 0


def test_a_batch_splits_into_halves_with_its_numbers() -> None:
    """For a broker that finds the whole too large."""
    accumulator = Accumulator(100_000)
    fill(accumulator, 9)
    (lane,) = accumulator.lanes()
    whole = lane.take(Producing(7, 1))
    halves = whole.split()
    lane.give_back(*halves)

    assert [lane.take(Producing(7, 1)), lane.done(), lane.take(Producing(7, 1))] == [halves[0], None, halves[1]]
    headers = [read_header(half.seal(0)) for half in halves]
    assert [(h.record_count, h.base_sequence, h.producer_id) for h in headers] == [(4, 0, 7), (5, 4, 7)]
    again = [r for half in halves for r in read_records(half.seal(0))]
    assert [(r.timestamp, r.key, r.value, r.headers) for r in again] == [
        (r.timestamp, r.key, r.value, r.headers) for r in read_records(whole.seal(0))
    ]


def test_lanes_are_apart() -> None:
    """Each partition fills its own batches."""
    accumulator = Accumulator(1000)
    fill(accumulator, 2, partition=0)
    fill(accumulator, 3, partition=1)
    assert [(lane.partition, len(lane.take(None).packed)) for lane in accumulator.lanes()] == [(0, 2), (1, 3)]
