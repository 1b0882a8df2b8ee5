"""Committed offsets, and the batches in which they are written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.group.offsets import (
    BATCH_BYTES_MAX,
    BATCH_OFFSETS_MAX,
    COMMITS_MAX,
    Commit,
    CommitQueue,
    GroupOffsets,
    OffsetEntry,
)
from broker.wire.errors import ErrorCode


def test_an_offset_is_seen_once_it_is_applied() -> None:
    """The last one applied wins; partitions come in numeric order."""
    offsets = GroupOffsets(10)
    assert offsets.get("t", 0) is None
    offsets.apply(
        [
            OffsetEntry("t", 10, 1),
            OffsetEntry("t", 2, 5, "note"),
            OffsetEntry("s", 0, 7),
            OffsetEntry("t", 2, 6),
        ]
    )
    assert offsets.get("t", 2) == OffsetEntry("t", 2, 6)
    assert {topic: [e.partition for e in entries] for topic, entries in offsets.by_topic().items()} == {
        "s": [0],
        "t": [2, 10],
    }
    removals = offsets.removals(lambda entry: entry.topic == "t")
    assert [(entry.topic, entry.partition, entry.removed) for entry in removals] == [
        ("t", 10, True),
        ("t", 2, True),
    ]
    offsets.apply(removals)
    assert offsets.by_topic() == {"s": [OffsetEntry("s", 0, 7)]}


def test_metadata_has_a_limit_in_bytes() -> None:
    """At the limit it is taken, one byte beyond refused."""
    offsets = GroupOffsets(4)
    assert offsets.check(OffsetEntry("t", 0, 1, "éé")) is ErrorCode.NONE
    assert offsets.check(OffsetEntry("t", 0, 1, "ééx")) is ErrorCode.OFFSET_METADATA_TOO_LARGE


def commit(number: int, count: int, metadata: str = "") -> Commit:
    return Commit(f"g{number}", [OffsetEntry("t", p, number, metadata) for p in range(count)], number)


@given(
    st.lists(
        st.tuples(st.integers(1, BATCH_OFFSETS_MAX + 50), st.sampled_from(["", "x" * 1000])), max_size=20
    )
)
def test_batches_keep_the_order_and_the_limits(shapes: list[tuple[int, str]]) -> None:
    """Nothing is lost, nothing overtakes, and only a commit that is too large alone exceeds the limits."""
    queue = CommitQueue()
    commits = [commit(number, count, metadata) for number, (count, metadata) in enumerate(shapes)]
    assert all(queue.add(c) for c in commits)
    taken: list[Commit] = []
    while batch := queue.take():
        if len(batch) > 1:
            assert sum(len(c.entries) for c in batch) <= BATCH_OFFSETS_MAX
            assert sum(c.size for c in batch) <= BATCH_BYTES_MAX
        taken += batch
    assert taken == commits


def test_the_queue_is_bounded() -> None:
    """One commit beyond the limit is refused."""
    queue = CommitQueue()
    one = commit(1, 1)
    assert all(queue.add(one) for _ in range(COMMITS_MAX))
    assert not queue.add(one)
