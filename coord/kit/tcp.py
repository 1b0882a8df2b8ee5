"""The real network: `Network` over TCP, every plain connection of a node on one task (see `pump` and `transport`).

    async with open_network() as network:
        listening = await network.listen("127.0.0.1", 0, accept)

or, in a nursery of the caller's: `network = TcpNetwork(); nursery.start_soon(network.run)`.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from select import EPOLLIN

import trio

from .names import addresses_of
from .net import Accept, Listening
from .pump import Handler, Pump
from .transport import TcpTransport

__all__ = ["RECEIVE_MAX", "WRITE_MAX", "TcpNetwork", "open_network"]

log = logging.getLogger(__name__)

RECEIVE_MAX = 4 * 1024 * 1024
"""Default of `receive_max`."""
WRITE_MAX = 64 * 1024 * 1024
"""Default of `write_max`."""
BACKLOG = 1024
ACCEPTS_MAX = 64
"""Connections accepted from one listener in one turn."""
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
EXHAUSTED_PAUSE_SECONDS = 0.5
"""How long a listener rests when the process has no descriptor left: callers wait in the backlog meanwhile."""


class TcpNetwork:
    """`coord.kit.net.Network` on this machine's TCP. `run` must be running for anything to happen."""

    def __init__(self) -> None:
        self._pump = Pump()

    async def run(self) -> None:
        """Serves until cancelled; then every connection is closed."""
        try:
            await self._pump.run()
        finally:
            self._pump.shut()

    async def listen(
        self,
        host: str,
        port: int,
        accept: Accept,
        *,
        receive_max: int = RECEIVE_MAX,
        write_max: int = WRITE_MAX,
        send_buffer: int = 0,
    ) -> Listening:
        """Listens on `host:port`; an empty host is every address of the machine. Raises OSError."""
        sock = await _bound(host, port)
        if send_buffer > 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)  # connections inherit it
        return _TcpListener(self._pump, sock, accept, receive_max, write_max)

    async def connect(
        self,
        host: str,
        port: int,
        accept: Accept,
        *,
        timeout: float,
        receive_max: int = RECEIVE_MAX,
        write_max: int = WRITE_MAX,
    ) -> TcpTransport:
        """Connects to the first address of `host` that answers, within `timeout` seconds for all. Raises OSError."""
        with trio.move_on_after(timeout):
            sock = await _connected(host, port)
            return _joined(self._pump, sock, accept, receive_max, write_max)
        raise TimeoutError(errno.ETIMEDOUT, f"no connection to {host}:{port} within {timeout:g} s")

    def on_wakeup(self, callback: Callable[[], None]) -> None:
        """See `Network.on_wakeup`."""
        self._pump.on_wakeup(callback)

    def flush(self) -> None:
        """See `Network.flush`."""
        self._pump.flush()

    def watch(self, fd: int, handler: Handler) -> None:
        """Has `handler` told in every wake-up in which `fd` is readable, until the network stops."""
        self._pump.register(fd, handler, EPOLLIN)


@asynccontextmanager
async def open_network() -> AsyncIterator[TcpNetwork]:
    """A running network for the length of an `async with`."""
    network = TcpNetwork()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.run)
        try:
            yield network
        finally:
            nursery.cancel_scope.cancel()


class _TcpListener:
    """An open listening socket."""

    def __init__(self, pump: Pump, sock: socket.socket, accept: Accept, receive_max: int, write_max: int) -> None:
        self.port: int = sock.getsockname()[1]
        self._pump = pump
        self._sock = sock
        self._accept = accept
        self._limits = receive_max, write_max
        self._open = True
        self._resting = False
        pump.register(sock.fileno(), self, EPOLLIN)

    def ready(self, events: int) -> None:
        for _ in range(ACCEPTS_MAX):
            if not self._open:
                return
            try:
                sock, _ = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._rest(error)
                    return
                continue  # that caller has gone again
            _joined(self._pump, sock, self._accept, *self._limits)

    def close(self) -> None:
        if self._open:
            self._open = False
            if not self._resting:
                self._pump.unregister(self._sock.fileno())
            self._sock.close()

    def stop(self) -> None:
        self.close()

    def _rest(self, error: OSError) -> None:
        log.warning(
            "port %d: cannot accept connections for %g s: %s", self.port, EXHAUSTED_PAUSE_SECONDS, error.strerror
        )
        self._resting = True
        self._pump.unregister(self._sock.fileno())
        self._pump.call_later(EXHAUSTED_PAUSE_SECONDS, self._wake_up)

    def _wake_up(self) -> None:
        if self._open:
            self._resting = False
            self._pump.register(self._sock.fileno(), self, EPOLLIN)


def _joined(pump: Pump, sock: socket.socket, accept: Accept, receive_max: int, write_max: int) -> TcpTransport:
    """A connected socket becomes a connection: the transport, and the receiver that `accept` makes for it."""
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass  # it is gone already; reading from it will tell
    transport = TcpTransport(pump, sock, receive_max, write_max)
    try:
        receiver = accept(transport)
    except Exception as error:
        log.warning("%s: refused: %s: %s", transport.peer, type(error).__name__, error)
        transport.abort("refused")
    else:
        transport.attach(receiver)
    return transport


async def _bound(host: str, port: int) -> socket.socket:
    """A listening socket. Where a name has several addresses the first IPv4 one is taken, as Java does."""
    if not host:
        try:
            return _listening(socket.AF_INET6, ("::", port), dual=True)
        except OSError as error:
            if error.errno not in NO_IPV6:
                raise
            return _listening(socket.AF_INET, ("", port))
    found = await addresses_of(host, port, socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return _listening(family, address)


def _listening(family: int, address: tuple[object, ...], *, dual: bool = False) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


async def _connected(host: str, port: int) -> socket.socket:
    failure: OSError | None = None
    for family, kind, protocol, _, address in await addresses_of(host, port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code == errno.EINPROGRESS:
                await trio.lowlevel.wait_writable(sock)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code), f"{host}:{port}")
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failure or OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
