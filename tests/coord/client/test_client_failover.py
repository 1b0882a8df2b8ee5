"""Losing servers of a real ensemble: nothing acknowledged is lost, sessions and watches move on, ephemerals stay."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio

from coord.client import Client, ConnectionLossError, EventType, State, WatchEvent, connect
from tests.coord.client.apache import Apache, apache_ensemble

pytestmark = [pytest.mark.apache]


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    """Three Apache servers."""
    with apache_ensemble(tmp_path_factory.mktemp("ensemble"), 3) as servers:
        yield servers


async def write_many(client: Client, acknowledged: list[str], lost: list[int], stop: trio.Event) -> None:
    """Creates nodes as fast as the client lets it, and keeps what was acknowledged and whose outcome is unknown."""
    number = 0
    while not stop.is_set():
        number += 1
        try:
            acknowledged.append(await client.create(f"/w/{number}"))
        except ConnectionLossError:
            lost.append(number)


def mode(port: int) -> str:
    """What a server says it is."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.sendall(b"srvr")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    return text.partition("Mode: ")[2].partition("\n")[0]


def test_a_server_goes_silent(ensemble: Apache) -> None:
    """SIGSTOP of the client's server, a follower: the session moves to the other in time, with its ephemeral node."""
    followers = [port for port in ensemble.ports if mode(port) == "follower"]
    assert len(followers) == 2

    async def main() -> None:
        hosts = ",".join(f"127.0.0.1:{port}" for port in followers)
        async with connect(hosts, session_timeout=9.0) as client:
            session = client.session_id
            await client.create("/silent", ephemeral=True)
            assert client.server is not None
            stopped = ensemble.ports.index(client.server.port)
            moved = trio.Event()
            client.on_state(lambda state: moved.set() if state is State.CONNECTED else None)
            ensemble.stop(stopped)
            try:
                with trio.fail_after(60):
                    await moved.wait()
                    assert await client.retry(client.exists, "/silent") is not None
            finally:
                ensemble.cont(stopped)
            assert client.session_id == session
            assert ensemble.ports.index(client.server.port) != stopped

    trio.run(main)


def test_a_server_dies(ensemble: Apache) -> None:
    """kill -9 of the client's server under writes: one session throughout, nothing acknowledged is lost."""

    async def main() -> None:
        states: list[State] = []
        events: list[WatchEvent] = []
        acknowledged: list[str] = []
        lost: list[int] = []
        stop = trio.Event()
        async with connect(ensemble.hosts, session_timeout=30.0) as client, trio.open_nursery() as nursery:
            session = client.session_id
            client.on_state(states.append)
            await client.create("/e", ephemeral=True)
            await client.create("/w")
            await client.exists("/x", events.append)
            nursery.start_soon(write_many, client, acknowledged, lost, stop)
            await trio.sleep(0.3)
            assert client.server is not None
            ensemble.kill(ensemble.ports.index(client.server.port))
            with trio.fail_after(60):
                await client.retry(client.create, "/x")
            count = len(acknowledged)
            while len(acknowledged) < count + 10:
                await trio.sleep(0.01)
            stop.set()
            assert (client.session_id, client.state) == (session, State.CONNECTED)
            assert states[0] is State.SUSPENDED
            assert [event.type for event in events] == [EventType.NODE_CREATED]
            await client.sync()
            there = await client.children("/w")
            assert {path.removeprefix("/w/") for path in acknowledged} <= set(there)
            assert len(lost) <= states.count(State.SUSPENDED), "one task has one request under way, or none: its last answer came with the end"
            assert await client.exists("/e") is not None

    trio.run(main)
