"""Nurseries, wakeups and event streams: the client's small parts, without a server."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from coord.client.client import Client
from coord.client.failures import WatchOverflowError, words_of
from coord.client.multi import create_mode
from coord.client.states import State
from coord.client.wakeup import Wakeup
from coord.client.watches import WatchEvent
from coord.client.watching import EVENTS_MAX, EventStream
from coord.errors import BadArgumentsError, SessionExpiredError
from coord.kit.nurseries import PIPELINE_MAX, flat_nursery, gather
from coord.wire.ops import CreateMode, EventType, KeeperState


def test_gather() -> None:
    """Results in the items' order, a bounded number at a time; the first failure ends it, unwrapped."""

    async def main() -> None:
        running = most = 0

        async def double(number: int) -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await trio.sleep(1 / number)
            running -= 1
            if number == 1000:
                raise KeyError(number)
            return number * 2

        assert await gather(double, range(1, 1000)) == [number * 2 for number in range(1, 1000)]
        assert most == PIPELINE_MAX
        assert await gather(double, []) == []
        running = 0
        with pytest.raises(KeyError):
            await gather(double, [1, 1000, 2])

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_flat_nursery() -> None:
    """The block's exception comes out bare and cancels the tasks; cancellation passes."""

    async def main() -> None:
        with pytest.raises(KeyError):
            async with flat_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise KeyError
        with trio.move_on_after(1) as scope:
            async with flat_nursery() as nursery:
                await trio.sleep_forever()
        assert scope.cancelled_caught

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_wakeup() -> None:
    """A set before the wait counts, two count as one, and a cancelled wait leaves no trace."""

    async def main() -> None:
        wakeup = Wakeup()
        wakeup.set()
        wakeup.set()
        await wakeup.wait()
        with trio.move_on_after(1) as scope:
            await wakeup.wait()
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wakeup.wait)
            await wait_all_tasks_blocked()
            wakeup.set()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def event(number: int) -> WatchEvent:
    return WatchEvent(EventType.NODE_CREATED, KeeperState.SYNC_CONNECTED, f"/{number}")


def test_event_stream_overflow() -> None:
    """At the limit nothing is lost; beyond it the reader is told, and then gets what came later."""

    async def main() -> None:
        stream = EventStream(Client("h"), "/", recursive=True)
        for number in range(EVENTS_MAX):
            stream._fired(event(number))
        assert (await anext(stream)).path == "/0"
        stream._fired(event(1))
        stream._fired(event(2))
        with pytest.raises(WatchOverflowError):
            await anext(stream)
        assert (await anext(stream)).path == "/2"

    trio.run(main)


def test_event_stream_end() -> None:
    """An expired session is an error, a closed one the end."""

    async def main() -> None:
        client = Client("h")
        stream = EventStream(client, "/", recursive=False)
        client._session.state = State.EXPIRED
        stream._fired(WatchEvent(EventType.NONE, KeeperState.EXPIRED, ""))
        with pytest.raises(SessionExpiredError):
            await anext(stream)
        client._session.state = State.CLOSED
        stream._fired(WatchEvent(EventType.NONE, KeeperState.CLOSED, ""))
        assert [each async for each in stream] == []

    trio.run(main)


def test_create_modes() -> None:
    """The number of each combination; combinations that exclude each other."""
    off = {"ephemeral": False, "sequential": False, "container": False, "ttl_ms": None}

    def mode(**on: object) -> CreateMode:
        return create_mode(**{**off, **on})  # type: ignore[arg-type]

    assert mode() is CreateMode.PERSISTENT
    assert mode(ephemeral=True) is CreateMode.EPHEMERAL
    assert mode(sequential=True) is CreateMode.PERSISTENT_SEQUENTIAL
    assert mode(ephemeral=True, sequential=True) is CreateMode.EPHEMERAL_SEQUENTIAL
    assert mode(container=True) is CreateMode.CONTAINER
    assert mode(ttl_ms=5) is CreateMode.PERSISTENT_WITH_TTL
    assert mode(ttl_ms=5, sequential=True) is CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL
    for wrong in ({"container": True, "sequential": True}, {"ephemeral": True, "ttl_ms": 1}, {"container": True, "ttl_ms": 1}):
        with pytest.raises(BadArgumentsError):
            mode(**wrong)


def test_failures_in_words() -> None:
    """The deepest cause, in the system's words; groups once for each different one."""
    refused = OSError("all attempts failed")
    refused.__cause__ = ExceptionGroup("", [ConnectionRefusedError(111, "x"), ConnectionRefusedError(111, "y"), OSError(113, "")])
    assert words_of(refused) == "connection refused; no route to host"
    assert words_of(socket.gaierror(-2, "Name or service not known")) == "name or service not known"
    assert words_of(KeyError()) == "KeyError"
    assert words_of(OSError("odd")) == "odd"
