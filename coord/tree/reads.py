"""What the server that holds a connection answers from memory: reads, and everything about watches.

An answer is the whole frame as bytes, header included, made straight from the bytes of the request: no record objects on
the way. A read that fails is answered by a header with the error's code; nothing that a client sends makes `answer`
raise. The caller must have applied the session's earlier writes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from struct import Struct
from struct import error as struct_error
from typing import Generic, Protocol, TypeVar

from coord.errors import (
    BadArgumentsError,
    CoordError,
    MarshallingError,
    NoNodeError,
    NoWatcherError,
    UnimplementedError,
)
from coord.wire.codes import MULTI_READS, AddWatchMode, OpCode, Perms, WatcherType
from coord.wire.data import OPEN_ACL_UNSAFE, Id, acl_bytes
from coord.wire.jute import JuteError, Reader, Writer
from coord.wire.multi import MULTI_END, MULTI_HEADER, MultiRequest
from coord.wire.requests import (
    AddWatchRequest,
    CheckWatchesRequest,
    GetChildrenRequest,
    GetDataRequest,
    SetWatches,
    SetWatches2,
)

from .acl import Guard, masked, shown_user
from .tree import Tree
from .watches import WatchTable, notification
from .znode import Znode

__all__ = ["Caller", "Reads"]

_HEADER = Struct(">iiqi")
_HEADER_INT = Struct(">iiqii")
_INT = Struct(">i")
_pack_header = _HEADER.pack
_pack_header_int = _HEADER_INT.pack
_unpack_int = _INT.unpack_from
_HEADER_SIZE = 16
_STAT_SIZE = 68
_READ = Perms.READ.value
_ADMIN = Perms.ADMIN.value
_NO_NODE = NoNodeError.code
_MARSHALLING = MarshallingError.code
_NULL = -1

_Bytes = bytes | memoryview


class Caller(Hashable, Protocol):
    """A connection, as far as reads care. It is also what the watch table knows it by."""

    session_id: int
    auth: tuple[Id, ...]


_Caller = TypeVar("_Caller", bound=Caller)


class Reads(Generic[_Caller]):
    """The read side of one server.

    tree: replace it when the server takes over another one (a snapshot from the leader).
    """

    def __init__(self, tree: Tree, watches: WatchTable[_Caller], guard: Guard) -> None:
        self.tree = tree
        self._watches = watches
        self._guard = guard
        self._answers: dict[int, Callable[[int, _Bytes, _Caller], bytes]] = {
            OpCode.EXISTS.value: self._exists,
            OpCode.GET_DATA.value: self._get_data,
            OpCode.GET_ACL.value: self._get_acl,
            OpCode.GET_CHILDREN.value: self._get_children,
            OpCode.GET_CHILDREN2.value: self._get_children2,
            OpCode.MULTI_READ.value: self._multi_read,
            OpCode.GET_EPHEMERALS.value: self._get_ephemerals,
            OpCode.GET_ALL_CHILDREN_NUMBER.value: self._get_all_children_number,
            OpCode.WHO_AM_I.value: self._who_am_i,
            OpCode.CHECK_WATCHES.value: self._check_watches,
            OpCode.REMOVE_WATCHES.value: self._remove_watches,
            OpCode.ADD_WATCH.value: self._add_watch,
            OpCode.SET_WATCHES.value: self._set_watches,
            OpCode.SET_WATCHES2.value: self._set_watches2,
        }

    def answers(self, op: int) -> bool:
        """Whether `op` is one of those answered here."""
        return op in self._answers

    def answer(self, xid: int, op: int, body: _Bytes, caller: _Caller) -> bytes:
        """The frame(s) to send: the reply, and before that the events that a setWatches has missed.

        body: the request without its header. caller: the connection; watches are set in its name.
        """
        method = self._answers.get(op)
        if method is None:
            return self._error(xid, UnimplementedError.code)
        try:
            return method(xid, body, caller)
        except CoordError as error:
            return self._error(xid, error.code)
        except (JuteError, IndexError, struct_error):
            return self._error(xid, _MARSHALLING)

    def _error(self, xid: int, code: int) -> bytes:
        return _pack_header(_HEADER_SIZE, xid, self.tree.last_zxid, code)

    def _reply(self, xid: int, body: bytes) -> bytes:
        return _pack_header(_HEADER_SIZE + len(body), xid, self.tree.last_zxid, 0) + body

    # ---- one node ----------------------------------------------------------------------------------------------------

    def _get_data(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        end = 4 + _unpack_int(body)[0]
        if end < 4:
            raise MarshallingError
        watch = body[end]
        tree = self.tree
        path = str(body[4:end], "utf-8", "replace")
        node = tree.nodes.get(path)
        if node is None:
            return _pack_header(_HEADER_SIZE, xid, tree.last_zxid, _NO_NODE)
        if node.acl is not OPEN_ACL_UNSAFE:
            self._guard.check(node.acl, _READ, caller.auth, path)
        if watch:
            self._watches.add_data(path, caller)
        data = node.data
        if data is None:
            return self._reply(xid, _INT.pack(_NULL) + node.stat())
        size = len(data)
        # 4 bytes of the buffer's length come with the header
        header = _pack_header_int(_HEADER_SIZE + 4 + size + _STAT_SIZE, xid, tree.last_zxid, 0, size)
        return b"".join((header, data, node.stat()))

    def _exists(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        path, watch = _path_and_watch(body)
        if "\0" in path:
            raise BadArgumentsError(path)
        node = self.tree.nodes.get(path)
        if node is not None and node.acl is not OPEN_ACL_UNSAFE:
            self._guard.check(node.acl, _READ, caller.auth, path)
        if watch:
            self._watches.add_data(path, caller)
        if node is None:
            return self._error(xid, _NO_NODE)
        return _pack_header(_HEADER_SIZE + _STAT_SIZE, xid, self.tree.last_zxid, 0) + node.stat()

    def _get_children(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        return self._reply(xid, _listing(self._parent(body, caller)))

    def _get_children2(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        node = self._parent(body, caller)
        listing = _listing(node)
        header = _pack_header(_HEADER_SIZE + len(listing) + _STAT_SIZE, xid, self.tree.last_zxid, 0)
        return b"".join((header, listing, node.stat()))

    def _parent(self, body: _Bytes, caller: _Caller) -> Znode:
        path, watch = _path_and_watch(body)
        node = self._readable(path, _READ, caller)
        if watch:
            self._watches.add_child(path, caller)
        return node

    def _readable(self, path: str, perms: int, caller: _Caller) -> Znode:
        node = self.tree.nodes.get(path)
        if node is None:
            raise NoNodeError(path)
        if node.acl is not OPEN_ACL_UNSAFE:
            self._guard.check(node.acl, perms, caller.auth, path)
        return node

    def _get_acl(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        node = self._readable(Reader(body).text(), _READ | _ADMIN, caller)
        acl = node.acl if self._guard.permits(node.acl, _ADMIN, caller.auth) else masked(node.acl)
        return self._reply(xid, acl_bytes(acl) + node.stat())

    # ---- many nodes --------------------------------------------------------------------------------------------------

    def _multi_read(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        ops = MultiRequest.read(Reader(body)).ops
        if not MULTI_READS.issuperset([op for op, _ in ops]):
            raise MarshallingError
        parts: list[bytes] = []
        for op, record in ops:
            assert isinstance(record, (GetDataRequest, GetChildrenRequest))
            try:
                data = self._one_of_many(op, record, caller)
                parts.append(MULTI_HEADER.pack(op, False, 0) + data)
            except CoordError as error:
                parts.append(MULTI_HEADER.pack(OpCode.ERROR, False, error.code) + _INT.pack(error.code))
        parts.append(MULTI_END)
        return self._reply(xid, b"".join(parts))

    def _one_of_many(
        self, op: int, record: GetDataRequest | GetChildrenRequest, caller: _Caller
    ) -> bytes:
        node = self._readable(record.path, _READ, caller)
        if op == OpCode.GET_CHILDREN:
            if record.watch:
                self._watches.add_child(record.path, caller)
            return _listing(node)
        if record.watch:
            self._watches.add_data(record.path, caller)
        if node.data is None:
            return _INT.pack(_NULL) + node.stat()
        return b"".join((_INT.pack(len(node.data)), node.data, node.stat()))

    def _get_ephemerals(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        prefix = Reader(body).text()
        if prefix.strip() in ("", "/"):
            prefix = ""
        w = Writer()
        w.strings([path for path in self.tree.ephemerals.get(caller.session_id, ()) if path.startswith(prefix)])
        return self._reply(xid, w.getvalue())

    def _get_all_children_number(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        path = Reader(body).text()
        node = self._readable(path, _READ, caller)
        if node is self.tree.nodes["/"]:
            return self._reply(xid, _INT.pack(len(self.tree.nodes) - 2))  # the root stands there as "" and as "/"
        total = 0
        todo = [(path, node)]
        while todo:
            above, node = todo.pop()
            for name in node.children or ():
                total += 1
                below = f"{above}/{name}"
                todo.append((below, self.tree.nodes[below]))
        return self._reply(xid, _INT.pack(total))

    def _who_am_i(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        w = Writer()
        w.int(len(caller.auth))
        for who in caller.auth:
            w.string(who.scheme)
            w.string(shown_user(who))
        return self._reply(xid, w.getvalue())

    # ---- watches -----------------------------------------------------------------------------------------------------

    def _check_watches(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        path, kind = _watches_asked(body)
        if not self._watches.contains(path, caller, kind):
            raise NoWatcherError(path)
        return self._reply(xid, b"")

    def _remove_watches(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        path, kind = _watches_asked(body)
        if not self._watches.remove(path, caller, kind):
            raise NoWatcherError(path)
        return self._reply(xid, b"")

    def _add_watch(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        request = AddWatchRequest.read(Reader(body))
        if request.mode not in (AddWatchMode.PERSISTENT, AddWatchMode.PERSISTENT_RECURSIVE):
            raise MarshallingError(request.path)
        self._watches.add(request.path, caller, AddWatchMode(request.mode))
        return self._reply(xid, _INT.pack(0))

    def _set_watches(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        return self._set_again(xid, SetWatches.read(Reader(body)), caller)

    def _set_watches2(self, xid: int, body: _Bytes, caller: _Caller) -> bytes:
        return self._set_again(xid, SetWatches2.read(Reader(body)), caller)

    def _set_again(self, xid: int, request: SetWatches | SetWatches2, caller: _Caller) -> bytes:
        frames = [notification(event, path) for event, path in self._watches.set_watches(self.tree, caller, request)]
        frames.append(self._reply(xid, b""))
        return b"".join(frames)


def _path_and_watch(body: _Bytes) -> tuple[str, int]:
    end = 4 + _unpack_int(body)[0]
    if end < 4:
        raise MarshallingError
    return str(body[4:end], "utf-8", "replace"), body[end]


def _watches_asked(body: _Bytes) -> tuple[str, WatcherType]:
    request = CheckWatchesRequest.read(Reader(body))
    if not WatcherType.CHILDREN <= request.type <= WatcherType.PERSISTENT_RECURSIVE:
        raise MarshallingError(request.path)
    return request.path, WatcherType(request.type)


def _listing(node: Znode) -> bytes:
    """The vector of the children's names, kept on the node until a child comes or goes."""
    listing = node.listing
    if listing is None:
        w = Writer()
        w.strings(node.children or ())
        listing = node.listing = w.getvalue()
    return listing
