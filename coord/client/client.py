"""The public client: one session with an ensemble, its operations as methods.

    async with connect("127.0.0.1:2181,127.0.0.1:2182/app") as client:
        await client.create("/config", b"1")
        async for data, stat in client.watch_data("/config"): ...

Any number of tasks may use one client at the same time; their requests travel together and are answered in order.

When the connection is lost, requests that were sent end with ConnectionLossError: nobody knows whether they were carried
out. Only the caller knows whether asking again is harmless; `retry` does it for those who say so. Requests made while
there is no connection wait for the next one. Watches survive a change of server. When the session itself is over
(EXPIRED, CLOSED, AUTH_FAILED) every request raises, and stays over: make a new client.
A time limit is the caller's: `with trio.fail_after(5): await client.get("/x")`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import TypeVar, TypeVarTuple

import trio

from coord.errors import (
    ConnectionLossError,
    CoordError,
    MarshallingError,
    NodeExistsError,
    NoNodeError,
    RuntimeInconsistencyError,
)
from coord.wire.jute import JuteError, Reader
from coord.wire.ops import AddWatchMode, OpCode, WatcherType
from coord.wire.records import (
    ACL,
    OPEN_ACL_UNSAFE,
    AddWatchRequest,
    Create2Response,
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

from .calls import Credentials, Watch, WatchRemoval, encode
from .hosts import Address, parse_connect_string
from .link import REQUEST_MAX, ConnectStream, Link, open_stream
from .multi import Create, MultiOp, ReadOp, Result, create_request, multi_request, multi_results
from .nurseries import flat_nursery
from .states import State
from .subtree import delete_subtree
from .watches import Kind, WatchEvent
from .watching import ChildrenWatch, DataWatch, EventStream

__all__ = ["Client", "Watcher", "connect"]

log = logging.getLogger(__name__)

Watcher = Callable[[WatchEvent], object]
"""Called in the order of events, before any reply that shows the change. It must not wait; what it raises is logged."""

_Record = TypeVar("_Record", bound=Record)
_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")


class Client:
    """One session. Use `connect`, or `await nursery.start(client.run)`; it ends with `close` or by cancellation.

    hosts: `host:port[,host:port…][/chroot]`; all paths are below the chroot. Raises ValueError for a malformed one.
    session_timeout: seconds the session outlives its client; servers may change it, see `session_timeout` later.
    start_timeout: seconds for the first connection; then ConnectFailedError.
    close_timeout: seconds to wait for the server's consent to a close.
    auth: credentials (scheme, bytes) from the start. read_only: servers without a quorum will do, for reads.
    resume: credentials of a living session to take over. request_max: the servers' jute.maxbuffer, less a header.
    """

    def __init__(
        self,
        hosts: str,
        *,
        session_timeout: float = 10.0,
        start_timeout: float = 15.0,
        close_timeout: float = 1.0,
        auth: Sequence[tuple[str, bytes]] = (),
        read_only: bool = False,
        resume: Credentials | None = None,
        connect_stream: ConnectStream = open_stream,
        random: Random | None = None,
        request_max: int = REQUEST_MAX,
    ) -> None:
        addresses, self._chroot = parse_connect_string(hosts)
        self._link = Link(
            addresses,
            deliver=self._deliver,
            session_timeout=session_timeout,
            start_timeout=start_timeout,
            close_timeout=close_timeout,
            read_only=read_only,
            resume=resume,
            connect_stream=connect_stream,
            random=random or Random(),
            request_max=request_max,
        )
        self._session = self._link.session
        self._call = self._link.call
        for scheme, data in auth:
            self._link.add_auth_soon(scheme, data)

    # The session

    async def run(self, *, task_status: trio.TaskStatus[Client] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until the session ends. Started when there is a session; raises if there is none in time."""
        await self._link.run(lambda: task_status.started(self))

    async def close(self) -> None:
        """Ends the session: ephemeral nodes go at once."""
        await self._link.close()

    @property
    def state(self) -> State:
        """Where the session is."""
        return self._session.state

    @property
    def session_id(self) -> int:
        """The session's number, 0 before there is one."""
        return self._session.session_id

    @property
    def credentials(self) -> Credentials:
        """What another client needs to take the session over."""
        return self._session.credentials

    @property
    def session_timeout(self) -> float:
        """Seconds, as the server decided."""
        return self._session.timeout

    @property
    def last_zxid(self) -> int:
        """The newest transaction any reply has shown."""
        return self._session.last_zxid

    @property
    def server(self) -> Address | None:
        """The server in use."""
        return self._link.server

    @property
    def server_read_only(self) -> bool:
        """Whether that server has no quorum and only reads."""
        return self._session.server_read_only

    def on_state(self, callback: Callable[[State], None]) -> Callable[[], None]:
        """Calls back, without waiting, at every change of state; returns the function that ends this."""
        return self._link.on_state(callback)

    async def wait_connected(self) -> None:
        """Returns when the session has a server. Raises SessionExpiredError or AuthFailedError when it has ended."""
        await self._link.wait_connected()

    async def retry(self, operation: Callable[[*_Args], Awaitable[_Value]], *args: *_Args) -> _Value:
        """Does an operation again for as long as connections are lost under it.

        Only for what does no harm when done twice: reads, `sync`, `ensure_path`, writes of the same absolute value.
        """
        while True:
            await self.wait_connected()
            try:
                return await operation(*args)
            except ConnectionLossError:
                continue

    async def add_auth(self, scheme: str, auth: bytes) -> None:
        """Adds an identity, here and on every later server. A refusal ends the session (AuthFailedError)."""
        await self._link.add_auth(scheme, auth)

    async def ping(self) -> float:
        """Seconds a server took to answer."""
        began = trio.current_time()
        await self._call(OpCode.PING, b"")
        return trio.current_time() - began

    async def who_am_i(self) -> list[Id]:
        """The identities the server knows of this connection (servers since 3.7)."""
        return _decode(WhoAmIResponse, await self._call(OpCode.WHO_AM_I, b"")).client_info

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
        """Creates a node and those above it, where they are missing. May be done twice."""
        try:
            await self.create(path, acl=acl)
        except NodeExistsError:
            return
        except NoNodeError:
            await self.ensure_path(path.rpartition("/")[0] or "/", acl=acl)
            await self.ensure_path(path, acl=acl)

    async def delete(self, path: str, version: int = -1) -> None:
        """Deletes a node without children that has `version` (-1: any)."""
        await self._ask(OpCode.DELETE, DeleteRequest(self._chroot.full(path), version), path)

    async def delete_all(self, path: str) -> None:
        """Deletes a node and everything below it. Nodes that appear or vanish meanwhile are no error."""
        await delete_subtree(self, path)

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

    # Reading

    async def exists(self, path: str, watch: Watcher | None = None) -> Stat | None:
        """The node's Stat, or None. The watch tells of its creation, change or deletion, once."""
        request = ExistsRequest(self._chroot.full(path), watch is not None)
        try:
            reply = await self._ask(OpCode.EXISTS, request, path, self._watch(Kind.DATA, request.path, watch))
        except NoNodeError:
            return None
        return _decode(ExistsResponse, reply, path).stat

    async def get(self, path: str, watch: Watcher | None = None) -> tuple[bytes, Stat]:
        """A node's data (null data as empty) and Stat. The watch tells of its change or deletion, once."""
        data, stat = await self.get_nullable(path, watch)
        return data or b"", stat

    async def get_nullable(self, path: str, watch: Watcher | None = None) -> tuple[bytes | None, Stat]:
        """`get`, which keeps null data (a node can be created with none) apart from empty data."""
        request = GetDataRequest(self._chroot.full(path), watch is not None)
        reply = await self._ask(OpCode.GET_DATA, request, path, self._watch(Kind.DATA, request.path, watch))
        response = _decode(GetDataResponse, reply, path)
        return response.data, response.stat

    async def children(self, path: str, watch: Watcher | None = None) -> list[str]:
        """The names of a node's children, in no order. The watch tells of a change of this list, once."""
        request = GetChildrenRequest(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.CHILD, request.path, watch)
        reply = await self._ask(OpCode.GET_CHILDREN, request, path, watching)
        return _decode(GetChildrenResponse, reply, path).children

    async def children2(self, path: str, watch: Watcher | None = None) -> tuple[list[str], Stat]:
        """`children`, with the node's own Stat."""
        request = GetChildren2Request(self._chroot.full(path), watch is not None)
        watching = self._watch(Kind.CHILD, request.path, watch)
        reply = await self._ask(OpCode.GET_CHILDREN2, request, path, watching)
        response = _decode(GetChildren2Response, reply, path)
        return response.children, response.stat

    async def get_acl(self, path: str) -> tuple[tuple[ACL, ...], Stat]:
        """A node's ACL and Stat."""
        request = GetACLRequest(self._chroot.full(path))
        response = _decode(GetACLResponse, await self._ask(OpCode.GET_ACL, request, path), path)
        return response.acl, response.stat

    async def multi_read(self, ops: Sequence[ReadOp]) -> list[Result]:
        """Reads several nodes at one point in time; each result stands for itself, errors are values (since 3.6)."""
        return await self._multi(OpCode.MULTI_READ, ops)

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

    def watch_data(self, path: str) -> DataWatch:
        """`async for` over a node's (data, Stat): now and after each change, None while it is missing.

        Changes in quick succession may show as one: what comes is always the newest state. Ends with the session's end,
        as an error.
        """
        return DataWatch(self, path)

    def watch_children(self, path: str) -> ChildrenWatch:
        """`async for` over the list of a node's children: now and after each change, None while it is missing."""
        return ChildrenWatch(self, path)

    def events(self, path: str, *, recursive: bool = False) -> EventStream:
        """`async for` over the events of a path, or of everything below it too (servers since 3.6).

        Use it as an async context manager. What happens while there is no server is missed.
        """
        return EventStream(self, path, recursive=recursive)

    async def add_watch(self, path: str, watch: Watcher, *, recursive: bool = False) -> None:
        """Sets a watch that stays (servers since 3.6)."""
        full = self._chroot.full(path)
        mode = AddWatchMode.PERSISTENT_RECURSIVE if recursive else AddWatchMode.PERSISTENT
        kind = Kind.RECURSIVE if recursive else Kind.PERSISTENT
        await self._ask(OpCode.ADD_WATCH, AddWatchRequest(full, mode), path, Watch(kind, full, watch))

    def discard_watch(self, path: str, watch: Watcher, *, recursive: bool = False) -> None:
        """Ends one watcher set by `add_watch`, on this side: events still sent for it go nowhere."""
        kind = Kind.RECURSIVE if recursive else Kind.PERSISTENT
        self._session.watches.discard(kind, self._chroot.full(path), watch)

    async def remove_watches(self, path: str, watcher_type: WatcherType = WatcherType.ANY) -> None:
        """Ends the watches of a path, persistent ones too if ANY; each watcher is told. Raises NoWatcherError."""
        full = self._chroot.full(path)
        removal = WatchRemoval(full, watcher_type)
        await self._ask(OpCode.REMOVE_WATCHES, RemoveWatchesRequest(full, watcher_type), path, removal)

    # How it is done

    async def _ask(
        self, op: OpCode, request: Record, path: str, watch: Watch | WatchRemoval | None = None
    ) -> memoryview:
        return await self._call(op, encode(request), path, watch)

    async def _create(self, creation: Create, *, with_stat: bool) -> CreateResponse | Create2Response:
        path = creation.path
        op, request = create_request(self._chroot.full(path), creation, with_stat=with_stat)
        reply = await self._ask(op, request, path)
        response: CreateResponse | Create2Response
        if op is OpCode.CREATE:
            response = _decode(CreateResponse, reply, path)
        else:
            response = _decode(Create2Response, reply, path)
        response.path = self._chroot.local(response.path)
        return response

    async def _multi(self, op: OpCode, ops: Sequence[MultiOp] | Sequence[ReadOp]) -> list[Result]:
        path = ops[0].path if ops else "/"
        reply = await self._ask(op, multi_request(ops, self._chroot), path)
        return multi_results(ops, _decode(MultiResponse, reply, path), self._chroot)

    def _watch(self, kind: Kind, path: str, watcher: Watcher | None) -> Watch | None:
        return None if watcher is None else Watch(kind, path, watcher)

    def _deliver(self, watcher: Hashable, event: WatchEvent) -> None:
        assert callable(watcher)
        try:
            watcher(event._replace(path=self._chroot.local(event.path)))
        except Exception:
            log.exception("a watch callback failed on %s: %r", event, watcher)


@asynccontextmanager
async def connect(
    hosts: str,
    *,
    session_timeout: float = 10.0,
    start_timeout: float = 15.0,
    close_timeout: float = 1.0,
    auth: Sequence[tuple[str, bytes]] = (),
    read_only: bool = False,
    resume: Credentials | None = None,
    connect_stream: ConnectStream = open_stream,
) -> AsyncIterator[Client]:
    """A connected client for the length of the block; see `Client` for the arguments. Its session ends with the block.

    Raises ValueError for a malformed connect string, ConnectFailedError when no server answers in time.
    """
    client = Client(
        hosts,
        session_timeout=session_timeout,
        start_timeout=start_timeout,
        close_timeout=close_timeout,
        auth=auth,
        read_only=read_only,
        resume=resume,
        connect_stream=connect_stream,
    )
    async with flat_nursery() as nursery:
        await nursery.start(client.run)
        yield client
        await client.close()


def _decode(kind: type[_Record], reply: memoryview, path: str | None = None) -> _Record:
    try:
        return kind.read(Reader(reply))
    except JuteError as error:
        raise MarshallingError(path) from error
