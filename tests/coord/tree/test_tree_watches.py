"""Watches: who is told what, once, in order; against a plain list of watches."""

from __future__ import annotations

import struct
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ThrottledOpError
from coord.tree.applied import Event
from coord.tree.watches import WatchTable, notification
from coord.wire.codes import AddWatchMode, EventType, WatcherType
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, Id
from coord.wire.jute import Reader
from coord.wire.records import ReplyHeader, SetWatches, SetWatches2, WatcherEvent
from tests.coord.tree.tree_world import Leader, create, delete, set_data

CREATED = EventType.NODE_CREATED
DELETED = EventType.NODE_DELETED
DATA = EventType.NODE_DATA_CHANGED
CHILDREN = EventType.NODE_CHILDREN_CHANGED
PERSISTENT = AddWatchMode.PERSISTENT
RECURSIVE = AddWatchMode.PERSISTENT_RECURSIVE
GUARDED: tuple[ACL, ...] = (ACL(1, Id("digest", "a:b")),)


def event(kind: EventType, path: str, acl: tuple[ACL, ...] = OPEN_ACL_UNSAFE) -> Event:
    return (kind, path, acl)


def test_a_one_shot_watch_fires_once() -> None:
    """For the first change; then it has to be set again."""
    watches: WatchTable[str] = WatchTable()
    watches.add_data("/a", "w")
    assert watches.trigger([event(DATA, "/a"), event(DATA, "/a")]) == [("w", DATA, "/a")]
    assert (watches.trigger([event(DATA, "/a")]), watches.count) == ([], 0)


def test_which_table_hears_of_what() -> None:
    """getData and exists of the node, getChildren of its children and of its end."""
    watches: WatchTable[str] = WatchTable()
    for kind, path, told in (
        (CREATED, "/a", ["data"]),
        (DATA, "/a", ["data"]),
        (DELETED, "/a", ["data", "child"]),
        (CHILDREN, "/a", ["child"]),
        (DATA, "/a/b", []),
        (CHILDREN, "/", []),
    ):
        watches.add_data("/a", "data")
        watches.add_child("/a", "child")
        assert watches.trigger([event(kind, path)]) == [(watcher, kind, path) for watcher in told]


def test_a_deletion_is_told_once_to_whoever_watches_both() -> None:
    """And uses up both watches."""
    watches: WatchTable[str] = WatchTable()
    watches.add_data("/a", "w")
    watches.add_child("/a", "w")
    watches.add_child("/", "w")
    told = watches.trigger([event(DELETED, "/a"), event(CHILDREN, "/")])
    assert told == [("w", DELETED, "/a"), ("w", CHILDREN, "/")]
    assert watches.count == 0


def test_a_persistent_watch_stays() -> None:
    """It hears of data and of children, and is told apart from a one-shot one on the same path."""
    watches: WatchTable[str] = WatchTable()
    watches.add("/a", "w", PERSISTENT)
    watches.add_data("/a", "w")
    for kind in (CREATED, DATA, CHILDREN, DELETED):
        assert watches.trigger([event(kind, "/a")]) == [("w", kind, "/a")]
    assert not watches.contains("/a", "w", WatcherType.DATA)
    assert watches.contains("/a", "w", WatcherType.PERSISTENT)


def test_a_recursive_watch_hears_of_everything_below() -> None:
    """But of no list of children; the root's hears of everything."""
    watches: WatchTable[str] = WatchTable()
    watches.add("/a", "w", RECURSIVE)
    watches.add("/", "root", RECURSIVE)
    assert watches.trigger([event(CREATED, "/a/b/c"), event(CHILDREN, "/a/b")]) == [
        ("w", CREATED, "/a/b/c"),
        ("root", CREATED, "/a/b/c"),
    ]
    assert watches.trigger([event(DATA, "/a")]) == [("w", DATA, "/a"), ("root", DATA, "/a")]
    assert watches.trigger([event(DELETED, "/ab")]) == [("root", DELETED, "/ab")]
    assert watches.trigger([event(CHILDREN, "/a")]) == []


