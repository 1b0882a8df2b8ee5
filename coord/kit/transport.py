"""One TCP connection of `TcpNetwork`: a non-blocking socket, what was received and not consumed, what waits to be sent.

Receiving: one `recv_into` for each wake-up, into the pool's scratch buffer. What the receiver leaves is copied aside when
it is small; a large frame that has begun keeps its buffer, and the connection then asks for a buffer of that size at once
the next time, so that a stream of large frames costs neither copies nor allocations.

Sending: `write` only queues. The network sends once for each wake-up; the kernel is asked to tell about room only after it
took less than everything.
"""

from __future__ import annotations

import logging
import socket
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP
from typing import Any

from .buffers import BUFFER_BYTES
from .extent import Extent
from .net import Receiver
from .pump import Pump

__all__ = ["TcpTransport"]

log = logging.getLogger(__name__)

STASH_MAX = 16 * 1024
"""A remainder up to this is copied aside, so that a connection in the middle of a small frame holds no buffer."""
JOIN_MAX = 64 * 1024
"""Up to this, joining the chunks and one `send` is cheaper than `sendmsg`; above, copying costs more."""
CHUNKS_MAX = 512
"""Chunks for one `sendmsg`; the kernel's own limit is 1024."""
SEND_EARLY = 1024 * 1024
"""A connection that has more to send than this does not wait for the end of the wake-up: it would only hold memory."""
SEND_TURN_MAX = 8 * 1024 * 1024
"""Bytes sent to one connection before the others have their turn."""
DRAIN_SECONDS = 5.0
"""How long a closed connection may take to send its last bytes."""
LINGER_SECONDS = 1.0
"""How long the other side may then take to end its half."""
DISCARD_MAX = 4 * 1024 * 1024
"""Input thrown away meanwhile; a side that goes on sending is cut off."""

DOWN = EPOLLERR | EPOLLHUP
Data = bytes | bytearray | memoryview
Part = Data | Extent


