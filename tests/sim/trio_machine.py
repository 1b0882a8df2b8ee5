"""A server's machine in the trio world: a node on a simulated host, for one life after the other."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import trio

from coord.kit.cliutil import StartError
from coord.kit.disk import replace_file
from coord.kit.host import Host
from coord.kit.properties import Properties
from coord.server.config import read_config
from coord.server.node import run as run_node
from tests.sim.disk import SimDisk
from tests.sim.network import SimNetwork

if TYPE_CHECKING:
    from tests.sim.trio_world import TrioWorld

__all__ = ["CLIENT_PORT", "KINDS", "Machine", "NodeFailed", "Options", "first_of", "machine_name", "never"]

CLIENT_PORT = 2181
EPOCH_MS = 1_700_000_000_000
KINDS = ("crash", "stop", "pause", "cut", "reset", "lag", "slow disk", "bad sync", "full disk", "rot", "wall", "reconfigure")
"""The faults that may strike; see `trio_faults`."""

machine_name: ContextVar[str] = ContextVar("machine_name", default="-")
"""The machine whose task is running, for log lines."""


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
    readers: int = 0
    """How many of the clients write nothing."""
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
            snap_count=random.choice((50, 200, 1000)),
            latency_max=random.choice((0.001, 0.005, 0.02)),
            sync_max=random.choice((0.0005, 0.005, 0.02)),
            fault_every=random.choice((0.2, 0.5, 1.5)),
            faults=tuple(kind for kind in KINDS if random.random() < 0.7) or ("crash",),
            clients=(clients := random.choice((2, 3, 4, 5))),
            readers=random.choice((0, 1, clients // 2)),
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
        self.paused = False
        """Its process is stopped, as by SIGSTOP."""
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
            f"globalOutstandingLimit={options.outstanding}", "4lw.commands.whitelist=mntr",
        ]  # fmt: skip
        if options.voters > 1:
            lines += self.world.server_lines()
        if self.world.reconfigures:
            lines += ["reconfigEnabled=true", "skipACL=yes"]
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

    def repair_disk(self) -> None:
        """It is fast, roomy and reliable again."""
        faults = self.disk.faults
        faults.capacity_bytes, faults.fail_sync = None, never
        faults.sync_seconds = (0.0001, self.world.options.sync_max)

    def start(self) -> None:
        """Power on."""
        assert not self.up
        if self.world.reconfigures:
            self._have_it_back()
        self.up = True
        self.lives += 1
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self.world.trace(f"{self.name} starts, life {self.lives}")
        self.world.nursery.start_soon(self._live, self._scope, self._over, self.disk)

    def _have_it_back(self) -> None:
        """What a server needs that the ensemble goes on without: its own line in the file of the configuration."""
        static = Properties.parse(self.disk.read("/etc/zoo.cfg"), "/etc/zoo.cfg")
        if (entry := static.get("dynamicConfigFile")) is None:
            return
        lines = self.disk.read(entry.value).decode().splitlines()
        if not any(line.startswith(f"server.{self.sid}=") for line in lines):
            self.world.trace(f"{self.name} gets its line in {entry.value}")
            own = next(line for line in self.world.server_lines() if line.startswith(f"server.{self.sid}="))
            replace_file(self.disk, entry.value, "\n".join([*lines, own, ""]).encode())

    async def _live(self, scope: trio.CancelScope, over: trio.Event, disk: SimDisk) -> None:
        machine_name.set(self.name)
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
            failure = first_of(failures)
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
        self.go_on()  # its tasks, which can do nothing any more, end

    async def stop(self) -> None:
        """SIGTERM."""
        self.world.trace(f"{self.name} is told to stop")
        self.go_on()
        self._scope.cancel()
        await self._over.wait()
        await trio.sleep(0)

    def pause(self) -> None:
        """SIGSTOP: the process does nothing and its kernel goes on, taking connections and as many bytes as it holds."""
        self.world.trace(f"{self.name} is paused")
        self.paused = True
        self.world.stopper.stop(self.name)

    def go_on(self) -> None:
        """SIGCONT: it finds all at once what has come, and the time that has gone."""
        if self.paused:
            self.world.trace(f"{self.name} goes on")
            self.paused = False
            self.world.stopper.go_on(self.name)

    def wipe(self) -> None:
        """The operator's way out of a damaged disk: an empty one."""
        self.world.trace(f"{self.name}: the disk is replaced by an empty one")
        self.disk = SimDisk(self.disk.random, self.disk.faults)
        self._install()


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def never(path: str) -> bool:
    return False