def test_events_nobody_may_read_are_kept_back() -> None:
    """The watch is used up all the same (CVE-2024-23944)."""
    watches: WatchTable[str] = WatchTable(lambda watcher, acl: watcher == "friend")
    for watcher in ("friend", "stranger"):
        watches.add_data("/a", watcher)
        watches.add("/", watcher, RECURSIVE)
    assert watches.trigger([event(DATA, "/a", GUARDED)]) == [("friend", DATA, "/a")]
    assert watches.trigger([event(DATA, "/a")]) == [("friend", DATA, "/a"), ("stranger", DATA, "/a")]


@pytest.mark.parametrize(
    ("kind", "removed"),
    [
        (WatcherType.CHILDREN, {"child"}),
        (WatcherType.DATA, {"data"}),
        (WatcherType.PERSISTENT, {"persistent"}),
        (WatcherType.PERSISTENT_RECURSIVE, {"recursive"}),
        (WatcherType.ANY, {"child", "data", "persistent", "recursive"}),
    ],
)
def test_what_is_removed(kind: WatcherType, removed: set[str]) -> None:
    """The kind asked for and no other; a second time there is nothing to remove."""
    watches: WatchTable[str] = WatchTable()
    watches.add_data("/a", "data")
    watches.add_child("/a", "child")
    watches.add("/a", "persistent", PERSISTENT)
    watches.add("/a", "recursive", RECURSIVE)
    for watcher in ("data", "child", "persistent", "recursive"):
        assert watches.contains("/a", watcher, kind) == (watcher in removed)
        assert watches.remove("/a", watcher, kind) == (watcher in removed)
        assert not watches.contains("/a", watcher, kind)
        assert not watches.remove("/a", watcher, kind)
        assert not watches.remove("/b", watcher, kind)


def test_a_dropped_watcher_leaves_nothing_behind() -> None:
    """Of any kind, on any path."""
    watches: WatchTable[str] = WatchTable()
    for watcher in ("w", "x"):
        watches.add_data("/a", watcher)
        watches.add_child("/a", watcher)
        watches.add("/b", watcher, PERSISTENT)
        watches.add("/", watcher, RECURSIVE)
    watches.drop("w")
    watches.drop("w")
    assert watches.trigger([event(DELETED, "/a")]) == [("x", DELETED, "/a")]
    watches.drop("x")
    assert (watches.count, watches.summary(), watches.by_path(), watches.by_watcher()) == (0, (0, 0, 0), {}, {})


def test_what_the_words_show() -> None:
    """The data watches, by path and by watcher."""
    watches: WatchTable[str] = WatchTable()
    watches.add_data("/a", "w")
    watches.add_data("/b", "w")
    watches.add_data("/a", "x")
    watches.add_child("/c", "x")
    assert watches.summary() == (2, 2, 3)
    assert watches.count == 4
    assert watches.by_path() == {"/a": ["w", "x"], "/b": ["w"]}
    assert watches.by_watcher() == {"w": ["/a", "/b"], "x": ["/a"]}


