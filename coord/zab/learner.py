"""The learner, follower or observer: it takes over a leader's history, then logs, acknowledges and delivers.

The order that keeps what was promised: acceptedEpoch is durable before ACKEPOCH goes out; every transaction received so far
is durable, then currentEpoch, and only then NEWLEADER is acknowledged; a proposal is acknowledged when it is durable.

Before UPTODATE nothing is delivered: a leader that fails while it synchronises leaves behind only a log, which the next one
may cut back. A snapshot that replaced the state is saved before anything is logged behind it, else a crash would leave a
log with a hole. Where its leader fails before the epoch is established, the next one may want this server back behind that
snapshot: TRUNC cannot do it, so the learner comes again with a zxid that nobody has, which every leader answers with SNAP.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from math import inf
from typing import Any

from coord.wire.jute import JuteError
from coord.wire.quorum import (
    PROTOCOL_VERSION,
    Commits,
    Informs,
    LearnerInfo,
    Message,
    Packet,
    PacketType,
    Proposals,
    encode_acks,
    encode_packet,
    encode_request,
    encode_sessions,
)
from coord.wire.zxid import epoch_of, first_of, follows, show

from .application import ForwardedRequest, Role, Transaction
from .effects import Effects
from .ledger import Ledger
from .membership import Membership, configurations, parse_configuration
from .quorums import Ensemble
from .storage import History
from .timing import Timing

__all__ = ["CONNECT_TIMEOUT", "NOBODYS_ZXID", "UNLOGGED_BYTES_MAX", "Learner", "Phase"]

CONNECT_TIMEOUT = 1.0
"""Seconds to reach the leader that the election named; it opens its port at the end of its own election."""
REPLY_SECONDS = 0.01
"""Between a new configuration that makes this server leave its leader and that: the replies are out by then."""
NOBODYS_ZXID = 1
"""Of epoch 0, in which no transaction was ever made."""
UNLOGGED_BYTES_MAX = 256 * 1024 * 1024
"""Proposals that may arrive while a snapshot is being saved; beyond it the leader is left, to begin anew."""


class Phase(Enum):
    """How far a learner has come with its leader."""

    CONNECTING = auto()
    GREETING = auto()
    """FOLLOWERINFO or OBSERVERINFO sent; LEADERINFO is to come."""
    PROMISED = auto()
    """ACKEPOCH sent; DIFF, TRUNC or SNAP is to come."""
    RESTORING = auto()
    """The body of a SNAP is being read."""
    SYNCING = auto()
    """Transactions, then NEWLEADER, are to come."""
    HARDENING = auto()
    """NEWLEADER is here; what it stands for is not durable yet."""
    WAITING = auto()
    """NEWLEADER acknowledged; UPTODATE is to come."""
    SERVING = auto()


class Learner:
    """One server under one leader, from its election to the moment `lost` says why it is over."""

    def __init__(
        self,
        sid: int,
        leader: int,
        membership: Membership,
        ledger: Ledger,
        history: History,
        timing: Timing,
        now: float,
        out: Effects,
    ) -> None:
        self.sid = sid
        self.leader = leader
        self.role = membership.role(sid)
        """FOLLOWING or OBSERVING."""
        self.membership = membership
        self.ledger = ledger
        self.history = history
        self.timing = timing
        self.lost: str | None = None
        self.link = -1
        self.phase = Phase.CONNECTING
        self.epoch = 0
        self.heard = now
        self.saving = False
        """A restored state is on its way to the disk; nothing may be logged before it is there."""
        self._unlogged: list[Transaction] = []
        self._unlogged_bytes = 0
        self._committed = ledger.delivered
        """How far the leader has committed; delivered once UPTODATE has come."""
        self._newleader_needs = 0
        """The end of the log that NEWLEADER stands for."""
        self._acked = 0
        """Proposals up to here need no ACK any more."""
        self._brought: Ensemble | None = None
        """The configuration that NEWLEADER brought, in force once the epoch is."""
        self.successor: int | None = None
        """Whom to join when this is over, without an election: a new configuration says so."""
        self._leave_at = inf
        """When to leave because of a new configuration."""
        out.connect = leader

    # what the driver tells

    def connected(self, link: int, now: float, out: Effects) -> None:
        """The connection to the leader stands."""
        if self.phase is not Phase.CONNECTING:
            out.close.append((link, "a second connection to the leader"))
            return
        self.link = link
        self._enter(Phase.GREETING, now)
        kind = PacketType.FOLLOWERINFO if self.role is Role.FOLLOWING else PacketType.OBSERVERINFO
        info = LearnerInfo(self.sid, PROTOCOL_VERSION, self.membership.committed.version)
        out.send.append((link, encode_packet(kind, first_of(self.ledger.accepted_epoch), info.encode())))

    def closed(self, link: int, reason: str) -> None:
        """A link is gone."""
        if link == self.link:
            self.lost = f"the link to leader {self.leader} closed: {reason}"

    def received(self, link: int, messages: list[Message], now: float, out: Effects) -> None:
        """What the leader sent, in order."""
        if link != self.link:
            return
        self.heard = now
        try:
            for message in messages:
                take = _TAKE.get(type(message))
                if take is None:
                    raise JuteError(f"{type(message).__name__} from a leader")
                take(self, message, now, out)
        except JuteError as error:
            self.lost = f"leader {self.leader}: {error}"

    def restored(self, link: int, zxid: int, now: float, out: Effects) -> None:
        """The state is the leader's, as of `zxid`."""
        assert link == self.link
        self.ledger.replaced(zxid)
        self._committed = zxid
        self.saving = out.save = True
        self._enter(Phase.SYNCING, now)

    def saved(self, now: float, out: Effects) -> None:
        """The restored state is durable; what came meanwhile can be logged."""
        self.saving = False
        if self._unlogged:
            entries, self._unlogged, self._unlogged_bytes = self._unlogged, [], 0
            self.ledger.append(entries, out)
        self.synced(now, out)

    def synced(self, now: float, out: Effects) -> None:
        """The log became durable further on."""
        if self.phase is Phase.HARDENING:
            self._maybe_acknowledge_new_leader(now, out)
        elif self.phase in (Phase.WAITING, Phase.SERVING) and self.role is Role.FOLLOWING:
            self._acknowledge(out)

    def forward(self, batch: list[ForwardedRequest], out: Effects) -> None:
        """Sends clients' writes to the leader."""
        data = b"".join([encode_request(rq.session_id, rq.cxid, rq.op, rq.body, rq.auth) for rq in batch])
        out.send.append((self.link, data))

    def revalidate(self, session_id: int, timeout_ms: int, out: Effects) -> None:
        """Asks whether a session lives."""
        data = encode_sessions([(session_id, timeout_ms)])
        out.send.append((self.link, encode_packet(PacketType.REVALIDATE, -1, data)))

    def leader_looks(self, peer_epoch: int) -> None:
        """The leader itself looks for a leader. A vote of this epoch is newer than its leadership: it has lost that, or its
        machine came back without having said that it went. Older votes are repetitions, sent when peers meet anew."""
        if self.serving and peer_epoch >= self.epoch:
            self.lost = f"leader {self.leader} looks for a leader itself"

    @property
    def serving(self) -> bool:
        """Whether the application was told of its role."""
        return self.phase is Phase.SERVING

    def tick(self, now: float, out: Effects) -> None:
        """Gives up a leader that is silent for too long."""
        if now >= self._leave_at:
            self.lost = "a new configuration wants another leader, or another role for this server"
        elif now >= self.deadline():
            self.lost = f"leader {self.leader} was silent for too long in phase {self.phase.name}"

    def deadline(self) -> float:
        """When `tick` has something to do."""
        if self.phase is Phase.CONNECTING:
            return self.heard + CONNECT_TIMEOUT
        if self.phase is Phase.HARDENING:
            return inf  # it is the leader that waits now, for this server's disk
        if self._leave_at < inf:
            return self._leave_at
        if self.phase in (Phase.WAITING, Phase.SERVING):
            return self.heard + self.timing.sync_timeout
        return self.heard + self.timing.init_timeout

    def stop(self, out: Effects) -> None:
        """Leaves the leader. What was not logged is forgotten, as if it had never arrived."""
        if self.link >= 0:
            out.close.append((self.link, f"left: {self.lost}"))
        out.disconnect = True
        out.connect = None

    # messages

    def _packet(self, packet: Packet, now: float, out: Effects) -> None:
        handler = _HANDLERS.get(packet.type)
        if handler is None:
            raise JuteError(f"{PacketType(packet.type).name} from a leader")
        phases, take = handler
        if self.phase not in phases:
            raise JuteError(f"{PacketType(packet.type).name} in phase {self.phase.name}")
        take(self, packet, now, out)

    def _leader_info(self, packet: Packet, now: float, out: Effects) -> None:
        if packet.data is None or int.from_bytes(packet.data[:4], "big") < PROTOCOL_VERSION:
            raise JuteError("a leader from before ZooKeeper 3.4")
        epoch = epoch_of(packet.zxid)
        ledger = self.ledger
        if epoch < ledger.accepted_epoch:
            raise JuteError(f"its epoch is {epoch}, and epoch {ledger.accepted_epoch} is promised already")
        # -1: promised before, perhaps to another who wanted the same epoch; this must not count a second time
        current = -1
        if epoch > ledger.accepted_epoch:
            current = ledger.current_epoch
            ledger.accepted_epoch = out.accepted_epoch = epoch
        self.epoch = epoch
        self._enter(Phase.PROMISED, now)
        data = (current & 0xFFFFFFFF).to_bytes(4, "big")
        # this leader compared the true zxid with its own before, when it answered with TRUNC
        last_zxid = NOBODYS_ZXID if ledger.stranded == epoch else ledger.logged
        out.send.append((self.link, encode_packet(PacketType.ACKEPOCH, last_zxid, data)))

    def _diff(self, packet: Packet, now: float, out: Effects) -> None:
        """All that this server has logged belongs to the leader's history."""
        self._committed = self.ledger.logged
        self._enter(Phase.SYNCING, now)

    def _trunc(self, packet: Packet, now: float, out: Effects) -> None:
        if packet.zxid > self.ledger.logged:
            raise JuteError(f"TRUNC to {show(packet.zxid)}, and the log ends with {show(self.ledger.logged)}")
        self._enter(Phase.SYNCING, now)
        if self.ledger.delivered > packet.zxid and not self.history.can_rewind(packet.zxid):
            self.ledger.stranded = self.epoch
            raise JuteError(f"TRUNC to {show(packet.zxid)}, and no snapshot is that old: it will be asked for its own")
        self.ledger.rewind(packet.zxid, out)
        self._committed = packet.zxid

    def _snap(self, packet: Packet, now: float, out: Effects) -> None:
        self._enter(Phase.RESTORING, now)

    def _proposals(self, message: Proposals, now: float, out: Effects) -> None:
        if self.phase not in _LOGGING:
            raise JuteError(f"PROPOSAL in phase {self.phase.name}")
        self._log(message.entries, out)

    def _commits(self, message: Commits, now: float, out: Effects) -> None:
        if self.phase not in _LOGGING:
            raise JuteError(f"COMMIT in phase {self.phase.name}")
        self._commit(message.last, out)

    def _informs(self, message: Informs, now: float, out: Effects) -> None:
        if self.phase not in _LOGGING or self.role is not Role.OBSERVING:
            raise JuteError(f"INFORM in phase {self.phase.name} as {self.role.name}")
        self._log(message.entries, out)
        self._commit(message.entries[-1][0], out)

    def _activate(self, packet: Packet, now: float, out: Effects) -> None:
        """The commit of a new configuration."""
        if packet.data is None or len(packet.data) < 8:
            raise JuteError("COMMITANDACTIVATE without a leader")
        entries = [*self.ledger.pending, *self._unlogged]
        self._commit(packet.zxid, out)
        self._reconfigured([entry for entry in entries if entry[0] == packet.zxid], packet.data, now, out)

    def _inform_activate(self, packet: Packet, now: float, out: Effects) -> None:
        if packet.data is None or len(packet.data) < 8:
            raise JuteError("INFORMANDACTIVATE without a leader")
        entries = [(packet.zxid, packet.data[8:])]
        self._log(entries, out)
        self._commit(packet.zxid, out)
        self._reconfigured(entries, packet.data, now, out)

    def _reconfigured(self, entries: list[Transaction], data: bytes, now: float, out: Effects) -> None:
        """The configuration in a committed transaction is in force. data: begins with the leader that it wants."""
        for _, ensemble in configurations(entries):
            if self.membership.activate(ensemble, out):
                designated = int.from_bytes(data[:8], "big", signed=True)
                if designated != self.leader or self.membership.role(self.sid) is not self.role:
                    self.successor = designated
                    self._leave_at = now + REPLY_SECONDS

    def _new_leader(self, packet: Packet, now: float, out: Effects) -> None:
        if packet.zxid != first_of(self.epoch):
            raise JuteError(f"NEWLEADER {show(packet.zxid)}, and its epoch is {self.epoch}")
        if self.membership.enabled and packet.data:
            self._brought = parse_configuration(packet.data)
            self.membership.see(self._brought, out)
        self._newleader_needs = self._end()
        self._acked = max(self._committed, first_of(self.epoch))
        self._enter(Phase.HARDENING, now)
        self._maybe_acknowledge_new_leader(now, out)

    def _maybe_acknowledge_new_leader(self, now: float, out: Effects) -> None:
        ledger = self.ledger
        if self.saving or ledger.synced < self._newleader_needs:
            return
        ledger.current_epoch = out.current_epoch = self.epoch
        out.send.append((self.link, encode_packet(PacketType.ACK, first_of(self.epoch))))
        self._enter(Phase.WAITING, now)
        if self.role is Role.FOLLOWING:
            self._acknowledge(out)

    def _up_to_date(self, packet: Packet, now: float, out: Effects) -> None:
        self._enter(Phase.SERVING, now)
        out.became.append((self.role, self.epoch))
        self.ledger.deliver_to(self._committed, out)
        out.send.append((self.link, encode_packet(PacketType.ACK, first_of(self.epoch))))
        if self._brought is not None and all(zxid != self._brought.version for zxid, _ in self.ledger.pending):
            self._join_configuration(self._brought, now, out)

    def _join_configuration(self, ensemble: Ensemble, now: float, out: Effects) -> None:
        """With the epoch the configuration that NEWLEADER told is in force, unless it is still being voted on. A leader
        whose last act it was leads no more."""
        before = self.membership.committed.members.get(self.leader)
        if not self.membership.activate(ensemble, out):
            return
        after = ensemble.members.get(self.leader)
        stays = after is not None and after.participant and (before is None or before.addresses == after.addresses)
        if not stays or self.membership.role(self.sid) is not self.role:
            self.successor = self.leader if stays else None
            self._leave_at = now + REPLY_SECONDS

    def _ping(self, packet: Packet, now: float, out: Effects) -> None:
        # before the ACK of NEWLEADER the leader expects no other packet
        if self.phase in (Phase.WAITING, Phase.SERVING):
            out.pongs.append((self.link, packet.zxid))

    def _sync(self, packet: Packet, now: float, out: Effects) -> None:
        out.syncs_done += 1

    def _revalidated(self, packet: Packet, now: float, out: Effects) -> None:
        data = packet.data
        if data is None or len(data) < 9:
            raise JuteError("REVALIDATE without a session")
        out.revalidated.append((int.from_bytes(data[:8], "big", signed=True), data[8] != 0))

    # log and deliver

    def _end(self) -> int:
        """The end of what has been received."""
        return self._unlogged[-1][0] if self._unlogged else self.ledger.logged

    def _log(self, entries: list[Transaction], out: Effects) -> None:
        end = self._end()
        first = entries[0][0]
        if first <= end:
            entries = [entry for entry in entries if entry[0] > end]  # sent twice while it synchronised us
            if not entries:
                return
            first = entries[0][0]
        if not follows(first, end):
            raise JuteError(f"proposal {show(first)} behind {show(end)}: something is missing in between")
        self.membership.see_proposed(entries, out)
        if not self.saving:
            self.ledger.append(entries, out)
            return
        self._unlogged += entries
        self._unlogged_bytes += sum(len(data) for _, data in entries)
        if self._unlogged_bytes > UNLOGGED_BYTES_MAX:
            raise JuteError(f"more than {UNLOGGED_BYTES_MAX} bytes came while a snapshot is being saved")

    def _commit(self, zxid: int, out: Effects) -> None:
        if zxid > self._end():
            raise JuteError(f"COMMIT of {show(zxid)}, and the last proposal was {show(self._end())}")
        if zxid <= self._committed:
            return
        self._committed = zxid
        if self.phase is Phase.SERVING:
            self.ledger.deliver_to(zxid, out)

    def _acknowledge(self, out: Effects) -> None:
        """ACKs what is durable and was not acknowledged, one by one: that is how the wire counts them."""
        durable = self.ledger.synced
        if durable > self._acked:
            out.send.append((self.link, encode_acks(range(self._acked + 1, durable + 1))))
            self._acked = durable

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self.heard = now


