"""The public client: one session with an ensemble, its operations as methods.

    async with connect("127.0.0.1:2181,127.0.0.1:2182/app") as client:
        await client.create("/config", b"1")
        async for node in client.watch_data("/config"):  # (data, Stat) now and after each change
            ...

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

from coord.errors import ConnectionLossError
from coord.kit.names import open_stream
from coord.kit.nurseries import flat_nursery
from coord.wire.ops import OpCode

from .calls import Credentials
from .hosts import Address, parse_connect_string
from .link import REQUEST_MAX, ConnectStream, Link
from .operations import Operations
from .states import State
from .subtree import delete_subtree
from .watches import WatchEvent
from .watching import ChildrenWatch, DataWatch, EventStream

__all__ = ["Client", "connect"]

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_Args = TypeVarTuple("_Args")


class Client(Operations):
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
        addresses, chroot = parse_connect_string(hosts)
        random = random or Random()
        link = Link(
            addresses,
            deliver=self._deliver,
            session_timeout=session_timeout,
            start_timeout=start_timeout,
            close_timeout=close_timeout,
            read_only=read_only,
            resume=resume,
            connect_stream=connect_stream,
            random=random,
            request_max=request_max,
        )
        super().__init__(link, chroot)
        self._random = random
        self._session = link.session
        for scheme, data in auth:
            link.add_auth_soon(scheme, data)

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

    # Convenience

    def token(self) -> str:
        """A name that nobody else has: 32 hexadecimal digits."""
        return f"{self._random.getrandbits(128):032x}"

    async def delete_all(self, path: str) -> None:
        """Deletes a node and everything below it. Nodes that appear or vanish meanwhile are no error."""
        await delete_subtree(self, path)

    # Watching

    def watch_data(self, path: str) -> DataWatch:
        """`async for` over a node's (data, Stat): now and after each change, None while it is missing.

        Changes in quick succession may show as one: what comes is always the newest state. It goes on over lost
        connections, raises SessionExpiredError when the session expires, and ends when the client is closed.
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
    random: Random | None = None,
    request_max: int = REQUEST_MAX,
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
        random=random,
        request_max=request_max,
    )
    async with flat_nursery() as nursery:
        await nursery.start(client.run)
        yield client
        await client.close()
