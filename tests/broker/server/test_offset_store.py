"""What a coordinator remembers of a group's offsets is what the tree holds, also while the group is being deleted."""

from __future__ import annotations

from types import SimpleNamespace

import trio
import trio.testing

from broker.group.offsets import OffsetEntry
from broker.server.offset_store import OffsetStore
from coord.client import GetChildren, NoNodeError, ReadOp, Result
from coord.wire.records import Stat

STAT = Stat(*[0] * 11)


class SlowTree:
    """A client whose `delete_all` has removed some nodes, and waits for a word to remove the rest."""

    def __init__(self, nodes: dict[str, bytes]) -> None:
        self.nodes = nodes
        self.deleting, self.go_on = trio.Event(), trio.Event()

    async def children(self, path: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        names = {each[len(path) + 1 :].split("/")[0] for each in self.nodes if each.startswith(path + "/")}
        if not names:
            raise NoNodeError(path)
        return sorted(names)

    async def exists(self, path: str) -> Stat | None:
        await trio.lowlevel.checkpoint()
        return STAT if any(each.startswith(path + "/") for each in self.nodes) else None

    async def multi_read(self, ops: list[ReadOp]) -> list[Result]:
        return [
            await self.children(op.path) if isinstance(op, GetChildren) else (self.nodes[op.path], STAT) for op in ops
        ]

    async def delete_all(self, path: str) -> None:
        del self.nodes[f"{path}/offsets/t/0"]
        self.deleting.set()
        await self.go_on.wait()
        self.nodes.clear()


def test_a_group_that_is_being_deleted_is_not_read_again() -> None:
    """Its offsets would be served, half of them, for as long as this broker coordinates it."""

    async def main() -> None:
        tree = SlowTree({f"/consumers/g/offsets/t/{number}": b"7" for number in range(3)})
        store = OffsetStore(
            SimpleNamespace(client=tree),  # type: ignore[arg-type]
            SimpleNamespace(),  # type: ignore[arg-type]
            lambda group_id: 0,
            lambda: None,
            metadata_max=10,
            timeout=1.0,
        )
        found: list[list[OffsetEntry]] = []

        async def ask() -> None:
            found.append((await store.load("g")).removals(lambda entry: True))

        await ask()
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.delete, "g")
                await tree.deleting.wait()
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                assert len(found) == 1
                tree.go_on.set()
        await ask()
        assert [len(entries) for entries in found] == [3, 0, 0]

    trio.run(main)
