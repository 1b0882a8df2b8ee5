"""The table of watches, and the requests that carry it to another server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.client.calls import encode
from coord.client.watches import SET_WATCHES_BYTES_MAX, Kind, WatchTable
from coord.wire.ops import EventType, OpCode, WatcherType
from coord.wire.records import SetWatches, SetWatches2


def full_table() -> WatchTable:
    """Every kind on /a/b, the recursive one also on / and /a."""
    table = WatchTable()
    for kind in Kind:
        table.add(kind, "/a/b", kind.name)
    table.add(Kind.RECURSIVE, "/a", "RECURSIVE /a")
    table.add(Kind.RECURSIVE, "/", "RECURSIVE /")
    return table


ABOVE = ["PERSISTENT", "RECURSIVE", "RECURSIVE /a", "RECURSIVE /"]


@pytest.mark.parametrize(
    ("event_type", "watchers", "left"),
    [
        (EventType.NODE_CREATED, ["DATA", "EXIST", *ABOVE], 5),
        (EventType.NODE_DATA_CHANGED, ["DATA", "EXIST", *ABOVE], 5),
        (EventType.NODE_CHILDREN_CHANGED, ["CHILD", "PERSISTENT"], 6),
        (EventType.NODE_DELETED, ["DATA", "EXIST", "CHILD", *ABOVE], 4),
    ],
)
def test_who_is_told(event_type: EventType, watchers: list[str], left: int) -> None:
    """Each event has its watchers; one-shot ones go, persistent ones stay; children's changes do not reach above."""
    table = full_table()
    assert table.fire(event_type, "/a/b") == watchers
    assert table.count == left
    assert set(table.fire(event_type, "/a/b")) <= set(ABOVE)


def test_told_once() -> None:
    """A watcher with two reasons, or set twice, is told once."""
    table = WatchTable()
    for _ in range(2):
        table.add(Kind.DATA, "/a", "w")
        table.add(Kind.CHILD, "/a", "w")
    assert table.count == 2
    assert table.fire(EventType.NODE_DELETED, "/a") == ["w"]
    assert table.count == 0


def test_removal() -> None:
    """By type; by one watcher; all."""
    table = full_table()
    assert table.remove("/a/b", WatcherType.CHILDREN) == [("CHILD", EventType.CHILD_WATCH_REMOVED)]
    assert table.remove("/a/b", WatcherType.CHILDREN) == []
    assert not table.watching("/a/b", WatcherType.CHILDREN)
    assert table.watching("/a/b", WatcherType.DATA)
    table.add(Kind.DATA, "/a/b", "second")
    assert not table.discard(Kind.DATA, "/a/b", "DATA")
    assert table.discard(Kind.DATA, "/a/b", "second")
    assert table.discard(Kind.DATA, "/a/b", "second")
    assert [kind for _, kind in table.remove("/a/b", WatcherType.ANY)] == [
        EventType.DATA_WATCH_REMOVED,
        EventType.PERSISTENT_WATCH_REMOVED,
        EventType.PERSISTENT_WATCH_REMOVED,
    ]
    assert table.clear() == ["RECURSIVE /a", "RECURSIVE /"]
    assert table.count == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(Kind), st.text("ab", min_size=1, max_size=20), st.integers(1, 5000)), max_size=60
    )
)
def test_set_watches_carries_all_in_chunks(watches: list[tuple[Kind, str, int]]) -> None:
    """Every watch once, no request above the limit, the older request wherever it suffices."""
    table = WatchTable()
    expected: list[set[str]] = [set() for _ in Kind]
    for kind, name, times in watches:
        path = "/" + name * times
        table.add(kind, path, "w")
        expected[kind].add(path)
    carried: list[list[str]] = [[] for _ in Kind]
    for op, record in table.set_watches(77):
        assert isinstance(record, SetWatches | SetWatches2)
        assert record.relative_zxid == 77
        parts = [record.data_watches, record.exist_watches, record.child_watches]
        if isinstance(record, SetWatches2):
            assert op is OpCode.SET_WATCHES2
            parts += [record.persistent_watches, record.persistent_recursive_watches]
            assert parts[3] or parts[4]
        else:
            assert op is OpCode.SET_WATCHES
        assert len(encode(record)) <= SET_WATCHES_BYTES_MAX + 8 + 5 * 4 or sum(map(len, parts)) == 1
        for kind, paths in zip(Kind, parts, strict=False):
            carried[kind] += paths
    assert [len(each) for each in carried] == [len(each) for each in expected]
    assert [set(each) for each in carried] == expected


def test_no_watches_no_request() -> None:
    """Nothing to say."""
    assert list(WatchTable().set_watches(1)) == []
