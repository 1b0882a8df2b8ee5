"""The simulated network: `coord.kit.net` between machines that live in one trio run, under virtual time.

`Cables` is what lies between the machines: latency, cuts, connections. `SimNetwork` is one machine's end of it for one
life, the `Network` its node is given. Like TCP the cables lose nothing and keep the order within a connection; what a cut
holds back arrives after its repair, unless the connection is reset before. Bytes arrive in pieces that respect no frame.

A machine dies in two ways. When its process is killed the kernel closes its connections. When its power fails nobody hears
a word: others find out by their own timeouts, or are told by a reset when it is back.
"""

from __future__ import annotations

import errno
import heapq
import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random

import trio

from coord.kit.extent import Extent
from coord.kit.net import Accept, Receiver

__all__ = ["Cables", "SimNetwork", "SimTransport"]

log = logging.getLogger(__name__)

KERNEL_BYTES = 128 * 1024
"""Bytes on their way that count as taken by the kernels."""
DISCARD_MAX = 1024 * 1024
"""Bytes that a closed end throws away before it resets the connection."""
LINGER_SECONDS = 1.0
"""How long a closed end waits for the other side's end."""
SYN_SECONDS = 0.2
"""Between attempts of a connection request that nobody answers."""
RECEIVE_MAX = 4 * 1024 * 1024
WRITE_MAX = 64 * 1024 * 1024

_END = b""
"""In a pipe: the other side sends no more."""


class _Pipe:
    """One direction of a connection. Items arrive in order, each when it is due and nothing holds it."""

    __slots__ = ("bytes", "cables", "held", "items", "path", "target")

    def __init__(self, cables: Cables, path: tuple[str, str], target: SimTransport) -> None:
        self.cables = cables
        self.path = path
        self.target = target
        self.items: deque[tuple[float, bytes]] = deque()
        self.bytes = 0
        self.held = False

    def put(self, data: bytes) -> None:
        due = trio.current_time() + self.cables.delay(self.path)
        if self.items:
            due = max(due, self.items[-1][0])
        self.items.append((due, data))
        self.bytes += len(data)
        if len(self.items) == 1:
            self._schedule(due)

    def _schedule(self, due: float) -> None:
        self.target.network.at(due, self._arrive)

    def _arrive(self) -> None:
        if not self.items:
            return
        arrived = min(trio.current_time(), self.cables.blocked.get(self.path, inf))
        if self.items[0][0] > arrived:
            self.held = True
            self.cables.holding[self] = None
            return
        data = self._take(arrived)
        if len(data) > 1 and self.cables.random.random() < self.cables.split:
            cut = self.cables.random.randrange(1, len(data))
            self.items.appendleft((trio.current_time() + self.cables.delay(self.path), data[cut:]))
            self.bytes += len(data) - cut
            data = data[:cut]
        if self.items:
            self._schedule(max(self.items[0][0], trio.current_time()))
        self.target.arrived(data)

    def _take(self, until: float) -> bytes:
        """What has come by then, in one piece: more than one item where the machine was busy, or stopped."""
        data = self.items.popleft()[1]
        if data is not _END:
            more = [data]
            while self.items and self.items[0][0] <= until and self.items[0][1] is not _END:
                more.append(self.items.popleft()[1])
            data = b"".join(more) if len(more) > 1 else data
        self.bytes -= len(data)
        return data

    def release(self) -> None:
        self.held = False
        self._schedule(trio.current_time() + self.cables.delay(self.path))

    def drop(self) -> None:
        self.items.clear()
        self.bytes = 0


