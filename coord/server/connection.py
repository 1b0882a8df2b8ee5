"""One client's connection: handshake, requests, replies.

It begins with a four-letter word or with a ConnectRequest; after that come requests. All requests that one receive brought
are handled in one loop, and their replies leave as one write. What this server answers by itself is answered at once,
unless earlier requests of the session still wait: then it waits behind them.

What nobody may send raises FrameError or JuteError here, and the network closes the connection with one line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from coord.errors import AuthFailedError, UnimplementedError
from coord.kit.framing import LENGTH, FrameError, frames
from coord.kit.net import Transport
from coord.tree.sessions import password_of
from coord.wire.codes import READS, WRITES, OpCode
from coord.wire.data import Id
from coord.wire.jute import Reader, Writer
from coord.wire.records import PASSWORD_SIZE, AuthPacket, ConnectRequest, ConnectResponse
from coord.zab.application import Role

from .config import ServerConfig
from .pipeline import Pipeline
from .replies import reply_frame
from .sessions import ClientSession
from .stats import Latency, Statistics

__all__ = ["CONNECT_MAX", "Connection", "Keeper"]

log = logging.getLogger(__name__)

WORD_MAX = 12
"""Bytes of the longest word: stmk, and a number."""
CONNECT_MAX = 4096
"""Bytes of a ConnectRequest; today's have 45."""
REPLIES_MAX = 64
"""Replies gathered before they are written out and it is looked at how much the client has not taken yet."""
LARGE_REPLY = 64 * 1024
"""A reply that is written out at once."""
QUEUED_MAX = 4 * 1024 * 1024
"""Bytes that a client has not taken, above which its requests are not read. More than what the network sends before the
end of a wake-up, so that then the kernel is known to be full, and will tell when it is not."""

REQUEST = Struct(">iii")  # length of what follows, xid, operation
REQUEST_MIN = 8
ZXID = slice(8, 16)
"""In a reply's frame."""
INTERNAL = {OpCode.CREATE_SESSION, OpCode.DELETE_CONTAINER}
LOCAL = READS | {
    OpCode.SET_WATCHES, OpCode.SET_WATCHES2, OpCode.ADD_WATCH, OpCode.CHECK_WATCHES, OpCode.REMOVE_WATCHES,
}  # fmt: skip
"""Operations that this server answers by itself."""
ORDERED = (WRITES | {OpCode.SYNC}) - INTERNAL
"""Operations that go to the leader."""
KNOWN = frozenset(OpCode) - INTERNAL - {OpCode.ERROR, OpCode.NOTIFICATION, OpCode.CHECK}
"""Operations of the protocol that a client may ask for by themselves."""
PING = OpCode.PING.value
AUTH = OpCode.AUTH.value
CLOSE_SESSION = OpCode.CLOSE_SESSION.value


class Keeper(Protocol):
    """What a connection asks of whoever keeps all of them."""

    config: ServerConfig
    pipeline: Pipeline
    stats: Statistics
    tick: int
    """A coarse clock, for noticing who has been silent."""

    def word(self, data: bytes, connection: Connection) -> bytes | None:
        """The answer to the four-letter word that a connection begins with; None where that is none, b"" where some of it
        is still to come. data: the first bytes, at least four."""
        ...

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""

    def is_full(self, connection: Connection) -> bool:
        """Whether no more requests of this connection can be taken now; then it has been paused, and will be resumed."""
        ...


