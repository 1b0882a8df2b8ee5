"""The real network: what each side of the seam may rely on, over loopback."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio

from coord.kit import buffers, tcp, transport
from coord.kit.framing import FrameError
from coord.kit.net import Receiver, Transport
from coord.kit.tcp import TcpNetwork, open_network


class Echo:
    """Sends back what it gets, in lines, and remembers how it ended."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.reasons: list[str] = []
        self.calls: list[int] = []

    def received(self, data: memoryview) -> int:
        self.calls.append(len(data))
        used = bytes(data).rfind(b"\n") + 1
        if used:
            self.transport.write(bytes(data[:used]))
        return used

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)


class Swallow(Echo):
    """Consumes everything and answers nothing."""

    def received(self, data: memoryview) -> int:
        self.calls.append(len(data))
        return len(data)


class Made:
    """An `accept` that keeps what it made."""

    def __init__(self, kind: Callable[[Transport], Receiver] = Echo) -> None:
        self.kind = kind
        self.receivers: list[Echo] = []

    def __call__(self, transport: Transport) -> Receiver:
        receiver = self.kind(transport)
        self.receivers.append(receiver)  # type: ignore[arg-type]
        return receiver


def on_network(body: Callable[[TcpNetwork], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(40):
            async with open_network() as network:
                await body(network)

    trio.run(main)


async def stream_to(port: int) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port)


async def read_exactly(stream: trio.SocketStream, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        more = await stream.receive_some(65536)
        assert more, f"ended after {len(got)} of {count} bytes"
        got += more
    return bytes(got)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await trio.sleep(0.002)


def test_a_line_cut_anywhere_comes_back_whole() -> None:
    """Bytes that were not consumed come again with more behind them, and an idle connection holds no buffer."""

    async def body(network: TcpNetwork) -> None:
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        for piece in (b"he", b"l", b"lo\nwor", b"ld\n"):
            await stream.send_all(piece)
            await trio.sleep(0.005)
        assert await read_exactly(stream, 12) == b"hello\nworld\n"
        side = made.receivers[0].transport
        assert isinstance(side, transport.TcpTransport)
        assert side._buffer is None
        assert side.host == "127.0.0.1"
        assert side.peer == f"127.0.0.1:{stream.socket.getsockname()[1]}"

    on_network(body)


def test_a_large_frame_grows_a_buffer_and_gives_it_back() -> None:
    """A frame of megabytes arrives in one piece; the next one needs no growing, and the buffer is returned after a small one."""

    async def body(network: TcpNetwork) -> None:
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made, receive_max=4 << 20)
        stream = await stream_to(listening.port)
        line = b"x" * (3 << 20) + b"\n"
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, line)
                assert await read_exactly(stream, len(line)) == line
        side = made.receivers[0].transport
        assert isinstance(side, transport.TcpTransport)
        assert side._buffer is None
        assert side._wanted >= len(line)
        await stream.send_all(b"small\n")
        await read_exactly(stream, 6)
        assert side._wanted == 0

    on_network(body)


def test_more_than_receive_max_without_a_frame_is_aborted() -> None:
    """A sender that never ends its frame costs bounded memory."""

    async def body(network: TcpNetwork) -> None:
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made, receive_max=1000)
        stream = await stream_to(listening.port)
        await stream.send_all(b"x" * 1001)
        await until(lambda: made.receivers[0].reasons)
        assert made.receivers[0].reasons == ["more than 1000 bytes without a whole frame"]

    on_network(body)


def test_a_reader_that_never_reads_is_aborted_at_write_max() -> None:
    """Queued output is bounded; the abort follows the write that crosses the bound."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made, write_max=8 << 20)
        _unread = await stream_to(listening.port)
        await until(lambda: made.receivers)
        receiver = made.receivers[0]
        for _ in range(1000):
            receiver.transport.write(b"y" * 100_000)
            if receiver.transport.closed:
                break
        assert receiver.transport.closed
        await until(lambda: receiver.reasons)
        assert receiver.reasons[0].startswith("does not read: 8")

    on_network(body)


def test_a_slow_reader_gets_every_byte_in_order() -> None:
    """When the kernel is full the rest follows as it takes it, chunks small and large mixed."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        expected = bytearray()
        for i in range(3000):
            chunk = bytes([i % 251]) * (7 if i % 3 else 20_000)
            expected += chunk
            made.receivers[0].transport.write(memoryview(chunk) if i % 2 else chunk)
        assert made.receivers[0].transport.queued > 0
        assert await read_exactly(stream, len(expected)) == expected
        await until(lambda: made.receivers[0].transport.queued == 0)

    on_network(body)


