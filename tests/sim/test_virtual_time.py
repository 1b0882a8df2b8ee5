"""The canary of `virtual.run`, and the network and the streams of the simulated world."""

from __future__ import annotations

from contextvars import ContextVar
from random import Random

import pytest
import trio
from trio._core import _run

from coord.kit.net import Transport
from tests.sim.network import Cables, SimNetwork
from tests.sim.streams import NetStream, open_stream
from tests.sim.virtual import Stopper, run


def test_trio_still_has_the_switch() -> None:
    """A new trio that moves these names must be met here, not as tests that fail now and then."""
    assert _run._ALLOW_DETERMINISTIC_SCHEDULING in (False, True)
    assert isinstance(_run._r, Random)


def _order(seed: int) -> list[int]:
    order: list[int] = []

    async def main() -> None:
        async def note(number: int) -> None:
            for _ in range(3):
                await trio.sleep(1)
                order.append(number)

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(note, number)

    run(seed, main)
    return order


def test_tasks_that_wake_together_run_in_the_seeds_order() -> None:
    """Same seed, same order; another seed, another."""
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(20)}) > 1


def test_virtual_time_is_fast() -> None:
    """A day passes at once."""
    assert run(0, lambda: _sleep_and_tell(86_400)) == pytest.approx(86_400)


async def _sleep_and_tell(seconds: float) -> float:
    began = trio.current_time()
    await trio.sleep(seconds)
    return trio.current_time() - began


def test_stopped_tasks_feel_nothing_until_they_go_on() -> None:
    """Neither a sleep's end, nor an event, nor a timeout; the clock goes on, and so do all others."""
    name: ContextVar[str] = ContextVar("name", default="-")
    story: list[tuple[str, float]] = []

    async def ticking(own: str) -> None:
        name.set(own)
        while trio.current_time() < 10:
            with trio.move_on_after(1):
                await trio.sleep_forever()
            story.append((own, trio.current_time()))

    async def main() -> None:
        stopper = Stopper(name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ticking, "stopped")
            nursery.start_soon(ticking, "other")
            await trio.sleep(2.5)
            stopper.stop("stopped")
            await trio.sleep(4)
            stopper.go_on("stopped")

    run(1, main)

    assert [when for who, when in story if who == "other"] == pytest.approx(range(1, 11))
    assert [when for who, when in story if who == "stopped"] == pytest.approx([1, 2, 6.5, 7.5, 8.5, 9.5, 10.5])


class Echo:
    """Sends back what it gets, five bytes at a time."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.reason = ""

    def received(self, data: memoryview) -> int:
        whole = len(data) // 5 * 5
        self.transport.write(bytes(data[:whole]))
        return whole

    def closed(self, reason: str) -> None:
        self.reason = reason


class Pair:
    """A server that echoes at 10.0.0.1:7, and a client's machine."""

    def __init__(self, nursery: trio.Nursery, seed: int = 0) -> None:
        self.cables = Cables(Random(seed))
        self.server = self._boot(nursery, "10.0.0.1")
        self.client = self._boot(nursery, "10.0.0.2")
        self.echoes: list[Echo] = []

    def _boot(self, nursery: trio.Nursery, name: str) -> SimNetwork:
        network = self.cables.boot(name)
        nursery.start_soon(network.run)
        return network

    def accept(self, transport: Transport) -> Echo:
        self.echoes.append(Echo(transport))
        return self.echoes[-1]

    async def open(self) -> NetStream:
        if not self.server.listeners:
            await self.server.listen("", 7, self.accept)
        return await open_stream(self.client, "10.0.0.1", 7, timeout=5)


def _with_pair(test: object) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await test(Pair(nursery))  # type: ignore[operator]
            nursery.cancel_scope.cancel()

    run(0, main)


async def _read(stream: NetStream, size: int) -> bytes:
    data = b""
    with trio.fail_after(60):
        while len(data) < size and (piece := await stream.receive_some()):
            data += piece
    return data


def test_bytes_arrive_in_order() -> None:
    """Cut anywhere, late, but in order and whole."""

    async def test(pair: Pair) -> None:
        stream = await pair.open()
        sent = b"".join(b"%05d" % number for number in range(1000))
        for start in range(0, len(sent), 77):
            await stream.send_all(sent[start : start + 77])
        assert await _read(stream, 5000) == sent
        await stream.aclose()
        await trio.sleep(5)
        assert pair.echoes[0].reason == "closed by the other side"
        assert not pair.server.transports
        assert not pair.client.transports

    _with_pair(test)


def test_a_cut_holds_what_is_sent() -> None:
    """It arrives after the repair; a cut of the other direction lets it pass, but not the answer."""

    async def test(pair: Pair) -> None:
        stream = await pair.open()
        pair.cables.cut({("10.0.0.1", "10.0.0.2")})
        await stream.send_all(b"12345")
        await trio.sleep(1)
        assert pair.echoes[0].transport.closed is False
        assert not stream._received
        pair.cables.cut(set())
        assert await _read(stream, 5) == b"12345"

    _with_pair(test)


def test_connecting_across_a_cut_times_out() -> None:
    """Nobody answers."""

    async def test(pair: Pair) -> None:
        await (await pair.open()).aclose()
        pair.cables.cut({("10.0.0.2", "10.0.0.1")})
        began = trio.current_time()
        with pytest.raises(TimeoutError):
            await pair.open()
        assert trio.current_time() - began == pytest.approx(5)

    _with_pair(test)


def test_a_killed_process_resets_and_refuses() -> None:
    """The kernel speaks for it."""

    async def test(pair: Pair) -> None:
        stream = await pair.open()
        pair.cables.kill("10.0.0.1", power=False)
        with pytest.raises(trio.BrokenResourceError):
            await _read(stream, 5)
        with pytest.raises(ConnectionRefusedError):
            await open_stream(pair.client, "10.0.0.1", 7, timeout=5)

    _with_pair(test)


def test_a_machine_without_power_says_nothing_until_it_is_back() -> None:
    """Its peers hear a reset from the next life."""

    async def test(pair: Pair) -> None:
        stream = await pair.open()
        pair.cables.kill("10.0.0.1", power=True)
        await stream.send_all(b"12345")
        with trio.move_on_after(30) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError):
            await open_stream(pair.client, "10.0.0.1", 7, timeout=5)
        pair.cables.boot("10.0.0.1")
        with pytest.raises(trio.BrokenResourceError):
            await _read(stream, 5)

    _with_pair(test)


def test_an_abort_ends_both_sides() -> None:
    """Each is told once."""

    async def test(pair: Pair) -> None:
        for _ in range(20):
            stream = await pair.open()
            await stream.send_all(b"12345")
            await _read(stream, 5)
            pair.echoes[-1].transport.abort("enough")
            with trio.move_on_after(5):
                try:
                    assert await stream.receive_some() == b""
                except trio.BrokenResourceError:
                    pass
            await trio.sleep(2)
            assert pair.echoes[-1].reason == "enough"
        assert not pair.server.transports

    _with_pair(test)
