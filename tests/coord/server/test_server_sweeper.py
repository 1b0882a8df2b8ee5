"""The leader's housekeeping: what is due goes, not faster than allowed, and only where this server decides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio
import trio.testing

from coord.server.sweeper import sweep
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.records import CreateRequest, CreateTTLRequest, DeleteRequest
from coord.zab.application import Role
from tests.coord.server.harness import FakeClient, FakeWall, Rig, create, on_trio


class Sweepable:
    """A leader whose tree has as many expired nodes as wanted."""

    class Many(Tree):
        count = 0

        def removable(self, now_ms: int, never_used_ms: int = 0) -> list[str]:
            return [f"/{n}" for n in range(self.count)]

    def __init__(self, count: int) -> None:
        self.tree = self.Many()
        self.tree.count = count
        self.deciding = True
        self.deleted: list[tuple[float, str]] = []

    def delete_unused(self, paths: Sequence[str]) -> None:
        self.deleted += [(trio.current_time(), path) for path in paths]


def under_a_clock(body: Callable[[], Awaitable[None]]) -> None:
    trio.run(body, clock=trio.testing.MockClock(autojump_threshold=0))


def test_no_more_than_so_many_go_in_a_minute() -> None:
    """100 a minute: the first 100 of 250 take a minute, and each batch is short."""

    async def main() -> None:
        server = Sweepable(250)
        began = trio.current_time()
        with trio.move_on_after(300):
            await sweep(server, FakeWall(), interval_ms=1000, per_minute=100, never_used_ms=0)
        times = [when - began for when, _ in server.deleted]
        assert times[0] == 1.0
        for minute in range(4):
            assert 95 <= sum(1 for when in times if minute * 60 <= when - 1 < minute * 60 + 60) <= 101

    under_a_clock(main)


def test_many_go_in_batches() -> None:
    """10,000 a minute, Apache's default: 16 each 96 ms, instead of all at once."""

    async def main() -> None:
        server = Sweepable(1000)
        began = trio.current_time()
        with trio.move_on_after(60.5):
            await sweep(server, FakeWall(), interval_ms=60_000, per_minute=10_000, never_used_ms=0)
        assert 64 <= len(server.deleted) <= 96
        assert server.deleted[0][0] - began == 60.0

    under_a_clock(main)


def test_a_leader_that_is_deposed_stops() -> None:
    async def main() -> None:
        server = Sweepable(1000)
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                await sweep(server, FakeWall(), interval_ms=1000, per_minute=10_000, never_used_ms=0)

            nursery.start_soon(run)
            await trio.sleep(1.15)
            count = len(server.deleted)
            assert count > 0
            server.deciding = False
            await trio.sleep(30)
            assert len(server.deleted) == count
            nursery.cancel_scope.cancel()

    under_a_clock(main)


def container(path: str) -> tuple[int, CreateRequest]:
    return OpCode.CREATE_CONTAINER, CreateRequest(path, b"", OPEN_ACL_UNSAFE, 4)


@on_trio
def test_the_pipeline_deletes_what_is_due() -> None:
    """A container after its last child; a write that is in flight is seen; a follower does nothing of the kind."""
    rig = Rig()
    client = rig.client()
    _ask(rig, client, container("/c"), create("/c/x"), (OpCode.DELETE, DeleteRequest("/c/x", -1)))
    assert rig.pipeline.tree.removable(0) == ["/c"]
    client.ask(9, *create("/c/y"))
    rig.turn()
    rig.pipeline.delete_unused(["/c"])
    rig.settle()
    assert "/c" in rig.pipeline.tree.nodes
    _ask(rig, client, (OpCode.DELETE, DeleteRequest("/c/y", -1)))
    rig.pipeline.delete_unused(rig.pipeline.tree.removable(0))
    rig.settle()
    assert "/c" not in rig.pipeline.tree.nodes
    rig.replication.become(Role.LOOKING)
    assert not rig.pipeline.deciding
    rig.pipeline.delete_unused(["/zookeeper"])
    assert rig.replication.proposed == []


@on_trio
def test_a_ttl_node_needs_extended_types() -> None:
    for enabled, error in ((False, -6), (True, 0)):
        rig = Rig(extended_types=enabled)
        client = rig.client()
        client.ask(1, OpCode.CREATE_TTL, CreateTTLRequest("/t", b"", OPEN_ACL_UNSAFE, 5, 1000))
        rig.settle()
        assert [err for _, _, err, _ in client.replies()] == [error]


def _ask(rig: Rig, client: FakeClient, *requests: tuple[int, object]) -> None:
    for xid, (op, record) in enumerate(requests, 100):
        client.ask(xid, op, record)  # type: ignore[arg-type]
    rig.settle()
    assert all(err == 0 for _, _, err, _ in client.replies())