class Connection:
    """The protocol's side of one connection, the pipeline's `Client`, and a watcher.

    asked: it has sent its ConnectRequest. received_count, sent_count: frames. last_xid, last_op: of the newest request.
    last_zxid: of the newest reply, as its eight bytes. answered: the keeper's tick of that. latency: see `Latency`.
    """

    __slots__ = (
        "_dismissed", "_keeper", "_pipeline", "_stats", "_take", "_wants_flag", "answered", "asked", "auth", "heard", "last_op",
        "last_xid", "last_zxid", "latency", "received_count", "sent_count", "session", "session_id", "since_ms", "transport",
    )  # fmt: skip

    def __init__(self, keeper: Keeper, transport: Transport, since_ms: int) -> None:
        self.transport = transport
        self.session: ClientSession | None = None
        self.session_id = 0
        self.asked = False
        self.auth: tuple[Id, ...] = (Id("ip", transport.host),)
        self.heard = keeper.tick
        self.since_ms = since_ms
        self.received_count = 0
        self.sent_count = 0
        self.last_op = 0
        self.last_xid = -1
        self.last_zxid = bytes(8)
        self.answered = keeper.tick
        self.latency = Latency()
        self._keeper = keeper
        self._pipeline = keeper.pipeline
        self._stats = keeper.stats
        self._take: Callable[[memoryview], int] = self._begin  # `len` takes everything and looks at nothing
        self._wants_flag = True
        self._dismissed = False  # nothing more is taken; closed as soon as the replies are written

    @property
    def silent_ticks(self) -> int:
        """For how many of the keeper's ticks nothing was heard."""
        return self._keeper.tick - self.heard

    def still_there(self) -> None:
        """Something else than its words shows that the client lives."""
        self.heard = self._keeper.tick
        if self.session is not None:
            self._pipeline.heard(self.session)

    # ---- Receiver ----------------------------------------------------------------------------------------------------

    def received(self, data: memoryview) -> int:
        self.heard = self._keeper.tick
        return self._take(data)

    def closed(self, reason: str) -> None:
        self._take = len
        if self.session is not None:
            log.debug("%s: session 0x%x: %s", self.transport.peer, self.session.id, reason)
            self._pipeline.watches.drop(self)
            self._pipeline.left(self.session, self)
        self._keeper.gone(self)

    # ---- handshake ---------------------------------------------------------------------------------------------------

    def _begin(self, data: memoryview) -> int:
        if len(data) < LENGTH.size:
            return 0
        text = self._keeper.word(bytes(data[:WORD_MAX]), self)
        if text == b"":
            return 0
        if text is not None:
            self._take = len
            self.transport.write(text)
            self.transport.close()
            return len(data)
        for frame in frames(data, CONNECT_MAX):
            self._handshake(ConnectRequest.read(Reader(frame)))
            return LENGTH.size + len(frame)
        return 0

    def _handshake(self, request: ConnectRequest) -> None:
        pipeline, config = self._pipeline, self._keeper.config
        self._stats.received += 1
        self.received_count += 1
        self.asked = True
        # A client that is so old that it does not send the flag does not expect it either.
        self._wants_flag = request.read_only is not None
        seen = request.last_zxid_seen
        if not pipeline.serving and not (pipeline.read_only and request.read_only):
            self.transport.abort("this server does not serve")
            return
        if pipeline.role is Role.LEADING and not config.leader_serves:
            self.transport.abort("this server leads, and leaderServes=no")
            return
        if seen > pipeline.tree.last_zxid:
            log.info("%s has seen 0x%x, this server only 0x%x", self.transport.peer, seen, pipeline.tree.last_zxid)
            self.transport.abort("the client is ahead of this server")
            return
        timeout_ms = min(max(request.timeout_ms, config.min_timeout_ms), config.max_timeout_ms)
        if request.session_id and request.password != password_of(request.session_id):
            log.warning("%s: wrong password for session 0x%x", self.transport.peer, request.session_id & (1 << 64) - 1)
            self.rejected()
            return
        self.transport.pause()  # nothing is read until the session stands
        if request.session_id:
            pipeline.reopen(self, request.session_id, timeout_ms)
        else:
            pipeline.open(self, timeout_ms)

    def established(self, session: ClientSession) -> None:
        if self.transport.closed:
            self._pipeline.left(session, self)
            return
        self.session = session
        self.session_id = session.id
        self._take = self._requests
        self._answer_connect(session.timeout_ms, session.id, password_of(session.id))
        self.transport.resume()

    def rejected(self) -> None:
        self._take = len
        self._answer_connect(0, 0, bytes(PASSWORD_SIZE))
        self.transport.close()

    def _answer_connect(self, timeout_ms: int, session_id: int, password: bytes) -> None:
        w = Writer()
        read_only = self._pipeline.read_only if self._wants_flag else None
        ConnectResponse(0, timeout_ms, session_id, password, read_only).write(w)
        self._stats.replied(0)
        self.send(LENGTH.pack(len(w)) + w.getvalue())

    # ---- requests ----------------------------------------------------------------------------------------------------

    def _requests(self, data: memoryview) -> int:
        """Handles every whole request in `data`; returns the bytes that they took."""
        session = self.session
        assert session is not None
        end = len(data)
        if not self._has_frame(data, 0, end):
            return 0
        self._pipeline.heard(session)
        raw = bytes(data)
        waiting = session.waiting
        frame_max = self._keeper.config.frame_max
        unpack, read = REQUEST.unpack_from, self._pipeline.reads.answer
        replies: list[bytes] = []
        start = count = xid = op = 0
        while end - start >= REQUEST.size:
            length, xid, op = unpack(raw, start)
            after = start + 4 + length
            if after > end or not REQUEST_MIN <= length <= frame_max:
                break
            body = raw[start + 12 : after]
            start = after
            count += 1
            if op in LOCAL and not waiting:
                frame = read(xid, op, body, self)
                replies.append(frame)
                if len(replies) < REPLIES_MAX and len(frame) < LARGE_REPLY:
                    continue
                self._write(replies)
            else:
                self._other(session, xid, op, body, replies)
            if self._dismissed or self._keeper.is_full(self):
                break
        self._write(replies)
        self._note(count, xid, op)
        if self._dismissed:
            self._dismiss()
        else:
            self._has_frame(raw, start, end)
        return start

    def _has_frame(self, data: bytes | memoryview, start: int, end: int) -> bool:
        """Whether a whole request begins at `start`. Raises FrameError when what begins there can never be one."""
        if end - start < LENGTH.size:
            return False
        length: int = LENGTH.unpack_from(data, start)[0]
        if not REQUEST_MIN <= length <= self._keeper.config.frame_max:
            raise FrameError(length, self._keeper.config.frame_max)
        return length <= end - start - LENGTH.size

    def _write(self, replies: list[bytes]) -> None:
        if replies:
            self.sent_count += len(replies)
            self.last_zxid = replies[-1][ZXID]
            self.answered = self.heard
            self.latency.note(0, len(replies))
            self._stats.replied(0, len(replies))
            self.transport.write(b"".join(replies))
            replies.clear()

    def _note(self, count: int, xid: int, op: int) -> None:
        self.received_count += count
        self._stats.received += count
        if xid >= 0:  # not a ping's
            self.last_xid = xid
        self.last_op = op

    def _other(self, session: ClientSession, xid: int, op: int, body: bytes, replies: list[bytes]) -> None:
        """Whatever is not answered at once by `Reads`."""
        if op in ORDERED:
            self._pipeline.submit(session, xid, op, body)
            self._dismissed = op == CLOSE_SESSION
        elif op == AUTH:
            replies.append(self._authenticate(xid, body))
        elif session.waiting:
            self._pipeline.wait(session, xid, op, body)
        else:
            replies.append(self._by_itself(xid, op, body))

    def _by_itself(self, xid: int, op: int, body: bytes) -> bytes:
        if op == PING:
            return reply_frame(xid, self._pipeline.tree.last_zxid)
        if op in KNOWN:
            return self._pipeline.reads.answer(xid, op, body, self)
        log.warning("%s: closed: operation %d is unknown", self.transport.peer, op)
        self._dismissed = True
        return reply_frame(xid, -1, UnimplementedError.code)

    def _authenticate(self, xid: int, body: bytes) -> bytes:
        packet = AuthPacket.read(Reader(body))
        try:
            proved = self._pipeline.guard.authenticate(packet.scheme, packet.auth or b"", self.transport.host)
        except AuthFailedError as error:
            log.warning("%s: closed: authentication by scheme %r failed", self.transport.peer, packet.scheme)
            self._stats.auth_failures += 1
            self._dismissed = True
            return reply_frame(xid, 0, error.code)
        self.auth = tuple(dict.fromkeys(self.auth + proved))
        return reply_frame(xid, 0)

    def _dismiss(self) -> None:
        """The replies are written: closes, unless the answer to closeSession is still to come."""
        self._take = len
        if self.last_op != CLOSE_SESSION:
            self.transport.close()

    # ---- Client ------------------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        self.sent_count += 1
        self.transport.write(frame)

    def reply(self, frame: bytes, milliseconds: int) -> None:
        self._stats.replied(milliseconds)
        self.last_zxid = frame[ZXID]
        self.answered = self._keeper.tick
        self.latency.note(milliseconds, 1)
        self.send(frame)

    def answer(self, xid: int, op: int, body: bytes) -> None:
        if self.transport.closed:
            return
        self._stats.replied(0)
        self.send(self._by_itself(xid, op, body))
        if self._dismissed:
            self._dismiss()

    def close(self) -> None:
        self.transport.close()

    def abort(self, reason: str) -> None:
        self.transport.abort(reason)