def test_pause_stops_reading_and_resume_offers_what_is_here() -> None:
    """After `pause` nothing is handed out; after `resume` the bytes already here come without new ones arriving."""

    class Lines(Echo):
        def received(self, data: memoryview) -> int:
            self.calls.append(len(data))
            used = bytes(data).find(b"\n") + 1
            if used:
                self.transport.write(bytes(data[:used]))
                self.transport.pause()
            return used

    async def body(network: TcpNetwork) -> None:
        made = Made(Lines)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await stream.send_all(b"a\nb\nc\n" + b"d" * 40_000)
        assert await read_exactly(stream, 2) == b"a\n"
        await trio.sleep(0.02)
        calls = len(made.receivers[0].calls)
        await stream.send_all(b"\n")
        await trio.sleep(0.02)
        assert len(made.receivers[0].calls) == calls
        for expected in (b"b\n", b"c\n", b"d" * 40_000 + b"\n"):
            made.receivers[0].transport.resume()
            assert await read_exactly(stream, len(expected)) == expected

    on_network(body)


def test_close_sends_what_is_queued_and_the_other_side_sees_no_reset() -> None:
    """Replies queued before `close` arrive even when unread input is waiting."""

    class Last(Echo):
        def received(self, data: memoryview) -> int:
            self.transport.write(b"z" * 3_000_000)
            self.transport.write(b"bye")
            self.transport.close()
            self.transport.write(b"dropped")
            return 1

    async def body(network: TcpNetwork) -> None:
        made = Made(Last)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await stream.send_all(b"q" * 100_000)
        got = await read_exactly(stream, 3_000_003)
        assert got.endswith(b"zbye")
        assert await stream.receive_some(1) == b""
        await stream.send_all(b"still talking")
        await stream.aclose()
        await until(lambda: made.receivers[0].reasons)
        assert made.receivers[0].reasons == ["closed here"]

    on_network(body)


def test_a_closed_connection_does_not_wait_long_for_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last byte the other side has a bounded time, and a bounded number of bytes, to end."""
    monkeypatch.setattr(transport, "LINGER_SECONDS", 0.05)

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        _mute = await stream_to(listening.port)
        await until(lambda: made.receivers)
        made.receivers[0].transport.close()
        await until(lambda: made.receivers[0].reasons)
        monkeypatch.setattr(transport, "LINGER_SECONDS", 60)
        chatty = await stream_to(listening.port)
        await until(lambda: len(made.receivers) == 2)
        made.receivers[1].transport.close()
        with pytest.raises(trio.BrokenResourceError):
            await chatty.send_all(b"q" * 50_000_000)
        assert made.receivers[1].reasons == ["closed here"]

    on_network(body)


def test_a_closed_connection_that_is_not_read_ends_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain after `close` has a deadline."""
    monkeypatch.setattr(transport, "DRAIN_SECONDS", 0.05)

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        _unread = await stream_to(listening.port)
        await until(lambda: made.receivers)
        made.receivers[0].transport.write(b"z" * 20_000_000)
        made.receivers[0].transport.close()
        await until(lambda: made.receivers[0].reasons)
        assert "did not take its last" in made.receivers[0].reasons[0]

    on_network(body)


def test_a_receiver_that_raises_loses_its_connection_alone(caplog: pytest.LogCaptureFixture) -> None:
    """One log line without a traceback, which says whose fault it is; the others go on."""

    class Fussy(Echo):
        def received(self, data: memoryview) -> int:
            if b"bad" in bytes(data):
                raise FrameError(-1, 10)
            if b"fault" in bytes(data):
                raise KeyError("no such thing")
            return super().received(data)

    async def body(network: TcpNetwork) -> None:
        made = Made(Fussy)
        listening = await network.listen("127.0.0.1", 0, made)
        good = await stream_to(listening.port)
        for line in (b"bad\n", b"fault\n"):
            bad = await stream_to(listening.port)
            await bad.send_all(line)
            assert await bad.receive_some(1) == b""
        await good.send_all(b"good\n")
        assert await read_exactly(good, 5) == b"good\n"

    with caplog.at_level(logging.WARNING):
        on_network(body)
    lines = [record for record in caplog.records if "connection closed" in record.getMessage()]
    assert [record.exc_info for record in lines] == [None, None]
    understood, fault = (record.getMessage().partition(": ")[2] for record in lines)
    says = "it sent what cannot be understood: a frame of -1 bytes was announced; the limit is 10"
    assert understood == f"connection closed: {says}"
    assert fault == "connection closed by a fault on this side: KeyError: 'no such thing'"


