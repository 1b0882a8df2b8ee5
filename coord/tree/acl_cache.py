"""One copy of each ACL, however many nodes have it, and the number that stands for it in snapshots.

world:anyone:cdrwa, which nearly every node has, is always the one object `OPEN_ACL_UNSAFE`: whoever holds a node may ask
`acl is OPEN_ACL_UNSAFE`. The others are counted, so that ACLs of deleted nodes do not pile up.
"""

from __future__ import annotations

from coord.wire.data import ACL, OPEN_ACL_UNSAFE

__all__ = ["AclCache"]

_OPEN_KEY = 1


class AclCache:
    """acl -> key; used by one tree."""

    __slots__ = ("_entries", "_next_key")

    def __init__(self) -> None:
        self._entries: dict[tuple[ACL, ...], _Entry] = {}
        self._next_key = _OPEN_KEY + 1

    def take(self, acl: tuple[ACL, ...]) -> tuple[ACL, ...]:
        """The shared copy of `acl`, for one more node. An empty ACL permits everything, so it is the open one."""
        if acl is OPEN_ACL_UNSAFE or not acl or acl == OPEN_ACL_UNSAFE:
            return OPEN_ACL_UNSAFE
        entry = self._entries.get(acl)
        if entry is None:
            entry = self._entries[acl] = _Entry(acl, self._next_key)
            self._next_key += 1
        entry.uses += 1
        return entry.acl

    def release(self, acl: tuple[ACL, ...]) -> None:
        """A node that had `acl` is gone or has another one."""
        if acl is OPEN_ACL_UNSAFE:
            return
        entry = self._entries[acl]
        entry.uses -= 1
        assert entry.uses >= 0, "an ACL was released more often than it was taken"
        if not entry.uses:
            del self._entries[acl]

    def keys(self) -> dict[tuple[ACL, ...], int]:
        """Every ACL in use and its key."""
        keys = {OPEN_ACL_UNSAFE: _OPEN_KEY}
        for entry in self._entries.values():
            keys[entry.acl] = entry.key
        return keys

    def __len__(self) -> int:
        return len(self._entries) + 1


class _Entry:
    __slots__ = ("acl", "key", "uses")

    def __init__(self, acl: tuple[ACL, ...], key: int) -> None:
        self.acl = acl
        self.key = key
        self.uses = 0
