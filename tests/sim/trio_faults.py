"""The faults of the trio world, drawn by the seed: each kind is a method, named as in `KINDS`."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import trio

from tests.sim.trio_machine import Machine

if TYPE_CHECKING:
    from tests.sim.trio_world import TrioWorld

__all__ = ["Faults"]


class Faults:
    """Strikes until a time has come."""

    def __init__(self, world: TrioWorld) -> None:
        self.world = world
        self.random = Random(f"{world.seed}/faults")

    async def run(self, end: float) -> None:
        """One fault after the other."""
        random = self.random
        while True:
            await trio.sleep(random.expovariate(1 / self.world.options.fault_every))
            if trio.current_time() >= end:
                return
            await getattr(self, "_" + random.choice(self.world.options.faults).replace(" ", "_"))()
            if random.random() < 0.5 and (down := [machine for machine in self.world.machines if not machine.up]):
                self._start(random.choice(down))
            if random.random() < 0.3:
                self._join()

    def _start(self, machine: Machine) -> None:
        machine.repair_disk()
        machine.start()

    def _victim(self) -> Machine | None:
        up = [machine for machine in self.world.machines if machine.up]
        return self.random.choice(up) if up else None

    async def _crash(self) -> None:
        if (machine := self._victim()) is not None:
            machine.excused = False
            machine.crash(power=self.random.random() < 0.5)
            if self.random.random() < 0.3:
                self._start(machine)

    async def _stop(self) -> None:
        if (machine := self._victim()) is not None:
            await machine.stop()
            if self.random.random() < 0.5 and not machine.up:
                self._start(machine)

    async def _pause(self) -> None:
        """A process is stopped, most often the leader's, for a moment or for longer than the others wait for it."""
        machine = self._leader() if self.random.random() < 0.7 else self._victim()
        if machine is not None and not machine.paused:
            limit = self.world.options.tick_ms / 1000 * self.world.options.sync_limit
            seconds = cut_after = limit * self.random.choice((0.3, 1.5, 2.0, 2.5, 3.0))
            if self.random.random() < 0.6:
                cut_after = min(seconds, limit * self.random.uniform(0.05, 0.5))
                self.world.clients.lull_until = trio.current_time() + 0.2 + cut_after
                await trio.sleep(0.2)
                if not machine.up or machine.paused:
                    return
            machine.pause()
            self.world.nursery.start_soon(self._paused, machine, machine.lives, cut_after, seconds)

    async def _paused(self, machine: Machine, life: int, cut_after: float, seconds: float) -> None:
        """If the cut comes before it goes on it finds what the others sent last, and not that they have left it. As nobody
        wrote meanwhile, nothing keeps it from answering a sync but the quorum that it has to ask."""
        await trio.sleep(cut_after)
        if cut_after < seconds and machine.paused and machine.lives == life:
            names = [other.name for other in self.world.machines if other is not machine]
            pairs = {(a, b) for name in names for a, b in ((name, machine.name), (machine.name, name))}
            self.world.trace(f"cut {machine.name} off from the other servers")
            self.world.cables.cut({*self.world.cables.blocked, *pairs})
            await trio.sleep(seconds - cut_after)
        if machine.lives == life:
            machine.go_on()

    def _leader(self) -> Machine | None:
        leaders = [machine for machine in self.world.machines if machine.up and machine.name == self.world.leader]
        return leaders[0] if leaders else None

    def _client_names(self) -> list[str]:
        return [f"10.0.1.{number}" for number in range(1, self.world.options.clients + 1)]

    async def _cut(self) -> None:
        random = self.random
        names = [machine.name for machine in self.world.machines]
        everybody = [*names, *self._client_names()]
        kind = random.choice(("both ways", "one way", "one link", "isolated"))
        some = set(random.sample(names, random.randint(1, max(1, len(names) // 2))))
        if kind == "isolated":
            some = {random.choice(everybody)}
        others = everybody if random.random() < 0.5 else names
        pairs = sorted((a, b) for a in some for b in others if b not in some)
        if kind == "one link" and pairs:
            pairs = [random.choice(pairs)]
        both = kind != "one way"
        self.world.trace(f"cut {kind}: {pairs}")
        self.world.cables.cut({*pairs, *((b, a) for a, b in pairs if both)})

    def _join(self) -> None:
        if self.world.cables.blocked:
            self.world.trace("all cuts are repaired")
        self.world.cables.cut(set())
        self.world.cables.slow.clear()

    async def _reset(self) -> None:
        random = self.random
        names = self._client_names() if random.random() < 0.6 else [machine.name for machine in self.world.machines]
        self.world.trace(f"connections are reset: {names}")
        self.world.cables.reset_connections(random.choice((0.1, 0.5, 1.0)), set(names))

    async def _lag(self) -> None:
        """A direction is slow, up to what timeouts do not bear."""
        names = [machine.name for machine in self.world.machines]
        if len(names) > 1:
            a, b = self.random.sample(names, 2)
            self.world.cables.slow[a, b] = self.random.choice((10.0, 100.0, 400.0))
            self.world.trace(f"{a} to {b} is slow")

    async def _slow_disk(self) -> None:
        if (machine := self._victim()) is not None:
            slowest = self.random.choice((0.1, 1.0, 3.0))
            self.world.trace(f"{machine.name}: syncs take up to {slowest} s")
            machine.disk.faults.sync_seconds = (0.001, slowest)
            self.world.nursery.start_soon(self._fast_again, machine, self.random.uniform(0.5, 4.0))

    async def _fast_again(self, machine: Machine, seconds: float) -> None:
        await trio.sleep(seconds)
        machine.disk.faults.sync_seconds = (0.0001, self.world.options.sync_max)

    async def _bad_sync(self) -> None:
        if (machine := self._victim()) is not None:
            self.world.trace(f"{machine.name}: the next sync fails")
            machine.excused = True
            failing = iter([True])
            machine.disk.faults.fail_sync = lambda path: next(failing, False)

    async def _full_disk(self) -> None:
        if (machine := self._victim()) is not None:
            disk = machine.disk
            self.world.trace(f"{machine.name}: the disk is full")
            machine.excused = True
            disk.faults.capacity_bytes = disk._used(disk._root) + self.random.choice((0, 10, 100, 5000))

    async def _wall(self) -> None:
        machine = self.random.choice(self.world.machines)
        machine.wall.skew_ms = self.random.choice((-86_400_000, -5000, 0, 5000, 86_400_000))
        self.world.trace(f"{machine.name}: the wall is off by {machine.wall.skew_ms} ms")

    async def _reconfigure(self) -> None:
        """Some servers leave, others come back or change their role; what else happens does not wait for it."""
        random = self.random
        lines = self.world.server_lines()
        some = [
            line.replace("participant", "observer") if random.random() < 0.2 else line
            for line in random.sample(lines, random.randint((len(lines) + 1) // 2, len(lines)))
        ]
        self.world.nursery.start_soon(self.world.wish_for, some)

    async def _rot(self) -> None:
        """One stored byte turns. Nothing else fails until the machine, or the empty one in its place, has everything."""
        if len(self.world.machines) == 1:
            return
        machine = self.random.choice(self.world.machines)
        await self.world.repair()
        await self.world.all_serve()
        machine.crash(power=False)
        path = self._rotten(machine)
        self.world.trace(f"{machine.name}: bit rot in {path}")
        machine.excused = True
        machine.start()
        await trio.sleep(0.5)
        if not machine.up:
            machine.wipe()
            machine.start()
        machine.excused = False
        await self.world.all_serve()

    def _rotten(self, machine: Machine) -> str:
        disk, random = machine.disk, self.random
        folders = ("/log/version-2", "/data/version-2")
        paths = [f"{folder}/{name}" for folder in folders if disk.exists(folder) for name in disk.names(folder)]
        paths = [path for path in paths if "log." in path or "snapshot." in path]
        if not paths:
            return "nothing"
        path = random.choice(paths)
        content = disk.read(path).rstrip(b"\0")
        if content:
            disk.corrupt(path, random.randrange(len(content)), 1 << random.randrange(8))
        return path
