"""Every operation of the protocol as a method: the path into the tree, the record out, the record in, the value back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from coord.errors import CoordError, MarshallingError, NodeExistsError, NoNodeError, RuntimeInconsistencyError
from coord.wire.jute import JuteError, Reader
from coord.wire.ops import AddWatchMode, OpCode, WatcherType
from coord.wire.records import (
    ACL,
    OPEN_ACL_UNSAFE,
    AddWatchRequest,
    Create2Response,
    CreateRequest,
    CreateResponse,
    DeleteRequest,
    ExistsRequest,
    ExistsResponse,
    GetACLRequest,
    GetACLResponse,
    GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse,
    GetChildren2Request,
    GetChildren2Response,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
    Id,
    MultiResponse,
    ReconfigRequest,
    RemoveWatchesRequest,
    SetACLRequest,
    SetACLResponse,
    SetDataRequest,
    SetDataResponse,
    Stat,
    SyncRequest,
    WhoAmIResponse,
)
from coord.wire.requests import Record

from .calls import Watch, WatchRemoval, encode
from .hosts import Chroot
from .link import Link
from .multi import Create, MultiOp, ReadOp, Result, create_request, full_path, multi_request, multi_results
from .watches import Kind, WatchEvent

__all__ = ["Operations", "Watcher"]

CONFIG_NODE = "/zookeeper/config"

Watcher = Callable[[WatchEvent], object]
"""Called in the order of events, before any reply that shows the change. It must not wait; what it raises is logged."""

_Record = TypeVar("_Record", bound=Record)


class Operations:
    """The operations of one session, below a chroot. All raise CoordError; all may be used by many tasks at once."""

    def __init__(self, link: Link, chroot: Chroot) -> None:
        self._link = link
        self._chroot = chroot
        self._call = link.call

    # Writing

    async def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[ACL] = OPEN_ACL_UNSAFE,
        ephemeral: bool = False,
        sequential: bool = False,
        container: bool = False,
        ttl_ms: int | None = None,
    ) -> str:
        """Creates a node and returns its path, which for a sequential one ends in a number of ten digits."""
        creation = Create(path, data, acl, ephemeral, sequential, container, ttl_ms)
        return (await self._create(creation, with_stat=False)).path

    async def create2(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[ACL] = OPEN_ACL_UNSAFE,
        ephemeral: bool = False,
        sequential: bool = False,
        container: bool = False,
        ttl_ms: int | None = None,
    ) -> tuple[str, Stat]:
        """`create`, with the new node's Stat."""
        creation = Create(path, data, acl, ephemeral, sequential, container, ttl_ms)
        created = await self._create(creation, with_stat=True)
        assert isinstance(created, Create2Response)
        return created.path, created.stat

    async def ensure_path(self, path: str, *, acl: Sequence[ACL] = OPEN_ACL_UNSAFE) -> None:
        """Creates a node and those above it where they are missing, the chroot's own too. May be done twice."""
        full = self._chroot.full(path)
        missing = [full]
        while missing:
            try:
                await self._call(OpCode.CREATE, encode(CreateRequest(missing[-1], b"", tuple(acl))), path)
            except NodeExistsError:
                pass
            except NoNodeError:
                missing.append(missing[-1].rpartition("/")[0])
                continue
            missing.pop()

    async def delete(self, path: str, version: int = -1) -> None:
        """Deletes a node without children that has `version` (-1: any)."""
        await self._ask(OpCode.DELETE, DeleteRequest(self._chroot.full(path), version), path)

    async def set(self, path: str, data: bytes | None, version: int = -1) -> Stat:
        """Sets the data of a node that has `version` (-1: any); returns the new Stat."""
        request = SetDataRequest(self._chroot.full(path), data, version)
        return _decode(SetDataResponse, await self._ask(OpCode.SET_DATA, request, path), path).stat

    async def set_acl(self, path: str, acl: Sequence[ACL], version: int = -1) -> Stat:
        """Sets the ACL of a node whose `aversion` is `version` (-1: any); returns the new Stat."""
        request = SetACLRequest(self._chroot.full(path), tuple(acl), version)
        return _decode(SetACLResponse, await self._ask(OpCode.SET_ACL, request, path), path).stat

    async def multi(self, ops: Sequence[MultiOp]) -> list[Result]:
        """Does all of the operations or none; returns their results in order.

        Raises the error of the one that failed, with its path, and a note that says which it was.
        """
        results = await self._multi(OpCode.MULTI, ops)
        for number, (op, result) in enumerate(zip(ops, results, strict=True), 1):
            if isinstance(result, CoordError) and not isinstance(result, RuntimeInconsistencyError):
                result.add_note(f"operation {number} of {len(ops)} in a multi, all undone: {type(op).__name__}")
                raise result
        return results

    async def sync(self, path: str = "/") -> None:
        """Lets the server catch up with the leader, so that reads that follow see what was written before."""
        await self._ask(OpCode.SYNC, SyncRequest(self._chroot.full(path)), path)

    # Reading. With sync=True a read is linearizable: it sees every write that was acknowledged, to anybody, before it
    # began, also where the leader has changed. It costs no round trip more than the sync. See docs/reads.md.

    async def exists(self, path: str, watch: Watcher | None = None, *, sync: bool = False) -> Stat | None:
        """The node's Stat, or None. The watch tells of its creation, change or deletion, once."""
        request = ExistsRequest(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.DATA, request.path, watch)
        try:
            reply = await self._ask(OpCode.EXISTS, request, path, watching, sync=sync)
        except NoNodeError:
            return None
        return _decode(ExistsResponse, reply, path).stat

    async def get(self, path: str, watch: Watcher | None = None, *, sync: bool = False) -> tuple[bytes, Stat]:
        """A node's data (null data as empty) and Stat. The watch tells of its change or deletion, once."""
        data, stat = await self.get_nullable(path, watch, sync=sync)
        return data or b"", stat

    async def get_nullable(
        self, path: str, watch: Watcher | None = None, *, sync: bool = False
    ) -> tuple[bytes | None, Stat]:
        """`get`, which keeps null data (a node can be created with none) apart from empty data."""
        request = GetDataRequest(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.DATA, request.path, watch)
        reply = await self._ask(OpCode.GET_DATA, request, path, watching, sync=sync)
        response = _decode(GetDataResponse, reply, path)
        return response.data, response.stat

    async def children(self, path: str, watch: Watcher | None = None, *, sync: bool = False) -> list[str]:
        """The names of a node's children, in no order. The watch tells of a change of this list, once."""
        request = GetChildrenRequest(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.CHILD, request.path, watch)
        reply = await self._ask(OpCode.GET_CHILDREN, request, path, watching, sync=sync)
        return _decode(GetChildrenResponse, reply, path).children

    async def children2(
        self, path: str, watch: Watcher | None = None, *, sync: bool = False
    ) -> tuple[list[str], Stat]:
        """`children`, with the node's own Stat."""
        request = GetChildren2Request(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.CHILD, request.path, watch)
        reply = await self._ask(OpCode.GET_CHILDREN2, request, path, watching, sync=sync)
        response = _decode(GetChildren2Response, reply, path)
        return response.children, response.stat

    async def get_acl(self, path: str, *, sync: bool = False) -> tuple[tuple[ACL, ...], Stat]:
        """A node's ACL and Stat."""
        request = GetACLRequest(self._chroot.full(path))
        response = _decode(GetACLResponse, await self._ask(OpCode.GET_ACL, request, path, sync=sync), path)
        return response.acl, response.stat

    async def multi_read(self, ops: Sequence[ReadOp], *, sync: bool = False) -> list[Result]:
        """Reads several nodes at one point in time; each result stands for itself, errors are values (since 3.6)."""
        return await self._multi(OpCode.MULTI_READ, ops, sync=sync)

    async def get_ephemerals(self, prefix: str = "/") -> list[str]:
        """The paths of this session's ephemeral nodes that begin with `prefix` (since 3.6)."""
        request = GetEphemeralsRequest(self._chroot.full(prefix))
        reply = await self._ask(OpCode.GET_EPHEMERALS, request, prefix)
        return [self._chroot.local(path) for path in _decode(GetEphemeralsResponse, reply, prefix).ephemerals]

    async def count_all_children(self, path: str) -> int:
        """How many nodes there are below one, at any depth (since 3.6)."""
        request = GetAllChildrenNumberRequest(self._chroot.full(path))
        reply = await self._ask(OpCode.GET_ALL_CHILDREN_NUMBER, request, path)
        return _decode(GetAllChildrenNumberResponse, reply, path).total_number

    # Watching

    async def add_watch(self, path: str, watch: Watcher, *, recursive: bool = False) -> None:
        """Sets a watch that stays (servers since 3.6)."""
        full = self._chroot.full(path)
        mode = AddWatchMode.PERSISTENT_RECURSIVE if recursive else AddWatchMode.PERSISTENT
        kind = Kind.RECURSIVE if recursive else Kind.PERSISTENT
        await self._ask(OpCode.ADD_WATCH, AddWatchRequest(full, mode), path, Watch(kind, full, watch))

    def discard_watch(self, path: str, watch: Watcher, *, recursive: bool = False) -> None:
        """Ends one watcher set by `add_watch`, on this side: events still sent for it go nowhere."""
        kind = Kind.RECURSIVE if recursive else Kind.PERSISTENT
        self._link.session.watches.discard(kind, self._chroot.full(path), watch)

    async def remove_watches(self, path: str, watcher_type: WatcherType = WatcherType.ANY) -> None:
        """Ends the watches of a path, persistent ones too if ANY; each watcher is told. Raises NoWatcherError."""
        full = self._chroot.full(path)
        removal = WatchRemoval(full, watcher_type)
        await self._ask(OpCode.REMOVE_WATCHES, RemoveWatchesRequest(full, watcher_type), path, removal)

    # The ensemble

    async def get_config(self, watch: Watcher | None = None) -> tuple[bytes, Stat]:
        """The ensemble's configuration, whatever the chroot; its version is the text's last line, in hex. The watch
        tells of a change, once."""
        request = GetDataRequest(CONFIG_NODE, watch is not None)
        reply = await self._ask(OpCode.GET_DATA, request, CONFIG_NODE, self._watch(Kind.DATA, CONFIG_NODE, watch))
        response = _decode(GetDataResponse, reply, CONFIG_NODE)
        return response.data or b"", response.stat

    async def reconfigure(
        self, joining: str | None = None, leaving: str | None = None, members: str | None = None, version: int = -1
    ) -> tuple[bytes, Stat]:
        """Changes the ensemble, if its configuration has `version` (-1: any); returns the new one.

        Either joining, lines `server.N=host:port:port[:role];[host:]port` separated by commas, and leaving, ids separated
        by commas; or members, all the lines of the new configuration. The servers must have `reconfigEnabled`, and the
        session the right to write /zookeeper/config. Raises ReconfigDisabledError, ReconfigInProgressError,
        NewConfigNoQuorumError, BadVersionError, BadArgumentsError, NoAuthError.
        """
        request = ReconfigRequest(joining, leaving, members, version)
        response = _decode(GetDataResponse, await self._call(OpCode.RECONFIG, encode(request), CONFIG_NODE), CONFIG_NODE)
        return response.data or b"", response.stat

    # The connection

    async def who_am_i(self) -> list[Id]:
        """The identities the server knows of this connection (servers since 3.7)."""
        return _decode(WhoAmIResponse, await self._call(OpCode.WHO_AM_I, b"")).client_info

    # How it is done

    async def _ask(
        self,
        op: OpCode,
        request: Record,
        path: str,
        watch: Watch | WatchRemoval | None = None,
        *,
        sync: bool = False,
    ) -> memoryview:
        before = encode(SyncRequest(self._chroot.full(path))) if sync else None
        return await self._call(op, encode(request), path, watch, before)

    async def _create(self, creation: Create, *, with_stat: bool) -> CreateResponse | Create2Response:
        path = creation.path
        op, request = create_request(full_path(creation, self._chroot), creation, with_stat=with_stat)
        reply = await self._ask(op, request, path)
        response: CreateResponse | Create2Response
        if op is OpCode.CREATE:
            response = _decode(CreateResponse, reply, path)
        else:
            response = _decode(Create2Response, reply, path)
        response.path = self._chroot.local(response.path)
        return response

    async def _multi(
        self, op: OpCode, ops: Sequence[MultiOp] | Sequence[ReadOp], *, sync: bool = False
    ) -> list[Result]:
        path = ops[0].path if ops else "/"
        reply = await self._ask(op, multi_request(ops, self._chroot), path, sync=sync)
        return multi_results(ops, _decode(MultiResponse, reply, path), self._chroot)

    def _watch(self, kind: Kind, path: str, watcher: Watcher | None) -> Watch | None:
        return None if watcher is None else Watch(kind, path, watcher)


def _decode(kind: type[_Record], reply: memoryview, path: str | None = None) -> _Record:
    try:
        return kind.read(Reader(reply))
    except JuteError as error:
        raise MarshallingError(path) from error
