"""The power goes in the middle of a step: at every operation of a server's disk while it joins, leads, changes or tidies up.

For each n an ensemble starts from the same disks, and one server, the victim, loses its power in its n-th disk operation;
what it had not synced is lost, torn or kept, as the seed says. Or its process is killed there, and finds all that it wrote,
which is no more durable than before. It starts again, sometimes to lose its power once more. It must start, join, serve
and hold what the others hold, in memory and on disk, and no acknowledged write may be missing.

In every second run the victim is needed: two of three servers run, and when it has lost its power the other one stays
away. What the two acknowledged must then be on the victim's disk, with which it and the third have to go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import pytest
import trio

from coord.client import ConnectionLossError
from coord.errors import CoordError
from coord.kit.nurseries import gather
from coord.store.purge import RETAIN_MIN
from coord.store.storage import Storage
from coord.tree.paths import CONFIG_NODE
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.txns import CreateTxn, TxnHeader, encode_txn
from tests.sim import virtual
from tests.sim.core_world import NotConverged
from tests.sim.disk import Faults, SimDisk
from tests.sim.trio_machine import CLIENT_PORT, Machine, Options
from tests.sim.trio_world import TrioWorld
from tests.sim.workload import EPHEMERALS

OPTIONS = Options(faults=(), session_timeout=4.0, latency_max=0.001, sync_max=0.002)
CHANGING = replace(OPTIONS, faults=("reconfigure",))
ROOT = "/written"
RUNS = 8
"""Of each kind, so that all take some twenty seconds. (Every operation was tried with several seeds.)"""
PATIENCE_S = 20.0
THIRD, PARTNER, VICTIM = 1, 2, 3
Story = Callable[["PowerWorld"], Awaitable[None]]


class PowerWorld(TrioWorld):
    """Machines that start when the story says so, and one client that writes.

    before: what came before, from whose disks the machines start. acknowledged: the nodes that the clients of both made.
    """

    def __init__(self, seed: int, options: Options, story: Story, before: PowerWorld | None) -> None:
        super().__init__(seed, options)
        self.story = story
        self.before = before
        self.random = Random(f"{seed}/story")
        self.acknowledged: list[str] = [] if before is None else list(before.acknowledged)
        self.operations = 0
        """Of the victim's disk, when no cut was wanted: how many there were."""
        self._writing = trio.CancelScope()
        self._written = len(self.acknowledged)

    async def _run(self) -> None:
        self.machines = [Machine(self, sid, "participant") for sid in range(1, self.options.voters + 1)]
        for machine in self.machines:
            if self.before is not None:
                machine.disk = copied(self.before[machine.sid].disk, f"{self.seed}/disk/{machine.sid}")
                machine.repair_disk()
        await self.story(self)

    def __getitem__(self, sid: int) -> Machine:
        return self.machines[sid - 1]

    # the client

    def write(self, after: float = 0.0) -> None:
        """A client writes, in so many seconds, whoever serves."""
        self._writing = trio.CancelScope()
        self.nursery.start_soon(self._write, self._writing, after)

    async def calm(self) -> None:
        """It writes no more, and all that was written is on the disks."""
        self._writing.cancel()
        await trio.sleep(0.5)

    async def _write(self, writing: trio.CancelScope, after: float) -> None:
        with writing:
            await trio.sleep(after)
            while True:
                try:
                    async with self._client("10.0.2.9", "writer", self.hosts) as client:
                        for path in (ROOT, EPHEMERALS):
                            await client.retry(client.ensure_path, path)
                        while True:
                            self._written += 1
                            path = f"{ROOT}/{'first' if self.before is None else 'then'}-{self._written}"
                            try:
                                await client.create(path, b"x" * 600)
                                self.acknowledged.append(path)
                            except ConnectionLossError:
                                await client.wait_connected()
                            await trio.sleep(0.01)
                except (CoordError, NotConverged) as error:
                    self.trace(f"the writer needs another session: {error}")

    async def more(self, count: int) -> None:
        """Returns when so many more writes were acknowledged."""
        wanted = len(self.acknowledged) + count
        await self.until(lambda: len(self.acknowledged) >= wanted, f"{count} more writes")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Waits, but not for ever."""
        with trio.move_on_after(PATIENCE_S):
            while not condition():
                await trio.sleep(0.01)
            return
        self.fail(NotConverged(f"waited {PATIENCE_S} s for {what}"))
        await trio.sleep_forever()

    # the power

    async def cut_power(self, machine: Machine, operation: int, *, kill: bool = False) -> None:
        """Returns when the power of the machine has gone, in this operation of its disk. kill: only its process ends."""
        gone = trio.Event()

        def crash(what: str) -> None:
            self.trace(f"{machine.name}: {'its process is killed' if kill else 'the power goes'} in operation {operation}: {what}")
            disk = machine.disk
            machine.crash(power=not kill)
            if kill:
                machine.disk = disk.handed_on()
            gone.set()

        if not machine.up:
            machine.start()  # its node begins when this waits
        machine.disk.cut_power_in(operation, crash)
        await self.until(gone.is_set, f"operation {operation} of the disk of {machine.name}")

    async def start_again(self, machine: Machine, operations: int) -> None:
        """Power is back; in every third run it goes once more, at the latest in this operation."""
        if self.random.random() < 0.3:
            with trio.move_on_after(2.0):
                await self.cut_power(machine, self.random.randint(1, operations))
            machine.disk.keep_power()
        if not machine.up:
            machine.start()

    async def switch_off(self) -> None:
        """No machine has power, and no task is left of any."""
        for machine in self.machines:
            if machine.up:
                machine.crash(power=True)
        await trio.sleep(0.1)

    # judgement

    async def judge(self) -> None:
        """All serve, all hold the same, in memory and on disk, and nothing acknowledged is missing."""
        await self.all_serve()
        await self.more(3)
        self._writing.cancel()
        dumps = [await self._dump_of(machine) for machine in self.machines]
        missing = [path for path in self.acknowledged if path not in dumps[0]]
        assert not missing, f"{len(missing)} of {len(self.acknowledged)} acknowledged writes are missing: {missing[:3]}"
        for machine, dump in zip(self.machines, dumps, strict=True):
            assert dump == dumps[0], f"{machine.name} and {self.machines[0].name} differ"
            await self._check_digests(machine)
        await self.until(lambda: len({on_disk(machine) for machine in self.machines}) == 1, "the same on all disks")


def copied(disk: SimDisk, seed: str) -> SimDisk:
    """A disk with the same content and names, if those are all durable."""
    before, disk.random = disk.random, Random(seed)
    copy = disk.crash()
    copy.faults = Faults()
    disk.random = before
    return copy


def on_disk(machine: Machine) -> tuple[int, int]:
    """The zxid and the digest of the tree to which a start would come now."""
    tree = Storage(copied(machine.disk, "judge"), "/data", "/log", Random(0)).tree
    return tree.last_zxid, tree.digest


# ---- how the disks came to be ----------------------------------------------------------------------------------------


async def _behind(world: PowerWorld) -> None:
    """The victim has led, and was away while the others wrote on."""
    await _all_write(world)
    world[VICTIM].crash(power=True)
    await world.more(10)
    await world.switch_off()


async def _far_behind(world: PowerWorld) -> None:
    """It was away for more than a leader keeps at hand."""
    await _all_write(world)
    world[VICTIM].crash(power=True)
    await world.more(3)
    async with world._client("10.0.2.8", "other", world.hosts) as client:
        for _ in range(6):
            await gather(partial(client.set, EPHEMERALS), [b"%d" % number for number in range(100)])
    await world.switch_off()


async def _ahead(world: PowerWorld) -> None:
    """It has led, and its log ends with what nobody else ever heard of, in two files. The others have begun another epoch,
    and not written yet: a leader who has more than the victim's epoch sends a snapshot."""
    await _all_write(world)
    await world.calm()
    victim = world[VICTIM]
    victim.crash(power=True)
    storage = Storage(victim.disk, "/data", "/log", Random(1))
    for number in range(1, 5):
        header = TxnHeader(0, 0, storage.last_zxid + 1, 0, OpCode.CREATE)
        body = CreateTxn(f"/never-{number}", b"x" * 600, OPEN_ACL_UNSAFE, ephemeral=False, parent_cversion=-1)
        storage.append([(header.zxid, encode_txn(header, body, None))])
        if number == 2:
            storage.log.roll()
    storage.close()
    world.leader = ""
    await world.until(lambda: world.leader == world[PARTNER].name, "the partner to lead")
    await world.switch_off()