def test_callbacks_of_a_wakeup_run_before_anything_is_sent() -> None:
    """What a wake-up callback writes leaves in the same send as what the receivers wrote."""

    async def body(network: TcpNetwork) -> None:
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        seen: list[int] = []

        def callback() -> None:
            side = made.receivers[0].transport
            if side.queued:
                seen.append(side.queued)
                side.write(b"+\n")

        network.on_wakeup(callback)
        await stream.send_all(b"one\n")
        assert await stream.receive_some(100) == b"one\n+\n"
        assert seen == [4]

    on_network(body)


@pytest.mark.parametrize("flushed", [False, True])
def test_writes_outside_of_a_wakeup_are_sent(flushed: bool) -> None:
    """With `flush` at once, without it by the next wake-up, which comes by itself."""

    async def body(network: TcpNetwork) -> None:
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        for text in (b"first", b"second"):
            made.receivers[0].transport.write(text)
            if flushed:
                network.flush()
                assert made.receivers[0].transport.queued == 0
            assert await read_exactly(stream, len(text)) == text

    on_network(body)


def test_closed_is_told_once_for_every_way_to_end() -> None:
    """The peer's end, a reset, an abort and the stop of the network each give one `closed`."""
    made = Made()

    async def body(network: TcpNetwork) -> None:
        listening = await network.listen("127.0.0.1", 0, made)
        streams = []
        for number in range(4):
            streams.append(await stream_to(listening.port))
            await until(lambda number=number: len(made.receivers) > number)
        await streams[0].aclose()
        streams[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await streams[1].aclose()
        made.receivers[2].transport.abort("enough")
        made.receivers[2].transport.abort("twice")
        made.receivers[2].transport.close()
        await until(lambda: sum(len(r.reasons) for r in made.receivers) == 3)

    on_network(body)
    assert [r.reasons for r in made.receivers] == [
        ["closed by the other side"], ["connection reset by peer"], ["enough"], ["the network stopped"],
    ]  # fmt: skip


def test_a_stopped_network_takes_calls_quietly() -> None:
    """Tasks that end after the network may still write, close and flush."""
    made = Made()
    kept: list[TcpNetwork] = []

    async def body(network: TcpNetwork) -> None:
        kept.append(network)
        listening = await network.listen("127.0.0.1", 0, made)
        _stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        made.receivers[0].transport.write(b"unsent")

    on_network(body)
    side = made.receivers[0].transport
    side.write(b"x")
    side.pause()
    side.resume()
    side.close()
    side.abort("late")
    kept[0].flush()
    assert made.receivers[0].reasons == ["the network stopped"]


def test_a_reset_while_paused_is_noticed() -> None:
    """A paused connection whose other side is gone neither spins nor stays."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        made.receivers[0].transport.pause()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await stream.aclose()
        await until(lambda: made.receivers[0].reasons)

    on_network(body)


@pytest.mark.parametrize("until_end", [False, True])
def test_an_end_while_paused_is_noticed_where_that_is_wanted(until_end: bool) -> None:
    """What was written still goes out; without `until_end` one who has only ended his half gets his replies later."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        receiver = made.receivers[0]
        receiver.transport.write(b"earlier\n")
        receiver.transport.pause(until_end=until_end)
        await stream.send_eof()
        assert await read_exactly(stream, 8) == b"earlier\n"
        if until_end:
            await until(lambda: receiver.reasons)
        else:
            await trio.sleep(0.05)
            receiver.transport.write(b"later\n")
            assert await read_exactly(stream, 6) == b"later\n"
            receiver.transport.resume()
            await until(lambda: receiver.reasons)
        assert receiver.reasons == ["closed by the other side"]
        assert await stream.receive_some(1) == b""

    on_network(body)


def test_what_came_before_an_end_is_handed_out_after_a_pause() -> None:
    """Without waking up again and again meanwhile."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        listening = await network.listen("127.0.0.1", 0, made)
        stream = await stream_to(listening.port)
        await until(lambda: made.receivers)
        receiver = made.receivers[0]
        receiver.transport.pause(until_end=True)
        await stream.send_all(b"last words")
        await stream.send_eof()
        await trio.sleep(0.05)
        assert (receiver.calls, receiver.reasons) == ([], [])
        wakeups: list[float] = []
        network.on_wakeup(lambda: wakeups.append(trio.current_time()))
        await trio.sleep(0.2)
        assert len(wakeups) <= 2
        receiver.transport.resume()
        await until(lambda: receiver.reasons)
        assert receiver.calls == [10]
        assert receiver.reasons == ["closed by the other side"]

    on_network(body)


def test_connect_and_its_failures() -> None:
    """A connection made here works like an accepted one; refusals and silence are OSErrors."""

    async def body(network: TcpNetwork) -> None:
        made, mine = Made(), Made(Swallow)
        listening = await network.listen("localhost", 0, made)
        side = await network.connect("localhost", listening.port, mine, timeout=20)
        side.write(b"hi\n")
        await until(lambda: mine.receivers[0].calls == [3])
        listening.close()
        with pytest.raises(ConnectionRefusedError):
            await network.connect("127.0.0.1", listening.port, mine, timeout=20)
        full = socket.socket()  # a listener with a full backlog answers nobody
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(2)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
            await network.connect("127.0.0.1", full.getsockname()[1], mine, timeout=0.1)
        for sock in (full, *fillers):
            sock.close()
        with pytest.raises(OSError) as caught:
            await network.listen("127.0.0.1", side_port(side), made)
        assert caught.value.errno == errno.EADDRINUSE

    def side_port(side: Transport) -> int:
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        keep.append(taken)
        return int(taken.getsockname()[1])

    keep: list[socket.socket] = []
    on_network(body)


def test_running_out_of_descriptors_rests_the_listener(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Callers wait in the backlog, one line says so for each pause, connections that exist go on, and accepting resumes."""
    pause = 0.2
    monkeypatch.setattr(tcp, "EXHAUSTED_PAUSE_SECONDS", pause)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    exhausted = 0.0

    def lines() -> int:
        return sum("cannot accept" in record.getMessage() for record in caplog.records)

    async def body(network: TcpNetwork) -> None:
        nonlocal exhausted
        made = Made()
        listening = await network.listen("127.0.0.1", 0, made)
        first = await stream_to(listening.port)
        await until(lambda: made.receivers)
        late = trio.socket.socket()
        hogs: list[int] = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 20, limits[1]))
        try:
            while True:
                try:
                    hogs.append(os.dup(0))
                except OSError:
                    break
            began = trio.current_time()
            await late.connect(("127.0.0.1", listening.port))
            await first.send_all(b"still here\n")
            assert await read_exactly(first, 11) == b"still here\n"
            await until(lines)
            await trio.sleep(0.05)
            exhausted = trio.current_time() - began
        finally:
            for hog in hogs:
                os.close(hog)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await late.send(b"late\n")
        assert await late.recv(10) == b"late\n"

    with caplog.at_level(logging.WARNING):
        on_network(body)
    assert 1 <= lines() <= 1 + exhausted / pause


