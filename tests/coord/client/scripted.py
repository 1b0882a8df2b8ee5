"""A server played by the test over trio's memory streams: it sees every frame, and answers what and when the test says."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio
from trio.testing import memory_stream_pair

from coord.client.calls import encode
from coord.wire.jute import Reader, Writer
from coord.wire.ops import NOTIFICATION_XID, EventType, KeeperState, OpCode
from coord.wire.records import ConnectRequest, ConnectResponse, Stat, WatcherEvent
from coord.wire.requests import Record

SESSION_ID = 0x1000000000000AB
PASSWORD = bytes(range(16))


class Connection:
    """The server's end of one connection."""

    def __init__(self, host: str, stream: trio.StapledStream) -> None:  # type: ignore[type-arg]
        self.host = host
        self.stream = stream
        self._data = b""

    async def frame(self) -> bytes:
        """The next frame; b"" at the end of the stream."""
        while len(self._data) < 4 or len(self._data) < 4 + int.from_bytes(self._data[:4], "big"):
            more = await self.stream.receive_some()
            if not more:
                return b""
            self._data += more
        size = 4 + int.from_bytes(self._data[:4], "big")
        frame, self._data = self._data[4:size], self._data[size:]
        return frame

    async def request(self) -> tuple[int, int, bytes]:
        """The next request as (xid, operation, record)."""
        frame = await self.frame()
        assert frame, "a request was expected, and the client closed the connection"
        r = Reader(frame)
        return r.int(), r.int(), frame[8:]

    async def send(self, payload: bytes) -> None:
        """One frame."""
        await self.stream.send_all(len(payload).to_bytes(4, "big") + payload)

    async def welcome(self, timeout: float = 6.0, session_id: int = SESSION_ID) -> ConnectRequest:
        """Answers the handshake; a timeout of 0 refuses the session."""
        asked = ConnectRequest.read(Reader(await self.frame()))
        if timeout == 0:
            session_id = 0
        await self.send(encode(ConnectResponse(0, round(timeout * 1000), session_id, PASSWORD, False)))
        return asked

    async def reply(self, xid: int, record: Record | bytes = b"", *, zxid: int = 1, err: int = 0) -> None:
        """A reply with its record."""
        w = Writer()
        w.int(xid)
        w.long(zxid)
        w.int(err)
        await self.send(w.getvalue() + (record if isinstance(record, bytes) else encode(record)))

    async def notify(self, kind: EventType, path: str) -> None:
        """A watch event."""
        await self.reply(NOTIFICATION_XID, WatcherEvent(kind, KeeperState.SYNC_CONNECTED, path), zxid=-1)

    async def serve(self) -> None:
        """Answers pings and closeSession until the client goes."""
        while frame := await self.frame():
            r = Reader(frame)
            xid, op = r.int(), r.int()
            assert op in (OpCode.PING, OpCode.CLOSE_SESSION), f"unexpected operation {op}"
            await self.reply(xid)

    async def close(self) -> None:
        """Closes the connection."""
        await self.stream.aclose()


@dataclass
class Scripted:
    """Where the client's connections arrive. `refuse`: hosts at which nothing listens; `silent`: where connecting hangs."""

    refuse: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Connection](100)

    async def connect(self, host: str, port: int) -> trio.abc.Stream:
        """The client's `connect_stream`."""
        self.tried.append(host)
        await trio.lowlevel.checkpoint()
        if host in self.silent:
            await trio.sleep_forever()
        if host in self.refuse:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = memory_stream_pair()
        self._send.send_nowait(Connection(host, theirs))
        return ours

    async def accept(self) -> Connection:
        """The next connection."""
        return await self._receive.receive()


STAT = Stat(1, 2, 3, 4, 5, 6, 7, 0, 2, 0, 1)
