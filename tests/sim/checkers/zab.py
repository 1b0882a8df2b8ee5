"""What must hold of replication, whatever fails. Each property is one class, by the name that the ZAB paper gives it, where it
does. Those of epochs are in `epochs`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from coord.wire.zxid import counter_of, epoch_of, first_of
from coord.zab.application import Role, Transaction
from coord.zab.membership import configurations
from tests.sim.checkers.checker import HEARD, Checker, Violation
from tests.sim.checkers.epochs import (
    EpochBeyondPromises,
    LeaderNotBehind,
    PromisesAreDurable,
    PromisesCountOnce,
    SingleLeaderPerEpoch,
)

if TYPE_CHECKING:
    from tests.sim.core_machine import Server
    from tests.sim.core_world import World

__all__ = ["Checker", "Checkers", "Violation"]


class Integrity(Checker):
    """What is delivered was broadcast, under this zxid, once, by the primary of its epoch; and what is broadcast was asked
    for by a client, once."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.wanted: set[bytes] = set()
        """What clients asked for and nobody has broadcast."""
        self.bodies: dict[int, bytes] = {}
        """By zxid: what was broadcast."""
        self.primaries: dict[int, int] = {}

    def asked(self, body: bytes) -> None:
        self.wanted.add(body)

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if role is Role.LEADING:
            self.primaries.setdefault(epoch, server.sid)

    def broadcast(self, server: Server, entry: Transaction) -> None:
        zxid, body = entry
        primary = self.primaries.get(epoch_of(zxid))
        self.require(primary == server.sid, f"server {server.sid} broadcasts {zxid:#x}, and its epoch's primary is {primary}")
        self.require(zxid not in self.bodies, f"{zxid:#x} is broadcast a second time, by server {server.sid}")
        self.require(body in self.wanted, f"server {server.sid} broadcasts {zxid:#x}, {body!r}, which nobody asked for (again)")
        self.wanted.discard(body)
        self.bodies[zxid] = body

    def delivered(self, server: Server, entry: Transaction) -> None:
        if self.bodies.get(entry[0]) != entry[1]:
            self._invented(server, entry)

    def entered(self, server: Server, entry: Transaction, before: int) -> None:
        if self.bodies.get(entry[0]) != entry[1]:
            self._invented(server, entry)

    def _invented(self, server: Server, entry: Transaction) -> None:
        zxid, body = entry
        self.require(False, f"server {server.sid} applied {zxid:#x}, {body!r}; broadcast was {self.bodies.get(zxid)!r}")


class _Order(Checker):
    """What must hold of any two transactions that follow one another: at a server, and in the history that all share."""

    def follows(self, before: int, zxid: int) -> bool:
        """Whether the second may follow the first."""
        raise NotImplementedError

    def delivered(self, server: Server, entry: Transaction) -> None:
        applied = server.applied
        before = applied[-2][0] if len(applied) > 1 else 0
        if not self.follows(before, entry[0]):
            self.require(False, f"server {server.sid} applied {entry[0]:#x} after {before:#x}")

    def entered(self, server: Server, entry: Transaction, before: int) -> None:
        if not self.follows(before, entry[0]):
            self.require(False, f"server {server.sid} has {entry[0]:#x} after {before:#x}")


class TotalOrder(_Order):
    """Whoever delivers two transactions delivers them in the same order: that of their zxids."""

    def follows(self, before: int, zxid: int) -> bool:
        return zxid > before


class LocalPrimaryOrder(_Order):
    """What a primary broadcast is delivered in the order in which it did: from its first on, without a gap."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.last: dict[int, int] = {}
        """By epoch: the last zxid broadcast."""

    def broadcast(self, server: Server, entry: Transaction) -> None:
        epoch = epoch_of(entry[0])
        last = self.last.get(epoch, first_of(epoch))
        self.require(entry[0] == last + 1, f"server {server.sid} broadcasts {entry[0]:#x} after {last:#x}")
        self.last[epoch] = entry[0]

    def follows(self, before: int, zxid: int) -> bool:
        return zxid == before + 1 if before >> 32 == zxid >> 32 else counter_of(zxid) == 1


class GlobalPrimaryOrder(_Order):
    """What an earlier primary broadcast is delivered before whatever a later one did."""

    def follows(self, before: int, zxid: int) -> bool:
        return zxid >> 32 >= before >> 32


class PrefixAgreement(Checker):
    """Of two servers one has delivered everything that the other has: what serving servers have applied are beginnings of one
    history. `entered` is told of each transaction by which that grows."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.history: list[Transaction] = []

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if role is Role.LOOKING:
            return
        common = min(len(self.history), len(server.applied))
        if self.history[:common] != server.applied[:common]:
            for ours, theirs in zip(self.history, server.applied, strict=False):
                self.require(ours == theirs, f"server {server.sid} has {theirs[0]:#x}, the others {ours[0]:#x}")
        for entry in server.applied[common:]:
            self._extend(server, entry)

    def delivered(self, server: Server, entry: Transaction) -> None:
        if server.role is Role.LOOKING:
            return
        index = len(server.applied) - 1
        if index == len(self.history):
            self._extend(server, entry)
        elif (ours := self.history[index]) != entry:
            self.require(False, f"server {server.sid} applied {entry[0]:#x}, the others {ours[0]:#x}")

    def _extend(self, server: Server, entry: Transaction) -> None:
        self.world.checkers.entered(server, entry, self.history[-1][0] if self.history else 0)
        self.history.append(entry)