class SimTransport:
    """One end of a connection; see `coord.kit.net.Transport`."""

    def __init__(self, network: SimNetwork, peer: str, receive_max: int, write_max: int) -> None:
        self.network = network
        self.peer = peer
        self.host = peer.rpartition(":")[0]
        self.closed = False
        self.queued = 0
        self.other: SimTransport
        self.pipe: _Pipe
        """To the other end."""
        self.receiver: Receiver | None = None
        self._limits = receive_max, write_max
        self._out: list[bytes] = []
        self._left = b""
        self._paused = False
        self._ended = False  # the other side sends no more
        self._finished = False  # we send no more
        self._dead = False
        self._discarded = 0
        self._reason = "closed here"

    def write(self, data: bytes | bytearray | memoryview | Extent) -> None:
        if self.closed or not data:
            return
        if not self._out:
            self.network.mark_dirty(self)
        self._out.append(bytes(data))
        self.queued += len(data)
        if self.queued > self._limits[1]:
            self.abort(f"does not read: {self.queued} bytes wait for it")

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.network.mark_dirty(self)

    def abort(self, reason: str) -> None:
        if not self._dead:
            self._reason = reason
            self.closed = True
            self._out.clear()
            if self.network.cables.random.random() < 0.5:  # a reset destroys what has not been read, an end does not
                self.pipe.drop()
                self.network.cables.reset(self.other, self.pipe.path)
            elif not self._finished:
                self.pipe.put(_END)
            self._die()

    def pause(self, *, until_end: bool = False) -> None:
        self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            if self._left or self._ended:
                self.network.soon(self._offer_again)

    # what the network does

    def send(self) -> None:
        """The end of a wake-up: what was written leaves."""
        if self._dead or self._finished:
            return
        if self._out:
            self.pipe.put(b"".join(self._out))
            self._out.clear()
        self.count()
        if self.closed:
            self._finished = True
            self.pipe.put(_END)
            if self._ended:
                self._die()
            else:
                self.network.at(trio.current_time() + LINGER_SECONDS, self._die)

    def count(self) -> None:
        """How many bytes the kernels have not taken."""
        self.queued = sum(map(len, self._out)) + max(0, self.pipe.bytes + len(self.other._left) - KERNEL_BYTES)

    def arrived(self, data: bytes) -> None:
        """Bytes, or the end, from the other side."""
        if self._dead:
            if not self.other._dead:
                self.network.cables.reset(self.other, self.pipe.path)
            return
        self.other.count()
        if data is _END:
            self._ended = True
            self._end_when_read()
        elif self.closed:
            self._discarded += len(data)
            if self._discarded > DISCARD_MAX:
                self._die()
        else:
            self._left += data
            if not self._paused:
                self._offer()

    def was_reset(self) -> None:
        """The other side, or the network, has torn the connection."""
        if not self._dead:
            self._reason = "connection reset by peer"
            self.closed = True
            self._die()

    def vanish(self) -> None:
        """The machine is gone: nobody is told anything here."""
        self.closed = self._dead = True

    def _offer(self) -> None:
        assert self.receiver is not None
        data, self._left = self._left, b""
        try:
            used = self.receiver.received(memoryview(data))
        except Exception as error:
            self.network.cables.complain(self.network.name, error)
            self.abort(f"could not take what it sent: {error}")
            return
        self._left = data[used:]
        self.other.count()
        if len(self._left) > self._limits[0] and not self._paused:
            self.abort(f"more than {self._limits[0]} bytes without a whole frame")

    def _offer_again(self) -> None:
        if not (self._paused or self.closed):
            if self._left:
                self._offer()
            self._end_when_read()

    def _end_when_read(self) -> None:
        if self._ended and not (self._paused and self._left):
            if self._finished:
                self._die()
            elif not self.closed:
                self._reason = "closed by the other side"
                self.close()

    def _die(self) -> None:
        if not self._dead:
            self._dead = True
            self._out.clear()
            self._left = b""
            self.queued = 0
            self.network.soon(self._bury)

    def _bury(self) -> None:
        self.network.transports.pop(self, None)
        if self.receiver is not None:
            try:
                self.receiver.closed(self._reason)
            except Exception as error:
                self.network.cables.complain(self.network.name, error)


class _Listener:
    """An open port."""

    def __init__(self, network: SimNetwork, port: int, accept: Accept, limits: tuple[int, int]) -> None:
        self.network = network
        self.port = port
        self.accept = accept
        self.limits = limits

    def close(self) -> None:
        if self.network.listeners.get(self.port) is self:
            del self.network.listeners[self.port]


