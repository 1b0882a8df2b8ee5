"""Changes in flight: what the tree will be when everything that was decided has been applied.

The leader decides many writes before the first of them is applied. Each leaves here what it makes of the nodes that it
touches; the next decision looks here first and in the tree after that. `applied` forgets what the tree knows by now.
Apache calls this outstandingChanges.
"""

from __future__ import annotations

from collections import deque

from coord.wire.data import ACL

from .tree import DIGEST_MASK, Tree
from .znode import NodeState, digest_seed

__all__ = ["Change", "Changes"]


class Change(NodeState):
    """A node as it will be after the transaction `zxid`; with `exists` false, that it will not be.

    birth: whether this is the creation of a node that has an owner.
    """

    __slots__ = ("birth", "children", "exists", "path", "zxid")

    def __init__(self, path: str, zxid: int, children: int, exists: bool) -> None:
        self.path = path
        self.zxid = zxid
        self.children = children
        self.exists = exists
        self.birth = False

    def count(self) -> int:
        """The number of children."""
        return self.children


class Changes:
    """The changes in flight over one tree.

    digest: the tree's, with everything in flight.
    _order holds them by zxid, _by_path the last one for each path; _births counts, for each owner, the creations of a
    path; _undo holds what `_by_path` had before each change of a multi.
    """

    __slots__ = ("_births", "_by_path", "_order", "_tree", "_undo", "digest")

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._by_path: dict[str, Change] = {}
        self._order: deque[Change] = deque()
        self._births: dict[int, dict[str, int]] = {}
        self._undo: list[Change | None] | None = None
        self.digest = tree.digest

    def __len__(self) -> int:
        return len(self._order)

    def settle(self) -> None:
        """To be called before each decision: with nothing in flight the tree's own digest is the one that holds."""
        if not self._order:
            self.digest = self._tree.digest

    def get(self, path: str) -> NodeState | None:
        """The node as it will be, or None when there will be none. The root is "", or "/" as clients say."""
        change = self._by_path.get(path if path != "/" else "")
        if change is None:
            return self._tree.nodes.get(path)
        return change if change.exists else None

    def update(self, path: str, state: NodeState, zxid: int, children: int) -> Change:
        """A copy of `state` to be changed. Every call must be followed by `count_in`."""
        change = Change(path if path != "/" else "", zxid, children, True)
        change.acl = state.acl
        change.aversion = state.aversion
        change.ctime = state.ctime
        change.cversion = state.cversion
        change.czxid = state.czxid
        change.data = state.data
        change.digest = state.digest
        change.mtime = state.mtime
        change.mzxid = state.mzxid
        change.owner = state.owner
        change.pzxid = state.pzxid
        change.seed = state.seed
        change.version = state.version
        self._add(change)
        return change

    def count_in(self, change: Change) -> None:
        """The change is complete: its digest replaces the one before it."""
        digest = change.new_digest()
        self.digest = self.digest + digest - change.digest & DIGEST_MASK
        change.digest = digest

    def create(
        self, path: str, data: bytes | None, acl: tuple[ACL, ...], zxid: int, time_ms: int, owner: int
    ) -> None:
        """A new node."""
        change = Change(path, zxid, 0, True)
        change.born(path, data, acl, zxid, time_ms, owner)
        self.digest = self.digest + change.digest & DIGEST_MASK
        self._add(change)
        if owner:
            change.birth = True
            births = self._births.setdefault(owner, {})
            births[path] = births.get(path, 0) + 1

    def replace_data(self, change: Change, data: bytes | None) -> None:
        """New data for a change that is not counted in yet."""
        change.data = data
        change.seed = digest_seed(change.path, data)

    def delete(self, path: str, state: NodeState, zxid: int) -> None:
        """The end of a node."""
        self.digest = self.digest - state.digest & DIGEST_MASK
        self._add(Change(path, zxid, 0, False))

    def owned_by(self, session_id: int) -> list[str]:
        """The ephemerals that the session will own."""
        paths = dict.fromkeys(self._tree.ephemerals.get(session_id, ()))
        paths.update(dict.fromkeys(self._births.get(session_id, ())))
        return [path for path in paths if self._is_owned(path, session_id)]

    def _is_owned(self, path: str, session_id: int) -> bool:
        state = self.get(path)
        return state is not None and state.owner == session_id

    def _add(self, change: Change) -> None:
        if self._undo is not None:
            self._undo.append(self._by_path.get(change.path))
        self._by_path[change.path] = change
        self._order.append(change)

    # ---- all or nothing ----------------------------------------------------------------------------------------------

    def begin(self) -> int:
        """From here on changes can be taken back, until `commit`. Returns what `rollback` needs."""
        self._undo = []
        return self.digest

    def commit(self) -> None:
        """Keeps the changes since `begin`."""
        self._undo = None

    def rollback(self, digest: int) -> None:
        """Takes back every change since `begin`."""
        assert self._undo is not None, "rollback without begin"
        for before in reversed(self._undo):
            change = self._order.pop()
            if change.birth:
                self._forget_birth(change)
            if before is None:
                del self._by_path[change.path]
            else:
                self._by_path[change.path] = before
        self.digest = digest
        self._undo = None

    # ---- forgetting --------------------------------------------------------------------------------------------------

    def applied(self, zxid: int) -> None:
        """The tree has applied everything up to `zxid`."""
        order = self._order
        by_path = self._by_path
        while order and order[0].zxid <= zxid:
            change = order.popleft()
            if by_path.get(change.path) is change:
                del by_path[change.path]
            if change.birth:
                self._forget_birth(change)

    def _forget_birth(self, change: Change) -> None:
        births = self._births[change.owner]
        births[change.path] -= 1
        if not births[change.path]:
            del births[change.path]
            if not births:
                del self._births[change.owner]
