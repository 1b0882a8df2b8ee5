"""The one task behind every plain connection: a nested epoll descriptor, and what has to happen around it.

trio waits for the epoll descriptor alone, so that its price for a wake-up is paid once for all connections that are ready,
not once for each. One turn is: hand out what arrived, offer again what was held back, run what is due, tell receivers of
connections that are gone, run the wake-up callbacks, send once on each connection that has something to send.

Fairness: a turn reads one buffer from a connection at most and handles `READY_MAX` descriptors at most. Each turn begins
with `wait_readable`, which is a checkpoint also when there is more to do, so the other tasks of the node run in between.
"""

from __future__ import annotations

import heapq
import os
import select
from collections.abc import Callable
from typing import Protocol

import trio

from .buffers import BufferPool

__all__ = ["Connection", "Handler", "Pump"]

READY_MAX = 256


class Handler(Protocol):
    """Whoever stands behind a registered descriptor."""

    def ready(self, events: int) -> None:
        """Handles `events` of epoll. Must not raise."""

    def stop(self) -> None:
        """The network is at its end: closes the descriptor now."""


class Connection(Handler, Protocol):
    """What the pump asks of a connection besides."""

    def send(self) -> None:
        """Sends what is queued, as far as the kernel takes it."""

    def hand_out_again(self) -> None:
        """Offers bytes that were held back by a pause."""

    def bury(self) -> None:
        """Closes the descriptor and tells the receiver."""


class Pump:
    """The epoll loop. Everything but `run` is synchronous and belongs to the thread that runs it."""

    def __init__(self) -> None:
        self.buffers = BufferPool()
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._callbacks: list[Callable[[], None]] = []
        self._dirty: list[Connection] = []
        self._resumed: list[Connection] = []
        self._dead: list[Connection] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._turning = False
        # written when something is left to do and no descriptor will tell
        self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._alarmed = False
        self._stopped = False
        self._epoll.register(self._alarm, select.EPOLLIN)

    async def run(self) -> None:
        """Serves until cancelled. An exception of a wake-up callback ends it; one of a receiver does not."""
        epoll = self._epoll.fileno()
        wait_readable = trio.lowlevel.wait_readable
        while True:
            if self._timers:
                with trio.move_on_at(self._timers[0][0]):
                    await wait_readable(epoll)
            else:
                await wait_readable(epoll)
            self.turn()

    def turn(self) -> None:
        """One wake-up."""
        self._turning = True
        handlers = self._handlers
        for fd, events in self._epoll.poll(0, READY_MAX):
            handler = handlers.get(fd)
            if handler is not None:
                handler.ready(events)
            elif fd == self._alarm:
                self._silence()
        if self._timers:
            self._run_due()
        if self._resumed:
            resumed, self._resumed = self._resumed, []
            for connection in resumed:
                connection.hand_out_again()
        if self._dead:
            self._bury_dead()
        for callback in self._callbacks:
            callback()
        self._turning = False
        if self._dirty:
            self.flush()
        if self._dead or self._resumed:
            self._wake()

    def flush(self) -> None:
        """Sends now what was written outside of a turn."""
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.send()
        if self._alarmed and not self._dead and not self._resumed:
            self._silence()

    def on_wakeup(self, callback: Callable[[], None]) -> None:
        """Runs `callback` in each turn, after what arrived was handed out and before anything is sent."""
        self._callbacks.append(callback)

    def register(self, fd: int, handler: Handler, events: int) -> None:
        """Begins to watch `fd`."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Watches a registered `fd` for other events."""
        self._epoll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Stops watching `fd`; to be called before it is closed, or its number may come back as another connection."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def mark_dirty(self, connection: Connection) -> None:
        """`connection` has something to send."""
        self._dirty.append(connection)
        if not self._turning:
            self._wake()

    def mark_resumed(self, connection: Connection) -> None:
        """`connection` has bytes to offer again."""
        self._resumed.append(connection)
        self._wake()

    def mark_dead(self, connection: Connection) -> None:
        """`connection` is to be buried. Never at once: its receiver may be the one that is speaking."""
        self._dead.append(connection)
        if not self._turning:
            self._wake()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Runs `callback` in a turn after `seconds`."""
        self._timer_count += 1  # breaks ties, so that callbacks are never compared
        heapq.heappush(self._timers, (trio.current_time() + seconds, self._timer_count, callback))
        if not self._turning:
            self._wake()

    def shut(self) -> None:
        """Sends what the kernel takes at once, then closes everything."""
        self.flush()
        self._bury_dead()
        self._stopped = True
        for handler in list(self._handlers.values()):
            handler.stop()
        self._epoll.close()
        os.close(self._alarm)

    def _bury_dead(self) -> None:
        while self._dead:
            dead, self._dead = self._dead, []
            for connection in dead:
                connection.bury()

    def _run_due(self) -> None:
        now = trio.current_time()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _wake(self) -> None:
        if not self._alarmed and not self._stopped:
            self._alarmed = True
            os.eventfd_write(self._alarm, 1)

    def _silence(self) -> None:
        if self._alarmed and not self._stopped:
            self._alarmed = False
            os.eventfd_read(self._alarm)