async def _empty(world: PowerWorld) -> None:
    await _behind(world)
    world[VICTIM].wipe()


async def _equal(world: PowerWorld) -> None:
    """All have the same history, and the victim the highest number: it will lead."""
    await _all_write(world)
    await world.calm()
    await world.switch_off()


async def _with_old_snapshots(world: PowerWorld) -> None:
    """The victim has more snapshots than are kept, and is told to remove them; it was away for a moment."""
    await _all_write(world)
    await world.more(70)
    world[VICTIM].crash(power=True)
    await world.more(3)
    await world.switch_off()
    disk = world[VICTIM].disk
    file = disk.open("/etc/zoo.cfg")
    file.append(b"autopurge.purgeInterval=1\n")
    file.sync_now()
    file.close()


async def _all_write(world: PowerWorld) -> None:
    for machine in world.machines:
        machine.start()
    world.write()
    await world.more(10)
    await world.until(lambda: world.leader == world[VICTIM].name, "the victim to lead")


# ---- what happens while the power goes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """before: makes the disks. way: how the victim comes to have what the leader has, "" where it leads itself. quiet: for so
    many seconds nobody writes. over: whether a victim that serves has done all that is to be interrupted."""

    before: Story
    way: str
    options: Options = OPTIONS
    quiet: float = 0.0
    over: Callable[[Machine], bool] = lambda victim: True


def _snapshots(disk: SimDisk) -> list[str]:
    folder = "/data/version-2"
    return [name for name in disk.names(folder) if name.startswith("snapshot.")] if disk.exists(folder) else []


def _tidied(victim: Machine) -> bool:
    """It has removed old snapshots, and written a new one since."""
    return len(_snapshots(victim.disk)) == RETAIN_MIN + 1


SCENES = {
    "DIFF": Scene(_behind, "DIFF"),
    "TRUNC": Scene(_ahead, "TRUNC", quiet=0.5),
    "SNAP": Scene(_far_behind, "SNAP"),
    "SNAP into an empty folder": Scene(_empty, "SNAP"),
    "the leader's epoch": Scene(_equal, ""),
    "snapshot and purge": Scene(_with_old_snapshots, "DIFF", replace(OPTIONS, snap_count=10), over=_tidied),
}


async def _uncut(world: PowerWorld, scene: Scene, needed: bool) -> None:
    """How many operations there are to interrupt."""
    assert world.before is not None
    before = world.before[VICTIM].disk
    await _others_start(world, scene, needed)
    victim = world[VICTIM]
    victim.start()
    while not (await world._serves(victim) and scene.over(victim)):
        await trio.sleep(0.01)
    world.operations = victim.disk.operations
    assert world.leader == world[PARTNER if scene.way else VICTIM].name
    replaced = _snapshots(victim.disk)[0] not in ("snapshot.0", *_snapshots(before))
    assert replaced == (scene.way == "SNAP"), "a leader's snapshot takes the place of all others"
    assert any("going back" in line for line in world.traces) == (scene.way == "TRUNC")


async def _cut(world: PowerWorld, scene: Scene, needed: bool, operation: int) -> None:
    await _others_start(world, scene, needed)
    victim = world[VICTIM]
    await world.cut_power(victim, operation, kill=world.random.random() < 0.3)
    if needed:
        world[PARTNER].crash(power=True)
        world[THIRD].start()
    await world.start_again(victim, operation)
    if needed:
        await world.more(3)
        world[PARTNER].start()
    await world.judge()


async def _others_start(world: PowerWorld, scene: Scene, needed: bool) -> None:
    """They serve, unless the victim is to lead or needed for that."""
    world.write(after=scene.quiet)
    for machine in (world[PARTNER],) if needed else (world[PARTNER], world[THIRD]):
        machine.start()
    if not needed and scene.way:
        await world.until(lambda: world.leader == world[PARTNER].name, "the partner to lead")


async def _alone(world: PowerWorld, operation: int) -> None:
    """A server that stands alone starts for the first time, and takes its first writes."""
    world.write()
    await world.cut_power(world[1], operation, kill=world.random.random() < 0.3)
    await world.start_again(world[1], operation)
    await world.judge()


async def _changed(world: PowerWorld, sid: int, operation: int | None) -> None:
    """A voter becomes an observer, which nobody can but both of the others; the power of one of them goes meanwhile."""
    for machine in world.machines:
        machine.start()
    world.write()
    await world.more(3)
    lines = [line.replace("participant", "observer") if f"server.{THIRD}=" in line else line for line in world.server_lines()]
    victim = world[sid]
    if operation is None:
        before = victim.disk.operations
        await world._reconfigure(lines)
        await world.more(1)
        world.operations = victim.disk.operations - before
        return
    world.nursery.start_soon(world.wish_for, lines)
    await world.cut_power(victim, operation, kill=world.random.random() < 0.3)
    await world.start_again(victim, operation)
    await world.all_serve()
    in_force = {await configuration_at(world, machine) for machine in world.machines}
    assert len(in_force) == 1
    acknowledged = any(" reconfigured: [" in line for line in world.traces)
    assert b"observer" in in_force.pop() or not acknowledged
    await world._everybody_back()
    await world.judge()


async def configuration_at(world: PowerWorld, machine: Machine) -> bytes:
    """What it says is in force."""
    async with world._client("10.0.2.7", "asks", f"{machine.name}:{CLIENT_PORT}") as client:
        await client.retry(client.sync, "/")
        return (await client.retry(client.get, CONFIG_NODE))[0]


def play(seed: int, options: Options, story: Story, before: PowerWorld | None = None) -> PowerWorld:
    """Runs one story, behind another one perhaps, which can be gone on from again. A failure tells what happened last."""
    world = PowerWorld(seed, options, story, before)
    try:
        virtual.run(seed, world.run)
    except BaseException as failure:
        failure.add_note(f"seed {seed}\n" + "\n".join(world.traces))
        raise
    return world


def spread(operations: int, runs: int) -> list[int]:
    """So many of the numbers 1 .. operations, evenly; all of them, if there are no more."""
    return sorted({1 + number * (operations - 1) // (runs - 1) for number in range(runs)})


@pytest.mark.parametrize("needed", [False, True], ids=["not needed", "needed"])
@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
def test_a_server_whose_power_goes_anywhere(scene: Scene, needed: bool) -> None:
    """It comes back, whatever it was doing."""
    before = play(1, scene.options, scene.before)
    operations = play(2, scene.options, partial(_uncut, scene=scene, needed=needed), before).operations
    for operation in spread(operations, RUNS):
        play(operation, scene.options, partial(_cut, scene=scene, needed=needed, operation=operation), before)


@pytest.mark.parametrize("sid", [PARTNER, VICTIM], ids=["a follower", "the leader"])
def test_a_server_whose_power_goes_anywhere_in_a_reconfiguration(sid: int) -> None:
    """The ensemble is one, the old or the new, and can change again."""
    before = play(1, CHANGING, _equal)
    operations = play(2, CHANGING, partial(_changed, sid=sid, operation=None), before).operations
    for operation in spread(operations, RUNS):
        play(operation, CHANGING, partial(_changed, sid=sid, operation=operation), before)


def test_a_server_alone_whose_power_goes_anywhere() -> None:
    """From its first start to its first writes."""
    for operation in spread(60, RUNS):
        play(operation, replace(OPTIONS, voters=1), partial(_alone, operation=operation))
