"""`while_certain`: leadership ends before anybody else could have it, and not at every lost connection."""

from __future__ import annotations

from random import Random

import pytest
import trio
from trio.testing import MockClock

from coord.client import connect
from coord.client.recipes import Election, while_certain
from coord.wire.jute import Reader
from coord.wire.ops import OpCode
from coord.wire.records import CreateRequest, CreateResponse, GetChildrenResponse, SyncResponse
from tests.coord.client.scripted import Connection, Scripted


@pytest.mark.parametrize(("away", "cancelled"), [(1.0, False), (2.0, True)])
def test_grace(away: float, cancelled: bool) -> None:
    """A quarter of the session timeout (6 s) without a server is tolerated, more is not."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                first = await scripted.accept()
                await first.welcome(6.0)
                await trio.sleep(0.1)
                scripted.refuse.add("a")
                await first.close()
                await trio.sleep(away)
                scripted.refuse.clear()
                second = await scripted.accept()
                await second.welcome(6.0)
                await second.serve()

            nursery.start_soon(server)
            async with connect("a", session_timeout=6.0, connect_stream=scripted.connect, random=Random(1)) as client:
                began = trio.current_time()
                async with while_certain(client) as scope:
                    await trio.sleep(4)
                assert scope.cancelled_caught is cancelled
                if cancelled:
                    assert trio.current_time() - began == pytest.approx(1.6, abs=0.1)
                await client.wait_connected()

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def answer_election(connection: Connection, nodes: list[str]) -> None:
    """Just enough of a server for one candidate: it keeps the nodes in a list."""
    while frame := await connection.frame():
        r = Reader(frame)
        xid, op = r.int(), r.int()
        if op == OpCode.CREATE:
            path = CreateRequest.read(r).path + f"{len(nodes):010d}"
            nodes.append(path.rpartition("/")[2])
            await connection.reply(xid, CreateResponse(path))
        elif op == OpCode.GET_CHILDREN:
            await connection.reply(xid, GetChildrenResponse(nodes))
        elif op == OpCode.DELETE:
            nodes.remove(str(frame[12:-4], "utf-8").rpartition("/")[2])
            await connection.reply(xid)
        else:
            await connection.reply(xid, SyncResponse("/") if op == OpCode.SYNC else b"")


def test_a_term_in_doubt_ends_and_is_stood_for_again() -> None:
    """The leader's work is cancelled when the session is in doubt; connected again, the candidate returns to the queue."""

    async def main() -> None:
        scripted = Scripted()
        nodes: list[str] = []
        terms = 0

        async def lead() -> None:
            nonlocal terms
            terms += 1
            if terms == 1:
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:

            async def server() -> None:
                first = await scripted.accept()
                await first.welcome(6.0)
                with trio.move_on_after(1):
                    await answer_election(first, nodes)
                scripted.refuse.add("a")
                await first.close()
                await trio.sleep(3)
                assert terms == 1
                scripted.refuse.clear()
                second = await scripted.accept()
                await second.welcome(6.0)
                await answer_election(second, nodes)

            nursery.start_soon(server)
            async with connect("a", session_timeout=6.0, connect_stream=scripted.connect, random=Random(1)) as client:
                await Election(client, "/election").run(lead)
                assert terms == 2
                assert nodes == []

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_number_is_taken_once() -> None:
    """The answer to the create is lost: the node that it made is found again, and no second one is made."""

    async def main() -> None:
        scripted = Scripted()
        nodes: list[str] = []
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                first = await scripted.accept()
                await first.welcome(6.0)
                _, op, body = await first.request()
                assert op == OpCode.CREATE
                nodes.append(CreateRequest.read(Reader(body)).path.rpartition("/")[2] + "0000000007")
                await first.close()
                second = await scripted.accept()
                await second.welcome(6.0)
                await answer_election(second, nodes)

            nursery.start_soon(server)
            async with connect("a", session_timeout=6.0, connect_stream=scripted.connect, random=Random(1)) as client:
                seen: list[str] = []

                async def lead() -> None:
                    seen.extend(nodes)

                await Election(client, "/election").run(lead)
                assert len(seen) == 1
                assert seen[0].endswith("__lock__0000000007")

    trio.run(main, clock=MockClock(autojump_threshold=0))