_LOGGING = frozenset((Phase.SYNCING, Phase.HARDENING, Phase.WAITING, Phase.SERVING))
_ALIVE = frozenset(Phase)

_TAKE: dict[type, Callable[[Learner, Any, float, Effects], None]] = {
    Packet: Learner._packet,
    Proposals: Learner._proposals,
    Commits: Learner._commits,
    Informs: Learner._informs,
}
_HANDLERS: dict[int, tuple[frozenset[Phase], Callable[[Learner, Packet, float, Effects], None]]] = {
    PacketType.LEADERINFO: (frozenset((Phase.GREETING,)), Learner._leader_info),
    PacketType.DIFF: (frozenset((Phase.PROMISED,)), Learner._diff),
    PacketType.TRUNC: (frozenset((Phase.PROMISED,)), Learner._trunc),
    PacketType.SNAP: (frozenset((Phase.PROMISED,)), Learner._snap),
    PacketType.NEWLEADER: (frozenset((Phase.SYNCING,)), Learner._new_leader),
    PacketType.UPTODATE: (frozenset((Phase.WAITING,)), Learner._up_to_date),
    PacketType.COMMITANDACTIVATE: (_LOGGING, Learner._activate),
    PacketType.INFORMANDACTIVATE: (_LOGGING, Learner._inform_activate),
    PacketType.PING: (_ALIVE, Learner._ping),
    PacketType.SYNC: (frozenset((Phase.SERVING,)), Learner._sync),
    PacketType.REVALIDATE: (frozenset((Phase.SERVING,)), Learner._revalidated),
}
"""What a leader may send in each phase; anything else ends the connection."""
