"""The watches a session has set, and what has to be said to a new server about them.

One-shot watches (data, exist, child) go when they fire; persistent ones stay. A watcher is any hashable value: this
table only says whom an event is for. Set twice on the same path for the same reason it is told once, as in Java's client.
Rules: reference of the protocol, "Watch tables" and "setWatches".
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from enum import IntEnum
from typing import NamedTuple

from coord.wire.ops import EventType, KeeperState, OpCode, WatcherType
from coord.wire.records import SetWatches, SetWatches2
from coord.wire.requests import Record

__all__ = ["SET_WATCHES_BYTES_MAX", "WATCHES_MAX", "Kind", "WatchEvent", "WatchTable"]

SET_WATCHES_BYTES_MAX = 128 * 1024
"""The paths of one setWatches request, in bytes; more travel in several requests, as Java's client does it."""
WATCHES_MAX = 1_000_000
"""Watches in one table."""


class Kind(IntEnum):
    """Why a path is watched; the order is that of setWatches2's vectors."""

    DATA = 0
    EXIST = 1
    CHILD = 2
    PERSISTENT = 3
    RECURSIVE = 4


class WatchEvent(NamedTuple):
    """What a watch tells. An event of type NONE, with state EXPIRED or CLOSED, means that no more will come."""

    type: EventType
    state: KeeperState
    path: str


_FIRED_ONCE: dict[EventType, tuple[Kind, ...]] = {
    EventType.NODE_CREATED: (Kind.DATA, Kind.EXIST),
    EventType.NODE_DATA_CHANGED: (Kind.DATA, Kind.EXIST),
    EventType.NODE_CHILDREN_CHANGED: (Kind.CHILD,),
    EventType.NODE_DELETED: (Kind.DATA, Kind.EXIST, Kind.CHILD),
}
_REMOVED_BY: dict[int, tuple[tuple[Kind, EventType], ...]] = {
    WatcherType.DATA: (
        (Kind.DATA, EventType.DATA_WATCH_REMOVED),
        (Kind.EXIST, EventType.DATA_WATCH_REMOVED),
    ),
    WatcherType.CHILDREN: ((Kind.CHILD, EventType.CHILD_WATCH_REMOVED),),
    WatcherType.ANY: (
        (Kind.DATA, EventType.DATA_WATCH_REMOVED),
        (Kind.EXIST, EventType.DATA_WATCH_REMOVED),
        (Kind.CHILD, EventType.CHILD_WATCH_REMOVED),
        (Kind.PERSISTENT, EventType.PERSISTENT_WATCH_REMOVED),
        (Kind.RECURSIVE, EventType.PERSISTENT_WATCH_REMOVED),
    ),
}


class WatchTable:
    """Who watches what. Watchers of one path keep the order in which they came."""

    def __init__(self) -> None:
        self._tables: tuple[dict[str, dict[Hashable, None]], ...] = tuple({} for _ in Kind)
        self.count = 0

    def add(self, kind: Kind, path: str, watcher: Hashable) -> None:
        """Remembers a watch that the server has confirmed."""
        watchers = self._tables[kind].setdefault(path, {})
        if watcher not in watchers:
            watchers[watcher] = None
            self.count += 1

    def fire(self, event_type: EventType, path: str) -> list[Hashable]:
        """The watchers an event is for, each once; one-shot ones are forgotten."""
        fired: dict[Hashable, None] = {}
        for kind in _FIRED_ONCE.get(event_type, ()):
            fired.update(self._pop(kind, path))
        fired.update(self._tables[Kind.PERSISTENT].get(path, ()))
        if event_type is not EventType.NODE_CHILDREN_CHANGED and self._tables[Kind.RECURSIVE]:
            for above in _path_and_ancestors(path):
                fired.update(self._tables[Kind.RECURSIVE].get(above, ()))
        return list(fired)

    def watching(self, path: str, watcher_type: int) -> bool:
        """Whether `remove` would find something."""
        return any(path in self._tables[kind] for kind, _ in _REMOVED_BY[watcher_type])

    def remove(self, path: str, watcher_type: int) -> list[tuple[Hashable, EventType]]:
        """Forgets the watches of a path; returns each watcher with the event that tells it so, once."""
        removed = {
            (watcher, event_type): None
            for kind, event_type in _REMOVED_BY[watcher_type]
            for watcher in self._pop(kind, path)
        }
        return list(removed)

    def discard(self, kind: Kind, path: str, watcher: Hashable) -> bool:
        """Forgets one watcher; returns whether the path has no other of that kind."""
        watchers = self._tables[kind].get(path)
        if watchers is not None and watcher in watchers:
            del watchers[watcher]
            self.count -= 1
            if not watchers:
                del self._tables[kind][path]
        return path not in self._tables[kind]

    def clear(self) -> list[Hashable]:
        """Forgets everything; returns every watcher once."""
        watchers = {w: None for table in self._tables for watchers in table.values() for w in watchers}
        for table in self._tables:
            table.clear()
        self.count = 0
        return list(watchers)

    def set_watches(self, relative_zxid: int) -> Iterator[tuple[OpCode, Record]]:
        """The requests that make a new server watch the same, each within SET_WATCHES_BYTES_MAX."""
        chunk: tuple[list[str], ...] = tuple([] for _ in Kind)
        size = 0
        for kind in Kind:
            for path in self._tables[kind]:
                needed = 4 + len(path.encode())
                if size and size + needed > SET_WATCHES_BYTES_MAX:
                    yield _set_watches_request(relative_zxid, chunk)
                    chunk, size = tuple([] for _ in Kind), 0
                chunk[kind].append(path)
                size += needed
        if size:
            yield _set_watches_request(relative_zxid, chunk)

    def _pop(self, kind: Kind, path: str) -> dict[Hashable, None]:
        watchers = self._tables[kind].pop(path, {})
        self.count -= len(watchers)
        return watchers


def _set_watches_request(relative_zxid: int, chunk: tuple[list[str], ...]) -> tuple[OpCode, Record]:
    """The older request unless a persistent watch needs the newer: servers before 3.6 know only that one."""
    data, exist, child, persistent, recursive = chunk
    if persistent or recursive:
        return OpCode.SET_WATCHES2, SetWatches2(relative_zxid, data, exist, child, persistent, recursive)
    return OpCode.SET_WATCHES, SetWatches(relative_zxid, data, exist, child)


def _path_and_ancestors(path: str) -> Iterator[str]:
    yield path
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path
