"""Whole nodes and real clients in one trio run under virtual time: `coord.server.node.run` on simulated machines.

First the faults, drawn by the seed: machines crash, with or without a word, and forget what was not synced; they are
stopped in good order; links are cut, one way or both, slow or reset; disks are slow, fail a sync, are full, or rot; walls
show the wrong time. Clients go on all the while. Then everything is repaired: every server must serve, hold the same tree,
and let sessions that nobody keeps alive expire, within the time that the timeouts allow. The checkers hear every frame.

The faults keep within what an ensemble promises to bear: content that was synced is lost on one machine at a time, and no
other fault strikes until that machine has everything again.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from random import Random

import trio

from coord.client import Client
from coord.errors import CoordError
from coord.kit.cliutil import StartError
from coord.kit.host import Host
from coord.kit.nurseries import flat_nursery, gather
from coord.server.config import read_config
from coord.server.node import run as run_node
from tests.sim import virtual
from tests.sim.checkers.client import ClientCheckers, Dump
from tests.sim.core_world import NotConverged
from tests.sim.disk import SimDisk
from tests.sim.network import Cables, SimNetwork
from tests.sim.streams import open_stream
from tests.sim.tap import Tap
from tests.sim.workload import EPHEMERALS, Clients, prepare

__all__ = ["Options", "TrioWorld", "simulate"]

TRACE_MAX = 400
CLIENT_PORT = 2181
EPOCH_MS = 1_700_000_000_000
KINDS = ("crash", "stop", "cut", "reset", "lag", "slow disk", "bad sync", "full disk", "rot", "wall")

_machine: ContextVar[str] = ContextVar("machine", default="-")


class NodeFailed(AssertionError):
    """A node ended as nodes never should."""


@dataclass(frozen=True, slots=True)
class Options:
    """One world's shape. Times are seconds. faults: the kinds that strike."""

    voters: int = 3
    observers: int = 0
    seconds: float = 12.0
    tick_ms: int = 200
    init_limit: int = 8
    sync_limit: int = 4
    snap_count: int = 1000
    latency_max: float = 0.003
    sync_max: float = 0.005
    fault_every: float = 1.5
    faults: tuple[str, ...] = KINDS
    clients: int = 3
    tasks: int = 3
    think: float = 0.08
    session_timeout: float = 2.0
    outstanding: int = 1000

    @classmethod
    def drawn(cls, random: Random) -> Options:
        """Every seed has another world."""
        tick_ms = random.choice((100, 200, 500))
        return cls(
            voters=random.choice((3, 3, 3, 3, 5, 5, 1)),
            observers=random.choice((0, 0, 0, 1)),
            seconds=random.choice((5.0, 8.0, 12.0)),
            tick_ms=tick_ms,
            init_limit=random.choice((5, 8)),
            sync_limit=random.choice((3, 5)),
            snap_count=random.choice((20, 100, 1000)),
            latency_max=random.choice((0.001, 0.005, 0.02)),
            sync_max=random.choice((0.0005, 0.005, 0.02)),
            fault_every=random.choice((0.2, 0.5, 1.5)),
            faults=tuple(kind for kind in KINDS if random.random() < 0.7) or ("crash",),
            clients=random.choice((2, 3, 4)),
            tasks=random.choice((2, 4)),
            think=random.choice((0.05, 0.1, 0.1)),
            session_timeout=tick_ms / 1000 * random.choice((4, 8, 15)),
            outstanding=random.choice((3, 1000, 1000)),
        )

    def patience(self) -> float:
        """How long a repaired ensemble may take."""
        return 2 * self.tick_ms / 1000 * self.init_limit + 20.0


class SimWall:
    """A clock on the wall, wrong by `skew_ms`."""

    def __init__(self) -> None:
        self.skew_ms = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.skew_ms + int(trio.current_time() * 1000)


