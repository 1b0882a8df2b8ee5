"""The consensus cores in a simulated world: no trio, one queue of events, everything decided by a seed.

First the faults: servers crash and forget what was not synced, links are cut one way or both, disks are slow, clients
write through any server. Then everything is repaired, and the ensemble must come to one leader, one history, and new
writes, within the time its own timeouts allow. The checkers watch all along.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from random import Random

from coord.zab.application import Role, Transaction
from coord.zab.quorums import Address, Ensemble, Member
from coord.zab.timing import Timing
from tests.sim.checkers.zab import Checkers
from tests.sim.core_machine import Disk, Server
from tests.sim.core_network import Network
from tests.sim.core_steps import Steps

__all__ = ["KINDS", "NotConverged", "Options", "World", "simulate"]

TRACE_MAX = 300
KINDS = ("crash", "cut", "reset", "slow disk", "pause", "step")
"""The faults that may strike."""
SHARES = (0.8, 0.8, 0.3, 0.3, 0.4, 0.6)
"""In which share of the worlds each does."""
VERBS = {
    "crash": ("crash", "start", "start"), "cut": ("cut", "repair"), "reset": ("reset",), "slow disk": (),
    "pause": ("pause", "pause"), "step": (),
}  # fmt: skip
"""What each does, drawn from again and again; slow disks and steps have times of their own."""


SETTLED_SECONDS = 0.1
"""After a new configuration: who has to leave his leader because of it has done so."""


class NotConverged(AssertionError):
    """The faults are over, and the ensemble does not serve."""


@dataclass(frozen=True, slots=True)
class Options:
    """One world's shape. Times are seconds."""

    voters: int = 3
    observers: int = 0
    seconds: float = 8.0
    timing: Timing = field(default_factory=lambda: Timing(200, 5, 4))
    latency_max: float = 0.005
    disk_max: float = 0.01
    wake_max: float = 0.0
    """What comes within one wait of up to this long is handled together, as by a process that was busy meanwhile."""
    slow_disk: float = 0.02
    """The share of syncs that take fifty times as long, where disks are slow at all."""
    step_share: float = 0.05
    """The share of steps of learners on their way at which something fails, where that fault strikes at all."""
    fault_every: float = 0.7
    faults: tuple[str, ...] = ("crash", "cut")
    write_every: float = 0.02
    hush_every: float = 0.0
    """Seconds between silences of all clients, each longer than syncLimit; some begin as a server joins. 0: there are none."""
    recent_max: int = 500
    reconfigure_every: float = 0.0
    """Seconds between wishes for another ensemble; 0: it stays as it is."""
    spare: int = 0
    """Servers that are there and in no configuration but their own."""

    @classmethod
    def drawn(cls, random: Random) -> Options:
        """Every seed has another world."""
        return cls(
            voters=random.choice((3, 3, 3, 5, 5, 4, 2, 1)),
            observers=random.choice((0, 0, 1)),
            timing=Timing(random.choice((50, 200, 500)), random.choice((4, 6, 10)), random.choice((3, 5))),
            latency_max=random.choice((0.001, 0.005, 0.03)),
            disk_max=random.choice((0.001, 0.01, 0.05)),
            fault_every=random.choice((0.2, 0.6, 1.5)),
            faults=tuple(kind for kind, share in zip(KINDS, SHARES, strict=True) if random.random() < share),
            write_every=random.choice((0.01, 0.03, 0.1)),
            recent_max=random.choice((1, 5, 500)),
            reconfigure_every=(every := random.choice((0.0, 0.0, 0.3, 1.5))),
            spare=random.choice((1, 2)) if every else 0,
            wake_max=random.choice((0.0, 0.001, 0.01)),
            slow_disk=random.choice((0.02, 0.1)),
            step_share=random.choice((0.02, 0.06, 0.15)),
            hush_every=random.choice((0.0, 2.0, 5.0)),
        )

    def delay(self, random: Random) -> float:
        """From one server to another."""
        return random.uniform(0.0001, self.latency_max)

    def sync_delay(self, random: Random) -> float:
        """One disk sync."""
        slow = "slow disk" in self.faults and random.random() < self.slow_disk
        return random.uniform(0.0001, self.disk_max) * (50 if slow else 1)

    def save_delay(self, random: Random) -> float:
        """One snapshot to disk."""
        return random.uniform(0.0001, self.disk_max * 20)

    def silence(self, random: Random) -> float:
        """How long clients ask for nothing: whatever waits for another write would be overdue."""
        return self.timing.sync_timeout * random.uniform(1.1, 2.0) + self.timing.tick

    def prompt(self) -> bool:
        """Whether every ACK comes well within syncLimit, on these links and with these disks: there and back, behind a sync
        that has just begun."""
        return 1.5 * (2 * self.latency_max + 2 * self.disk_max + 3 * self.wake_max) < self.timing.sync_timeout

    def patience(self) -> float:
        """How long a repaired ensemble may take: the longest wait that may just have begun, twice, and elections."""
        return 2 * self.timing.init_timeout + 10 + 100 * self.disk_max


