"""The session's life on trio, against a server played by the test: losing servers, expiry, partial frames, cancellation."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from coord.client import (
    AuthFailedError,
    Client,
    ConnectFailedError,
    ConnectionLossError,
    EventType,
    KeeperState,
    NoNodeError,
    RequestTooLargeError,
    SessionExpiredError,
    State,
    WatchEvent,
    connect,
)
from coord.wire.jute import Reader
from coord.wire.ops import AUTH_XID, PING_XID, SET_WATCHES_XID, OpCode
from coord.wire.records import GetDataRequest, GetDataResponse, SetDataResponse, SetWatches
from tests.coord.client.scripted import PASSWORD, SESSION_ID, STAT, Connection, Scripted


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs on a clock that jumps: no test waits for real."""
    trio.run(test, clock=MockClock(autojump_threshold=0))


def dial(scripted: Scripted, hosts: str = "a", **options: object) -> AbstractAsyncContextManager[Client]:
    return connect(hosts, session_timeout=6.0, connect_stream=scripted.connect, random=Random(1), **options)  # type: ignore[arg-type]


async def welcomed(scripted: Scripted, timeout: float = 6.0) -> Connection:
    connection = await scripted.accept()
    await connection.welcome(timeout)
    return connection


def test_first_connection_and_close() -> None:
    """The block begins connected, and its end closes the session."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                assert (await connection.request())[1] == OpCode.CLOSE_SESSION
                await connection.reply(1)
                assert await connection.frame() == b""

            nursery.start_soon(server)
            async with dial(scripted) as client:
                assert client.state is State.CONNECTED
                assert (client.session_id, client.credentials.password) == (SESSION_ID, PASSWORD)
                assert str(client.server) == "a:2181"
            assert client.state is State.CLOSED
            with pytest.raises(SessionExpiredError):
                await client.get("/a")

    run(main)


def test_a_burst_is_one_send_and_replies_may_come_in_pieces() -> None:
    """Twenty tasks ask at once; the server gets one chunk, and answers byte by byte."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:
            got: list[bytes] = []

            async def ask(client: Client, number: int) -> None:
                data, stat = await client.get(f"/{number}")
                assert stat == STAT
                got.append(data)

            async def server() -> None:
                connection = await welcomed(scripted)
                await wait_all_tasks_blocked()
                chunk = await connection.stream.receive_some()
                assert chunk.count(b"\0\0\0\4") >= 20
                send = connection.stream.send_all
                sent: list[bytes] = []

                async def keep(data: bytes) -> None:
                    sent.append(data)

                connection.stream.send_all = keep  # type: ignore[method-assign]
                for xid in range(1, 21):
                    await connection.reply(xid, GetDataResponse(b"%d" % xid, STAT))
                connection.stream.send_all = send  # type: ignore[method-assign]
                for byte in b"".join(sent):
                    await connection.stream.send_all(bytes([byte]))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted) as client:
                async with trio.open_nursery() as asking:
                    for number in range(20):
                        asking.start_soon(ask, client, number)
                assert sorted(got, key=int) == [b"%d" % n for n in range(1, 21)]

    run(main)


