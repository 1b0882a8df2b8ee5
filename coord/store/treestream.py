"""A tree as a stream of bytes: the middle of a snapshot file, and the body that follows a SNAP packet to a learner.

int count {long session id, int timeout ms}* | int count {long key, ACL vector}* | nodes, parents first: {string path, buffer
data, long ACL key, StatPersisted}*, the root as "" | string "/". The key -1 stands for world:anyone:cdrwa. To a learner the
string "BenWasHere" follows.

Apache writes it while transactions are applied, so a node that is newer than the list of ACLs may have a key that is not in
it. Until the transaction that gave the node its ACL is applied again, nobody may do anything with it (`UNKNOWN_ACL`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from struct import Struct

from coord.tree.frozen import Frozen, NodeImage
from coord.tree.tree import Tree
from coord.tree.znode import PERSISTED_STAT
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, UNKNOWN_ACL, acl_bytes, read_acl
from coord.wire.jute import JuteError, Reader

__all__ = ["ITEM_SIZE_MAX", "SNAP_SIGNATURE", "TreeDecoder", "encode_tree"]

SNAP_SIGNATURE = b"\0\0\0\x0aBenWasHere"
"""What ends the stream to a learner, and tells it that the stream was whole."""

ITEM_SIZE_MAX = 64 << 20
"""Bytes of one path, one node's data or one ACL. Jute's own limit is near 1 MiB, but a site may raise that."""

_END = b"\0\0\0\1/"
_NULL = b"\xff\xff\xff\xff"
_OPEN_KEY = -1
_STAT_SIZE = PERSISTED_STAT.size
_SLICE = 4096

_INT = Struct(">i")
_LONG = Struct(">q")
_SESSION = Struct(">qi")
_pack_int = _INT.pack
_pack_long = _LONG.pack
_unpack_int = _INT.unpack_from
_unpack_long = _LONG.unpack_from


def encode_tree(frozen: Frozen) -> Iterator[bytes]:
    """The stream up to and with its end mark, in pieces that take about a millisecond each to make."""
    yield _pack_int(len(frozen.sessions))
    sessions = iter(frozen.sessions.items())
    while part := list(islice(sessions, _SLICE)):
        yield b"".join([_SESSION.pack(*session) for session in part])
    keys = {acl: key for key, acl in enumerate((acl for acl in frozen.acl_keys if acl is not OPEN_ACL_UNSAFE), 1)}
    yield _pack_int(len(keys)) + b"".join([_pack_long(key) + acl_bytes(acl) for acl, key in keys.items()])
    keys[OPEN_ACL_UNSAFE] = _OPEN_KEY
    for nodes in frozen.chunks():
        yield _encode_nodes(nodes, keys)
    yield _END


def _encode_nodes(nodes: list[NodeImage], keys: dict[tuple[ACL, ...], int]) -> bytes:
    parts: list[bytes] = []
    add = parts.append
    packed = {acl: _pack_long(key) for acl, key in keys.items()} if len(keys) < len(nodes) else None
    for path, data, acl, stat in nodes:
        name = path.encode()
        add(_pack_int(len(name)))
        add(name)
        if data is None:
            add(_NULL)
        else:
            add(_pack_int(len(data)))
            add(data)
        add(packed[acl] if packed else _pack_long(keys[acl]))
        add(stat)
    return b"".join(parts)


class TreeDecoder:
    """Builds `tree` from the stream, fed in pieces of any size. `tree.loaded(zxid)` is left to the caller.

    ending: bytes that must follow the end mark (SNAP_SIGNATURE for a learner). finished: all of it has been read.
    """

    def __init__(self, *, ending: bytes = b"", extended_types: bool = False) -> None:
        self.tree = Tree(extended_types=extended_types)
        self.tree.clear()
        self.finished = False
        self._ending = ending
        self._left = 0
        self._acls: dict[int, tuple[ACL, ...]] = {_OPEN_KEY: OPEN_ACL_UNSAFE}
        self._step: Callable[[memoryview, int], int] = self._session_count

    def feed(self, data: bytes | memoryview) -> int:
        """Takes bytes; returns how many it consumed. The rest must come again with more behind it. Raises ValueError."""
        view = memoryview(data)
        at = 0
        while not self.finished:
            step = self._step
            stop = step(view, at)
            if stop == at and step == self._step:
                break
            at = stop
        return at

    def _session_count(self, data: memoryview, at: int) -> int:
        return self._count(data, at, "sessions", self._sessions)

    def _sessions(self, data: memoryview, at: int) -> int:
        count = min(self._left, (len(data) - at) // _SESSION.size)
        end = at + count * _SESSION.size
        self.tree.sessions.update(_SESSION.iter_unpack(data[at:end]))
        self._left -= count
        if not self._left:
            self._step = self._acl_count
        return end

    def _acl_count(self, data: memoryview, at: int) -> int:
        return self._count(data, at, "ACLs", self._acl)

    def _acl(self, data: memoryview, at: int) -> int:
        if not self._left:
            self._step = self._nodes
            return at
        r = Reader(data, at)
        try:
            key, acl = r.long(), read_acl(r)
        except JuteError:
            if len(data) - at > ITEM_SIZE_MAX:
                raise
            return at
        self._acls[key] = acl
        self._left -= 1
        return r.offset

    def _nodes(self, data: memoryview, at: int) -> int:
        size = len(data)
        put, acls = self.tree.put, self._acls
        while size - at >= 4:
            length: int = _unpack_int(data, at)[0]
            path_end = at + 4 + length
            if not 0 <= length <= ITEM_SIZE_MAX:
                raise JuteError(f"a path of {length} bytes")
            if path_end > size:
                break
            path = str(data[at + 4 : path_end], "utf-8", "replace")
            if path == "/":
                self._step = self._end
                return path_end
            if path_end + 4 > size:
                break
            length = _unpack_int(data, path_end)[0]
            if not -1 <= length <= ITEM_SIZE_MAX:
                raise JuteError(f"data of {length} bytes at {path or '/'}")
            start = path_end + 4
            end = start + length if length > 0 else start
            if end + 8 + _STAT_SIZE > size:
                break
            acl = acls.get(_unpack_long(data, end)[0], UNKNOWN_ACL)
            content = bytes(data[start:end]) if length >= 0 else None
            at = end + 8 + _STAT_SIZE
            put(path, content, acl, bytes(data[end + 8 : at]))
        return at

    def _end(self, data: memoryview, at: int) -> int:
        end = at + len(self._ending)
        if end > len(data):
            return at
        if data[at:end] != self._ending:
            raise JuteError(f"the stream ends in {bytes(data[at:end])!r} instead of {self._ending!r}")
        self.finished = True
        return end

    def _count(self, data: memoryview, at: int, what: str, then: Callable[[memoryview, int], int]) -> int:
        if len(data) - at < 4:
            return at
        self._left = max(0, _unpack_int(data, at)[0])
        self._step = then
        return at + 4