class Machine:
    """A server's machine: its disk and its wall clock outlive its node."""

    def __init__(self, world: TrioWorld, sid: int, role: str) -> None:
        self.world = world
        self.sid = sid
        self.name = f"10.0.0.{sid}"
        self.role = role
        self.disk = SimDisk(Random(f"{world.seed}/disk/{sid}"))
        self.wall = SimWall()
        self.lives = 0
        self.up = False
        self.serving = False
        """The node has started: recovered, with its ports open."""
        self.excused = False
        """Its disk fails it: the node may end, or refuse to start."""
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._install()

    def _install(self) -> None:
        disk, options = self.disk, self.world.options
        for folder in ("/data", "/log", "/etc"):
            disk.make_dirs(folder)
        lines = [
            f"tickTime={options.tick_ms}", "dataDir=/data", "dataLogDir=/log", f"clientPort={CLIENT_PORT}",
            f"initLimit={options.init_limit}", f"syncLimit={options.sync_limit}", f"snapCount={options.snap_count}",
            f"globalOutstandingLimit={options.outstanding}", "autopurge.purgeInterval=0",
        ]  # fmt: skip
        if options.voters > 1:
            lines += self.world.server_lines()
        if self.role == "observer":
            lines.append("peerType=observer")
        for path, text in (("/etc/zoo.cfg", "\n".join(lines)), ("/data/myid", str(self.sid))):
            file = disk.open(path, create=True)
            file.truncate(0)
            file.append(text.encode() + b"\n")
            file.sync_now()
            file.close()
        for folder in ("/", "/data", "/log", "/etc"):
            disk.sync_dir(folder)
        disk.faults.sync_seconds = (0.0001, options.sync_max)

    def start(self) -> None:
        """Power on."""
        assert not self.up
        self.up = True
        self.lives += 1
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self.world.trace(f"{self.name} starts, life {self.lives}")
        self.world.nursery.start_soon(self._live, self._scope, self._over, self.disk)

    async def _live(self, scope: trio.CancelScope, over: trio.Event, disk: SimDisk) -> None:
        _machine.set(self.name)
        world = self.world
        network = world.cables.boot(self.name)
        host = Host(self.wall, Random(f"{world.seed}/{self.name}/{self.lives}"), network, disk)
        failure: BaseException | None = None
        try:
            with scope:
                await self._node(host, network)
                failure = NodeFailed("the node returned")
        except BaseExceptionGroup as group:
            failures, cancelled = group.split(Exception)
            if cancelled is not None:  # the world ends
                raise
            assert failures is not None
            failure = _first(failures)
        except Exception as error:
            failure = error
        finally:
            over.set()
        if self.disk is not disk:
            return  # the machine had crashed: what its tasks still said counts for nothing
        self.up = self.serving = False
        if not network.gone:
            world.cables.kill(self.name, power=False)
        if failure is not None:
            self._explain(failure)

    async def _node(self, host: Host, network: SimNetwork) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(network.run)
            await nursery.start(run_node, host, read_config(host.disk, "/etc/zoo.cfg"))
            self.serving = True
            await trio.sleep_forever()

    def _explain(self, failure: BaseException) -> None:
        self.world.trace(f"{self.name} has ended: {type(failure).__name__}: {failure}")
        if not (self.excused and isinstance(failure, (OSError, StartError))):
            failed = NodeFailed(f"{self.name} ended: {type(failure).__name__}: {failure}")
            failed.__cause__ = failure
            self.world.fail(failed)

    def crash(self, *, power: bool) -> None:
        """The end, at once."""
        self.world.trace(f"{self.name} {'loses its power' if power else 'is killed'}")
        old, self.disk = self.disk, self.disk.crash()
        old.cut_off()
        self.up = self.serving = False
        self.world.cables.kill(self.name, power=power)
        self._scope.cancel()

    async def stop(self) -> None:
        """SIGTERM."""
        self.world.trace(f"{self.name} is stopped")
        self._scope.cancel()
        await self._over.wait()
        await trio.sleep(0)

    def wipe(self) -> None:
        """The operator's way out of a damaged disk: an empty one."""
        self.world.trace(f"{self.name}: the disk is replaced by an empty one")
        self.disk = SimDisk(self.disk.random, self.disk.faults)
        self._install()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class TrioWorld:
    """Machines, cables, clients, faults, and the judgement."""

    def __init__(self, seed: int, options: Options | None = None) -> None:
        self.seed = seed
        self.options = options or Options.drawn(Random(f"{seed}/options"))
        self.random = Random(f"{seed}/faults")
        self.noted: Counter[str] = Counter()
        self.traces: deque[str] = deque(maxlen=TRACE_MAX)
        self._digest = hashlib.blake2b(digest_size=16)
        self.failure: BaseException | None = None
        self.checkers = ClientCheckers(self.fail, self.noted)
        self.nursery: trio.Nursery
        self.cables = Cables(Random(f"{seed}/cables"), (0.0001, self.options.latency_max))
        self.machines: list[Machine] = []
        self.quiet = False
        """No more faults."""
        self._scope = trio.CancelScope()

    # what everybody tells

    def fail(self, failure: BaseException) -> None:
        """The first failure ends the run."""
        if self.failure is None:
            self.trace(f"FAILED: {failure}")
            self.failure = failure
            self._scope.cancel()

    def trace(self, text: str) -> None:
        """Remembers what happened."""
        line = f"{trio.current_time():10.4f} {text}"
        self.traces.append(line)
        self._digest.update(line.encode())

    @property
    def digest(self) -> str:
        """One value for everything that was traced."""
        return self._digest.hexdigest()

    def server_lines(self) -> list[str]:
        """Those of zoo.cfg."""
        options = self.options
        return [
            f"server.{sid}=10.0.0.{sid}:2888:3888:{'participant' if sid <= options.voters else 'observer'}"
            for sid in range(1, options.voters + self._observers() + 1)
        ]

    def _observers(self) -> int:
        return self.options.observers if self.options.voters > 1 else 0

    # for the clients

    def machine(self, name: str, tap: Tap) -> Callable[[str, int], Awaitable[trio.abc.Stream]]:
        """A client's machine begins a life."""
        if name in self.cables.networks:
            self.cables.kill(name, power=False)
        network = self.cables.boot(name)
        self.nursery.start_soon(network.run)

        async def connect(host: str, port: int) -> trio.abc.Stream:
            return await open_stream(network, host, port)

        return tap.connector(connect)

    def unplug(self, name: str) -> None:
        """A client's machine is gone."""
        self.cables.kill(name, power=True)

    @property
    def hosts(self) -> str:
        """The connect string."""
        return ",".join(f"{machine.name}:{CLIENT_PORT}" for machine in self.machines)

    # the run

    async def run(self) -> None:
        """Faults, repair, judgement."""
        handler = _TraceHandler(self)
        log = logging.getLogger("coord")
        before = log.level, log.propagate
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
        try:
            with self._scope:
                async with trio.open_nursery() as self.nursery:
                    await self._run()
                    self.nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if self.failure is None:
                self.trace(f"FAILED: {_first(group)!r}")
                raise _first(group) from group
        finally:
            log.removeHandler(handler)
            log.setLevel(before[0])
            log.propagate = before[1]
        if self.failure is not None:
            raise self.failure

    async def _run(self) -> None:
        options = self.options
        voters, all_of_them = options.voters, options.voters + self._observers()
        self.machines = [
            Machine(self, sid, "participant" if sid <= voters else "observer") for sid in range(1, all_of_them + 1)
        ]
        for machine in self.machines:
            machine.start()
        async with self._client("10.0.2.1", "first", self.hosts) as client:
            await client.retry(prepare, client)
        clients = Clients(
            self, self.checkers, self.hosts, Random(f"{self.seed}/clients"), count=options.clients,
            tasks=options.tasks, think=options.think, session_timeout=options.session_timeout,
        )  # fmt: skip
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clients.run)
            await self._faults(trio.current_time() + options.seconds)
            await self._repair()
            await self._all_serve()
            await trio.sleep(1.0)
            clients.calm = True
        await self._judge()
        self.noted["operations"] = clients.operations

    @asynccontextmanager
    async def _client(self, name: str, tap_name: str, hosts: str) -> AsyncIterator[Client]:
        """The world's own client, with all the patience that there is."""
        client = Client(
            hosts,
            session_timeout=self.options.session_timeout,
            start_timeout=self.options.patience(),
            connect_stream=self.machine(name, Tap(tap_name, self.checkers)),
            random=Random(f"{self.seed}/{tap_name}"),
        )
        async with flat_nursery() as nursery:
            try:
                await nursery.start(client.run)
                yield client
            except CoordError as error:
                raise NotConverged(f"{tap_name} gets no answer at {hosts}: {type(error).__name__}: {error}") from error
            await client.close()

    # faults

    async def _faults(self, end: float) -> None:
        random = self.random
        while True:
            await trio.sleep(random.expovariate(1 / self.options.fault_every))
            if trio.current_time() >= end:
                return
            await getattr(self, "_" + random.choice(self.options.faults).replace(" ", "_"))()
            if random.random() < 0.5 and (down := [machine for machine in self.machines if not machine.up]):
                self._start(random.choice(down))
            if random.random() < 0.3:
                self._join()

    def _start(self, machine: Machine) -> None:
        machine.disk.faults.capacity_bytes = None
        machine.disk.faults.fail_sync = _never
        machine.start()

    def _victim(self) -> Machine | None:
        up = [machine for machine in self.machines if machine.up]
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

    def _client_names(self) -> list[str]:
        return [f"10.0.1.{number}" for number in range(1, self.options.clients + 1)]

    async def _cut(self) -> None:
        random = self.random
        names = [machine.name for machine in self.machines]
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
        self.trace(f"cut {kind}: {pairs}")
        self.cables.cut({*pairs, *((b, a) for a, b in pairs if both)})

    def _join(self) -> None:
        if self.cables.blocked:
            self.trace("all cuts are repaired")
        self.cables.cut(set())
        self.cables.slow.clear()

    async def _reset(self) -> None:
        random = self.random
        names = self._client_names() if random.random() < 0.6 else [machine.name for machine in self.machines]
        self.trace(f"connections are reset: {names}")
        self.cables.reset_connections(random.choice((0.1, 0.5, 1.0)), set(names))

    async def _lag(self) -> None:
        """A direction is slow, up to what timeouts do not bear."""
        names = [machine.name for machine in self.machines]
        if len(names) > 1:
            a, b = self.random.sample(names, 2)
            self.cables.slow[a, b] = self.random.choice((10.0, 100.0, 400.0))
            self.trace(f"{a} to {b} is slow")

    async def _slow_disk(self) -> None:
        if (machine := self._victim()) is not None:
            slowest = self.random.choice((0.1, 1.0, 3.0))
            self.trace(f"{machine.name}: syncs take up to {slowest} s")
            machine.disk.faults.sync_seconds = (0.001, slowest)
            self.nursery.start_soon(self._fast_again, machine, self.random.uniform(0.5, 4.0))

    async def _fast_again(self, machine: Machine, seconds: float) -> None:
        await trio.sleep(seconds)
        machine.disk.faults.sync_seconds = (0.0001, self.options.sync_max)

    async def _bad_sync(self) -> None:
        if (machine := self._victim()) is not None:
            self.trace(f"{machine.name}: the next sync fails")
            machine.excused = True
            failing = iter([True])
            machine.disk.faults.fail_sync = lambda path: next(failing, False)

    async def _full_disk(self) -> None:
        if (machine := self._victim()) is not None:
            disk = machine.disk
            self.trace(f"{machine.name}: the disk is full")
            machine.excused = True
            disk.faults.capacity_bytes = disk._used(disk._root) + self.random.choice((0, 10, 100, 5000))

    async def _wall(self) -> None:
        machine = self.random.choice(self.machines)
        machine.wall.skew_ms = self.random.choice((-86_400_000, -5000, 0, 5000, 86_400_000))
        self.trace(f"{machine.name}: the wall is off by {machine.wall.skew_ms} ms")

    async def _rot(self) -> None:
        """One stored byte turns. Nothing else fails until the machine, or the empty one in its place, has everything."""
        if len(self.machines) == 1:
            return
        machine = self.random.choice(self.machines)
        await self._repair()
        await self._all_serve()
        machine.crash(power=False)
        path = self._rotten(machine)
        self.trace(f"{machine.name}: bit rot in {path}")
        machine.excused = True
        machine.start()
        await trio.sleep(0.5)
        if not machine.up:
            machine.wipe()
            machine.start()
        machine.excused = False
        await self._all_serve()

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

    async def _repair(self) -> None:
        self.trace("everything is repaired")
        self.cables.cut(set())
        self.cables.slow.clear()
        for machine in self.machines:
            faults = machine.disk.faults
            faults.capacity_bytes, faults.fail_sync = None, _never
            faults.sync_seconds = (0.0001, self.options.sync_max)
        await trio.sleep(0.1)
        for machine in self.machines:
            if not machine.up:
                machine.start()
        await trio.sleep(3.0)  # syncs that were slow, or failed, may still be ending
        for machine in self.machines:
            machine.excused = False
            if not machine.up:
                machine.start()

    # judgement

    async def _all_serve(self) -> None:
        """Every server has a quorum, or has one within the time that timeouts allow."""
        began = trio.current_time()
        for machine in self.machines:
            with trio.move_on_at(began + self.options.patience()):
                while not await self._serves(machine):
                    await trio.sleep(0.2)
                continue
            self.fail(NotConverged(f"{machine.name} does not serve {self.options.patience():.1f} s after the repair"))
        self.trace(f"all serve, {trio.current_time() - began:.2f} s after they were asked")

    async def _serves(self, machine: Machine) -> bool:
        """Whether a client of this server alone writes and reads; sessions may expire until there is a leader."""
        name, hosts = f"10.0.3.{machine.sid}", f"{machine.name}:{CLIENT_PORT}"
        try:
            async with self._client(name, f"probe{machine.sid}", hosts) as client:
                await client.retry(client.set, EPHEMERALS, b"%d" % machine.sid)
                await client.retry(client.sync, "/")
        except NotConverged as failure:
            self.trace(str(failure))
            return False
        return True

    async def _judge(self) -> None:
        async with self._client("10.0.2.2", "witness", self.hosts) as witness:
            path = f"{EPHEMERALS}/witness"
            await witness.retry(_ensure_ephemeral, witness, path)
            await trio.sleep(3 * self.options.session_timeout + 4 * self.options.tick_ms / 1000)
            dumps = [await self._dump_of(machine) for machine in self.machines]
            session = witness.session_id
        for machine, dump in zip(self.machines, dumps, strict=True):
            if dump != dumps[0]:
                self.fail(NotConverged(f"{machine.name} and {self.machines[0].name} differ: {_difference(dumps[0], dump)}"))
        if self.failure is None:
            self.checkers.finished(dumps[0], session, trio.current_time())

    async def _dump_of(self, machine: Machine) -> Dump:
        """The whole tree of one server, after a sync."""
        dump: Dump = {}
        hosts = f"{machine.name}:{CLIENT_PORT}"
        async with self._client(f"10.0.3.{machine.sid}", f"dump{machine.sid}", hosts) as client:
            await client.retry(client.sync, "/")
            paths = ["/"]
            while paths:
                nodes = await gather(client.get, paths)
                dump.update(zip(paths, nodes, strict=True))
                below = await gather(client.children, paths)
                paths = [
                    f"{path.rstrip('/')}/{name}"
                    for path, names in zip(paths, below, strict=True)
                    for name in sorted(names)
                ]
        dump.pop("/zookeeper/config", None)
        return dump


async def _ensure_ephemeral(client: Client, path: str) -> None:
    if await client.exists(path) is None:
        await client.create(path, ephemeral=True)


def _never(path: str) -> bool:
    return False


def _difference(one: Dump, other: Dump) -> str:
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "; ".join(f"{path}: {one.get(path)} and {other.get(path)}" for path in paths[:3])


class _TraceHandler(logging.Handler):
    """What the nodes and clients log, as lines of the trace."""

    def __init__(self, world: TrioWorld) -> None:
        super().__init__()
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{_machine.get()} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {record.exc_info[1]!r}"
        self.world.trace(text)


def simulate(seed: int, **options: object) -> TrioWorld:
    """Runs one world. A failure tells the seed, the options and what happened last."""
    world = TrioWorld(seed)
    if options:
        world = TrioWorld(seed, replace(world.options, **options))  # type: ignore[arg-type]
    try:
        virtual.run(seed, world.run)
    except BaseException as failure:
        story = "\n".join(world.traces)
        failure.add_note(f"seed {seed}, {world.options}\n{story}")
        raise
    return world