def test_a_lost_server() -> None:
    """The request that was sent is lost; the next waits; the session goes on elsewhere, with its watches."""

    async def main() -> None:
        scripted = Scripted()
        states: list[State] = []
        events: list[WatchEvent] = []
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                xid, _, _ = await connection.request()
                await connection.reply(xid, GetDataResponse(b"1", STAT), zxid=50)
                await connection.request()
                await connection.close()
                second = await scripted.accept()
                asked = await second.welcome()
                assert (asked.session_id, asked.password, asked.last_zxid_seen) == (SESSION_ID, PASSWORD, 50)
                xid, op, body = await second.request()
                assert (xid, op) == (SET_WATCHES_XID, OpCode.SET_WATCHES)
                assert SetWatches.read(Reader(body)) == SetWatches(50, ["/a"], [], [])
                await second.notify(EventType.NODE_DATA_CHANGED, "/a")
                await second.reply(SET_WATCHES_XID)
                xid, op, body = await second.request()
                assert GetDataRequest.read(Reader(body)) == GetDataRequest("/c")
                await second.reply(xid, GetDataResponse(None, STAT))
                await second.serve()

            nursery.start_soon(server)
            async with dial(scripted, "a,b") as client:
                client.on_state(states.append)
                assert await client.get("/a", events.append) == (b"1", STAT)
                with pytest.raises(ConnectionLossError, match=r"/b: .*not known"):
                    await client.get("/b")
                assert await client.get_nullable("/c") == (None, STAT)
                assert trio.current_time() == 0, "what waited is sent as soon as the new server has answered"
                assert events == [WatchEvent(EventType.NODE_DATA_CHANGED, KeeperState.SYNC_CONNECTED, "/a")]
            assert states == [State.SUSPENDED, State.CONNECTED, State.CLOSED]
            assert sorted(scripted.tried) == ["a", "b"]

    run(main)


def test_expiry_told_by_the_server() -> None:
    """Terminal: what waits and what is asked later raises; callbacks and watchers hear of it."""

    async def main() -> None:
        scripted = Scripted()
        events: list[WatchEvent] = []
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                xid, _, _ = await connection.request()
                await connection.reply(xid, GetDataResponse(b"", STAT))
                await connection.close()
                second = await scripted.accept()
                await wait_all_tasks_blocked()
                await second.welcome(timeout=0)

            nursery.start_soon(server)
            async with dial(scripted) as client:
                await client.get("/a", events.append)
                with pytest.raises((SessionExpiredError, ConnectionLossError)):
                    while True:
                        await client.get("/b")
                with pytest.raises(SessionExpiredError):
                    await client.wait_connected()
                with pytest.raises(SessionExpiredError):
                    await client.get("/b")
                assert client.state is State.EXPIRED
                assert events == [WatchEvent(EventType.NONE, KeeperState.EXPIRED, "")]
            assert client.state is State.EXPIRED

    run(main)


def test_expiry_without_any_server() -> None:
    """Nobody answers: after four thirds of the timeout the client knows that its session is over."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                scripted.refuse.update("ab")
                await connection.close()

            nursery.start_soon(server)
            async with dial(scripted, "a,b") as client:
                began = trio.current_time()
                with pytest.raises((SessionExpiredError, ConnectionLossError)):
                    while True:
                        await client.get("/a")
                with pytest.raises(SessionExpiredError):
                    await client.get("/a")
                assert trio.current_time() - began == pytest.approx(8.0, abs=0.1)
                assert 10 < len(scripted.tried) < 100, "neither idle nor a busy loop"

    run(main)


def test_a_silent_server_is_left() -> None:
    """Pings are sent when idle; without answers the next server is tried before the session expires."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                began = trio.current_time()
                for _ in range(3):
                    xid, op, _ = await connection.request()
                    assert (xid, op) == (PING_XID, OpCode.PING)
                    await connection.reply(PING_XID)
                assert trio.current_time() - began == pytest.approx(6.0, abs=0.1)
                await (await welcomed(scripted)).serve()

            nursery.start_soon(server)
            async with dial(scripted, "a,b") as client:
                lost = trio.Event()
                client.on_state(lambda state: lost.set() if state is State.SUSPENDED else None)
                await lost.wait()
                await client.wait_connected()
                assert trio.current_time() == pytest.approx(10.0, abs=0.2)

    run(main)


def test_hosts_that_hang_or_refuse_are_passed_over() -> None:
    """A host gets its share of the session timeout, then the next is tried."""

    async def main() -> None:
        scripted = Scripted(refuse={"b"}, silent={"a"})
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                mute = await scripted.accept()
                assert mute.host == "c"
                await mute.frame()
                assert await mute.frame() == b"", "no answer to the handshake: given up"
                await (await welcomed(scripted)).serve()

            nursery.start_soon(server)
            async with dial(scripted, "a,b,c") as client:
                assert str(client.server) == "c:2181"
                assert trio.current_time() >= 2.0

    run(main)