class World:
    """Servers, network, clients and faults."""

    def __init__(self, seed: int, options: Options | None = None) -> None:
        self.seed = seed
        self.random = Random(f"{seed}/world")
        self.options = options or Options.drawn(Random(f"{seed}/options"))
        count = self.options.voters + self.options.observers
        everybody = {
            sid: Member(sid, (Address(f"s{sid}", 1, 2),), participant=sid <= self.options.voters)
            for sid in range(1, count + self.options.spare + 1)
        }
        members = {sid: member for sid, member in everybody.items() if sid <= count}
        self.ensemble = Ensemble(members)
        """The first configuration; a spare server's own has that server too."""
        self.now = 0.0
        self.events = 0
        self.disks = {sid: Disk(Ensemble({**members, sid: everybody[sid]})) for sid in everybody}
        self.servers: dict[int, Server] = {}
        self.network = Network(self)
        self.steps = Steps(self)
        self.checkers = Checkers(self)
        self.acknowledged: dict[int, int] = {}
        """Epoch to the last zxid acknowledged to a client in it."""
        self.acknowledged_writes: set[bytes] = set()
        self.ways: Counter[str] = Counter()
        """How learners were brought to a leader's history: DIFF, TRUNC, SNAP."""
        self.traces: deque[str] = deque(maxlen=TRACE_MAX)
        self.quiet = False
        """No more faults."""
        self.calm = False
        """No more writes either."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._writes = 0
        self.lull_until = 0.0
        """Before this clients only sync."""
        self.hush_until = 0.0
        """Before this clients ask for nothing."""
        self.steady = False
        """Nothing fails, and all serve: nobody may look for a leader any more."""

    # the queue

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Runs `action` at a time."""
        if when != inf:
            self._order += 1
            heapq.heappush(self._queue, (max(when, self.now), self._order, action))

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Runs `action` later."""
        self.at(self.now + delay, action)

    def run_until(self, end: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Lets the world go on until a time, or until `done`."""
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            self.events += 1
            action()
            if done():
                return True
        self.now = max(self.now, end)
        return done()

    def trace(self, text: str) -> None:
        """Remembers what happened, for a failure's report."""
        self.traces.append(f"{self.now:10.4f} {text}")

    # what checkers ask

    def acknowledge(self, server: Server, entry: Transaction) -> None:
        """A client got its reply."""
        self.acknowledged[server.epoch] = max(entry[0], self.acknowledged.get(server.epoch, 0))
        self.acknowledged_writes.add(entry[1])

    # faults

    def start(self, sid: int) -> None:
        """Starts a server on its disk."""
        self.trace(f"{sid} starts")
        self.servers[sid] = server = Server(self, sid, self.disks[sid])
        server.start()
        self.network.server_came(sid)

    def crash(self, sid: int) -> None:
        """A fault: kills a server."""
        self.kill(sid)

    def kill(self, sid: int) -> None:
        """Ends a server's process at once; the others hear of it, or not."""
        server = self.servers.pop(sid)
        silently = self.random.random() < 0.3
        self.trace(f"{sid} crashes{' silently' if silently else ''}")
        server.crash()
        self.network.server_gone(server, silently)

    def cut(self) -> None:
        """Cuts some directions between servers."""
        sids = sorted(self.disks)
        kind = self.random.choice(("both ways", "one way", "one link", "isolated"))
        some = set(self.random.sample(sids, self.random.randint(1, max(1, len(sids) // 2))))
        if kind == "isolated":
            some = {self._victim(sids)}
        pairs = {(a, b) for a in some for b in sids if b not in some}
        if kind in ("both ways", "isolated"):
            pairs |= {(b, a) for a, b in pairs}
        elif kind == "one link" and pairs:
            a, b = self.random.choice(sorted(pairs))
            pairs = {(a, b), (b, a)}
        self.trace(f"cut {kind}: {sorted(pairs)}")
        self.network.blocked = pairs

    def pause(self, sid: int) -> None:
        """Stops a server's process for a while. Half of them are cut off before the others leave them, and do not know;
        until then nobody writes, so that a leader that goes on has no proposal that a sync would wait for."""
        server = self.servers[sid]
        if server.paused:
            return
        limit = self.options.timing.sync_timeout
        seconds = limit * self.random.choice((0.3, 1.3, 2.0, 4.0))
        self.trace(f"{sid} is paused for {seconds:.2f} s")
        server.paused = True
        self.after(seconds, lambda: self.go_on(server))
        if self.random.random() < 0.5:
            cut_after = limit * self.random.uniform(0.1, 0.9)
            self.lull_until = self.now + cut_after
            self.after(cut_after, lambda: self._cut_off(server))

    def go_on(self, server: Server) -> None:
        """The process goes on."""
        if server.alive and server.paused:
            self.trace(f"{server.sid} goes on")
            server.go_on()

    def _cut_off(self, server: Server) -> None:
        if server.paused and not self.quiet:
            self.trace(f"{server.sid} is cut off")
            others = [sid for sid in self.disks if sid != server.sid]
            self.network.blocked = {
                *self.network.blocked, *((sid, server.sid) for sid in others), *((server.sid, sid) for sid in others)
            }  # fmt: skip

    def _victim(self, sids: list[int]) -> int:
        """Any of them, and rather often the leader, whose fall is what matters most."""
        leaders = [sid for sid in sids if sid in self.servers and self.servers[sid].role is Role.LEADING]
        return self.random.choice(leaders if leaders and self.random.random() < 0.5 else sids)

    def repair(self) -> None:
        """Repairs all links."""
        self.trace("repaired")
        self.network.blocked = set()
        self.network.repaired()

    def _fault(self) -> None:
        if self.quiet:
            return
        verbs = [verb for kind in self.options.faults for verb in VERBS[kind]]
        match self.random.choice(verbs or ["none"]):
            case "crash" if self.servers:
                self.crash(self._victim(sorted(self.servers)))
            case "start" if down := sorted(self.disks.keys() - self.servers.keys()):
                self.start(self.random.choice(down))
            case "cut":
                self.cut()
                self.network.repaired()
            case "repair":
                self.repair()
            case "pause" if self.servers:
                self.pause(self._victim(sorted(self.servers)))
            case "reset":
                self.network.reset(self.random.choice((0.2, 0.5, 1.0)))
        self.after(self.random.expovariate(1 / self.options.fault_every), self._fault)

    # clients

    def _client(self) -> None:
        if self.calm:
            return
        if self.now >= self.hush_until:
            self.write()
        self.after(self.random.expovariate(1 / self.options.write_every), self._client)

    def _hush(self) -> None:
        if self.quiet or not self.options.hush_every:
            return
        self.hush()
        self.after(self.random.expovariate(1 / self.options.hush_every), self._hush)

    def hush(self) -> None:
        """All clients fall silent."""
        seconds = self.options.silence(self.random)
        self.trace(f"silence for {seconds:.2f} s")
        self.hush_until = self.now + seconds

    def joined(self) -> None:
        """A learner has what its leader had: now and then that is the end of all writes for a while."""
        if self.options.hush_every and not self.quiet and self.random.random() < 0.05:
            self.hush()

    def write(self) -> None:
        """A few writes or a sync at a server that serves, and now and then a snapshot of it."""
        serving = [server for _, server in sorted(self.servers.items()) if server.role is not Role.LOOKING and not server.paused]
        if not serving:
            return
        server = self.random.choice(serving)
        if self.random.random() < 0.1 or self.now < self.lull_until:
            server.sync()
            return
        if self.random.random() < 0.02:
            server.checkpoint()
        for _ in range(self.random.choice((1, 1, 3))):
            if not server.alive:
                break
            self._writes += 1
            server.write(b"w%d" % self._writes)

    def _reconfigure(self) -> None:
        if self.quiet or not self.options.reconfigure_every:
            return
        for _, server in sorted(self.servers.items()):
            if server.role is Role.LEADING and not server.paused:
                server.reconfigure(self._another_ensemble(server.membership.committed))
        self.after(self.random.expovariate(1 / self.options.reconfigure_every), self._reconfigure)

    def _another_ensemble(self, ensemble: Ensemble) -> str:
        """Some servers leave or join, another role or address for some."""
        lines = []
        for sid in sorted(self.disks):
            member = ensemble.members.get(sid, Member(sid, (Address(f"s{sid}", 1, 2),)))
            there = sid in ensemble.members
            if self.random.random() < 0.25:
                there = not there
            if self.random.random() < 0.2:
                member = replace(member, participant=not member.participant)
            if self.random.random() < 0.1:
                port = member.address.quorum_port
                member = replace(member, addresses=(Address(f"s{sid}", port + 1, 2),))
            if there:
                lines.append(f"server.{sid}={member}")
        return "\n".join(lines)

    # the run

    def run(self) -> None:
        """Faults, repair, agreement."""
        for sid in sorted(self.disks):
            self.after(self.random.uniform(0, 0.3), lambda sid=sid: sid in self.servers or self.start(sid))
        self.after(self.options.write_every, self._client)
        self.after(self.options.fault_every, self._fault)
        self.after(self.options.reconfigure_every, self._reconfigure)
        self.after(self.options.hush_every, self._hush)
        self.run_until(self.options.seconds)
        self.quiet = True
        self.lull_until = self.hush_until = 0.0
        self.options = replace(self.options, faults=())
        self.repair()
        for server in list(self.servers.values()):
            self.go_on(server)
        for sid in sorted(self.disks.keys() - self.servers.keys()):
            self.start(sid)
        self.run_until(self.now + 50 * self.options.disk_max)  # syncs that were slow may still be
        self._converge()
        if self.options.prompt():
            self._rest()
            self._bounce()
        self.steady = False
        self.hush_until = 0.0
        acknowledged = len(self.acknowledged_writes)
        self.run_until(self.now + 0.5 + 20 * self.options.write_every)
        self.calm = True
        if not self.run_until(self.now + 10.0, self.agrees) or len(self.acknowledged_writes) == acknowledged:
            raise NotConverged(f"new writes do not reach everybody: {self.roles()}")
        self.checkers.finished()

    def _converge(self) -> None:
        """All serve; and stay for a moment, in which clients are silent, for a new configuration that has just come into force
        may want another leader or other roles."""
        began, patience = self.now, self.options.patience()
        while True:
            self.hush_until = 0.0
            if not self.run_until(began + patience, self.serves) or self.now > began + patience:
                raise NotConverged(f"no agreement {patience} s after the repair: {self.roles()}")
            self.hush_until = inf
            standing = self.standing()
            self.run_until(self.now + SETTLED_SECONDS)
            if standing is not None and self.standing() == standing:
                break
        self.trace(f"agreed {self.now - began:.2f} s after the repair")

    def _rest(self) -> None:
        """Silence, as soon as all serve."""
        self.steady = True
        self.run_until(self.now + self.options.silence(self.random))

    def _bounce(self) -> None:
        """One server goes while clients write, comes back, and as soon as it serves they are silent: the others notice
        nothing, and it stays."""
        leader = next(server for server in self.servers.values() if server.role is Role.LEADING)
        learners = sorted(self.servers.keys() - {leader.sid})
        needless = [sid for sid in learners if leader.membership.is_quorum([*(self.servers.keys() - {sid})])]
        if not needless:
            return
        sid = self.random.choice(needless)
        self.kill(sid)
        self.hush_until = 0.0
        self.run_until(self.now + 10 * self.options.write_every)
        self.start(sid)
        self._converge()
        self._rest()

    def serves(self) -> bool:
        """All servers serve under one leader."""
        if len(self.servers) < len(self.disks):
            return False
        roles = [server.role for server in self.servers.values()]
        epochs = {server.epoch for server in self.servers.values()}
        return Role.LOOKING not in roles and len(epochs) == 1

    def standing(self) -> tuple[int, int] | None:
        """The epoch in which all serve, and the configuration; None while another one is on its way, or leaders leave."""
        servers = self.servers.values()
        known = {(server.epoch, server.membership.committed.version) for server in servers}
        leaving = any(server.peer.leading is not None and server.peer.leading.leaving for server in servers)
        if len(known) > 1 or leaving or any(server.membership.in_flight for server in servers) or not self.serves():
            return None
        return known.pop()

    def agrees(self) -> bool:
        """All servers serve and have applied the same."""
        ends = {len(server.applied) for server in self.servers.values()}
        return len(ends) == 1 and self.serves()

    def roles(self) -> str:
        """What each server does."""
        servers = sorted(self.servers.items())
        return ", ".join(f"{sid}: {server.role.name} {server.epoch} ({server.peer.reason})" for sid, server in servers)


def simulate(seed: int, **options: object) -> World:
    """Runs one world. A failure tells the seed, the options and what happened last."""
    world = World(seed)
    world.options = replace(world.options, **options)  # type: ignore[arg-type]
    if {"voters", "observers", "spare"} & options.keys():
        world = World(seed, world.options)
    try:
        world.run()
    except AssertionError as failure:
        story = "\n".join(world.traces)
        failure.add_note(f"seed {seed}, {world.options}\n{story}")
        raise
    return world
