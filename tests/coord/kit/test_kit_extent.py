"""Bytes of a file that are sent without being read: over the real network, from files that end before they are sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from coord.kit.extent import Extent
from coord.kit.net import Transport
from coord.kit.posix import PosixDisk, PosixFile
from coord.kit.tcp import TcpNetwork, open_network

CONTENT = bytes(range(251)) * 20_000
"""Five megabytes: more than the kernel takes at once."""


class Server:
    """Swallows what it gets, and keeps its transport and how it ended."""

    def __init__(self) -> None:
        self.transport: Transport | None = None
        self.reason = ""

    def accept(self, transport: Transport) -> Server:
        self.transport = transport
        return self

    def received(self, data: memoryview) -> int:
        return len(data)

    def closed(self, reason: str) -> None:
        self.reason = reason


Test = Callable[[Transport, trio.SocketStream, Server], Awaitable[None]]


def connected(test: Test, send_buffer: int = 0) -> None:
    async def main() -> None:
        with trio.fail_after(40):
            async with open_network() as network:
                server = await serving(network, send_buffer)
                client, made = server
                while made.transport is None:
                    await trio.sleep(0.002)
                await test(made.transport, client, made)

    trio.run(main)


async def serving(network: TcpNetwork, send_buffer: int) -> tuple[trio.SocketStream, Server]:
    server = Server()
    listening = await network.listen("127.0.0.1", 0, server.accept, send_buffer=send_buffer)
    return await trio.open_tcp_stream("127.0.0.1", listening.port), server


async def read(stream: trio.SocketStream, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (more := await stream.receive_some(1 << 16)):
        got += more
    return bytes(got)


def file_of(folder: Path, content: bytes = CONTENT) -> PosixFile:
    file = PosixDisk().open(str(folder / "file"), create=True)
    file.append(content)
    return file


def descriptors(folder: Path) -> int:
    """How many of this process are of the file: of others the collector may close some at any time."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{number}").startswith(f"{folder}/file")
        except FileNotFoundError:
            pass  # the folder's own, of the listing
    return found


def test_it_knows_its_length_and_its_rest(tmp_path: Path) -> None:
    """Without the file being read."""
    extent = file_of(tmp_path).extent(100, 1000)
    assert (len(extent), bytes(extent)) == (1000, CONTENT[100:1100])
    rest = extent.behind(400)
    assert (len(rest), bytes(rest)) == (600, CONTENT[500:1100])


@pytest.mark.parametrize("send_buffer", [0, 16 << 10], ids=["system", "small"])
def test_extents_and_bytes_arrive_in_order(tmp_path: Path, send_buffer: int) -> None:
    """Whatever lies between two extents, and however little the kernel takes at once."""
    file = file_of(tmp_path)

    async def test(transport: Transport, client: trio.SocketStream, _: Server) -> None:
        expected = bytearray()
        for number, (offset, size) in enumerate([(0, 2_000_000), (7, 100_000), (3_000_000, 2_000_000), (11, 70_000)]):
            for header in [b"header %d" % number] * number:
                transport.write(header)
                expected += header
            transport.write(file.extent(offset, size))
            expected += CONTENT[offset : offset + size]
        transport.write(b"")
        transport.write(b"end")
        assert await read(client, len(expected) + 3) == expected + b"end"
        assert transport.queued == 0
        transport.write(b"more")  # bytes alone, as before
        assert await read(client, 4) == b"more"

    connected(test, send_buffer)


def test_it_outlives_its_file(tmp_path: Path) -> None:
    """A segment may be closed and deleted while a slow client is being sent its records; its descriptor goes with the last."""
    file = file_of(tmp_path)

    async def test(transport: Transport, client: trio.SocketStream, _: Server) -> None:
        transport.write(file.extent(0, len(CONTENT)))
        transport.write(file.extent(5, 100_000))
        file.close()
        os.unlink(tmp_path / "file")
        assert transport.queued > 0
        assert descriptors(tmp_path) == 1
        assert await read(client, len(CONTENT) + 100_000) == CONTENT + CONTENT[5:100_005]
        assert descriptors(tmp_path) == 0

    connected(test)


def test_a_connection_that_is_gone_lets_go_of_its_file(tmp_path: Path) -> None:
    """Nothing is left of what was queued."""
    file = file_of(tmp_path)

    async def test(transport: Transport, client: trio.SocketStream, server: Server) -> None:
        transport.write(file.extent(0, len(CONTENT)))
        file.close()
        assert descriptors(tmp_path) == 1
        transport.abort("enough")
        while not server.reason:
            await trio.sleep(0.002)
        assert descriptors(tmp_path) == 0
        assert transport._sock.fileno() == -1  # type: ignore[attr-defined]

    connected(test)


def test_a_file_that_was_cut_ends_the_connection(tmp_path: Path) -> None:
    """The length of the response has been announced, and the bytes are not there any more."""
    file = file_of(tmp_path)

    async def test(transport: Transport, client: trio.SocketStream, server: Server) -> None:
        extent = file.extent(0, len(CONTENT))
        file.truncate(1000)
        transport.write(extent)
        assert await read(client, len(CONTENT)) == CONTENT[:1000]
        assert server.reason == "the file was cut while it was being sent"
        with pytest.raises(OSError, match="cut"):
            bytes(extent)

    connected(test)


def test_a_file_without_a_descriptor_left_cannot_be_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends; nobody else is harmed."""

    def refused(descriptor: int) -> int:
        raise OSError(24, "Too many open files")

    file = file_of(tmp_path)
    extent = file.extent(0, 10)
    monkeypatch.setattr(os, "dup", refused)
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        bytes(extent)


def test_an_extent_nobody_sends_costs_nothing(tmp_path: Path) -> None:
    """The file is closed as ever."""
    file = file_of(tmp_path)
    assert isinstance(file.extent(0, 10), Extent)
    assert descriptors(tmp_path) == 1
    file.close()
    assert descriptors(tmp_path) == 0


def test_connections_have_the_send_buffer_of_their_listener() -> None:
    """The kernel counts its own overhead too, twice the size."""

    async def test(transport: Transport, client: trio.SocketStream, _: Server) -> None:
        sock = transport._sock  # type: ignore[attr-defined]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * (64 << 10)

    connected(test, 64 << 10)