def test_the_number_of_watches_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit a watch can be set again, but no further one."""
    monkeypatch.setattr("coord.tree.watches.WATCHES_MAX", 2)
    watches: WatchTable[str] = WatchTable()
    watches.add_data("/a", "w")
    watches.add_data("/b", "w")
    watches.add_data("/a", "w")
    with pytest.raises(ThrottledOpError):
        watches.add_data("/c", "w")
    assert watches.count == 2
    watches.add_data("/c", "x")


def test_set_watches_tells_what_was_missed() -> None:
    """And sets the others again."""
    leader = Leader()
    for op in (create("/same"), create("/changed"), create("/parent"), create("/gone"), create("/childless")):
        leader.write(op)
    seen = leader.zxid
    for op in (set_data("/changed", b"x"), create("/parent/x"), delete("/gone"), create("/new")):
        leader.write(op)
    watches: WatchTable[str] = WatchTable()
    request = SetWatches(
        seen, ["/same", "/changed", "/gone"], ["/new", "/absent"], ["/childless", "/parent", "/gone"]
    )
    assert watches.set_watches(leader.tree, "w", request) == [
        (DATA, "/changed"),
        (DELETED, "/gone"),
        (CREATED, "/new"),
        (CHILDREN, "/parent"),
        (DELETED, "/gone"),
    ]
    assert watches.count == 3
    assert watches.contains("/absent", "w", WatcherType.DATA)
    assert watches.contains("/childless", "w", WatcherType.CHILDREN)


def test_set_watches_sets_persistent_ones_again() -> None:
    """What they missed stays missed."""
    watches: WatchTable[str] = WatchTable()
    request = SetWatches2(0, [], [], [], ["/p"], ["/r"])
    assert watches.set_watches(Leader().tree, "w", request) == []
    assert watches.contains("/p", "w", WatcherType.PERSISTENT)
    assert watches.contains("/r", "w", WatcherType.PERSISTENT_RECURSIVE)


def test_a_notification_is_a_frame() -> None:
    """Length, header with xid -1, and the event."""
    frame = notification(CHILDREN, "/é")
    (size,) = struct.unpack_from(">i", frame)
    assert size == len(frame) - 4
    r = Reader(frame, 4)
    assert ReplyHeader.read(r) == ReplyHeader(-1, -1, 0)
    assert WatcherEvent.read(r) == WatcherEvent(4, 3, "/é")
    assert r.remaining == 0
    assert ReplyHeader.read(Reader(notification(CHILDREN, "/a", 7), 4)).zxid == 7


class Plain:
    """Watches as a list of (table, path, watcher, mode): slow, and too simple to be wrong."""

    def __init__(self) -> None:
        self.watches: list[tuple[str, str, int, str]] = []

    def add(self, table: str, path: str, watcher: int, mode: str) -> None:
        if (table, path, watcher, mode) not in self.watches:
            self.watches.append((table, path, watcher, mode))

    def remove(self, path: str, watcher: int, kinds: set[tuple[str, str]]) -> bool:
        keep = [w for w in self.watches if (w[1], w[2]) != (path, watcher) or (w[0], w[3]) not in kinds]
        removed = keep != self.watches
        self.watches = keep
        return removed

    def told(self, kind: EventType, path: str) -> set[int]:
        tables = {CHILDREN: {"child"}, DELETED: {"data", "child"}}.get(kind, {"data"})
        hears = [w for w in self.watches if w[0] in tables and w[1] == path]
        if kind is not CHILDREN:
            hears += [w for w in self.watches if w[3] == "recursive" and (path + "/").startswith(w[1].rstrip("/") + "/")]
        self.watches = [w for w in self.watches if w not in hears or w[3] != "once"]
        return {w[2] for w in hears}


KINDS: dict[WatcherType, set[tuple[str, str]]] = {
    WatcherType.CHILDREN: {("child", "once")},
    WatcherType.DATA: {("data", "once")},
    WatcherType.PERSISTENT: {("data", "persistent"), ("child", "persistent")},
    WatcherType.PERSISTENT_RECURSIVE: {("data", "recursive")},
}
KINDS[WatcherType.ANY] = set().union(*KINDS.values())


@given(st.randoms(use_true_random=False))
def test_the_table_tells_whom_the_plain_list_tells(random: Random) -> None:
    """Through sets, removals, drops and events of every kind."""
    watches: WatchTable[int] = WatchTable()
    plain = Plain()
    for _ in range(120):
        path = random.choice(("/", "/a", "/a/b", "/a/b/c", "/ab"))
        watcher = random.randrange(3)
        choice = random.randrange(9)
        if choice == 0:
            watches.add_data(path, watcher)
            plain.add("data", path, watcher, "once")
        elif choice == 1:
            watches.add_child(path, watcher)
            plain.add("child", path, watcher, "once")
        elif choice == 2:
            watches.add(path, watcher, PERSISTENT)
            plain.add("data", path, watcher, "persistent")
            plain.add("child", path, watcher, "persistent")
        elif choice == 3:
            watches.add(path, watcher, RECURSIVE)
            plain.add("data", path, watcher, "recursive")
        elif choice == 4:
            kind = random.choice(list(KINDS))
            assert watches.remove(path, watcher, kind) == plain.remove(path, watcher, KINDS[kind])
        elif choice == 5 and random.random() < 0.2:
            watches.drop(watcher)
            plain.watches = [w for w in plain.watches if w[2] != watcher]
        else:
            event_kind = random.choice((CREATED, DELETED, DATA, CHILDREN))
            told = watches.trigger([event(event_kind, path)])
            assert len(told) == len(set(told))
            assert {watcher for watcher, _, _ in told} == plain.told(event_kind, path)
        assert watches.count == len({w[:3] for w in plain.watches})
