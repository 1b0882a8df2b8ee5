"""What must hold of epochs: of the promises in which a leader finds one, and of everything that a packet promises.

These look at each step that servers take, not at what comes of it: a mistake in a rule that keeps two leaders out of one
epoch does harm only if much else comes together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.wire.quorum import Acks, LearnerInfo, Packet, PacketType, parse
from coord.wire.zxid import epoch_of
from coord.zab.application import Role
from tests.sim.checkers.checker import Checker

if TYPE_CHECKING:
    from coord.zab.leader import Leader
    from tests.sim.core_machine import Server
    from tests.sim.core_world import World

__all__ = ["EpochBeyondPromises", "LeaderNotBehind", "PromisesAreDurable", "PromisesCountOnce", "SingleLeaderPerEpoch"]

NOT_COUNTED = b"\xff\xff\xff\xff"
"""-1 in an ACKEPOCH: the epoch was promised before."""
SYNCHRONISES = frozenset(map(int, (PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP)))
NO_PROMISES = frozenset(
    map(int, (PacketType.REQUEST, PacketType.PROPOSAL, PacketType.COMMIT, PacketType.PING, PacketType.INFORM))
)
"""Packets that promise nothing, nor do those that follow them in one piece."""


class SingleLeaderPerEpoch(Checker):
    """An epoch belongs to one server."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.leaders: dict[int, int] = {}

    def became(self, server: Server, role: Role, epoch: int) -> None:
        if role is Role.LEADING:
            owner = self.leaders.setdefault(epoch, server.sid)
            self.require(owner == server.sid, f"epoch {epoch} is led by {owner} and by {server.sid}")


class EpochBeyondPromises(Checker):
    """Discovery: a leader announces an epoch that is later than any which a quorum told it to have promised."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.told: dict[Leader, dict[int, tuple[int, int]]] = {}
        """By leadership and link: who greeted the leader, and the epoch that it had promised."""
        self.announced: set[Leader] = set()

    def received(self, server: Server, link: int, sender: int, packet: Packet) -> None:
        if packet.type == PacketType.FOLLOWERINFO and server.peer.leading is not None:
            told = self.told.setdefault(server.peer.leading, {})
            told[link] = (LearnerInfo.parse(packet.data).sid, epoch_of(packet.zxid))

    def sent(self, server: Server, link: int, data: bytes) -> None:
        leading = server.peer.leading
        if data[3] != PacketType.LEADERINFO or leading is None or leading in self.announced:
            return
        self.announced.add(leading)
        told = self.told.get(leading, {})
        earlier = {server.sid, *(sid for sid, accepted in told.values() if accepted < leading.epoch)}
        self.require(
            server.membership.is_quorum(earlier),
            f"server {server.sid} announces epoch {leading.epoch}, and was told (server, promised epoch): {sorted(told.values())}",
        )


class PromisesCountOnce(Checker):
    """Discovery: a server promises an epoch to one leader and says so once; a leader promises its epoch to itself."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.offers: dict[tuple[Server, int], tuple[int, int]] = {}
        """By server and link: the leader there, and its epoch."""
        self.promised: dict[tuple[int, int], int] = {}
        """By server and epoch: to which leader."""

    def received(self, server: Server, link: int, sender: int, packet: Packet) -> None:
        if packet.type == PacketType.LEADERINFO:
            self.offers[server, link] = (sender, epoch_of(packet.zxid))

    def sent(self, server: Server, link: int, data: bytes) -> None:
        if data[3] == PacketType.LEADERINFO:
            epoch = int.from_bytes(data[4:8], "big")
            leader = self.promised.setdefault((server.sid, epoch), server.sid)
            self.require(leader == server.sid, f"server {server.sid} announces epoch {epoch}, which it promised to {leader}")
        elif data[3] == PacketType.ACKEPOCH and data[16:20] != NOT_COUNTED:
            leader, epoch = self.offers[server, link]
            before = self.promised.get((server.sid, epoch))
            self.require(before is None, f"server {server.sid} promises epoch {epoch} to {leader}, and to {before} before")
            self.promised[server.sid, epoch] = leader


class LeaderNotBehind(Checker):
    """Discovery: before a leader brings anybody to its history, a quorum has promised its epoch that knew no newer one:
    by the epoch in which it was last brought to a leader's history, and where that is the same, by its last zxid."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.own: dict[Leader, tuple[int, int]] = {}
        self.behind: dict[Leader, set[int]] = {}
        """By leadership: whose promises counted and whose histories were no newer."""
        self.checked: set[Leader] = set()

    def received(self, server: Server, link: int, sender: int, packet: Packet) -> None:
        leading = server.peer.leading
        if packet.type == PacketType.ACKEPOCH and leading in self.own:
            current = int.from_bytes(packet.data or b"", "big", signed=True)
            if current != -1 and (current, packet.zxid) <= self.own[leading]:
                self.behind[leading].add(sender)

    def sent(self, server: Server, link: int, data: bytes) -> None:
        leading = server.peer.leading
        if leading is None or leading in self.checked:
            return
        if data[3] == PacketType.LEADERINFO:
            self.own.setdefault(leading, (server.peer.ledger.current_epoch, server.peer.ledger.logged))
            self.behind.setdefault(leading, {server.sid})
        elif data[3] in SYNCHRONISES and not leading.serving:
            self.checked.add(leading)
            behind = self.behind[leading]
            self.require(
                server.membership.is_quorum(behind),
                f"server {server.sid} leads epoch {leading.epoch}, and of those that promised it only {sorted(behind)} "
                f"know nothing newer",
            )


class PromisesAreDurable(Checker):
    """What a packet promises is on disk when it leaves."""

    def sent(self, server: Server, link: int, data: bytes) -> None:
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