def test_one_busy_connection_starves_nobody() -> None:
    """A flood on one connection leaves other connections and other tasks their turns."""

    async def body(network: TcpNetwork) -> None:
        made = Made(Swallow)
        echoes = Made()
        flooded = await network.listen("127.0.0.1", 0, made)
        listening = await network.listen("127.0.0.1", 0, echoes)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                stream = await stream_to(flooded.port)
                nursery.start_soon(flood, stream)
            quiet = await stream_to(listening.port)
            for _ in range(20):
                await quiet.send_all(b"ping\n")
                assert await read_exactly(quiet, 5) == b"ping\n"
                await trio.sleep(0)
            nursery.cancel_scope.cancel()
        assert max(made.receivers[0].calls) <= buffers.BUFFER_BYTES

    async def flood(stream: trio.SocketStream) -> None:
        while True:
            await stream.send_all(b"f" * 200_000)

    on_network(body)


@pytest.mark.parametrize("host", ["a..b", "a" * 64], ids=["an empty label", "a long label"])
def test_what_can_be_no_name_is_a_host_that_is_not_found(host: str) -> None:
    """An OSError that names it, on both sides, as for a name that nobody knows."""

    async def body(network: TcpNetwork) -> None:
        with pytest.raises(OSError, match=f"'{host}' can be no host's name"):
            await network.connect(host, 1, Made(), timeout=1)
        with pytest.raises(OSError, match=f"'{host}' can be no host's name"):
            await network.listen(host, 0, Made())

    on_network(body)
