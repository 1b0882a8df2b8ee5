"""The client's side of one session, without I/O: bytes and the passage of time in, bytes and events out.

How to drive it: `connected` when a byte stream to a server is open, `receive` for its bytes, `disconnected` when it is
gone, `timer` when `deadline()` has come. After each of them, and after `submit`, `add_auth` and `close`: hand out
`events()`, send `data_to_send()`, and close the stream if `linked` is no longer true. Times are seconds of any clock
that does not step.

The rules it keeps:
- Replies come in the order of the requests; a reply out of order, or a frame that cannot be read, costs the connection.
- A request that was sent when the connection is lost ends with ConnectionLoss, for nobody knows whether it was carried
  out. One that was not sent yet waits for the next server.
- On a new server the credentials go first, then the watches, then the requests that waited.
- A server that has said nothing for two thirds of the session timeout is given up; a session without a server for four
  thirds of it is over, because by then the servers have expired it. Whoever cannot tell them must not believe otherwise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from struct import Struct

from coord.errors import AuthFailedError, ConnectionLossError, NoNodeError, SessionExpiredError, error_of
from coord.kit.framing import FrameError, frames
from coord.wire.jute import JuteError, Reader
from coord.wire.ops import (
    AUTH_XID,
    NOTIFICATION_XID,
    PING_XID,
    SET_WATCHES_XID,
    EventType,
    KeeperState,
    OpCode,
)
from coord.wire.records import (
    PASSWORD_SIZE,
    REPLY_HEADER,
    AuthPacket,
    ConnectRequest,
    ConnectResponse,
    WatcherEvent,
)

from .calls import Call, Credentials, Event, Fired, Reply, StateChanged, Watch, WatchRemoval, encode
from .failures import ClientLimitError
from .states import FINAL, LINKED, MOVES, Move, State
from .watches import WATCHES_MAX, Kind, WatchEvent, WatchTable

__all__ = ["OUTSTANDING_BYTES_MAX", "OUTSTANDING_MAX", "Session"]

OUTSTANDING_MAX = 20_000
"""Requests that may be waiting or unanswered before `full`."""
OUTSTANDING_BYTES_MAX = 32 * 1024 * 1024
"""Bytes of requests that may be waiting or unanswered before `full`."""
AUTHS_MAX = 256
"""Credentials of one session."""
PING_INTERVAL_MAX = 10.0
"""Seconds without sending before a ping, however long the session timeout is."""
XID_MAX = 2**31 - 1

_HEAD = Struct(">iii")
_EMPTY = memoryview(b"")


@dataclass(slots=True)
class _Auth:
    payload: bytes
    call: Call | None
    """Waiting for the server's first answer to this credential."""


