"""A trio stream over the network seam: what `coord.client` asks of a machine, on any `coord.kit.net.Network`."""

from __future__ import annotations

import trio

from coord.kit.net import Network, Transport

__all__ = ["NetStream", "open_stream"]

QUEUED_MAX = 64 * 1024
POLL_SECONDS = 0.002


class NetStream(trio.abc.Stream):
    """The receiver of one connection, and trio's face of it."""

    def __init__(self, network: Network, transport: Transport) -> None:
        self._network = network
        self._transport = transport
        self._received = bytearray()
        self._closed_by: str | None = None
        self._mine = False
        self._reading = False
        self._news = trio.Event()

    # Receiver

    def received(self, data: memoryview) -> int:
        self._received += data
        self._tell()
        return len(data)

    def closed(self, reason: str) -> None:
        self._closed_by = reason
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # trio.abc.Stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._received:
            self._check()
            if self._closed_by is not None:
                if "reset" in self._closed_by:
                    raise trio.BrokenResourceError(self._closed_by)
                return b""
            await self._wait()
        self._check()
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check()
        if self._transport.closed:
            await trio.lowlevel.checkpoint()
            raise trio.BrokenResourceError(self._closed_by)
        self._transport.write(data)
        self._network.flush()
        await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        while self._transport.queued > QUEUED_MAX and not self._transport.closed:
            await trio.sleep(POLL_SECONDS)

    async def aclose(self) -> None:
        self._mine = True
        self._transport.close()
        self._network.flush()
        self._tell()
        await trio.lowlevel.checkpoint()

    async def _wait(self) -> None:
        if self._reading:
            raise trio.BusyResourceError("another task reads from this stream")
        self._reading = True
        try:
            await self._news.wait()
        finally:
            self._reading = False

    def _check(self) -> None:
        if self._mine:
            raise trio.ClosedResourceError


async def open_stream(network: Network, host: str, port: int, *, timeout: float = 60.0) -> NetStream:
    """Connects. Raises OSError."""
    made: list[NetStream] = []

    def accept(transport: Transport) -> NetStream:
        made.append(NetStream(network, transport))
        return made[-1]

    await network.connect(host, port, accept, timeout=timeout)
    return made[-1]
