"""Which slot a group falls into, and who serves it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.group.slots import java_hash, preferred_broker, slot_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        ("g1", 3242),
        ("console-consumer-70456", 163938043),
        ("consumer-group", -1738392088),
        ("polygenelubricants", -(1 << 31)),
        ("é", 233),
        ("😀", 1772899),
    ],
)
def test_hash_is_javas(text: str, value: int) -> None:
    """Values of String.hashCode; a character beyond the BMP counts as its two UTF-16 units."""
    assert java_hash(text) == value


def test_the_smallest_hash_falls_into_slot_0() -> None:
    """Kafka's Utils.abs maps Integer.MIN_VALUE to 0; negative hashes count by their absolute value."""
    assert slot_of("polygenelubricants", 50) == 0
    assert slot_of("consumer-group", 50) == 1738392088 % 50


@given(st.text(), st.integers(1, 1000))
def test_a_slot_is_in_range(group_id: str, slots: int) -> None:
    """For any group and any number of slots."""
    assert 0 <= slot_of(group_id, slots) < slots


@given(st.integers(0, 49), st.sets(st.integers(0, 100), min_size=2))
def test_only_the_slots_of_a_lost_broker_move(slot: int, live: set[int]) -> None:
    """Losing one that does not serve the slot changes nothing."""
    chosen = preferred_broker(slot, live)
    assert chosen in live
    for other in live - {chosen}:
        assert preferred_broker(slot, live - {other}) == chosen


def test_slots_are_spread() -> None:
    """With three brokers each serves a fair part of 50 slots; with none, nobody does."""
    counts = [sum(preferred_broker(slot, {1, 2, 3}) == broker for slot in range(50)) for broker in (1, 2, 3)]
    assert min(counts) >= 8
    assert preferred_broker(0, set()) is None
