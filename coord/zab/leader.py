"""The leader: it finds an epoch of its own, brings a quorum to its history, then broadcasts (`broadcast`).

Discovery. Learners tell the newest epoch they ever promised (FOLLOWERINFO); with a quorum of them the leader takes a newer
one, makes it durable and announces it (LEADERINFO). A quorum promises it (ACKEPOCH); a learner with a newer history than
the leader's is refused at that point.

Synchronisation. Each learner is brought to the leader's history (`catchup`) and told NEWLEADER; it acknowledges when that
history is durable. The leader acknowledges for itself by the same rule. With a quorum the epoch is established.

Broadcast. From then on proposals are committed by a quorum's synced logs. Without a quorum in sight the leader steps down
at once.
"""

from __future__ import annotations

from collections.abc import Callable

from coord.wire.jute import JuteError
from coord.wire.quorum import (
    PROTOCOL_VERSION,
    Acks,
    LearnerInfo,
    Message,
    Packet,
    PacketType,
    encode_commits,
    encode_packet,
    encode_proposals,
    parse_request,
    parse_sessions,
)
from coord.wire.zxid import EPOCH_MAX, counter_of, epoch_of, first_of, show

from .application import ForwardedRequest, Role, Transaction
from .broadcast import Broadcast
from .catchup import Diff, Trunc, choose
from .effects import BODY, Effects
from .follower import FollowerState, Stage
from .following import Following
from .ledger import Ledger
from .membership import Membership
from .storage import History
from .syncs import SYNCS_MAX, Syncs
from .timing import Timing

__all__ = ["LINKS_MAX", "Leader"]

LINKS_MAX = 256
"""Connections of the quorum port at one time; one more is closed."""
QUORUM_GRACE = 1.0
"""Seconds in which those that elected a leader reach it, or never will."""
ALONE_SECONDS = 3.0
"""How long a leader that is not established waits without a quorum of connections. Whoever elected it comes within one
second; initLimit is for those that have come. Others may serve under another leader meanwhile, and would never call."""
HAND_OVER_SECONDS = 1.0
"""How long a leader that is about to be stopped waits for its followers' logs."""
LAST_REPLIES_SECONDS = 0.001
"""After the last commit: its replies leave before the leader steps down, which closes every connection."""

_UPTODATE = encode_packet(PacketType.UPTODATE, -1)