class TcpTransport:
    """The network's side of one connection; see `coord.kit.net.Transport` for what the methods promise."""

    __slots__ = (
        "_blocked", "_buffer", "_dirty", "_discarded", "_dying", "_ended", "_fd", "_held", "_interest", "_lent", "_lingering",
        "_out", "_paused", "_pump", "_reason",
        "_receiver", "_resumed", "_sock", "_stash", "_until_end", "_wanted",
        "closed", "host", "peer", "queued", "receive_max", "write_max",
    )  # fmt: skip

    def __init__(self, pump: Pump, sock: socket.socket, receive_max: int, write_max: int) -> None:
        self._pump = pump
        self._sock = sock
        self._fd = sock.fileno()
        self._receiver: Receiver | None = None
        self.receive_max = receive_max
        self.write_max = write_max
        self.host, self.peer = _names(sock)
        self.closed = False
        self._dying = False
        self._reason = "closed here"
        # receiving: at most one of stash and buffer is set; both hold unconsumed bytes from their start
        self._stash = b""
        self._buffer: memoryview | None = None
        self._held = 0  # unconsumed bytes in the buffer; fewer than it has room for
        self._wanted = 0  # size of buffer the latest large frame needed; 0: the scratch buffer will do
        self._paused = False
        self._until_end = False  # paused, and the other side's end is to be noticed
        self._resumed = False
        # sending
        self._out: list[Any] = []  # of Part
        self._lent = False  # an extent may be among them
        self.queued = 0
        self._dirty = False  # the network knows that there is something to send, or the kernel will tell about room
        self._blocked = False  # the kernel took less than everything
        self._interest = EPOLLIN
        # ending
        self._ended = False  # the other side has sent its last byte
        self._lingering = False  # we have, and wait for its end
        self._discarded = 0

    def attach(self, receiver: Receiver) -> None:
        """Joins the protocol's side and begins to listen to the socket."""
        self._receiver = receiver
        if not self._dying:
            self._pump.register(self._fd, self, self._interest)

    # what the receiver calls

    def write(self, data: Part) -> None:
        if self.closed or not data:
            return
        self._out.append(data)
        if data.__class__ is Extent:
            self._lent = True
        self.queued = queued = self.queued + len(data)
        if not self._dirty:
            self._dirty = True
            self._pump.mark_dirty(self)
        if queued > SEND_EARLY:
            self._send_early()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if not self._out:
            self._finish()
        elif self._blocked:
            self._bound_the_drain()

    def abort(self, reason: str) -> None:
        if not self._dying and not self._lingering:
            self._reason = reason
        self._die()

    def pause(self, *, until_end: bool = False) -> None:
        if not self._paused:
            self._paused = True
            self._until_end = until_end
            self._listen()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._listen()
            if (self._stash or self._held) and not self._resumed:
                self._resumed = True
                self._pump.mark_resumed(self)

    # what the network calls

    def ready(self, events: int) -> None:
        """The socket has bytes, room, or an end."""
        if events & EPOLLOUT:
            self._blocked = False
            self._listen()
            self.send()
        if events & ~EPOLLOUT:
            if not self.closed and not self._paused:
                self._receive()
            elif self._lingering:
                self._linger()
            elif events & EPOLLRDHUP and not self.closed:
                self._end_while_paused()
            elif events & DOWN:  # nobody listens to it any more: without this the wake-ups would never end
                self.abort("reset by the other side")

    def send(self) -> None:
        """Hands everything queued to the kernel, as far as it takes it."""
        out = self._out
        if self._dying or self._blocked:
            return
        turn = SEND_TURN_MAX
        while out:
            try:
                sent, offered = self._send_some()
            except BlockingIOError:
                sent, offered = 0, 1
            except OSError as error:
                self.abort(f"{error.strerror or error}".lower())
                return
            turn -= sent
            if sent < offered or (out and turn <= 0):
                self._blocked = True
                if self.closed:
                    self._bound_the_drain()
                else:
                    self._listen()
                return
        self._dirty = False
        if self.closed:
            self._finish()

    def hand_out_again(self) -> None:
        """After `resume`: offers what was received before the pause."""
        self._resumed = False
        if self._paused or self.closed:
            return
        if self._buffer is not None:
            self._offer(self._buffer, self._held)
        elif self._stash:
            view = self._pump.buffers.scratch
            size = len(self._stash)
            view[:size] = self._stash
            self._offer(view, size)

    def bury(self) -> None:
        """The last act: closes the socket and tells the receiver, once."""
        if self._receiver is not None:
            self._pump.unregister(self._fd)
        self._release()
        self._stash = b""
        self._out.clear()
        self.queued = 0
        self._sock.close()
        receiver, self._receiver = self._receiver, None  # the two know each other, and no cycle is to be left behind
        if receiver is not None:
            try:
                receiver.closed(self._reason)
            except Exception as error:
                self._complain(error)

    def stop(self) -> None:
        self.abort("the network stopped")
        self.bury()

    # receiving

    def _receive(self) -> None:
        view = self._buffer
        if view is not None:
            held = self._held
            room = view[held:]
        else:
            room = view = self._pump.buffers.take(self._wanted) if self._wanted else self._pump.buffers.scratch
            held = len(self._stash)
            if held:
                view[:held] = self._stash
                room = view[held:]
            if self._wanted:
                self._buffer, self._held, self._stash = view, held, b""
        try:
            count = self._sock.recv_into(room)
        except BlockingIOError:
            if not held:
                self._release()
            return
        except OSError as error:
            self.abort(f"{error.strerror or error}".lower())
            return
        if count:
            self._offer(view, held + count)
        else:
            self._other_side_ended()

    def _end_while_paused(self) -> None:
        """Closes, unless there is something to be read before the end: then that is noticed when reading goes on."""
        if self._stash or self._held or self._has_unread():
            self._until_end = False
            self._listen()
        else:
            self._other_side_ended()

    def _has_unread(self) -> bool:
        try:
            return bool(self._sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _other_side_ended(self) -> None:
        self._ended = True
        self._reason = "closed by the other side"
        self.close()

    def _offer(self, view: memoryview, size: int) -> None:
        """Hands out the first `size` bytes of `view` and keeps what the receiver leaves."""
        assert self._receiver is not None
        try:
            used = self._receiver.received(view[:size])
        except Exception as error:
            self._complain(error)
            self.abort(f"could not take what it sent: {error}")
            return
        if used == size:
            self._stash = b""
            if self._buffer is not None:
                self._release()
                if size <= BUFFER_BYTES:
                    self._wanted = 0
        else:
            self._keep(view, used, size)

    def _keep(self, view: memoryview, used: int, size: int) -> None:
        left = size - used
        if self.closed:
            self._release()
        elif left > self.receive_max and not self._paused:
            self.abort(f"more than {self.receive_max} bytes without a whole frame")
        elif left <= STASH_MAX:
            self._stash = bytes(view[used:size])
            self._release()
        else:
            self._stash = b""
            if self._buffer is None:
                self._buffer = self._pump.buffers.keep_scratch()
            if used:
                view[:left] = view[used:size]
            self._held = left
            if left == len(view):
                self._grow(view)

    def _grow(self, full: memoryview) -> None:
        larger = self._pump.buffers.take(len(full) + 1)
        larger[: len(full)] = full
        self._pump.buffers.give(full)
        self._buffer = larger
        self._wanted = len(larger)

    def _release(self) -> None:
        if self._buffer is not None:
            self._pump.buffers.give(self._buffer)
            self._buffer = None
            self._held = 0

    # sending

    def _send_some(self) -> tuple[int, int]:
        """One system call; returns the bytes taken and the bytes offered."""
        out = self._out
        if self._lent:
            sent, offered = self._send_first(out)
        else:
            if len(out) > 1 and self.queued <= JOIN_MAX:
                out[:] = [b"".join(out)]
            if len(out) == 1:
                offered = self.queued
                sent = self._sock.send(out[0])
            else:
                chunks = out[:CHUNKS_MAX]
                offered = sum(map(len, chunks))
                sent = self._sock.sendmsg(chunks)
        self.queued -= sent
        if not self.queued:
            out.clear()
            self._lent = False
        else:
            _drop(out, sent)
        return sent, offered

    def _send_first(self, out: list[Any]) -> tuple[int, int]:
        """As `_send_some`, where extents are queued: the first of them, or the chunks before it, which leave with its first bytes."""
        chunks: list[Data] = []
        more = 0
        for part in out[:CHUNKS_MAX]:
            if isinstance(part, Extent):
                if not chunks:
                    return part.send(self._fd), len(part)
                more = socket.MSG_MORE
                break
            chunks.append(part)
        return self._sock.sendmsg(chunks, (), more), sum(map(len, chunks))

    def _send_early(self) -> None:
        if not self._blocked:
            self.send()
        if self.queued > self.write_max:
            self.abort(f"does not read: {self.queued} bytes wait for it")

    # ending

    def _listen(self) -> None:
        """Tells epoll what this connection waits for, when that has changed."""
        reads = self._lingering or not (self._paused or self.closed)
        wanted = (EPOLLIN if reads else 0) | (EPOLLOUT if self._blocked else 0)
        if self._until_end and self._paused and not self.closed:
            wanted |= EPOLLRDHUP
        if wanted != self._interest:
            self._interest = wanted
            if self._receiver is not None and not self._dying:
                self._pump.change(self._fd, wanted)

    def _die(self) -> None:
        if self._dying:
            return
        self.closed = True
        self._dying = True
        self._pump.mark_dead(self)

    def _finish(self) -> None:
        """Everything is sent. Unless the other side has ended too, says so and waits a little for its end: closing while
        its bytes still arrive would be a reset, and a reset destroys the replies that it has not read."""
        if self._ended:
            self._die()
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._die()
            return
        self._lingering = True
        self._listen()
        self._pump.call_later(LINGER_SECONDS, self._die)

    def _linger(self) -> None:
        try:
            count = self._sock.recv_into(self._pump.buffers.scratch)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        self._discarded += count
        if not count or self._discarded > DISCARD_MAX:
            self._die()

    def _bound_the_drain(self) -> None:
        self._listen()
        self._pump.call_later(DRAIN_SECONDS, self._drained_too_slowly)

    def _drained_too_slowly(self) -> None:
        self.abort(f"did not take its last {self.queued} bytes within {DRAIN_SECONDS:g} s")

    def _complain(self, error: Exception) -> None:
        if isinstance(error, ValueError):  # as FrameError and the codecs' errors are: it is the bytes that are wrong
            log.warning("%s: connection closed: it sent what cannot be understood: %s", self.peer, error)
        else:
            log.warning("%s: connection closed by a fault on this side: %s: %s", self.peer, type(error).__name__, error)
        log.debug("%s: where it failed", self.peer, exc_info=error)


def _drop(out: list[Any], sent: int) -> None:
    """Takes the first `sent` bytes off the queue."""
    index = 0
    while sent >= len(out[index]):
        sent -= len(out[index])
        index += 1
    if sent:
        part = out[index]
        out[index] = part.behind(sent) if isinstance(part, Extent) else memoryview(part)[sent:]
    del out[:index]


def _names(sock: socket.socket) -> tuple[str, str]:
    """The other side's host and `host:port`; an IPv4 address that came in over IPv6 is written as IPv4."""
    try:
        address = sock.getpeername()
    except OSError:  # gone before we looked
        return "?", "?"
    host: str = address[0]
    if host.startswith("::ffff:"):
        host = host.removeprefix("::ffff:")
    return host, f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"