class SimNetwork:
    """One machine's network for one life of its node. `run` must be running for anything to happen."""

    def __init__(self, cables: Cables, name: str) -> None:
        self.cables = cables
        self.name = name
        self.listeners: dict[int, _Listener] = {}
        self.transports: dict[SimTransport, None] = {}
        self.gone = False
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._callbacks: list[Callable[[], None]] = []
        self._dirty: list[SimTransport] = []
        self._turning = False
        self._alarm = trio.Event()

    async def run(self) -> None:
        """Serves until cancelled."""
        while True:
            if not self._queue:
                await self._alarm.wait()
            elif self._queue[0][0] > trio.current_time():
                with trio.move_on_at(self._queue[0][0]):
                    await self._alarm.wait()
            else:
                await trio.lowlevel.checkpoint()
            if self._alarm.is_set():
                self._alarm = trio.Event()
            self.turn()

    def turn(self) -> None:
        """One wake-up."""
        self._turning = True
        now = trio.current_time()
        worked = bool(self._dirty)
        while self._queue and self._queue[0][0] <= now:
            heapq.heappop(self._queue)[2]()
            self.cables.events += 1
            worked = True
        if worked:
            for callback in self._callbacks:
                callback()
        self._turning = False
        self.flush()

    # the seam

    async def listen(
        self,
        host: str,
        port: int,
        accept: Accept,
        *,
        receive_max: int = RECEIVE_MAX,
        write_max: int = WRITE_MAX,
        send_buffer: int = 0,
    ) -> _Listener:
        await trio.lowlevel.checkpoint()
        if port == 0:
            port = self.cables.number()
        if port in self.listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        if host not in ("", self.name):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        self.listeners[port] = listener = _Listener(self, port, accept, (receive_max, write_max))
        return listener

    async def connect(
        self,
        host: str,
        port: int,
        accept: Accept,
        *,
        timeout: float,
        receive_max: int = RECEIVE_MAX,
        write_max: int = WRITE_MAX,
    ) -> SimTransport:
        cables, there, back = self.cables, (self.name, host), (host, self.name)
        with trio.move_on_after(timeout):
            while True:
                await trio.sleep(cables.delay(there) + cables.delay(back))
                if not cables.blocked.keys() & {there, back} and host in cables.networks:
                    break
                await trio.sleep(SYN_SECONDS)
            server = cables.networks[host]
            listener = server.listeners.get(port) if not server.gone else None
            if listener is None:
                raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), f"{host}:{port}")
            return self._joined(server, listener, accept, (receive_max, write_max))
        raise TimeoutError(errno.ETIMEDOUT, f"no connection to {host}:{port} within {timeout:g} s")

    def _joined(
        self, server: SimNetwork, listener: _Listener, accept: Accept, limits: tuple[int, int]
    ) -> SimTransport:
        here = SimTransport(self, f"{server.name}:{listener.port}", *limits)
        there = SimTransport(server, f"{self.name}:{self.cables.number()}", *listener.limits)
        here.other, there.other = there, here
        here.pipe = _Pipe(self.cables, (self.name, server.name), there)
        there.pipe = _Pipe(self.cables, (server.name, self.name), here)
        self.transports[here] = server.transports[there] = None
        server.soon(partial(_accept, there, listener.accept))
        _accept(here, accept)
        return here

    def on_wakeup(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)

    def flush(self) -> None:
        while self._dirty:
            self._dirty.pop(0).send()

    # for the transports

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Runs `action` in a wake-up, not before `when`."""
        if self.gone:
            return
        entry = (when, self.cables.number(), action)
        heapq.heappush(self._queue, entry)
        if not self._turning and self._queue[0] is entry:
            self._alarm.set()

    def soon(self, action: Callable[[], None]) -> None:
        """Runs `action` in the next wake-up, or in this one."""
        self.at(trio.current_time(), action)

    def mark_dirty(self, transport: SimTransport) -> None:
        """It has something to send."""
        if transport not in self._dirty:
            self._dirty.append(transport)
        if not self._turning:
            self._alarm.set()


class Cables:
    """What lies between the machines.

    latency: seconds from one machine to another, drawn between these. split: the share of arrivals cut in two.
    slow: directions with their own factor on the latency. blocked: directions that are cut, as (from, to), and
    since when: what came before is in the kernel of a machine that was stopped.
    networks: the machines that have power; one whose process is dead refuses connections.
    """

    def __init__(self, random: Random, latency: tuple[float, float] = (0.0002, 0.002), split: float = 0.1) -> None:
        self.random = random
        self.latency = latency
        self.split = split
        self.slow: dict[tuple[str, str], float] = {}
        self.blocked: dict[tuple[str, str], float] = {}
        self.holding: dict[_Pipe, None] = {}
        self.networks: dict[str, SimNetwork] = {}
        self.complain: Callable[[str, Exception], None] = _complain
        """Called with a machine's name and what its receiver raised: no simulated node sends what is not understood."""
        self._orphans: dict[SimTransport, str] = {}
        """Ends whose other machine lost its power, and that machine's name."""
        self._numbers = 40_000
        self.events = 0
        """Arrivals, connections and ends that machines were told of."""

    def number(self) -> int:
        """Numbers that are never used twice: ports, and the order of what happens at the same time."""
        self._numbers += 1
        return self._numbers

    def delay(self, path: tuple[str, str]) -> float:
        """How long the next piece takes."""
        return self.random.uniform(*self.latency) * self.slow.get(path, 1.0)

    def boot(self, name: str) -> SimNetwork:
        """A machine begins a life. Whoever still waits for the one that lost its power hears now that it is gone."""
        self.networks[name] = network = SimNetwork(self, name)
        for transport, other in list(self._orphans.items()):
            if other == name:
                del self._orphans[transport]
                self.reset(transport, (name, transport.network.name))
        return network

    def kill(self, name: str, *, power: bool) -> None:
        """The machine's life ends at once. power: the machine itself is gone, and says nothing to anybody."""
        network = self.networks[name]
        network.gone = True
        network.listeners.clear()
        for transport in network.transports:
            transport.vanish()
            if power:
                self._orphans[transport.other] = name
            else:
                self.reset(transport.other, (name, transport.other.network.name))
        network.transports.clear()
        if power:
            del self.networks[name]

    def cut(self, directions: set[tuple[str, str]]) -> None:
        """Cuts these directions and no others: what was cut before is repaired."""
        now = trio.current_time()
        self.blocked = {path: self.blocked.get(path, now) for path in sorted(directions)}
        for pipe in list(self.holding):
            if pipe.path not in self.blocked:
                del self.holding[pipe]
                pipe.release()
        for transport, other in list(self._orphans.items()):
            path = (other, transport.network.name)
            if path not in self.blocked and other in self.networks:  # what it sends next is answered by a reset
                del self._orphans[transport]
                self.reset(transport, path)

    def reset_connections(self, share: float, names: set[str]) -> None:
        """Tears some of the connections that stand and begin at these machines; both ends hear of it."""
        for name, network in list(self.networks.items()):
            for transport in list(network.transports):
                if name in names and self.random.random() < share:
                    self.reset(transport, transport.other.pipe.path)
                    self.reset(transport.other, transport.pipe.path)

    def reset(self, transport: SimTransport, path: tuple[str, str]) -> None:
        """A reset travels to one end of a connection, and is lost where the way is cut."""
        if path not in self.blocked:
            transport.network.at(trio.current_time() + self.delay(path), transport.was_reset)
        else:
            self._orphans[transport] = path[0]


def _complain(name: str, error: Exception) -> None:
    log.warning("%s: connection closed: %s: %s", name, type(error).__name__, error)


def _accept(transport: SimTransport, accept: Accept) -> None:
    """A connection gets its receiver."""
    if transport._dead:
        return
    try:
        receiver = accept(transport)
    except Exception as error:
        transport.network.cables.complain(transport.network.name, error)
        transport.abort("refused")
    else:
        transport.receiver = receiver