class Session:
    """One session, over as many connections as it takes.

    timeout: the session timeout asked for, seconds; the server's answer replaces it.
    handshake_timeout: seconds a server has to answer the connect request.
    resume: re-attach this session instead of asking for a new one.
    reply_max: bytes of one frame from the server.
    """

    def __init__(
        self,
        *,
        timeout: float,
        handshake_timeout: float,
        read_only: bool = False,
        resume: Credentials | None = None,
        reply_max: int = 64 * 1024 * 1024,
    ) -> None:
        self.state = State.CONNECTING
        self.reason = "not connected yet"
        self.timeout = timeout
        self.session_id = resume.session_id if resume else 0
        self.password = resume.password if resume else bytes(PASSWORD_SIZE)
        self.last_zxid = 0
        self.server_read_only = False
        self.linked = False
        """A byte stream is in use. When this turns false the driver closes the stream."""
        self.watches = WatchTable()
        self._lasting = resume is not None
        """Whether a server with a quorum knows the session: one that only reads cannot make it last."""
        self._handshake_timeout = handshake_timeout
        self._read_only = read_only
        self._reply_max = reply_max
        self._handshaking = False
        self._closing = False
        self._link_deadline = inf
        self._heard_at = 0.0
        self._spoke_at = 0.0
        self._xid = 0
        self._waiting: deque[Call] = deque()
        self._sent: deque[Call] = deque()
        self._pings: deque[Call | None] = deque()
        self._auths: list[_Auth] = []
        self._auths_sent: deque[_Auth] = deque()
        self._set_watches_sent = 0
        self._unfinished_bytes = 0
        self._pieces: list[bytes] = []
        self._pieces_size = 0
        self._pieces_wanted = 0
        self._out: list[bytes] = []
        self._events: list[Event] = []

    # What the driver asks

    @property
    def credentials(self) -> Credentials:
        """What re-attaches this session elsewhere."""
        return Credentials(self.session_id, self.password)

    @property
    def unfinished(self) -> int:
        """Requests waiting or unanswered."""
        return len(self._sent) + len(self._waiting)

    @property
    def full(self) -> bool:
        """No more requests, please: a server that does not answer costs bounded memory."""
        return self.unfinished >= OUTSTANDING_MAX or self._unfinished_bytes >= OUTSTANDING_BYTES_MAX

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would return something."""
        return bool(self._out)

    def events(self) -> list[Event]:
        """What has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def data_to_send(self, now: float) -> bytes:
        """The bytes to send next, all requests of the moment in one piece; empty when there is nothing to send."""
        if not self._out:
            return b""
        data = b"".join(self._out) if len(self._out) > 1 else self._out[0]
        self._out.clear()
        self._spoke_at = now
        return data

    def deadline(self) -> float:
        """When `timer` is due; infinity when time does not matter."""
        if self.state in LINKED:
            return min(self._heard_at + self.timeout * 2 / 3, self._spoke_at + self._ping_interval())
        return min(self._link_deadline if self.linked else inf, self._expires_at())

    # What the driver tells

    def connected(self, now: float) -> None:
        """A byte stream to a server is open: the handshake begins."""
        assert not self.linked, "one connection at a time"
        assert self.state not in FINAL, f"no connection for a session that is {self.state.value}"
        self.linked = True
        self._handshaking = True
        self._link_deadline = now + self._handshake_timeout
        self._spoke_at = now
        session_id = self.session_id if self._lasting else 0
        request = ConnectRequest(
            0, self.last_zxid, round(self.timeout * 1000), session_id, self.password, self._read_only
        )
        payload = encode(request)
        self._out.append(len(payload).to_bytes(4, "big") + payload)

    def disconnected(self, now: float, reason: str) -> None:
        """The stream is gone. Nothing happens if the session had given it up already."""
        if self.linked:
            self._lose(reason)

    def receive(self, data: bytes, now: float) -> None:
        """Takes bytes from the server, cut anywhere."""
        if not self.linked:
            return
        if not self._handshaking:
            self._heard_at = now
        whole = self._assemble(data)
        if whole is not None:
            self._take_frames(whole, now)

    def timer(self, now: float) -> None:
        """Does what is due: a ping, giving up a silent server, the end of a session that cannot be alive any more."""
        if self.state in LINKED:
            if now >= self._heard_at + self.timeout * 2 / 3:
                self._lose(f"the server has said nothing for {now - self._heard_at:.1f} s")
            elif now >= self._spoke_at + self._ping_interval():
                self._spoke_at = now
                self._send_ping(None)
            return
        if now >= self._expires_at():
            self._finish(Move.EXPIRED, f"no server for {now - self._heard_at:.1f} s, so the session has expired")
        elif self.linked and now >= self._link_deadline:
            self._lose(f"the server did not answer the handshake within {self._handshake_timeout:g} s")

    # What the user wants

    def submit(self, call: Call) -> None:
        """Sends a request, or keeps it until there is a server.

        Raises the session's end if it has ended, ClientLimitError for one watch too many.
        """
        connected = self.state in LINKED
        if self._closing or (not connected and self.state in FINAL):
            raise error_of(self.end_code(), call.path)
        if call.watch is not None and self.watches.count >= WATCHES_MAX and isinstance(call.watch, Watch):
            raise ClientLimitError(call.path)
        self._unfinished_bytes += len(call.payload)
        if connected:
            self._transmit(call)
        else:
            self._waiting.append(call)

    def forget(self, call: Call) -> None:
        """Nobody waits for this call any more: it is not sent if it was not yet, and it leaves no watch."""
        call.watch = None
        call.owner = None
        if call in self._waiting:
            self._waiting.remove(call)
            self._unfinished_bytes -= len(call.payload)

    def add_auth(self, scheme: str, auth: bytes, call: Call) -> None:
        """Gives the servers a credential, now and on every later connection; `call` ends with the first answer."""
        if self.state in FINAL or self._closing:
            raise error_of(self.end_code())
        if len(self._auths) >= AUTHS_MAX:
            raise ClientLimitError
        credential = _Auth(encode(AuthPacket(0, scheme, auth)), call)
        self._auths.append(credential)
        if self.state in LINKED:
            self._send_auth(credential)

    def close(self) -> None:
        """Ends the session: with the server's consent if there is one, at once if there is none."""
        if self.state in FINAL or self._closing:
            return
        if self.state in LINKED:
            self._transmit(Call(OpCode.CLOSE_SESSION))
            self._closing = True
        else:
            begun = self.session_id != 0
            expiring = "closed without a server: the servers will expire the session"
            self._finish(Move.CLOSED, expiring if begun else "no server was reached")

    def abandon(self, reason: str) -> None:
        """Ends the session here and now; if it lives on a server, the servers will expire it."""
        if self.state not in FINAL:
            self._finish(Move.CLOSED, reason)

    # Sending

    def _transmit(self, call: Call) -> None:
        if call.op == OpCode.PING:
            self._send_ping(call)
            return
        self._xid = call.xid = self._xid + 1 if self._xid < XID_MAX else 1
        self._sent.append(call)
        self._out.append(_HEAD.pack(len(call.payload) + 8, call.xid, call.op) + call.payload)

    def _send_ping(self, call: Call | None) -> None:
        """A user's ping, or our own to keep the session alive."""
        self._pings.append(call)
        self._out.append(_HEAD.pack(8, PING_XID, OpCode.PING))

    def _send_auth(self, credential: _Auth) -> None:
        self._auths_sent.append(credential)
        self._out.append(
            _HEAD.pack(len(credential.payload) + 8, AUTH_XID, OpCode.AUTH) + credential.payload
        )

    def _send_watches(self) -> None:
        for op, record in self.watches.set_watches(self.last_zxid):
            payload = encode(record)
            self._set_watches_sent += 1
            self._out.append(_HEAD.pack(len(payload) + 8, SET_WATCHES_XID, op) + payload)

    def _ping_interval(self) -> float:
        return min(self.timeout / 3, PING_INTERVAL_MAX)

    def _expires_at(self) -> float:
        return self._heard_at + self.timeout * 4 / 3 if self.state is State.SUSPENDED else inf

    # Receiving

    def _assemble(self, data: bytes) -> bytes | None:
        """`data` behind what was left over, or None while the frame begun is known to be incomplete."""
        if not self._pieces:
            return data
        self._pieces.append(data)
        self._pieces_size += len(data)
        if self._pieces_size < self._pieces_wanted:
            return None
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole

    def _take_frames(self, whole: bytes, now: float) -> None:
        consumed = 0
        try:
            for frame in frames(memoryview(whole), self._reply_max):
                consumed += 4 + len(frame)
                self._take_frame(frame, now)
                if not self.linked:
                    return
        except (FrameError, JuteError) as error:
            self._lose(f"the server does not speak the protocol: {error}")
            return
        self._keep(whole, consumed)

    def _keep(self, whole: bytes, consumed: int) -> None:
        left = len(whole) - consumed
        if left:
            self._pieces.append(whole[consumed:])
            self._pieces_size = left
            known = int.from_bytes(whole[consumed : consumed + 4], "big") if left >= 4 else 0
            self._pieces_wanted = 4 + known

    def _take_frame(self, frame: memoryview, now: float) -> None:
        if self._handshaking:
            self._take_handshake(ConnectResponse.read(Reader(frame)), now)
            return
        if len(frame) < REPLY_HEADER.size:
            raise JuteError(f"a reply of {len(frame)} bytes")
        xid, zxid, err = REPLY_HEADER.unpack_from(frame)
        body = frame[REPLY_HEADER.size :]
        if xid > 0 and self._sent and self._sent[0].xid == xid:
            if zxid > 0:
                self.last_zxid = zxid
            self._take_reply(self._sent.popleft(), err, body)
        elif xid == NOTIFICATION_XID:
            self._take_notification(WatcherEvent.read(Reader(body)))
        elif xid == PING_XID and self._pings:
            call = self._pings.popleft()
            if call is not None:
                self._events.append(Reply(call, err, body))
        elif xid == AUTH_XID and self._auths_sent:
            self._take_auth_reply(self._auths_sent.popleft(), err)
        elif xid == SET_WATCHES_XID and self._set_watches_sent:
            self._set_watches_sent -= 1
            if err:
                raise JuteError(f"the watches were refused: {error_of(err)}")
        else:
            expected = self._sent[0].xid if self._sent else "none"
            raise JuteError(f"a reply to request {xid}, where the next to be answered is {expected}")

    def _take_handshake(self, response: ConnectResponse, now: float) -> None:
        if response.timeout_ms <= 0:
            if not self._lasting:
                raise JuteError("a new session was refused")
            self._finish(Move.EXPIRED, "the server says that the session has expired")
            return
        self._handshaking = False
        self._heard_at = now
        self.timeout = response.timeout_ms / 1000
        self.session_id = response.session_id
        self.password = response.password
        self.server_read_only = bool(response.read_only)
        self._lasting |= not self.server_read_only
        move = Move.ESTABLISHED_READ_ONLY if self.server_read_only else Move.ESTABLISHED
        self._move(move, f"session 0x{self.session_id & (2**64 - 1):x}, timeout {self.timeout:g} s")
        for credential in self._auths:
            self._send_auth(credential)
        self._send_watches()
        while self._waiting:
            self._transmit(self._waiting.popleft())

    def _take_reply(self, call: Call, err: int, body: memoryview) -> None:
        self._unfinished_bytes -= len(call.payload)
        if call.op == OpCode.CLOSE_SESSION:
            self._finish(Move.CLOSED, "closed")
            return
        if call.watch is not None:
            self._settle_watch(call, call.watch, err)
        self._events.append(Reply(call, err, body))

    def _settle_watch(self, call: Call, watch: Watch | WatchRemoval, err: int) -> None:
        if isinstance(watch, WatchRemoval):
            if err == 0:
                for watcher, event_type in self.watches.remove(watch.path, watch.watcher_type):
                    event = WatchEvent(event_type, KeeperState.SYNC_CONNECTED, watch.path)
                    self._events.append(Fired(watcher, event))
        elif err == 0:
            self.watches.add(watch.kind, watch.path, watch.watcher)
        elif err == NoNodeError.code and call.op == OpCode.EXISTS:
            self.watches.add(Kind.EXIST, watch.path, watch.watcher)

    def _take_notification(self, notification: WatcherEvent) -> None:
        try:
            event = WatchEvent(
                EventType(notification.type), KeeperState(notification.state), notification.path
            )
        except ValueError as error:
            raise JuteError(f"an unknown watch event: {error}") from None
        for watcher in self.watches.fire(event.type, event.path):
            self._events.append(Fired(watcher, event))

    def _take_auth_reply(self, credential: _Auth, err: int) -> None:
        if err:
            self._finish(Move.REFUSED, "the server refused the credentials")
            return
        if credential.call is not None:
            self._events.append(Reply(credential.call, 0, _EMPTY))
            credential.call = None

    # Ends

    def _move(self, move: Move, reason: str) -> None:
        before = self.state
        assert (before, move) in MOVES, f"{move.name} in state {before.name}"
        self.state = MOVES[before, move]
        self.reason = reason
        if self.state is not before:
            self._events.append(StateChanged(self.state, reason))

    def _lose(self, reason: str) -> None:
        """The connection is over: what was sent and not answered has an unknown outcome."""
        if self._closing:
            self._finish(Move.CLOSED, f"closed; the server did not confirm: {reason}")
            return
        self._move(Move.LOST, reason)
        self._unlink()

    def _unlink(self) -> None:
        self.linked = False
        self._handshaking = False
        self._out.clear()
        self._pieces.clear()
        self._auths_sent.clear()
        self._set_watches_sent = 0
        lost = [*self._sent, *(call for call in self._pings if call is not None)]
        self._sent.clear()
        self._pings.clear()
        self._unfinished_bytes = sum(len(call.payload) for call in self._waiting)
        for call in lost:
            if call.op != OpCode.CLOSE_SESSION:
                self._events.append(Reply(call, ConnectionLossError.code, _EMPTY))

    def _finish(self, move: Move, reason: str) -> None:
        """The session is over: everything that waits is told so, watchers too."""
        self._move(move, reason)
        self._unlink()
        waiting = [*self._waiting, *(auth.call for auth in self._auths if auth.call is not None)]
        self._waiting.clear()
        self._unfinished_bytes = 0
        for credential in self._auths:
            credential.call = None
        for call in waiting:
            self._events.append(Reply(call, self.end_code(), _EMPTY))
        state = _KEEPER_STATES[self.state]
        for watcher in self.watches.clear():
            self._events.append(Fired(watcher, WatchEvent(EventType.NONE, state, "")))

    def end_code(self) -> int:
        """The error code of requests to a session that has ended."""
        return AuthFailedError.code if self.state is State.AUTH_FAILED else SessionExpiredError.code


_KEEPER_STATES = {
    State.EXPIRED: KeeperState.EXPIRED,
    State.CLOSED: KeeperState.CLOSED,
    State.AUTH_FAILED: KeeperState.AUTH_FAILED,
}