def test_nobody_listens() -> None:
    """One plain error that names the servers and what was wrong, after the start timeout."""

    async def main() -> None:
        scripted = Scripted(refuse={"a", "::1"})
        with pytest.raises(ConnectFailedError, match=r"no server of \[::1\]:3,a:2181 answered: .*connection refused"):
            async with connect("a,[::1]:3", start_timeout=3.0, connect_stream=scripted.connect):
                pass
        assert trio.current_time() == pytest.approx(3.0, abs=0.1)
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConnectFailedError):
                await nursery.start(Client("a", start_timeout=1.0, connect_stream=scripted.connect).run)

    run(main)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the client has logged."""
    return [record.message for record in caplog.records if record.name == "coord.client.link"]


def test_it_is_told_that_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    """At once and every ten seconds, not for every attempt; and the end of a client that never had a session."""

    async def main() -> None:
        scripted = Scripted(refuse={"a", "b"})
        with pytest.raises(ConnectFailedError):
            async with connect("a,b", start_timeout=25.0, connect_stream=scripted.connect, random=Random(1)):
                pass

    caplog.set_level(logging.INFO)
    run(main)
    *warnings, end = told(caplog)
    assert len(warnings) == 3
    assert {re.sub(r"\([ab]:", "(…:", text) for text in warnings} == {
        "no server of a:2181,b:2181 answers (…:2181: connection refused); trying on"
    }
    assert end == "the client of a:2181,b:2181 is closed: no server was reached"


def test_it_is_told_that_no_server_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    """The loss at once, and after each ten seconds that nobody answers; an end without a server names none."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted, 20.0)
                scripted.refuse.add("a")
                await connection.close()

            nursery.start_soon(server)
            async with dial(scripted) as client:
                with pytest.raises(SessionExpiredError):
                    await client.retry(client.get, "/a")

    caplog.set_level(logging.INFO)
    run(main)
    name = f"session 0x{SESSION_ID:x}"
    assert told(caplog) == [
        f"{name} is connected: {name}, timeout 20 s (a:2181)",
        f"{name} is suspended: the server closed the connection (a:2181)",
        "no server of a:2181 answers (a:2181: connection refused); trying on",
        "no server of a:2181 answers (a:2181: connection refused); trying on",
        f"{name} is expired: no server for 26.7 s, so the session has expired",
    ]


def test_started_in_a_nursery() -> None:
    """`client = await nursery.start(client.run)`: connected, and closed by cancellation, with the server told."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as outer:

            async def server() -> None:
                connection = await welcomed(scripted)
                assert (await connection.request())[1] == OpCode.CLOSE_SESSION
                await connection.reply(1)

            outer.start_soon(server)
            async with trio.open_nursery() as nursery:
                client: Client = await nursery.start(Client("a", connect_stream=scripted.connect).run)
                assert client.state is State.CONNECTED
                nursery.cancel_scope.cancel()
            assert client.state is State.CLOSED

    run(main)


def test_cancelled_with_a_silent_server() -> None:
    """The consent to a close is waited for no longer than close_timeout."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(welcomed, scripted)
            with trio.CancelScope() as scope:
                async with dial(scripted, close_timeout=0.5) as client:
                    scope.cancel()
                    await trio.sleep_forever()
            assert client.state is State.CLOSED
            assert trio.current_time() == pytest.approx(0.5, abs=0.1)

    run(main)


def test_closed_in_the_moment_in_which_a_connection_is_made() -> None:
    """The connection that the session does not need any more is closed, and nothing is raised."""

    async def main() -> None:
        scripted = Scripted()
        dials, proceed = 0, trio.Event()

        async def connect_stream(host: str, port: int) -> trio.abc.Stream:
            nonlocal dials
            dials += 1
            if dials == 2:
                await proceed.wait()
            return await scripted.connect(host, port)

        async def server() -> None:
            await (await welcomed(scripted)).close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(server)
            async with connect("a", session_timeout=6.0, connect_stream=connect_stream, random=Random(1)) as client:
                while dials < 2:
                    await trio.sleep(0.1)
                proceed.set()
            assert client.state is State.CLOSED

    for _ in range(8):  # which of the two tasks runs first is left to chance
        run(main)


