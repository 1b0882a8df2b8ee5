"""A client that can do with a server that only reads: its state says so, and it looks for one that writes."""

from __future__ import annotations

import trio

from coord.client import NotReadOnlyError, State
from coord.client.calls import encode
from coord.wire.jute import Reader
from coord.wire.records import ConnectRequest, ConnectResponse
from tests.coord.client.scripted import PASSWORD, SESSION_ID, Connection, Scripted
from tests.coord.client.test_client_link import dial, run


async def greet(connection: Connection, session_id: int, *, read_only: bool) -> ConnectRequest:
    asked = ConnectRequest.read(Reader(await connection.frame()))
    await connection.send(encode(ConnectResponse(0, 6000, session_id, PASSWORD, read_only)))
    return asked


async def is_asked(connection: Connection, answer: bytes) -> None:
    """The other side of `isro`."""
    assert await connection.stream.receive_some() == b"isro"
    await connection.stream.send_all(answer)
    await connection.close()


def test_it_leaves_a_server_that_only_reads_for_one_that_writes() -> None:
    """The read-only session is no session elsewhere: it asks for a new one, and later keeps that."""
    states: list[State] = []

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def servers() -> None:
                first = await scripted.accept()
                asked = await greet(first, 5, read_only=True)
                assert (asked.session_id, asked.read_only) == (0, True)
                xid, _, _ = await first.request()
                await first.reply(xid, err=NotReadOnlyError.code)
                for answer in (b"null", b"ro", b"This ZooKeeper instance is not currently serving requests\n", b"rw"):
                    other = await scripted.accept()
                    assert other.host != first.host
                    await is_asked(other, answer)
                second = await scripted.accept()
                assert second.host == other.host
                asked = await greet(second, SESSION_ID, read_only=False)
                assert asked.session_id == 0
                await second.close()
                third = await scripted.accept()
                asked = await greet(third, SESSION_ID, read_only=True)
                assert asked.session_id == SESSION_ID
                nursery.start_soon(third.serve)
                await is_asked(await scripted.accept(), b"rw")
                asked = await greet(last := await scripted.accept(), SESSION_ID, read_only=False)
                assert asked.session_id == SESSION_ID
                await last.serve()

            nursery.start_soon(servers)
            async with dial(scripted, "a,b", read_only=True) as client:
                client.on_state(states.append)
                assert client.state is State.CONNECTED_READ_ONLY
                assert client.server_read_only
                try:
                    await client.set("/a", b"")
                except NotReadOnlyError:
                    pass
                while states.count(State.CONNECTED) < 2:
                    await trio.sleep(0.1)
            assert states == [
                State.SUSPENDED, State.CONNECTED, State.SUSPENDED, State.CONNECTED_READ_ONLY,
                State.SUSPENDED, State.CONNECTED, State.CLOSED,
            ]  # fmt: skip
            nursery.cancel_scope.cancel()

    run(main)


def test_with_one_server_there_is_nowhere_to_look() -> None:
    """It stays, and is closed like any other."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await scripted.accept()
                await greet(connection, 5, read_only=True)
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted, read_only=True) as client:
                await trio.sleep(100)
                assert client.state is State.CONNECTED_READ_ONLY
                assert scripted.tried == ["a"]

    run(main)
