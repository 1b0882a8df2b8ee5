"""One replica of a partition: its role, its leader epoch, the in-sync replicas, and the high watermark.

Decides, and does nothing: no file, no clock, no socket. The server tells it what the controller ordered, what was
appended and who fetched; it answers with what may be read, acknowledged, changed in the tree, or must be cut.

The rules that keep committed records (reference: Kafka, replication; the four rules of its TLA+ model):

- a follower that moves to a new leader epoch cuts its log by epochs before it fetches (`truncation`);
- the question and the answer of that carry the leader epoch, and an answer to an older one is passed over;
- the leader moves the high watermark only on fetches that carry its own epoch. While a change of the ISR is under
  way the high watermark waits for everybody who is, or may already be, in it;
- leaving the ISR is safe at any time; joining takes having reached the high watermark and the start of the leader's epoch.

Orders are fenced by the controller's epoch and by the leader epoch. With one replica the ISR is the leader alone, and
the high watermark is the log's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from broker.wire.errors import ErrorCode

from .truncation import NO_EPOCH, LocalLog, Truncation, truncation_for

__all__ = ["Assignment", "IsrChange", "Partition", "Role"]

LAG_MAX_S = 30.0
"""replica.lag.time.max.ms: how long a follower may be behind before it leaves the ISR."""
NO_LEADER = -1


class Role(Enum):
    """What this replica does."""

    IDLE = "idle"
    """No order has come, or the partition has no leader."""
    LEADER = "leader"
    FOLLOWER = "follower"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The controller's order, from LeaderAndIsr or from the partition's state znode."""

    controller_epoch: int
    leader: int
    leader_epoch: int
    isr: frozenset[int]
    replicas: tuple[int, ...]
    partition_epoch: int
    """The version of the state znode, for compare-and-set."""


@dataclass(frozen=True, slots=True)
class IsrChange:
    """A new ISR that the leader asks for, to be written only while both epochs stand."""

    isr: frozenset[int]
    leader_epoch: int
    partition_epoch: int


class Follower:
    """What the leader knows of one follower. Times are seconds of the caller's clock."""

    __slots__ = ("caught_up_at", "end_offset", "fetched_at", "leader_end_then")

    def __init__(self, now: float) -> None:
        self.end_offset = -1
        self.caught_up_at = now  # the benefit of the doubt: it has the whole lag limit for its first fetch
        self.fetched_at = now
        self.leader_end_then = -1

    def fetched(self, offset: int, leader_end: int, now: float) -> None:
        """It asked for `offset`: it has everything before."""
        if offset >= leader_end:
            self.caught_up_at = now
        elif offset >= self.leader_end_then >= 0:
            # it has what there was at its last fetch: under a steady stream of appends it is never at the very end
            self.caught_up_at = max(self.caught_up_at, self.fetched_at)
        self.end_offset = offset
        self.fetched_at = now
        self.leader_end_then = leader_end