class Leader:
    """One server's leadership, from its election to the moment `lost` says why it is over."""

    def __init__(
        self, sid: int, membership: Membership, ledger: Ledger, history: History, timing: Timing, now: float, out: Effects
    ) -> None:
        self.sid = sid
        self.membership = membership
        self.ledger = ledger
        self.history = history
        self.timing = timing
        self.lost: str | None = None
        self.epoch = 0
        """Known (not 0) when a quorum has told its promises."""
        self.serving = False
        """The epoch is established."""
        self.following = Following(sid, membership)
        self.learners = self.following.by_link
        self.syncs = Syncs(self.following, membership, ledger)
        self.broadcast = Broadcast(self.following, membership, ledger, self.syncs)
        self._greeted = {sid}
        """Voters that told their promises, this server included."""
        self._next_epoch = max(ledger.accepted_epoch, ledger.highest_promise) + 1
        self._promised = {sid}
        """Voters that promised the epoch."""
        self._elected = False
        """A quorum has promised the epoch."""
        self._own_history_durable = False
        self._establishing = False
        """All that is left to do is to say so."""
        self._since = self._step_since = now
        self._ping_at = now + timing.tick / 2
        self.handed_over = False
        """It stepped down because it was asked to, and not because its followers were gone."""
        self._leave_at: float | None = None
        """When this leader steps down at the latest, because it is about to be stopped."""
        # what this server has logged is the epoch's beginning, whoever else had it
        ledger.deliver_to(ledger.logged, out)
        out.listen = True
        self._maybe_choose_epoch(now, out)

    # what the driver tells

    def opened(self, link: int, now: float, out: Effects) -> None:
        """A learner connected."""
        if len(self.learners) >= LINKS_MAX:
            out.close.append((link, f"{LINKS_MAX} learners are connected already"))
        else:
            self.learners[link] = FollowerState(link, now)

    def closed(self, link: int) -> None:
        """A learner is gone."""
        if self.learners.pop(link, None) is not None:
            self.following.regroup()
            self._check_quorum()

    def received(self, link: int, messages: list[Message], now: float, out: Effects) -> None:
        """What one learner sent, in order."""
        learner = self.learners.get(link)
        if learner is None:
            return
        learner.heard = now
        try:
            for message in messages:
                if type(message) is Acks:
                    self._acknowledged(learner, message.last, out)
                    self._maybe_leave(now)
                elif type(message) is Packet:
                    self._packet(learner, message, now, out)
                else:
                    raise JuteError(f"{type(message).__name__} from a learner")
                if learner.link not in self.learners:
                    break
        except JuteError as error:
            self._refuse(learner, str(error), out)
        if out.requests and (self.lost or self.leaving):
            out.requests.clear()

    def synced(self, now: float, out: Effects) -> None:
        """This server's own log became durable further on."""
        if self.serving:
            self.broadcast.advance(out)
            self._maybe_leave(now)
        else:
            self._maybe_durable(now, out)

    def frozen(self, link: int, zxid: int, now: float, out: Effects) -> None:
        """The cut for a learner's SNAP was made: the packet, the body, and what came after the cut."""
        learner = self.learners.get(link)
        if learner is None or learner.stage is not Stage.FREEZING:
            return
        out.send.append((link, encode_packet(PacketType.SNAP, zxid)))
        out.send.append((link, BODY))
        later = [entry for entry in self.ledger.recent if entry[0] > zxid]
        self._begin_forwarding(learner, later, now, out)

    def streamed(self, link: int, now: float) -> None:
        """A piece of the body has left; the learner cannot answer before all of it has. Where the quorum still lacks that
        voter, it is no silence of the quorum's either."""
        if learner := self.learners.get(link):
            learner.heard = learner.since = now
            if learner.votes:
                self._step_since = now

    def next_zxid(self) -> int:
        """Takes the next zxid of the epoch."""
        self.broadcast.last_proposed += 1
        return self.broadcast.last_proposed

    def propose(self, batch: list[Transaction], out: Effects) -> None:
        """Replicates transactions that follow the last proposed one."""
        if not self.broadcast.propose(batch, out):
            self.lost = f"the counter of epoch {self.epoch} is used up"

    @property
    def successor(self) -> int | None:
        """Who leads after this server, because of a new configuration."""
        return self.broadcast.successor

    @property
    def leaving(self) -> bool:
        """Nothing more is proposed: this leader steps down as soon as others have all that it has."""
        return self._leave_at is not None or self.successor is not None

    def leave(self, now: float) -> None:
        """Steps down once what was proposed is committed and in the log of every follower that serves."""
        self._leave_at = now + HAND_OVER_SECONDS
        self._maybe_leave(now)

    def _maybe_leave(self, now: float) -> None:
        if self._leave_at is not None and not self.ledger.pending:
            ends = [learner.acked for learner in self.following.serving() if learner.votes]
            if all(end >= self.ledger.logged for end in ends):
                self._leave_at = min(self._leave_at, now + LAST_REPLIES_SECONDS)

    def sync(self, request: ForwardedRequest, now: float, out: Effects) -> None:
        """Answers when everything proposed so far is committed, and a quorum still follows.

        The PINGs go out with the next `tick`, which is due at once: one round for all syncs that came together.
        """
        if self.syncs.ask(request.learner, self.broadcast.end):
            self._ping_at = now
        elif learner := self.learners.get(request.learner):
            self._refuse(learner, f"more than {SYNCS_MAX} syncs are waiting", out)

    def synced_sids(self) -> list[int]:
        """See `Following.synced_sids`."""
        return self.following.synced_sids()

    def revalidated(self, link: int) -> bool:
        """Whether a learner is still there to get an answer."""
        return link in self.learners

    def looking(self, sid: int, now: float) -> None:
        """A voter looks for a leader. When this one has had its time and has no quorum, they would wait for each other: a
        server joins an elected leader only where a quorum has, and this leader's own waits are long."""
        if self.serving or now - self._since < QUORUM_GRACE:
            return
        here = self.following.here()
        if sid not in here and not self.membership.is_quorum(here):
            self.lost = f"only servers {sorted(here)} came, and server {sid} still looks for a leader"

    def tick(self, now: float, out: Effects) -> None:
        """Pings, and closes or gives up what has been silent for too long."""
        if self._establishing:
            self._maybe_establish(out)
            return
        if not self.serving and now - self._step_since >= self.timing.init_timeout:
            self.lost = "no quorum of followers came within initLimit"
            return
        if not self.serving and now - self._since >= ALONE_SECONDS and not self.membership.is_quorum(self.following.here()):
            self.lost = f"only servers {sorted(self.following.here())} came, which is no quorum"
            return
        if self.successor is not None and self._leave_at is None:
            self._leave_at = now + HAND_OVER_SECONDS  # the followers leave by themselves; this is for those that do not
        if self._leave_at is not None and now >= self._leave_at:
            self.handed_over = True
            self.lost = "it is about to be stopped" if self.successor is None else "a new configuration wants another leader"
            return
        proposed = self.ledger.logged if self.serving else 0
        for learner in list(self.learners.values()):
            if reason := learner.overdue(now, self.timing, proposed):
                self._refuse(learner, reason, out)
        if now >= self._ping_at:
            self._ping_at = now + self.timing.tick / 2
            self.syncs.ping(out)

    def deadline(self) -> float:
        """When `tick` has something to do."""
        if self._establishing:
            return 0.0
        return self._ping_at if self._leave_at is None else min(self._ping_at, self._leave_at)

    def stop(self, out: Effects) -> None:
        """Closes everything: this server leads no more."""
        for link in self.learners:
            out.close.append((link, f"this server leads no more: {self.lost}"))
        self.learners.clear()
        out.listen = False

    # discovery

    def _packet(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        handler = _HANDLERS.get((learner.stage, packet.type))
        if handler is None:
            raise JuteError(f"{PacketType(packet.type).name} from a learner in stage {learner.stage.name}")
        handler(self, learner, packet, now, out)

    def _greet(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        info, accepted = LearnerInfo.parse(packet.data), epoch_of(packet.zxid)
        before = [other for other in self.learners.values() if other.sid == info.sid and other is not learner]
        self._check_greeting(info, accepted, before)
        for other in before:
            self._refuse(other, f"server {info.sid} connected anew", out)
        learner.greeted(info.sid, packet.type == PacketType.OBSERVERINFO, info.sid in self.membership.voters, now)
        if self.membership.member(info.sid) is None:
            accepted = 0  # anybody can call himself anything: what the ensemble needs is told by those it consists of
        self.ledger.highest_promise = max(self.ledger.highest_promise, accepted)
        if self.epoch:
            self._announce(learner, now, out)
            if learner.votes and accepted > self.epoch:
                # it can never promise this epoch, and comes back only under a newer one; an Apache leader would leave it
                # outside until something else ends the epoch
                self.lost = f"server {info.sid} has promised epoch {accepted}, beyond this leader's {self.epoch}"
            return
        self._next_epoch = max(self._next_epoch, accepted + 1)
        if learner.votes:
            self._greeted.add(info.sid)
        self._maybe_choose_epoch(now, out)

    def _check_greeting(self, info: LearnerInfo, accepted: int, before: list[FollowerState]) -> None:
        """Raises JuteError when it is nobody to serve. before: connections of the same server."""
        if info.protocol_version < PROTOCOL_VERSION:
            raise JuteError(f"server {info.sid} speaks a protocol from before ZooKeeper 3.4")
        if info.config_version > self.membership.committed.version:
            raise JuteError(f"server {info.sid} knows a newer configuration, {info.config_version:x}")
        if info.sid == self.sid:
            raise JuteError(f"a learner claims to be server {self.sid}, which is this one")
        if not 0 <= accepted < EPOCH_MAX:
            raise JuteError(f"server {info.sid} says that it has promised epoch {accepted}, beyond which there is none")
        if accepted > self.epoch and any(other.stage is Stage.SERVING for other in before):
            # had it left, it would promise something newer; a connection that it lost is overdue by syncLimit
            raise JuteError(f"server {info.sid} follows in epoch {self.epoch}, and somebody says that it has promised {accepted}")

    def _maybe_choose_epoch(self, now: float, out: Effects) -> None:
        if not self.membership.is_quorum(self._greeted):
            return
        if self._next_epoch > EPOCH_MAX:
            self.lost = f"epoch {EPOCH_MAX} is promised, and no zxid can have a later one"
            return
        self.epoch = self._next_epoch
        self._step_since = now
        self.ledger.accepted_epoch = out.accepted_epoch = self.epoch
        self.broadcast.begin(self.epoch)
        self.membership.founded(first_of(self.epoch), out)
        for learner in self.learners.values():
            if learner.stage is Stage.WAITING:
                self._announce(learner, now, out)
        self._maybe_elected(now, out)

    def _announce(self, learner: FollowerState, now: float, out: Effects) -> None:
        learner.enter(Stage.PROMISING, now)
        version = PROTOCOL_VERSION.to_bytes(4, "big")
        out.send.append((learner.link, encode_packet(PacketType.LEADERINFO, first_of(self.epoch), version)))

    def _promised_epoch(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        if packet.data is None or len(packet.data) != 4:
            raise JuteError("ACKEPOCH without an epoch")
        current = int.from_bytes(packet.data, "big", signed=True)
        if not self._elected and current != -1:
            own = (self.ledger.current_epoch, self.ledger.logged)
            if (current, packet.zxid) > own:
                raise JuteError(
                    f"server {learner.sid} is ahead of this leader: epoch {current}, zxid {show(packet.zxid)}, "
                    f"against epoch {own[0]}, zxid {show(own[1])}"
                )
            if learner.votes:
                self._promised.add(learner.sid)
        learner.zxid = packet.zxid
        learner.enter(Stage.PROMISED, now)
        if self._elected:
            self._synchronise(learner, now, out)
        else:
            self._maybe_elected(now, out)

    def _maybe_elected(self, now: float, out: Effects) -> None:
        if not self.membership.is_quorum(self._promised):
            return
        self._elected = True
        self._step_since = now
        for learner in self.learners.values():
            if learner.stage is Stage.PROMISED:
                self._synchronise(learner, now, out)
        self._maybe_durable(now, out)

    # synchronisation

    def _synchronise(self, learner: FollowerState, now: float, out: Effects) -> None:
        way = choose(learner.zxid, self.ledger, self.history)
        if isinstance(way, Diff):
            out.send.append((learner.link, encode_packet(PacketType.DIFF, way.zxid)))
        elif isinstance(way, Trunc):
            out.send.append((learner.link, encode_packet(PacketType.TRUNC, way.zxid)))
        else:
            learner.enter(Stage.FREEZING, now)
            out.freeze.append(learner.link)
            return
        self._begin_forwarding(learner, way.entries, now, out)

    def _begin_forwarding(
        self, learner: FollowerState, committed: list[Transaction], now: float, out: Effects
    ) -> None:
        """Committed transactions, NEWLEADER, those on their way; from here on the learner gets all that is broadcast.

        What is on its way comes behind NEWLEADER, and so does a configuration among it, which NEWLEADER would put in force.
        Apache's learner forgets uncommitted proposals that came before: a COMMIT before UPTODATE then ends its connection
        (ZOOKEEPER-4394), and when it comes again its log gets them a second time.
        """
        parts: list[bytes] = []
        for entry in committed:
            parts.append(encode_proposals((entry,)))
            parts.append(encode_commits((entry[0],)))
        configuration = self.membership.committed if self.serving else self.membership.last_seen
        parts.append(encode_packet(PacketType.NEWLEADER, first_of(self.epoch), configuration.text().encode()))
        if not learner.observer:
            parts.append(encode_proposals(self.ledger.pending))
        out.send.append((learner.link, b"".join(parts)))
        learner.acked = self.ledger.delivered
        learner.enter(Stage.SYNCING, now)
        self.following.regroup()

    def _maybe_durable(self, now: float, out: Effects) -> None:
        """The leader's own NEWLEADER: its history is durable, then its epoch."""
        if self._elected and not self._own_history_durable and self.ledger.synced >= self.ledger.logged:
            self._own_history_durable = True
            self.ledger.current_epoch = out.current_epoch = self.epoch
            self._maybe_establish(out)

    def _acknowledged_new_leader(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        if packet.zxid != first_of(self.epoch):
            raise JuteError(f"an ACK of NEWLEADER {show(packet.zxid)}, and the epoch is {self.epoch}")
        learner.enter(Stage.SERVING, now)
        if self.serving:
            out.send.append((learner.link, _UPTODATE))
            self.broadcast.advance(out)
        else:
            self._maybe_establish(out)

    def _maybe_establish(self, out: Effects) -> None:
        if self._own_history_durable and self.membership.is_quorum(self.following.serving_sids()):
            # the application becomes a leader with the whole history applied, be it a quorum by itself
            self._establishing = bool(out.deliver)
            if self._establishing:
                return
            self.serving = True
            out.became.append((Role.LEADING, self.epoch))
            self.broadcast.establish(out)
            out.send += [(learner.link, _UPTODATE) for learner in self.following.serving()]

    # broadcast

    def _acknowledged(self, learner: FollowerState, zxid: int, out: Effects) -> None:
        # Apache's followers may acknowledge proposals before NEWLEADER; such an ACK is true, but counts only later
        if learner.stage not in (Stage.SYNCING, Stage.SERVING) or zxid > self.ledger.logged:
            raise JuteError(f"an ACK of {show(zxid)} in stage {learner.stage.name}")
        learner.acked = max(learner.acked, zxid)
        if learner.votes and self.serving:
            self.broadcast.advance(out)

    def _requested(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        if self.serving:
            session_id, cxid, op, body = parse_request(packet)
            out.requests.append(ForwardedRequest(session_id, cxid, op, body, packet.auth, learner.link))

    def _revalidates(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        for session_id, timeout_ms in parse_sessions(packet.data):
            out.revalidate.append((learner.link, session_id, timeout_ms))

    def _ponged(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        out.touched += parse_sessions(packet.data)
        self.syncs.ponged(learner, packet.zxid, out)

    def _ignored(self, learner: FollowerState, packet: Packet, now: float, out: Effects) -> None:
        """A second ACK of NEWLEADER answers UPTODATE and says nothing new."""
        if counter_of(packet.zxid):
            raise JuteError(f"an ACK of {show(packet.zxid)} with data")

    # learners come and go

    def _refuse(self, learner: FollowerState, reason: str, out: Effects) -> None:
        out.close.append((learner.link, reason))
        self.closed(learner.link)

    def _check_quorum(self) -> None:
        if self.serving and not self.membership.is_quorum(self.following.serving_sids()):
            self.lost = f"only servers {sorted(self.following.serving_sids())} are left, which is no quorum"


_Handler = Callable[[Leader, FollowerState, Packet, float, Effects], None]

_HANDLERS: dict[tuple[Stage, int], _Handler] = {
    (Stage.GREETING, PacketType.FOLLOWERINFO): Leader._greet,
    (Stage.GREETING, PacketType.OBSERVERINFO): Leader._greet,
    (Stage.PROMISING, PacketType.ACKEPOCH): Leader._promised_epoch,
    (Stage.SYNCING, PacketType.ACK): Leader._acknowledged_new_leader,
    (Stage.SERVING, PacketType.ACK): Leader._ignored,
    (Stage.SERVING, PacketType.REQUEST): Leader._requested,
    (Stage.SERVING, PacketType.REVALIDATE): Leader._revalidates,
    (Stage.SERVING, PacketType.PING): Leader._ponged,
}
"""What a learner may send at each stage; anything else ends its connection."""