def test_the_blocks_own_exception_comes_out_unwrapped() -> None:
    """No exception group around what the user raised."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                xid, _, _ = await connection.request()
                await connection.reply(xid, err=NoNodeError.code)
                await connection.serve()

            nursery.start_soon(server)
            with pytest.raises(NoNodeError):
                async with dial(scripted) as client:
                    await client.get("/a")

    run(main)


def test_a_cancelled_request() -> None:
    """Its reply goes nowhere, and the next request gets its own."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                await connection.request()
                xid, _, _ = await connection.request()
                await connection.reply(1, GetDataResponse(b"one", STAT))
                await connection.reply(xid, GetDataResponse(b"two", STAT))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted) as client:
                with trio.move_on_after(1):
                    await client.get("/one")
                assert (await client.get("/two"))[0] == b"two"

    run(main)


def test_requests_too_large_are_refused_here() -> None:
    """At the limit it is sent; one byte more is an error that names both sizes, and the connection lives."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                xid, _, body = await connection.request()
                assert len(body) == 100
                await connection.reply(xid, SetDataResponse(STAT))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted, request_max=100) as client:
                around = len("/a") + 3 * 4
                with pytest.raises(RequestTooLargeError, match=r"/a: a request of 101 bytes; servers accept 100"):
                    await client.set("/a", bytes(101 - around))
                await client.set("/a", bytes(100 - around))

    run(main)


def test_credentials_at_the_start_and_refused() -> None:
    """They are the first thing sent; a refusal ends the session with AUTH_FAILED."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                xid, op, _ = await connection.request()
                assert (xid, op) == (AUTH_XID, OpCode.AUTH)
                await connection.reply(AUTH_XID, zxid=0)
                xid, op, _ = await connection.request()
                await connection.reply(AUTH_XID, zxid=0, err=AuthFailedError.code)

            nursery.start_soon(server)
            async with dial(scripted, auth=[("digest", b"a:a")]) as client:
                with pytest.raises(AuthFailedError):
                    await client.add_auth("digest", b"b:b")
                assert client.state is State.AUTH_FAILED

    run(main)


def test_callbacks_that_fail_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A watcher and a state callback raise; both are logged, and the client goes on."""

    async def main() -> None:
        scripted = Scripted()

        def fail(_: object) -> None:
            raise RuntimeError("mine")

        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                await connection.request()
                await connection.reply(1, GetDataResponse(b"", STAT))
                await connection.notify(EventType.NODE_DELETED, "/a")
                xid, _, _ = await connection.request()
                await connection.reply(xid, GetDataResponse(b"", STAT))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted) as client:
                client.on_state(fail)
                await client.get("/a", fail)
                await client.get("/a")

    run(main)
    assert [record.message.split(" failed")[0] for record in caplog.records if record.exc_info] == [
        "a watch callback",
        "a state callback",
    ]


def test_a_full_client_makes_its_callers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of unanswered requests callers wait for room instead of piling up."""
    monkeypatch.setattr("coord.client.protocol.OUTSTANDING_MAX", 2)

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                for number in range(5):
                    xid, _, _ = await connection.request()
                    await connection.reply(xid, GetDataResponse(b"%d" % number, STAT))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted) as client, trio.open_nursery() as asking:
                for _ in range(5):
                    asking.start_soon(client.get, "/a")
                await trio.lowlevel.checkpoint()
                assert client._session.unfinished <= 2

    run(main)


def test_a_host_that_can_be_no_name() -> None:
    """It is like one that does not answer: the error names it, and the others are tried."""

    async def main() -> None:
        with pytest.raises(ConnectFailedError, match=r"'a\.\.b' can be no host's name"):
            async with connect("a..b:1", start_timeout=0.2):
                pytest.fail("connected")

    trio.run(main)