class Partition:
    """The state of one replica, on broker `broker_id`."""

    __slots__ = (
        "_followers", "_lag_max", "_pending", "_truncating", "broker_id", "controller_epoch", "epoch_start_offset",
        "high_watermark", "isr", "leader", "leader_epoch", "log", "partition_epoch", "replicas", "role",
    )  # fmt: skip

    def __init__(self, broker_id: int, log: LocalLog, high_watermark: int = 0, lag_max: float = LAG_MAX_S) -> None:
        """high_watermark: as checkpointed. lag_max: seconds."""
        self.broker_id = broker_id
        self.log = log
        self.role = Role.IDLE
        self.leader = NO_LEADER
        self.leader_epoch = NO_EPOCH
        self.controller_epoch = -1
        self.partition_epoch = -1
        self.replicas: tuple[int, ...] = ()
        self.isr: frozenset[int] = frozenset()
        self.epoch_start_offset = -1
        """Leader: the log's end when its epoch began."""
        self.high_watermark = min(max(high_watermark, log.start_offset), log.end_offset)
        """Records below it are committed. It never moves back while the replica keeps its role."""
        self._lag_max = lag_max
        self._followers: dict[int, Follower] = {}
        self._pending: IsrChange | None = None
        self._truncating = False

    # -- orders of the controller

    def assign(self, order: Assignment, now: float) -> ErrorCode:
        """Takes an order, or refuses a stale one (STALE_CONTROLLER_EPOCH) and stays as it is.

        The caller then looks at `role`: a leader's log begins `leader_epoch` at its end, a follower looks at
        `epoch_to_ask` before it fetches.
        """
        if order.controller_epoch < self.controller_epoch or order.leader_epoch <= self.leader_epoch:
            return ErrorCode.STALE_CONTROLLER_EPOCH
        self.controller_epoch = order.controller_epoch
        self.leader_epoch = order.leader_epoch
        self.partition_epoch = order.partition_epoch
        self.replicas = order.replicas
        self.leader = order.leader
        self._pending = None
        self._followers = {}
        if order.leader == self.broker_id:
            self._lead(order, now)
        else:
            self._follow(order)
        return ErrorCode.NONE

    def _lead(self, order: Assignment, now: float) -> None:
        self.role = Role.LEADER
        self.isr = order.isr
        self.epoch_start_offset = self.log.end_offset
        self._truncating = False
        self._followers = {replica: Follower(now) for replica in order.replicas if replica != self.broker_id}
        self._advance()

    def _follow(self, order: Assignment) -> None:
        self.role = Role.FOLLOWER if order.leader != NO_LEADER else Role.IDLE
        self.isr = frozenset()
        self.epoch_start_offset = -1
        self._truncating = self.role is Role.FOLLOWER

    def stop(self) -> None:
        """The replica leaves this broker (StopReplica), or the broker has lost its session: it serves nothing more."""
        self.role = Role.IDLE
        self.leader = NO_LEADER
        self.isr = frozenset()
        self._pending = None
        self._followers = {}
        self._truncating = False

    # -- questions of clients

    def check(self, current_leader_epoch: int = NO_EPOCH) -> ErrorCode:
        """Whether a request that believes in `current_leader_epoch` (NO_EPOCH: does not say) may be served as by the leader."""
        if current_leader_epoch != NO_EPOCH:
            if current_leader_epoch < self.leader_epoch:
                return ErrorCode.FENCED_LEADER_EPOCH
            if current_leader_epoch > self.leader_epoch:
                return ErrorCode.UNKNOWN_LEADER_EPOCH
        return ErrorCode.NONE if self.role is Role.LEADER else ErrorCode.NOT_LEADER_OR_FOLLOWER

    def check_append(self, acks: int, min_insync_replicas: int) -> ErrorCode:
        """Whether a produce may be appended. acks: 0, 1 or -1 (all)."""
        if self.role is not Role.LEADER:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if acks == -1 and len(self.isr) < min_insync_replicas:
            return ErrorCode.NOT_ENOUGH_REPLICAS
        return ErrorCode.NONE

    def acknowledged(self, last_offset: int, leader_epoch: int, min_insync_replicas: int) -> ErrorCode | None:
        """What to tell a producer with acks=all of records up to `last_offset`, appended in `leader_epoch`; None: wait."""
        if self.role is not Role.LEADER or leader_epoch != self.leader_epoch:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        if self.high_watermark <= last_offset:
            return None
        return ErrorCode.NONE if len(self.isr) >= min_insync_replicas else ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND

    # -- the leader's duties

    def appended(self) -> bool:
        """Records were appended here; whether the high watermark moved."""
        return self._advance()

    def fetched(self, replica: int, leader_epoch: int, offset: int, now: float) -> tuple[ErrorCode, bool]:
        """A follower asked for `offset` in `leader_epoch`; returns the answer's error and whether the high watermark moved."""
        error = self.check(leader_epoch)
        if error is not ErrorCode.NONE:
            return error, False
        follower = self._followers.get(replica)
        if follower is None:
            return ErrorCode.UNKNOWN_LEADER_EPOCH, False  # it knows of a reassignment that has not reached this leader
        if leader_epoch == NO_EPOCH:
            return ErrorCode.NONE, False  # it may be read to, but what it has is not known to belong to this epoch
        follower.fetched(offset, self.log.end_offset, now)
        return ErrorCode.NONE, self._advance()

    def propose_isr(self, now: float) -> IsrChange | None:
        """The ISR as it should be, if it differs and no change is under way; call after `fetched` and every lag_max / 2.

        The caller writes it with compare-and-set and reports `isr_written` or `isr_refused`.
        """
        if self.role is not Role.LEADER or self._pending is not None:
            return None
        end = self.log.end_offset
        isr = {self.broker_id}
        for replica, follower in self._followers.items():
            if replica in self.isr:
                joined = follower.end_offset == end or now - follower.caught_up_at <= self._lag_max
            else:
                joined = follower.end_offset >= max(self.high_watermark, self.epoch_start_offset)
            if joined:
                isr.add(replica)
        if isr == self.isr:
            return None
        self._pending = IsrChange(frozenset(isr), self.leader_epoch, self.partition_epoch)
        return self._pending

    def isr_written(self, change: IsrChange, partition_epoch: int) -> bool:
        """The change is in the tree, as version `partition_epoch`; whether the high watermark moved."""
        if change is not self._pending:
            return False  # a newer order overtook it
        self._pending = None
        self.isr = change.isr
        self.partition_epoch = partition_epoch
        return self._advance()

    def isr_refused(self, change: IsrChange) -> None:
        """The change was certainly not written: the ISR is the old one."""
        if change is self._pending:
            self._pending = None

    def _advance(self) -> bool:
        if self.role is not Role.LEADER:
            return False
        lowest = self.log.end_offset
        if len(self.isr) > 1 or self._pending is not None:
            waited_for = self.isr if self._pending is None else self.isr | self._pending.isr
            for replica in waited_for:
                if replica != self.broker_id:
                    follower = self._followers.get(replica)
                    lowest = min(lowest, follower.end_offset if follower is not None else -1)
        if lowest <= self.high_watermark:
            return False
        self.high_watermark = lowest
        return True

    # -- the follower's duties

    def epoch_to_ask(self) -> int | None:
        """The epoch to ask the leader about before fetching (NO_EPOCH: none here, `cut_without_epochs`); None: fetch."""
        if self.role is not Role.FOLLOWER or not self._truncating:
            return None
        return self.log.latest_epoch

    def epoch_answered(self, asked_in: int, epoch: int, end_offset: int) -> Truncation | None:
        """The leader's answer to `epoch_to_ask`, asked in leader epoch `asked_in`. None: it came too late.

        The caller cuts the log and reports `truncated`.
        """
        if self.role is not Role.FOLLOWER or not self._truncating or asked_in != self.leader_epoch:
            return None
        return truncation_for(self.log, self.high_watermark, epoch, end_offset)

    def cut_without_epochs(self) -> Truncation:
        """What a follower does whose log has no epochs to ask about: it keeps what it knows to be committed."""
        return Truncation(min(self.high_watermark, self.log.end_offset), complete=True)

    def truncated(self, truncation: Truncation) -> None:
        """The log has been cut as told."""
        self.high_watermark = min(self.high_watermark, self.log.end_offset)
        self._truncating = not truncation.complete

    def replicated(self, leader_high_watermark: int) -> bool:
        """Records of the leader were appended here; whether the high watermark moved."""
        known = min(leader_high_watermark, self.log.end_offset)
        if self.role is not Role.FOLLOWER or self._truncating or known <= self.high_watermark:
            return False
        self.high_watermark = known
        return True
