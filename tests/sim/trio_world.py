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
from dataclasses import replace
from random import Random

import trio

from coord.client import Client
from coord.errors import CoordError
from coord.kit.nurseries import flat_nursery, gather
from tests.sim import virtual
from tests.sim.checkers.client import ClientCheckers, Dump
from tests.sim.checkers.zab import Violation
from tests.sim.core_world import NotConverged
from tests.sim.network import Cables, SimNetwork
from tests.sim.streams import open_stream
from tests.sim.tap import Tap
from tests.sim.trio_faults import Faults
from tests.sim.trio_machine import CLIENT_PORT, KINDS, Machine, NodeFailed, Options, first_of, machine_name
from tests.sim.workload import EPHEMERALS, Clients, prepare

__all__ = ["KINDS", "Options", "TrioWorld", "simulate"]

TRACE_MAX = 400
WISH_SECONDS = 3.0


class TrioWorld:
    """Machines, cables, clients, faults, and the judgement."""

    def __init__(self, seed: int, options: Options | None = None) -> None:
        self.seed = seed
        self.options = options or Options.drawn(Random(f"{seed}/options"))
        self.noted: Counter[str] = Counter()
        self.traces: deque[str] = deque(maxlen=TRACE_MAX)
        self._digest = hashlib.blake2b(digest_size=16)
        self.failure: BaseException | None = None
        self.checkers = ClientCheckers(self.fail, self.noted)
        self.nursery: trio.Nursery
        self.cables = Cables(Random(f"{seed}/cables"), (0.0001, self.options.latency_max))
        self.cables.complain = self._complain
        self.machines: list[Machine] = []
        self.stopper: virtual.Stopper
        self.clients: Clients
        self.leader = ""
        """The machine that began to lead last, as its log says."""
        self._scope = trio.CancelScope()
        self._wishing = False
        """An operator's client is at work."""

    # what everybody tells

    def fail(self, failure: BaseException) -> None:
        """The first failure ends the run."""
        if self.failure is None:
            self.trace(f"FAILED: {failure}")
            self.failure = failure
            self._scope.cancel()

    def _complain(self, name: str, error: Exception) -> None:
        failure = NodeFailed(f"{name} could not take what it was sent: {type(error).__name__}: {error}")
        failure.__cause__ = error
        self.fail(failure)

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

    @property
    def reconfigures(self) -> bool:
        """Whether the ensemble may change."""
        return "reconfigure" in self.options.faults and self.options.voters > 1

    def _observers(self) -> int:
        return self.options.observers if self.options.voters > 1 else 0

    # for the clients

    def machine(self, name: str, tap: Tap) -> Callable[[str, int], Awaitable[trio.abc.Stream]]:
        """A client's machine begins a life."""
        network = self._boot_client(name)

        async def connect(host: str, port: int) -> trio.abc.Stream:
            return await open_stream(network, host, port)

        return tap.connector(connect)

    def _boot_client(self, name: str) -> SimNetwork:
        if name in self.cables.networks:
            self.cables.kill(name, power=False)
        network = self.cables.boot(name)
        self.nursery.start_soon(network.run)
        return network

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
                self.trace(f"FAILED: {first_of(group)!r}")
                raise first_of(group) from group
        finally:
            log.removeHandler(handler)
            log.setLevel(before[0])
            log.propagate = before[1]
        if self.failure is not None:
            raise self.failure

    async def _run(self) -> None:
        self.stopper = virtual.Stopper(machine_name)
        options = self.options
        voters, all_of_them = options.voters, options.voters + self._observers()
        self.machines = [
            Machine(self, sid, "participant" if sid <= voters else "observer") for sid in range(1, all_of_them + 1)
        ]
        for machine in self.machines:
            machine.start()
        async with self._client("10.0.2.1", "first", self.hosts) as client:
            await client.retry(prepare, client)
        self.clients = clients = Clients(
            self, self.checkers, self.hosts, Random(f"{self.seed}/clients"), count=options.clients,
            readers=options.readers, tasks=options.tasks, think=options.think, session_timeout=options.session_timeout,
        )  # fmt: skip
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clients.run)
            await Faults(self).run(trio.current_time() + options.seconds)
            await self.repair()
            await self.all_serve()
            await trio.sleep(1.0)
            clients.calm = True
        await self._judge()
        self.noted["operations"] = clients.operations
        self.noted["events"] = self.cables.events

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

    # repair

    async def repair(self) -> None:
        """No cuts, good disks, everybody up."""
        self.trace("everything is repaired")
        self.cables.cut(set())
        self.cables.slow.clear()
        for machine in self.machines:
            machine.repair_disk()
            machine.go_on()
        await trio.sleep(0.1)
        for machine in self.machines:
            if not machine.up:
                machine.start()
        await trio.sleep(3.0)  # syncs that were slow, or failed, may still be ending
        for machine in self.machines:
            machine.excused = False
            if not machine.up:
                machine.start()
        if self.reconfigures:
            await self._everybody_back()

    async def wish_for(self, lines: list[str]) -> None:
        """Somebody asks for another ensemble, and does not wait long. One at a time."""
        if self._wishing or not self.reconfigures:
            return
        self._wishing = True
        self.trace(f"wanted: {lines}")
        with trio.move_on_after(WISH_SECONDS):
            try:
                await self._reconfigure(lines)
            except (CoordError, NotConverged) as error:
                self.trace(f"not reconfigured: {type(error).__name__}: {error}")
        self._wishing = False

    async def _reconfigure(self, lines: list[str]) -> None:
        async with self._client("10.0.2.4", "operator", self.hosts) as client:
            text, _ = await client.reconfigure(members="\n".join(lines))
            self.trace(f"reconfigured: {text.decode().splitlines()}")

    async def _everybody_back(self) -> None:
        """The ensemble is what it was. A server that is still on its way to the leader counts for nothing there."""
        with trio.move_on_after(self.options.patience()):
            while True:
                try:
                    await self._reconfigure(self.server_lines())
                    return
                except (CoordError, NotConverged) as error:
                    self.trace(f"not yet: {type(error).__name__}: {error}")
                await trio.sleep(0.2)
        self.fail(NotConverged(f"the first configuration is not in force {self.options.patience():.1f} s after the repair"))

    # judgement

    async def all_serve(self) -> None:
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
            for machine in self.machines:
                await self._check_digests(machine)
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


    async def _check_digests(self, machine: Machine) -> None:
        """After no transaction did a server's tree differ from the leader's."""
        stream = await open_stream(self._boot_client("10.0.2.3"), machine.name, CLIENT_PORT)
        await stream.send_all(b"mntr")
        text = b""
        while data := await stream.receive_some():
            text += data
        await stream.aclose()
        if b"zk_digest_mismatches_count\t0\n" not in text:
            self.fail(Violation(f"DigestsAgree: {machine.name} says: {text.decode()}"))


async def _ensure_ephemeral(client: Client, path: str) -> None:
    if await client.exists(path) is None:
        await client.create(path, ephemeral=True)


def _difference(one: Dump, other: Dump) -> str:
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return "; ".join(f"{path}: {one.get(path)} and {other.get(path)}" for path in paths[:3])


class _TraceHandler(logging.Handler):
    """What the nodes and clients log, as lines of the trace."""

    def __init__(self, world: TrioWorld) -> None:
        super().__init__()
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{machine_name.get()} {record.levelname.lower()} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            text += f" {record.exc_info[1]!r}"
        self.world.trace(text)
        if " is LEADING in epoch " in text:
            self.world.leader = machine_name.get()
        if record.exc_info:  # a traceback is a mistake of ours
            self.world.fail(NodeFailed(text))


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
