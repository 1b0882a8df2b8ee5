"""Helpers for scripts of packets: a leader or a learner on one side, the test's own words on the other."""

from __future__ import annotations

from collections.abc import Iterator

from coord.wire.quorum import LearnerInfo, Message, Packet, PacketType, parse
from coord.wire.zxid import first_of
from coord.zab.application import Role, Transaction
from coord.zab.effects import BODY, Effects
from coord.zab.leader import Leader
from coord.zab.learner import Learner
from coord.zab.ledger import Ledger
from coord.zab.membership import Membership
from coord.zab.quorums import Address, Ensemble, Member, majority
from coord.zab.timing import Timing

TIMING = Timing(1000, 10, 5)
"""A tick of a second: initLimit 10 s, syncLimit 5 s."""
THREE = majority([1, 2, 3])
OBSERVED = Ensemble({sid: Member(sid, (Address("", 0, 0),), participant=sid != 4) for sid in (1, 2, 3, 4)})


class NoHistory:
    """`History` of a disk without a log; `oldest` is the zxid of its only snapshot."""

    def __init__(self, oldest: int = 0) -> None:
        self.oldest = oldest

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        return None

    def can_rewind(self, zxid: int) -> bool:
        return zxid >= self.oldest


def z(epoch: int, counter: int) -> int:
    """A zxid."""
    return first_of(epoch) + counter


def transactions(epoch: int, *counters: int) -> list[Transaction]:
    """Transactions of an epoch."""
    return [(z(epoch, counter), b"%d.%d" % (epoch, counter)) for counter in counters]


def said(out: Effects, link: int) -> list[Message | str]:
    """What goes out on a link, parsed; a SNAP's body is the word "body"."""
    words: list[Message | str] = []
    for number, data in out.send:
        if number == link:
            words += ["body"] if data is BODY else parse(data)[0]
    return words


def packet(kind: int, zxid: int = 0, data: bytes | None = None) -> Packet:
    """A packet from the other side."""
    return Packet(kind, zxid, data)


class LeaderPlay:
    """Server 3 leads; links are numbered like the servers behind them."""

    def __init__(self, ensemble: Ensemble = THREE, history: list[Transaction] | None = None, epoch: int = 0) -> None:
        self.now = 0.0
        self.ledger = Ledger(epoch, epoch, 0)
        if history:
            self.ledger.append(history, Effects())
            self.ledger.synced = self.ledger.logged
            self.ledger.deliver_to(self.ledger.logged, Effects())
        self.out = Effects()
        self.leader = Leader(3, Membership(ensemble), self.ledger, NoHistory(), TIMING, 0.0, self.out)

    def hear(self, link: int, *messages: Message) -> Effects:
        """A learner speaks."""
        self.out = Effects()
        self.leader.received(link, list(messages), self.now, self.out)
        return self.out

    def greet(self, sid: int, accepted: int = 0, kind: int = PacketType.FOLLOWERINFO) -> Effects:
        """A learner connects and says who it is."""
        self.out = Effects()
        self.leader.opened(sid, self.now, self.out)
        return self.hear(sid, packet(kind, first_of(accepted), LearnerInfo(sid).encode()))

    def promise(self, sid: int, zxid: int = 0, epoch: int = 0) -> Effects:
        """ACKEPOCH."""
        return self.hear(sid, packet(PacketType.ACKEPOCH, zxid, (epoch & 0xFFFFFFFF).to_bytes(4, "big")))

    def ack_new_leader(self, sid: int) -> Effects:
        """The ACK of NEWLEADER."""
        return self.hear(sid, packet(PacketType.ACK, first_of(self.leader.epoch)))

    def join(self, sid: int, zxid: int = 0, epoch: int = 0, kind: int = PacketType.FOLLOWERINFO) -> Effects:
        """All of it."""
        self.greet(sid, epoch, kind)
        self.promise(sid, zxid, epoch)
        return self.ack_new_leader(sid)

    def propose(self, *counters: int) -> Effects:
        """The application proposes."""
        self.out = Effects()
        self.leader.propose(transactions(self.leader.epoch, *counters), self.out)
        return self.out

    def synced(self) -> Effects:
        """The leader's own disk is done."""
        self.out = Effects()
        self.ledger.synced = self.ledger.logged
        self.leader.synced(self.now, self.out)
        return self.out

    def pass_time(self, seconds: float) -> Effects:
        """Half ticks go by; returns what the last one did."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.5, end)
            self.out = Effects()
            self.leader.tick(self.now, self.out)
        return self.out


class LearnerPlay:
    """Server 1 learns from server 3, over link 7."""

    def __init__(
        self,
        log: list[Transaction] | None = None,
        epoch: int = 0,
        role: Role = Role.FOLLOWING,
        history: NoHistory | None = None,
    ) -> None:
        self.now = 0.0
        self.ledger = Ledger(epoch, epoch, 0)
        if log:
            self.ledger.append(log, Effects())
            self.ledger.synced = self.ledger.logged
        self.out = Effects()
        members = {sid: Member(sid, (Address("", 0, 0),), sid != 1 or role is Role.FOLLOWING) for sid in (1, 2, 3)}
        self.membership = Membership(Ensemble(members))
        self.history = history or NoHistory()
        self.begin()

    def begin(self) -> None:
        """A new learner, with the same disk."""
        self.learner = Learner(1, 3, self.membership, self.ledger, self.history, TIMING, 0.0, self.out)

    def connect(self) -> Effects:
        """The connection stands."""
        self.out = Effects()
        self.learner.connected(7, self.now, self.out)
        return self.out

    def hear(self, *messages: Message) -> Effects:
        """The leader speaks."""
        self.out = Effects()
        self.learner.received(7, list(messages), self.now, self.out)
        return self.out

    def synced(self, zxid: int | None = None) -> Effects:
        """The disk is done, up to a zxid or with all."""
        self.out = Effects()
        self.ledger.synced = self.ledger.logged if zxid is None else zxid
        self.learner.synced(self.now, self.out)
        return self.out

    def greeted(self, epoch: int = 1) -> Effects:
        """Connected, and the leader has told its epoch."""
        self.connect()
        return self.hear(packet(PacketType.LEADERINFO, first_of(epoch), b"\0\1\0\0"))

    def serving(self, epoch: int = 1) -> Effects:
        """Joined by an empty DIFF."""
        self.greeted(epoch)
        self.hear(packet(PacketType.DIFF, 0), packet(PacketType.NEWLEADER, first_of(epoch), b""))
        return self.hear(packet(PacketType.UPTODATE, -1))


def established(history_epoch: int = 0) -> LeaderPlay:
    """Servers 3 (which leads) and 1 are a quorum in epoch 1."""
    play = LeaderPlay(epoch=history_epoch)
    play.join(1)
    assert play.leader.serving
    return play
