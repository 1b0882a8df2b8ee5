"""Whole nodes under virtual time: what becomes of sessions and their ephemerals where servers crash and synchronise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import permutations

import pytest
import trio

from coord.client import Client, CoordError
from tests.sim import virtual
from tests.sim.tap import Tap
from tests.sim.trio_machine import CLIENT_PORT, Machine, Options, machine_name
from tests.sim.trio_world import TrioWorld
from tests.sim.workload import EPHEMERALS

SESSION_SECONDS = 2.0
OWNER = "10.0.2.9"


class Story(TrioWorld):
    """Three servers, no faults but those that are told."""

    def __init__(self, tell: Callable[[Story], Awaitable[None]]) -> None:
        super().__init__(1, Options(faults=(), session_timeout=SESSION_SECONDS))
        self.tell = tell

    async def _run(self) -> None:
        self.stopper = virtual.Stopper(machine_name)
        self.machines = [Machine(self, sid, "participant") for sid in (1, 2, 3)]
        await self.tell(self)

    @asynccontextmanager
    async def owner(self, *machines: Machine) -> AsyncIterator[Client]:
        """A client of these servers, whose machine is gone at the end, without a word."""
        connect = self.machine(OWNER, Tap("owner", self.checkers))
        client = Client(hosts(*machines), session_timeout=SESSION_SECONDS, start_timeout=20.0, connect_stream=connect)
        async with trio.open_nursery() as nursery:
            await nursery.start(client.run)
            yield client
            self.unplug(OWNER)
            nursery.cancel_scope.cancel()

    def start(self, *machines: Machine) -> None:
        for machine in machines:
            machine.start()

    def crash(self, *machines: Machine) -> None:
        for machine in machines:
            machine.crash(power=True)

    async def begin(self, *machines: Machine) -> None:
        """A first start, with the node to which `all_serve` writes."""
        self.start(*machines)
        await self.write(EPHEMERALS, *machines)

    async def led(self) -> tuple[Machine, list[Machine]]:
        """The leader, and the others."""
        await self.all_serve()
        leader = next(machine for machine in self.machines if machine.name == self.leader)
        return leader, [machine for machine in self.machines if machine is not leader]

    async def write(self, path: str, *machines: Machine) -> None:
        """Somebody writes."""
        async with self._client("10.0.2.8", "writer", hosts(*machines)) as client:
            await client.retry(client.create, path)

    async def paths(self) -> set[str]:
        """The nodes, the same on every server."""
        dumps = [await self._dump_of(machine) for machine in self.machines]
        for machine, dump in zip(self.machines, dumps, strict=True):
            assert dump == dumps[0], f"{machine.name} differs"
            await self._check_digests(machine)
        return {path for path in dumps[0] if not path.startswith(("/zookeeper", EPHEMERALS))}


def hosts(*machines: Machine) -> str:
    """The connect string."""
    return ",".join(f"{machine.name}:{CLIENT_PORT}" for machine in machines)


def told(tell: Callable[[Story], Awaitable[None]]) -> None:
    """Tells it, and explains a failure by what has happened."""
    story = Story(tell)
    try:
        virtual.run(1, story.run)
    except BaseException as failure:
        failure.add_note("\n".join(story.traces))
        raise


@pytest.mark.parametrize("way", ["DIFF", "SNAP"])
def test_a_session_that_came_by_synchronisation_outlives_a_restart(way: str) -> None:
    """ZOOKEEPER-1367: the session was new to a server that had been away, which got it while it synchronised. After a
    restart of all that server led, did not know the session, never ended it, and its ephemerals stayed for ever."""

    async def tell(story: Story) -> None:
        one, two, late = story.machines
        if way == "SNAP":
            await story.begin(one, two)
        else:
            await story.begin(one, two, late)
            await story.all_serve()
            story.crash(late)
        async with story.owner(one, two) as client:
            await client.create("/mine", ephemeral=True)
            story.start(late)
            await story.all_serve()
            assert await story.paths() == {"/", "/mine"}
            story.crash(*story.machines)
        story.start(late, one)
        await trio.sleep(1.0)
        story.start(two)
        await story.led()
        assert await story.paths() == {"/", "/mine"}, "it has its whole timeout under a new leader"
        await trio.sleep(2 * SESSION_SECONDS)
        assert await story.paths() == {"/"}

    told(tell)


@pytest.mark.parametrize("meanwhile", [False, True], ids=["TRUNC", "SNAP"])
def test_an_ephemeral_that_was_never_committed_stays_nowhere(meanwhile: bool) -> None:
    """ZOOKEEPER-5010: a leader crashed with an ephemeral node in its log that nobody else had; under the next leader it was
    brought up to date by what it lacked, and kept the node."""

    async def tell(story: Story) -> None:
        await story.begin(*story.machines)
        old, others = await story.led()
        async with story.owner(old) as client:
            await client.create("/kept")
            names = [machine.name for machine in story.machines]
            story.cables.cut({(one, other) for one, other in permutations(names, 2) if old.name in (one, other)})
            with trio.move_on_after(0.2):
                await client.create("/never", ephemeral=True)
            story.crash(old)
        while story.leader == old.name:
            await trio.sleep(0.1)
        story.cables.cut(set())  # not before: what was sent would still arrive
        if meanwhile:
            await story.write("/new", *others)
        story.start(old)
        await trio.sleep(0.5)  # nobody writes before it follows
        await story.all_serve()
        assert any(f"{old.name} info coord.server.node: recovered 7 nodes" in line for line in story.traces), "with /never"
        assert await story.paths() == {"/", "/kept", *(["/new"] if meanwhile else [])}

    told(tell)


def test_a_session_that_ended_while_a_server_was_away_has_ended_there() -> None:
    """ZOOKEEPER-2355, with whole nodes: followers lose their power again and again while they get the end of a session."""

    async def tell(story: Story) -> None:
        await story.begin(*story.machines)
        _, others = await story.led()
        for number in range(12):
            away = others[number % 2]
            try:
                async with story._client("10.0.2.8", "writer", story.hosts) as client:
                    for name in range(3):
                        await client.create(f"/{number}.{name}", ephemeral=True)
                    story.crash(away)
            except CoordError:
                pass
            story.start(away)
            await trio.sleep(0.01 * number)
            story.crash(away)
            story.start(away)
            await story.all_serve()
        await trio.sleep(2 * SESSION_SECONDS)
        assert await story.paths() == {"/"}

    told(tell)