class PrimaryIntegrity(Checker):
    """A primary has delivered all that earlier ones did before it broadcasts anything itself."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.count = 0
        """How many transactions the history has."""
        self.newest = 0
        """The newest epoch that was established."""

    def entered(self, server: Server, entry: Transaction, before: int) -> None:
        self.count += 1

    def became(self, server: Server, role: Role, epoch: int) -> None:
        # the last ACK of NEWLEADER may come late: such a leader has no quorum any more, and commits nothing
        if role is Role.LEADING and epoch > self.newest:
            self.newest = epoch
            applied = len(server.applied)
            self.require(applied == self.count, f"server {server.sid} leads epoch {epoch} with {applied} of {self.count}")


class DurableOnQuorum(Checker):
    """No transaction is delivered by a serving server that is not durable on a quorum of the configuration in force; a new
    configuration, of both."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.in_force = world.ensemble
        """The configuration of the server that made the history longer last."""

    def entered(self, server: Server, entry: Transaction, before: int) -> None:
        holders = [sid for sid, disk in self.world.disks.items() if disk.holds(entry)]
        earlier, self.in_force = self.in_force, server.membership.committed
        needed = [self.in_force, earlier] if configurations([entry]) else [self.in_force]
        for ensemble in needed:
            if not ensemble.is_quorum(holders):
                voters = sorted(ensemble.voters)
                self.require(False, f"server {server.sid} applied {entry[0]:#x}, durable only on {holders} of {voters}")


class SyncSeesAcknowledged(Checker):
    """After a sync its server has everything that was acknowledged before it, also by a leader that came later."""

    def synced(self, server: Server, zxid: int) -> None:
        self.require(
            server.last_zxid >= zxid,
            f"a sync at server {server.sid} ended at {server.last_zxid:#x}, before {zxid:#x}",
        )


class VotesDieDown(Checker):
    """No two servers write to each other about the election without end: between two of them votes are few in any second."""

    LIMIT = 60
    """Between two servers in one direction in a second; elections in bad worlds take 15."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.second = -1
        self.counts: Counter[tuple[int, int]] = Counter()

    def voted(self, source: int, target: int) -> None:
        if int(self.world.now) != self.second:
            self.second = int(self.world.now)
            self.counts.clear()
        self.counts[source, target] += 1
        if self.counts[source, target] > self.LIMIT:
            self.require(False, f"server {source} sent server {target} more than {self.LIMIT} votes in a second")


class NobodyLooksAgain(Checker):
    """Where nothing fails, everybody who serves goes on: no leader closes a learner that does its part, no learner leaves a
    leader that does, however little clients ask for."""

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if self.world.steady and role is Role.LOOKING:
            self.require(False, f"server {server.sid} serves no more, though nothing failed: {server.peer.reason}")


class AcknowledgedSurvive(Checker):
    """Every acknowledged write is in the final history, once."""

    def finished(self) -> None:
        for server in self.world.servers.values():
            names = [name for _, name in server.applied]
            self.require(len(names) == len(set(names)), f"server {server.sid} has a write twice")
            missing = self.world.acknowledged_writes - set(names)
            self.require(not missing, f"server {server.sid} lost {sorted(missing)[:5]}")


class ConfigurationsAgree(Checker):
    """In the end all servers, those too that were removed, know the same configuration to be in force."""

    def finished(self) -> None:
        known = {server.sid: server.membership.committed.version for server in self.world.servers.values()}
        self.require(len(set(known.values())) == 1, f"configurations in force, by server: {known}")


class Checkers(Checker):
    """All of them."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        kinds = (
            SingleLeaderPerEpoch, EpochBeyondPromises, PromisesCountOnce, LeaderNotBehind,
            Integrity, TotalOrder, LocalPrimaryOrder, GlobalPrimaryOrder, PrefixAgreement, PrimaryIntegrity, DurableOnQuorum,
            PromisesAreDurable, SyncSeesAcknowledged, VotesDieDown, NobodyLooksAgain, AcknowledgedSurvive, ConfigurationsAgree,
        )  # fmt: skip
        self.all: list[Checker] = [kind(world) for kind in kinds]
        for name in HEARD:
            setattr(self, name, _all_of(self.all, name))


def _all_of(checkers: list[Checker], name: str) -> Callable[..., None]:
    """Calls the method of each checker that has its own."""
    methods = [getattr(checker, name) for checker in checkers if getattr(type(checker), name) is not getattr(Checker, name)]
    if len(methods) == 1:
        return methods[0]  # type: ignore[no-any-return]

    def call(*args: object) -> None:
        for method in methods:
            method(*args)

    return call
