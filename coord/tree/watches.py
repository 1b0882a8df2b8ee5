"""Who wants to hear of what: one-shot, persistent and recursive watches of each connection.

There are two tables, as in Apache: data (getData, exists, and everything that addWatch sets) and child (getChildren, and
addWatch's persistent ones). A one-shot watch is gone once it has fired. A recursive watch hears of its path and of all
below it, but never that the list of children changed. A watcher is told once for each event, however many watches match.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from struct import Struct
from typing import Generic, TypeVar

from coord.errors import ThrottledOpError
from coord.wire.codes import NOTIFICATION_XID, AddWatchMode, EventType, KeeperState, WatcherType
from coord.wire.data import ACL, OPEN_ACL_UNSAFE
from coord.wire.requests import SetWatches, SetWatches2

from .applied import Event
from .tree import Tree

__all__ = ["WATCHES_MAX", "WatchTable", "notification"]

WATCHES_MAX = 1_000_000
"""Watches of one watcher. A connection with more gets ThrottledOpError (-127) instead of another watch."""

_STANDARD = 1
_PERSISTENT = 2
_RECURSIVE = 4
_ANY = _STANDARD | _PERSISTENT | _RECURSIVE

_CREATED = EventType.NODE_CREATED
_DELETED = EventType.NODE_DELETED
_CHILDREN_CHANGED = EventType.NODE_CHILDREN_CHANGED
_DATA_CHANGED = EventType.NODE_DATA_CHANGED

_FRAME = Struct(">iiqiiii")
_FRAME_SIZE_BEYOND_PATH = _FRAME.size - 4

_Watcher = TypeVar("_Watcher", bound=Hashable)


def notification(event: EventType, path: str, zxid: int = -1) -> bytes:
    """The frame that tells a client of an event. zxid: -1 up to Apache's 3.8, later the transaction's."""
    data = path.encode()
    size = _FRAME_SIZE_BEYOND_PATH + len(data)
    state = KeeperState.SYNC_CONNECTED
    return _FRAME.pack(size, NOTIFICATION_XID, zxid, 0, event, state, len(data)) + data


class _Table(Generic[_Watcher]):
    """path -> watcher -> modes, and the other way round."""

    __slots__ = ("by_path", "by_watcher", "recursive")

    def __init__(self) -> None:
        self.by_path: dict[str, dict[_Watcher, int]] = {}
        self.by_watcher: dict[_Watcher, dict[str, None]] = {}
        self.recursive = 0

    def add(self, path: str, watcher: _Watcher, mode: int) -> None:
        watchers = self.by_path.get(path)
        if watchers is None:
            watchers = self.by_path[path] = {}
        modes = watchers.get(watcher, 0)
        if modes & mode:
            return
        if not modes:
            paths = self.by_watcher.setdefault(watcher, {})
            if len(paths) >= WATCHES_MAX:
                if not watchers:
                    del self.by_path[path]
                raise ThrottledOpError(path)
            paths[path] = None
        watchers[watcher] = modes | mode
        if mode == _RECURSIVE:
            self.recursive += 1

    def modes(self, path: str, watcher: _Watcher) -> int:
        return self.by_path.get(path, {}).get(watcher, 0)

    def discard(self, path: str, watcher: _Watcher, mode: int) -> bool:
        """Removes the modes in `mode`; says whether there was one."""
        modes = self.modes(path, watcher)
        if not modes & mode:
            return False
        if modes & mode & _RECURSIVE:
            self.recursive -= 1
        if modes & ~mode:
            self.by_path[path][watcher] = modes & ~mode
            return True
        watchers = self.by_path[path]
        del watchers[watcher]
        if not watchers:
            del self.by_path[path]
        paths = self.by_watcher[watcher]
        del paths[path]
        if not paths:
            del self.by_watcher[watcher]
        return True

    def drop(self, watcher: _Watcher) -> None:
        for path in list(self.by_watcher.get(watcher, ())):
            self.discard(path, watcher, _ANY)

    def fire(self, path: str) -> list[_Watcher]:
        """The watchers of `path` itself; their one-shot watches are gone then."""
        watchers = self.by_path.get(path)
        if watchers is None:
            return []
        found = list(watchers)
        for watcher in found:
            if watchers[watcher] & _STANDARD:
                self.discard(path, watcher, _STANDARD)
        return found

    def above(self, path: str) -> list[_Watcher]:
        """The recursive watchers of the nodes above `path`, nearest first."""
        found = []
        while path not in ("/", ""):
            path = path.rpartition("/")[0] or "/"
            for watcher, modes in self.by_path.get(path, {}).items():
                if modes & _RECURSIVE:
                    found.append(watcher)
        return found

    def __len__(self) -> int:
        return sum(map(len, self.by_path.values()))


class WatchTable(Generic[_Watcher]):
    """The watches of one server. A watcher is whatever stands for a connection.

    may_read: whether a watcher may hear of a node with this ACL; asked when an event is told, for nodes that are not open
    to everybody (CVE-2024-23944). A one-shot watch is used up also when the answer is no.
    """

    def __init__(self, may_read: Callable[[_Watcher, tuple[ACL, ...]], bool] | None = None) -> None:
        self._data: _Table[_Watcher] = _Table()
        self._child: _Table[_Watcher] = _Table()
        self._may_read = may_read

    # ---- setting and removing ----------------------------------------------------------------------------------------

    def add_data(self, path: str, watcher: _Watcher) -> None:
        """getData, and exists of a node that is there or not. Raises ThrottledOpError at the limit, as all of these."""
        self._data.add(path, watcher, _STANDARD)

    def add_child(self, path: str, watcher: _Watcher) -> None:
        """getChildren."""
        self._child.add(path, watcher, _STANDARD)

    def add(self, path: str, watcher: _Watcher, mode: AddWatchMode) -> None:
        """addWatch."""
        if mode == AddWatchMode.PERSISTENT_RECURSIVE:
            self._data.add(path, watcher, _RECURSIVE)
        else:
            self._data.add(path, watcher, _PERSISTENT)
            self._child.add(path, watcher, _PERSISTENT)

    def remove(self, path: str, watcher: _Watcher, kind: WatcherType) -> bool:
        """removeWatches; False when there was no such watch."""
        data_modes, child_modes = _MODES[kind]
        removed = self._child.discard(path, watcher, child_modes)
        return self._data.discard(path, watcher, data_modes) or removed

    def contains(self, path: str, watcher: _Watcher, kind: WatcherType) -> bool:
        """checkWatches."""
        data_modes, child_modes = _MODES[kind]
        found = self._data.modes(path, watcher) & data_modes or self._child.modes(path, watcher) & child_modes
        return bool(found)

    def drop(self, watcher: _Watcher) -> None:
        """The connection is gone."""
        self._data.drop(watcher)
        self._child.drop(watcher)

    def set_watches(
        self, tree: Tree, watcher: _Watcher, request: SetWatches | SetWatches2
    ) -> list[tuple[EventType, str]]:
        """Sets again what a client brings along when it reconnects.

        Returns the events for what has changed since the client last heard; those watches are not set. Persistent
        watches are only set: what they have missed stays missed, as in Apache.
        """
        missed: list[tuple[EventType, str]] = []
        since = request.relative_zxid
        for path in request.data_watches:
            node = tree.nodes.get(path)
            if node is None:
                missed.append((_DELETED, path))
            elif node.mzxid > since:
                missed.append((_DATA_CHANGED, path))
            else:
                self.add_data(path, watcher)
        for path in request.exist_watches:
            if path in tree.nodes:
                missed.append((_CREATED, path))
            else:
                self.add_data(path, watcher)
        for path in request.child_watches:
            node = tree.nodes.get(path)
            if node is None:
                missed.append((_DELETED, path))
            elif node.pzxid > since:
                missed.append((_CHILDREN_CHANGED, path))
            else:
                self.add_child(path, watcher)
        if isinstance(request, SetWatches2):
            for path in request.persistent_watches:
                self.add(path, watcher, AddWatchMode.PERSISTENT)
            for path in request.persistent_recursive_watches:
                self.add(path, watcher, AddWatchMode.PERSISTENT_RECURSIVE)
        return missed

    # ---- telling -----------------------------------------------------------------------------------------------------

    def trigger(self, events: Iterable[Event]) -> list[tuple[_Watcher, EventType, str]]:
        """Whom to tell of the events of a transaction, in order."""
        if not self._data.by_path and not self._child.by_path:
            return []
        told: list[tuple[_Watcher, EventType, str]] = []
        for event, path, acl in events:
            watchers = self._watchers_of(event, path)
            if self._may_read is not None and acl is not OPEN_ACL_UNSAFE:
                watchers = [watcher for watcher in watchers if self._may_read(watcher, acl)]
            told.extend([(watcher, event, path) for watcher in watchers])
        return told

    def _watchers_of(self, event: EventType, path: str) -> Iterable[_Watcher]:
        if event is _CHILDREN_CHANGED:
            return self._child.fire(path)
        watchers = self._data.fire(path)
        if self._data.recursive:
            watchers += self._data.above(path)
        if event is _DELETED:
            watchers += self._child.fire(path)
        return dict.fromkeys(watchers) if len(watchers) > 1 else watchers

    # ---- looking -----------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """Watches of both tables."""
        return len(self._data) + len(self._child)

    def summary(self) -> tuple[int, int, int]:
        """Of the data watches, as the word wchs shows them: watchers, paths, watches."""
        return len(self._data.by_watcher), len(self._data.by_path), len(self._data)

    def by_path(self) -> dict[str, list[_Watcher]]:
        """The data watches, as the word wchp shows them."""
        return {path: list(watchers) for path, watchers in self._data.by_path.items()}

    def by_watcher(self) -> dict[_Watcher, list[str]]:
        """The data watches, as the word wchc shows them."""
        return {watcher: list(paths) for watcher, paths in self._data.by_watcher.items()}


_MODES: dict[WatcherType, tuple[int, int]] = {
    WatcherType.CHILDREN: (0, _STANDARD),
    WatcherType.DATA: (_STANDARD, 0),
    WatcherType.ANY: (_ANY, _ANY),
    WatcherType.PERSISTENT: (_PERSISTENT, _PERSISTENT),
    WatcherType.PERSISTENT_RECURSIVE: (_RECURSIVE, 0),
}
"""kind -> the modes that it means in the data table, and in the child table."""
