"""Reads with sync=True: the sync goes before them in the same piece, and what goes wrong with it is theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from coord.client import Client, ConnectionLossError, CoordError, NotReadOnlyError
from coord.client.multi import GetData
from coord.wire.jute import Reader
from coord.wire.ops import OpCode
from coord.wire.records import (
    ExistsResponse,
    GetACLResponse,
    GetChildren2Response,
    GetChildrenResponse,
    GetDataResponse,
    Record,
    SyncRequest,
)
from tests.coord.client.scripted import STAT, Connection, Scripted
from tests.coord.client.test_client_link import dial, run, welcomed

Reading = Callable[[Client], Awaitable[object]]

READS: list[tuple[OpCode, Reading, Record | bytes]] = [
    (OpCode.GET_DATA, lambda client: client.get("/a", sync=True), GetDataResponse(b"1", STAT)),
    (OpCode.EXISTS, lambda client: client.exists("/a", sync=True), ExistsResponse(STAT)),
    (OpCode.GET_CHILDREN, lambda client: client.children("/a", sync=True), GetChildrenResponse([])),
    (OpCode.GET_CHILDREN2, lambda client: client.children2("/a", sync=True), GetChildren2Response([], STAT)),
    (OpCode.GET_ACL, lambda client: client.get_acl("/a", sync=True), GetACLResponse((), STAT)),
    (
        OpCode.MULTI_READ,
        lambda client: client.multi_read([GetData("/a")], sync=True),
        b"\0\0\0\4\0\0\0\0\0" + b"\xff\xff\xff\xff" + bytes(68) + b"\xff\xff\xff\xff\1\xff\xff\xff\xff",
    ),
]


async def sync_of(connection: Connection, path: str = "/a") -> int:
    """The sync that comes first; returns its number."""
    xid, op, record = await connection.request()
    assert op == OpCode.SYNC
    assert SyncRequest.read(Reader(record)).path == path
    return xid


@pytest.mark.parametrize(("op", "read", "reply"), READS, ids=lambda value: value.name if isinstance(value, OpCode) else "")
def test_the_sync_goes_before_the_read(op: OpCode, read: Reading, reply: Record | bytes) -> None:
    """Both are sent before anything is answered: one round trip."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                sync = await sync_of(connection)
                xid, asked, _ = await connection.request()
                assert (xid, asked) == (sync + 1, op)
                await connection.reply(sync, SyncRequest("/a"))
                await connection.reply(xid, reply)
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted) as client:
                await read(client)

    run(main)


def fails_with(answer: Callable[[Connection, int, int], Awaitable[None]], error: type[CoordError]) -> None:
    """A get with sync=True ends with `error` when the server does that."""

    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                sync = await sync_of(connection)
                await answer(connection, sync, (await connection.request())[0])

            nursery.start_soon(server)
            async with dial(scripted, close_timeout=0.1) as client:
                with pytest.raises(error, match="/a"):
                    await client.get("/a", sync=True)
            nursery.cancel_scope.cancel()

    run(main)


def test_a_sync_that_is_refused_is_the_reads_error() -> None:
    """Though the read itself was answered: it promises too little. The connection goes on."""

    async def answer(connection: Connection, sync: int, xid: int) -> None:
        await connection.reply(sync, err=NotReadOnlyError.code)
        await connection.reply(xid, GetDataResponse(b"old", STAT))
        await connection.serve()

    fails_with(answer, NotReadOnlyError)


def test_a_connection_lost_before_the_sync_is_answered() -> None:
    """Nobody asks again behind the caller's back."""

    async def answer(connection: Connection, sync: int, xid: int) -> None:
        await connection.close()

    fails_with(answer, ConnectionLossError)


def test_a_connection_lost_behind_the_sync() -> None:
    """The sync alone is no answer."""

    async def answer(connection: Connection, sync: int, xid: int) -> None:
        await connection.reply(sync, SyncRequest("/a"))
        await connection.close()

    fails_with(answer, ConnectionLossError)


def test_a_chroot_counts_for_the_sync_too() -> None:
    async def main() -> None:
        scripted = Scripted()
        async with trio.open_nursery() as nursery:

            async def server() -> None:
                connection = await welcomed(scripted)
                sync = await sync_of(connection, "/app/a")
                xid = (await connection.request())[0]
                await connection.reply(sync, SyncRequest("/app/a"))
                await connection.reply(xid, GetDataResponse(b"1", STAT))
                await connection.serve()

            nursery.start_soon(server)
            async with dial(scripted, "a/app") as client:
                assert (await client.get("/a", sync=True))[0] == b"1"

    run(main)
