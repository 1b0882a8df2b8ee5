"""What goes over a client's connections, frame by frame, in the order of the wire: the checkers' only source.

A `Tap` belongs to one client, over all its connections. It pairs requests with replies and tells the checkers of each
pair, of each watch event, and of each request whose reply is lost. So the checkers see what the servers said and when,
whatever the client's code makes of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import trio

from coord.wire.jute import Reader
from coord.wire.ops import NOTIFICATION_XID, REQUESTS, RESPONSES, SET_WATCHES_XID, EventType, OpCode
from coord.wire.records import ConnectResponse, WatcherEvent

__all__ = ["Exchange", "Listener", "Tap"]


@dataclass(slots=True, eq=False)
class Exchange:
    """A request and what became of it. Times are seconds; err is None as long as there is no answer."""

    tap: Tap
    session_id: int
    server: str
    op: int
    request: Any
    asked: float
    sync: Exchange | None
    """The sync that was sent right before it on this connection."""
    answered: float = inf
    zxid: int = 0
    err: int | None = None
    reply: Any = None

    def __str__(self) -> str:
        end = "lost" if self.err is None else f"{self.answered:.4f} zxid {self.zxid:#x} err {self.err} {self.reply}"
        return f"{self.tap.name} at {self.server} {self.asked:.4f}: {OpCode(self.op).name} {self.request} -> {end}"


class Listener:
    """Hears everything; overrides what matters to it."""

    def connected(self, tap: Tap) -> None:
        """A session stands on a connection: a new one, or the one before on another connection."""

    def rejected(self, tap: Tap) -> None:
        """A server said that the client's session is over."""

    def watches_set(self, tap: Tap, data: list[str], children: list[str]) -> None:
        """The client tells a new server what it watches."""

    def notified(self, tap: Tap, event: EventType, path: str) -> None:
        """A watch event."""

    def answered(self, exchange: Exchange) -> None:
        """A reply."""

    def lost(self, exchange: Exchange) -> None:
        """The connection is gone before the reply."""


class Tap:
    """One client. name: for people. session_id: 0 before there is one."""

    def __init__(self, name: str, listener: Listener) -> None:
        self.name = name
        self.listener = listener
        self.session_id = 0

    def connector(
        self, open_stream: Callable[[str, int], Awaitable[trio.abc.Stream]]
    ) -> Callable[[str, int], Awaitable[trio.abc.Stream]]:
        """`open_stream` with this tap on every stream it opens."""

        async def connect(host: str, port: int) -> trio.abc.Stream:
            return _TappedStream(self, host, await open_stream(host, port))

        return connect


class _TappedStream(trio.abc.Stream):
    """A client's stream, overheard."""

    def __init__(self, tap: Tap, server: str, stream: trio.abc.Stream) -> None:
        self._tap = tap
        self._server = server
        self._stream = stream
        self._out = _Frames()
        self._in = _Frames()
        self._asked = False
        self._greeted = False
        self._waiting: deque[tuple[int, Exchange]] = deque()
        self._last: Exchange | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        for frame in self._out.feed(data):
            self._sent(frame)
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        for frame in self._in.feed(data):
            self._received(frame)
        return data

    async def aclose(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for _, exchange in waiting:
            self._tap.listener.lost(exchange)
        await self._stream.aclose()

    def _sent(self, frame: bytes) -> None:
        if not self._asked:
            self._asked = True
            return
        r = Reader(frame)
        xid, op = r.int(), r.int()
        kind = REQUESTS.get(op)
        if xid == SET_WATCHES_XID and kind is not None:
            told: Any = kind.read(r)
            self._tap.listener.watches_set(self._tap, told.data_watches + told.exist_watches, told.child_watches)
        if xid <= 0:
            return
        sync = self._last if self._last is not None and self._last.op == OpCode.SYNC else None
        tap = self._tap
        self._last = Exchange(
            tap, tap.session_id, self._server, op, kind.read(r) if kind else None, trio.current_time(), sync
        )
        self._waiting.append((xid, self._last))

    def _received(self, frame: bytes) -> None:
        r = Reader(frame)
        if not self._greeted:
            self._greet(ConnectResponse.read(r))
            return
        xid, zxid, err = r.int(), r.long(), r.int()
        if xid == NOTIFICATION_XID:
            event = WatcherEvent.read(r)
            self._tap.listener.notified(self._tap, EventType(event.type), event.path)
        elif xid > 0:
            expected, exchange = self._waiting.popleft()
            assert xid == expected, f"a reply to {xid}, where {expected} is next"
            kind = RESPONSES.get(exchange.op)
            exchange.answered = trio.current_time()
            exchange.zxid = zxid
            exchange.err = err
            exchange.reply = kind.read(r) if kind and not err else None
            self._tap.listener.answered(exchange)

    def _greet(self, response: ConnectResponse) -> None:
        self._greeted = True
        tap = self._tap
        if response.timeout_ms <= 0:
            tap.listener.rejected(tap)
        else:
            tap.session_id = response.session_id
            tap.listener.connected(tap)


class _Frames:
    """Cuts a stream at its length prefixes."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        self._left += data
        found = []
        while len(self._left) >= 4:
            end = 4 + int.from_bytes(self._left[:4], "big")
            if len(self._left) < end:
                break
            found.append(self._left[4:end])
            self._left = self._left[end:]
        return found
