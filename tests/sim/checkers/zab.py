"""What must hold of replication, whatever fails. Each property is one class, named as in the ZAB papers where they name it.

A checker is told what servers do and raises `Violation` at the first thing that must not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from coord.wire.quorum import Acks, Packet, PacketType, parse
from coord.wire.zxid import counter_of, epoch_of
from coord.zab.application import Role, Transaction
from coord.zab.membership import configurations

if TYPE_CHECKING:
    from tests.sim.core_machine import Server
    from tests.sim.core_world import World

__all__ = ["Checker", "Checkers", "Violation"]


class Violation(AssertionError):
    """A property does not hold."""


class Checker:
    """Hears everything; overrides what matters to it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def require(self, holds: bool, message: str) -> None:
        """Raises unless it holds."""
        if not holds:
            raise Violation(f"{type(self).__name__}: {message}")

    def became(self, server: Server, role: Role, epoch: int) -> None:
        """A server serves in a role, or serves no more."""

    def delivered(self, server: Server, entry: Transaction) -> None:
        """A server applied a transaction."""

    def sent(self, server: Server, data: bytes) -> None:
        """A server sends packets on a link."""

    def voted(self, source: int, target: int) -> None:
        """A server sends a vote to another."""

    def synced(self, server: Server, zxid: int) -> None:
        """A sync ended that was asked when `zxid` was the last acknowledged, in whatever epoch."""

    def finished(self) -> None:
        """The run is over, all servers are up and agree."""


class SingleLeaderPerEpoch(Checker):
    """An epoch belongs to one server."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.leaders: dict[int, int] = {}

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if role is Role.LEADING:
            owner = self.leaders.setdefault(epoch, server.sid)
            self.require(owner == server.sid, f"epoch {epoch} is led by {owner} and by {server.sid}")


class TotalOrder(Checker):
    """A server applies in zxid order, and what follows within an epoch follows without a gap."""

    def delivered(self, server: Server, entry: Transaction) -> None:
        if len(server.applied) < 2:
            return
        before = server.applied[-2][0]
        same = epoch_of(before) == epoch_of(entry[0])
        follows = entry[0] == before + 1 if same else entry[0] > before and counter_of(entry[0]) == 1
        self.require(follows, f"server {server.sid} applied {entry[0]:#x} after {before:#x}")


class PrefixConsistency(Checker):
    """What serving servers have applied are beginnings of one history; and no transaction enters that history that is not
    durable on a quorum."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.history: list[Transaction] = []
        self.in_force = world.ensemble
        """The configuration of the server that made the history longer last."""
        self.newest = 0
        """The newest epoch that was established."""

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if role is Role.LOOKING:
            return
        common = min(len(self.history), len(server.applied))
        for ours, theirs in zip(self.history[:common], server.applied[:common], strict=True):
            self.require(ours == theirs, f"server {server.sid} has {theirs[0]:#x}, the others {ours[0]:#x}")
        for entry in server.applied[common:]:
            self._extend(server, entry)
        # the last ACK of NEWLEADER may come late: such a leader has no quorum any more, and commits nothing
        if role is Role.LEADING and epoch > self.newest:
            self.newest = epoch
            short = f"server {server.sid} leads epoch {epoch} with {len(server.applied)} of {len(self.history)}"
            self.require(len(server.applied) == len(self.history), short)

    def delivered(self, server: Server, entry: Transaction) -> None:
        if server.role is Role.LOOKING:
            return
        index = len(server.applied) - 1
        if index < len(self.history):
            ours = self.history[index]
            self.require(ours == entry, f"server {server.sid} applied {entry[0]:#x}, the others {ours[0]:#x}")
        else:
            self._extend(server, entry)

    def _extend(self, server: Server, entry: Transaction) -> None:
        holders = [sid for sid, disk in self.world.disks.items() if disk.holds(entry)]
        before, self.in_force = self.in_force, server.membership.committed
        needed = [self.in_force, before] if configurations([entry]) else [self.in_force]
        for ensemble in needed:
            voters = sorted(ensemble.voters)
            self.require(
                ensemble.is_quorum(holders),
                f"server {server.sid} applied {entry[0]:#x}, durable only on {holders} of {voters}",
            )
        self.history.append(entry)


NO_PROMISES = frozenset(
    map(int, (PacketType.REQUEST, PacketType.PROPOSAL, PacketType.COMMIT, PacketType.PING, PacketType.INFORM))
)
"""Packets that promise nothing, nor do those that follow them in one piece."""


class PromisesAreDurable(Checker):
    """What a packet promises is on disk when it leaves."""

    def sent(self, server: Server, data: bytes) -> None:
        if data[3] in NO_PROMISES:
            return
        for message in parse(data)[0]:
            if isinstance(message, Acks):
                end = server.disk.end()
                self.require(message.last <= end, f"server {server.sid} ACKs {message.last:#x}, durable is {end:#x}")
            elif isinstance(message, Packet):
                self._packet(server, message)

    def _packet(self, server: Server, packet: Packet) -> None:
        epoch = epoch_of(packet.zxid)
        if packet.type in (PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP):
            self.world.ways[PacketType(packet.type).name] += 1
        if packet.type == PacketType.LEADERINFO:
            self.require(server.disk.accepted >= epoch, f"server {server.sid} announces epoch {epoch}, not durable")
        elif packet.type == PacketType.ACKEPOCH:
            promised = server.peer.ledger.accepted_epoch
            self.require(server.disk.accepted == promised, f"server {server.sid} promises {promised}, not durable")
        elif packet.type == PacketType.ACK:
            # a later one: it found that leader gone in the same wake-up, and leads the only voter's epoch, itself
            self.require(server.disk.current >= epoch, f"server {server.sid} ACKs epoch {epoch}, not durable")


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
            SingleLeaderPerEpoch, TotalOrder, PrefixConsistency, PromisesAreDurable, SyncSeesAcknowledged, VotesDieDown,
            AcknowledgedSurvive, ConfigurationsAgree,
        )  # fmt: skip
        self.all: list[Checker] = [kind(world) for kind in kinds]
        self.became = _all_of(self.all, "became")  # type: ignore[method-assign]
        self.delivered = _all_of(self.all, "delivered")  # type: ignore[method-assign]
        self.sent = _all_of(self.all, "sent")  # type: ignore[method-assign]
        self.voted = _all_of(self.all, "voted")  # type: ignore[method-assign]
        self.synced = _all_of(self.all, "synced")  # type: ignore[method-assign]
        self.finished = _all_of(self.all, "finished")  # type: ignore[method-assign]


def _all_of(checkers: list[Checker], name: str) -> Callable[..., None]:
    """Calls the method of each checker that has its own."""
    methods = [getattr(checker, name) for checker in checkers if getattr(type(checker), name) is not getattr(Checker, name)]
    if len(methods) == 1:
        return methods[0]  # type: ignore[no-any-return]

    def call(*args: object) -> None:
        for method in methods:
            method(*args)

    return call
