"""The network seam: byte streams as callbacks, so that one task serves every plain connection.

A `Receiver` is the protocol's side (it gets bytes), a `Transport` the network's side (it takes bytes). Receivers are
synchronous. Whatever they write while bytes are handed out is sent after the wake-up is over, one send for each
connection; callbacks given to `Network.on_wakeup` run in between, so that requests that arrived together travel on
together (one log write, one buffer for each peer).

`coord.kit.tcp` is the real network (one task on an epoll descriptor of its own); the simulated world has another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .extent import Extent

__all__ = ["Accept", "Listening", "Network", "Receiver", "Transport"]


class Transport(Protocol):
    """The network's side of one connection. All methods are synchronous and never raise."""

    peer: str
    """`host:port` of the other side."""
    host: str
    """The other side's address alone."""
    queued: int
    """Bytes written and not yet taken by the kernel."""
    closed: bool

    def write(self, data: bytes | bytearray | memoryview | Extent) -> None:
        """Queues `data`. The caller must not change it afterwards. After close it is dropped.

        A peer that never reads costs bounded memory: above the network's `write_max` the connection is aborted.
        An extent counts with its length, though it takes no memory.
        """

    def close(self) -> None:
        """Sends what is queued (bounded in time), then closes. `Receiver.closed` follows."""

    def abort(self, reason: str) -> None:
        """Closes at once and drops what is queued. `Receiver.closed(reason)` follows."""

    def pause(self, *, until_end: bool = False) -> None:
        """Stops reading and stops handing out bytes that were read already.

        until_end: the other side's end, which would otherwise be noticed when reading goes on, closes the connection
        where nothing is left to be read before it: for a receiver that may pause for long and has no answer for whoever
        has hung up.
        """

    def resume(self) -> None:
        """Undoes `pause`; bytes already here are handed out in the next wake-up."""


class Receiver(Protocol):
    """The protocol's side of one connection."""

    def received(self, data: memoryview) -> int:
        """Takes bytes; returns how many it consumed. What is left comes again with more behind it.

        `data` is valid during the call only: copy what must stay. After `transport.pause()` return at once with
        what has been consumed. An exception closes this connection alone, with one log line.
        """
        ...

    def closed(self, reason: str) -> None:
        """The connection is gone; called exactly once, also after the receiver's own close."""
        ...


Accept = Callable[[Transport], Receiver]


class Listening(Protocol):
    """An open listener."""

    port: int

    def close(self) -> None:
        """Stops accepting; connections live on."""


class Network(Protocol):
    """Listeners and connections of one node."""

    async def listen(
        self, host: str, port: int, accept: Accept, *, receive_max: int = ..., write_max: int = ..., send_buffer: int = ...
    ) -> Listening:
        """Listens on `host:port` (port 0: any). Raises OSError when the port is taken.

        receive_max: bytes a receiver may leave unconsumed before the connection is aborted.
        write_max: bytes that may be queued to a peer before the connection is aborted.
        send_buffer: bytes the kernel may hold for each connection; 0 leaves it to the kernel.
        """
        ...

    async def connect(
        self, host: str, port: int, accept: Accept, *, timeout: float, receive_max: int = ..., write_max: int = ...
    ) -> Transport:
        """Connects within `timeout` seconds. Raises OSError."""
        ...

    def on_wakeup(self, callback: Callable[[], None]) -> None:
        """Runs `callback` at the end of each wake-up, before anything is sent."""

    def flush(self) -> None:
        """Sends now what was written outside of a wake-up (without it, the next wake-up does, at once)."""
