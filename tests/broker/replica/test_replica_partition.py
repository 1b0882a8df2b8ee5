"""Partition state: fencing, in-sync replicas, high watermark, truncation; at last, a cluster of three that loses nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.replica.partition import Assignment, IsrChange, Partition, Role
from broker.replica.truncation import Truncation, truncation_for
from broker.wire.errors import ErrorCode


@dataclass
class Records:
    """A log as partition state sees it: the leader epoch of each record, from `start_offset` on."""

    epochs: list[int] = field(default_factory=list)
    start_offset: int = 0
    values: list[int] = field(default_factory=list)

    @property
    def end_offset(self) -> int:
        return self.start_offset + len(self.epochs)

    @property
    def latest_epoch(self) -> int:
        return self.epochs[-1] if self.epochs else -1

    def epoch_end(self, epoch: int) -> tuple[int, int]:
        known = [one for one in self.epochs if one <= epoch]
        if not 0 <= epoch <= self.latest_epoch:
            return -1, -1
        if not known:  # older than the log: it ended where the log begins
            return epoch, self.start_offset
        return known[-1], self.start_offset + len(known)

    def append(self, epoch: int, value: int = 0) -> None:
        self.epochs.append(epoch)
        self.values.append(value)

    def cut(self, offset: int) -> None:
        del self.epochs[offset - self.start_offset :], self.values[offset - self.start_offset :]


def order(leader: int, epoch: int, isr: set[int], replicas: tuple[int, ...] = (1, 2, 3), controller: int = 1) -> Assignment:
    return Assignment(controller, leader, epoch, frozenset(isr), replicas, 0)


def leader_of(isr: set[int], log: Records | None = None, epoch: int = 5) -> Partition:
    """Broker 1 leads since second 0."""
    partition = Partition(1, Records() if log is None else log)
    assert partition.assign(order(1, epoch, isr, tuple(sorted(isr | {1, 2, 3}))), 0.0) == ErrorCode.NONE
    return partition


def test_alone_the_high_watermark_is_the_end() -> None:
    """With one replica every record is committed when it is written, also those of before."""
    log = Records([1, 1])
    partition = Partition(1, log, high_watermark=1)
    assert partition.high_watermark == 1
    partition.assign(order(1, 2, {1}, (1,)), 0.0)
    assert partition.high_watermark == 2
    log.append(2)
    assert partition.appended()
    assert not partition.appended()
    assert partition.high_watermark == 3
    assert partition.acknowledged(2, 2, 1) == ErrorCode.NONE
    assert partition.propose_isr(100.0) is None


def test_a_checkpoint_outside_of_the_log_is_not_believed() -> None:
    """A high watermark beyond the end, or below the start, is moved into the log."""
    assert Partition(1, Records([1, 1], 5), high_watermark=99).high_watermark == 7
    assert Partition(1, Records([1, 1], 5), high_watermark=0).high_watermark == 5


def test_stale_orders_are_refused() -> None:
    """An older controller, an older leader epoch and a repeated order change nothing."""
    partition = leader_of({1, 2})
    for stale in (order(2, 6, {2}, controller=0), order(2, 4, {2}), order(2, 5, {2})):
        assert partition.assign(stale, 1.0) == ErrorCode.STALE_CONTROLLER_EPOCH
        assert (partition.role, partition.leader, partition.leader_epoch) == (Role.LEADER, 1, 5)
    assert partition.assign(order(2, 6, {2}, controller=2), 1.0) == ErrorCode.NONE
    assert (partition.role, partition.leader, partition.controller_epoch) == (Role.FOLLOWER, 2, 2)


def test_a_partition_without_leader_serves_nobody() -> None:
    """Before the first order, after an order without a leader, and after it was stopped."""
    partition = Partition(1, Records())
    assert partition.check() == ErrorCode.NOT_LEADER_OR_FOLLOWER
    partition.assign(order(-1, 5, {2}), 0.0)
    assert partition.role is Role.IDLE
    assert partition.epoch_to_ask() is None
    partition.assign(order(1, 6, {1}), 0.0)
    assert partition.check() == ErrorCode.NONE
    partition.stop()
    assert partition.check_append(1, 1) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert not partition.appended()
    assert partition.propose_isr(9.0) is None


def test_requests_are_fenced_by_leader_epoch() -> None:
    """Who believes in an older epoch is fenced, who knows a newer one is asked to wait, who says nothing is served."""
    partition = leader_of({1})
    assert partition.check(4) == ErrorCode.FENCED_LEADER_EPOCH
    assert partition.check(5) == ErrorCode.NONE
    assert partition.check(6) == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert partition.check() == ErrorCode.NONE
    partition.assign(order(2, 6, {2}), 0.0)
    assert partition.check(6) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.check(5) == ErrorCode.FENCED_LEADER_EPOCH


def test_the_high_watermark_waits_for_everybody_in_the_isr() -> None:
    """Its lowest end is committed; fetches of another epoch, of strangers, or without an epoch do not count."""
    log = Records()
    partition = leader_of({1, 2, 3}, log)
    for _ in range(4):
        log.append(5)
    assert not partition.appended()
    assert partition.fetched(2, 5, 3, 1.0) == (ErrorCode.NONE, False)
    assert partition.fetched(3, 4, 4, 1.0) == (ErrorCode.FENCED_LEADER_EPOCH, False)
    assert partition.fetched(3, 6, 4, 1.0) == (ErrorCode.UNKNOWN_LEADER_EPOCH, False)
    assert partition.fetched(3, -1, 4, 1.0) == (ErrorCode.NONE, False)
    assert partition.fetched(9, 5, 4, 1.0) == (ErrorCode.UNKNOWN_LEADER_EPOCH, False)
    assert partition.high_watermark == 0
    assert partition.fetched(3, 5, 2, 1.0) == (ErrorCode.NONE, True)
    assert partition.high_watermark == 2
    assert partition.fetched(3, 5, 4, 1.0) == (ErrorCode.NONE, True)
    assert partition.high_watermark == 3
    assert partition.fetched(3, 5, 0, 1.0) == (ErrorCode.NONE, False)
    assert partition.high_watermark == 3


def test_acks_all_needs_enough_in_sync_replicas() -> None:
    """Before the append, after it, and never by a leader of another epoch."""
    log = Records()
    partition = leader_of({1, 2}, log)
    assert partition.check_append(-1, 2) == ErrorCode.NONE
    assert partition.check_append(-1, 3) == ErrorCode.NOT_ENOUGH_REPLICAS
    assert partition.check_append(1, 3) == ErrorCode.NONE
    log.append(5)
    assert partition.acknowledged(0, 5, 2) is None
    partition.fetched(2, 5, 1, 1.0)
    assert partition.acknowledged(0, 5, 2) == ErrorCode.NONE
    assert partition.acknowledged(0, 5, 3) == ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
    assert partition.acknowledged(0, 4, 2) == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_a_follower_that_stays_behind_leaves_the_isr() -> None:
    """After the lag limit; while it keeps up with where the leader was at its last fetch it stays."""
    log = Records()
    partition = leader_of({1, 2, 3}, log)
    for second in range(0, 40, 10):
        end = log.end_offset
        log.append(5)
        partition.fetched(2, 5, end, float(second))  # always one record behind
        assert partition.propose_isr(float(second) + 1) is None or second > 20
    change = partition._pending
    assert change == IsrChange(frozenset({1, 2}), 5, 0)
    assert partition.propose_isr(60.0) is None  # one at a time
    assert partition.high_watermark == 0
    assert partition.isr_written(change, 7)
    assert (partition.isr, partition.partition_epoch, partition.high_watermark) == (frozenset({1, 2}), 7, 3)


def test_a_follower_joins_when_it_has_what_is_committed() -> None:
    """It must have reached the high watermark and the start of the leader's epoch, and is waited for from the proposal on."""
    log = Records([4, 4, 4])
    partition = leader_of({1}, log)
    assert partition.epoch_start_offset == 3
    partition.fetched(2, 5, 2, 1.0)
    assert partition.propose_isr(1.0) is None
    partition.fetched(2, 5, 3, 1.0)
    change = partition.propose_isr(1.0)
    assert change == IsrChange(frozenset({1, 2}), 5, 0)
    log.append(5)
    assert not partition.appended()  # it may be in the ISR already
    partition.isr_refused(change)
    assert partition.appended()
    assert (partition.isr, partition.high_watermark) == (frozenset({1}), 4)
    assert partition.propose_isr(1.0) is None  # the start of the epoch is not enough any more


def test_a_new_leaders_old_high_watermark_lets_nobody_in() -> None:
    """A new leader does not know yet how much is committed: it may be everything up to where its epoch began."""
    partition = leader_of({1, 3}, Records([4, 4, 4]))
    assert partition.high_watermark == 0
    partition.fetched(2, 5, 2, 1.0)
    assert partition.propose_isr(1.0) is None
    partition.fetched(2, 5, 3, 1.0)
    assert partition.propose_isr(1.0) == IsrChange(frozenset({1, 2, 3}), 5, 0)


def test_an_overtaken_isr_change_is_passed_over() -> None:
    """The answer to a change of an older epoch does nothing."""
    partition = leader_of({1}, Records([4]))
    partition.fetched(2, 5, 1, 1.0)
    change = partition.propose_isr(1.0)
    assert change is not None
    partition.assign(order(1, 6, {1}), 2.0)
    assert not partition.isr_written(change, 9)
    partition.isr_refused(change)
    assert (partition.isr, partition.partition_epoch) == (frozenset({1}), 0)


def test_a_follower_cuts_before_it_fetches() -> None:
    """The question carries its newest epoch; an answer to an older leader epoch comes too late."""
    log = Records([1, 1, 2, 2])
    partition = Partition(1, log, high_watermark=1)
    partition.assign(order(2, 7, {2}), 0.0)
    assert partition.epoch_to_ask() == 2
    assert not partition.replicated(4)
    assert partition.epoch_answered(6, 2, 3) is None
    truncation = partition.epoch_answered(7, 2, 3)
    assert truncation == (3, True)
    log.cut(truncation.offset)
    partition.truncated(truncation)
    assert partition.epoch_to_ask() is None
    assert partition.epoch_answered(7, 2, 1) is None
    assert partition.replicated(2)
    assert partition.replicated(99)
    assert not partition.replicated(1)
    assert partition.high_watermark == 3


def test_several_quick_leaders_are_met_step_by_step() -> None:
    """When the leader names an epoch that is not known here, the follower cuts and asks again."""
    log = Records([1, 1, 3, 3])
    partition = Partition(1, log)
    partition.assign(order(2, 9, {2}), 0.0)
    first = partition.epoch_answered(9, 2, 5)
    assert first == (2, False)
    log.cut(first.offset)
    partition.truncated(first)
    assert partition.epoch_to_ask() == 1
    second = partition.epoch_answered(9, 1, 1)
    assert second == (1, True)


def test_a_log_without_epochs_keeps_what_is_committed() -> None:
    """There is nothing to ask about, so the high watermark decides."""
    log = Records()
    partition = Partition(1, log)
    partition.assign(order(2, 9, {2}), 0.0)
    assert partition.epoch_to_ask() == -1
    truncation = partition.cut_without_epochs()
    assert truncation == (0, True)
    partition.truncated(truncation)
    assert partition.epoch_to_ask() is None


@pytest.mark.parametrize(
    ("epoch", "end", "expected"),
    [
        (-1, -1, (2, True)),  # the leader knows nothing: the high watermark
        (-1, 3, (3, True)),  # a leader without epochs
        (0, 3, (0, True)),  # an epoch that this log has nothing of
        (3, 4, (4, True)),  # same epoch, the leader's ended earlier
        (3, 9, (5, True)),  # same epoch, ours ended earlier
        (2, 4, (2, False)),  # not known here: to the end of our own older one
    ],
)
def test_where_the_logs_part(epoch: int, end: int, expected: tuple[int, bool]) -> None:
    """KIP-101 and KIP-279, case by case, for a log of epochs 1 1 3 3 3."""
    assert truncation_for(Records([1, 1, 3, 3, 3]), 2, epoch, end) == Truncation(*expected)


class Cluster(RuleBasedStateMachine):
    """Three brokers and a controller; brokers stop and come back, messages come late. What is committed stays."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = {broker: Records() for broker in (1, 2, 3)}
        self.partitions = {broker: Partition(broker, self.logs[broker], lag_max=5.0) for broker in (1, 2, 3)}
        self.live = {1, 2, 3}
        self.state = order(1, 0, {1, 2, 3})
        self.version = 0
        self.committed: list[tuple[int, int]] = []  # (epoch, value) of what any leader has ever had below its high watermark
        self.value = 0
        self.now = 0.0
        self.changes: list[tuple[int, IsrChange]] = []
        self.tell(1, 2, 3)

    def tell(self, *brokers: int) -> None:
        for broker in brokers:
            self.partitions[broker].assign(self.state, self.now)

    def elect(self, leader: int, isr: set[int] | frozenset[int]) -> None:
        self.version += 1
        self.state = Assignment(1, leader, self.state.leader_epoch + 1, frozenset(isr), (1, 2, 3), self.version)

    def acting(self, role: Role, number: int) -> int:
        """A live broker that believes to have this role; 0 when there is none."""
        found = [broker for broker in sorted(self.live) if self.partitions[broker].role is role]
        return found[number % len(found)] if found else 0

    @rule(number=st.integers(0, 2), count=st.integers(1, 3))
    def produce(self, number: int, count: int) -> None:
        broker = self.acting(Role.LEADER, number)
        if broker:
            partition = self.partitions[broker]
            for _ in range(count):
                self.value += 1
                self.logs[broker].append(partition.leader_epoch, self.value)
                partition.appended()

    @rule(number=st.integers(0, 2), count=st.integers(0, 3), steps=st.integers(1, 4))
    def replicate(self, number: int, count: int, steps: int) -> None:
        broker = self.acting(Role.FOLLOWER, number)
        if broker:
            for _ in range(steps):
                self.follow(broker, count)

    def follow(self, broker: int, count: int) -> None:
        """One step of a follower: it cuts, or fetches a few records."""
        partition, log = self.partitions[broker], self.logs[broker]
        if partition.leader not in self.live:
            return
        leader, source = self.partitions[partition.leader], self.logs[partition.leader]
        epoch = partition.leader_epoch
        asked = partition.epoch_to_ask()
        if asked is not None:
            if leader.check(epoch) != ErrorCode.NONE:
                return
            answer = partition.cut_without_epochs() if asked == -1 else partition.epoch_answered(epoch, *source.epoch_end(asked))
            assert answer is not None
            log.cut(answer.offset)
            partition.truncated(answer)
            return
        error, _ = leader.fetched(broker, epoch, log.end_offset, self.now)
        if error != ErrorCode.NONE:
            return
        assert log.end_offset <= source.end_offset
        for offset in range(log.end_offset, min(source.end_offset, log.end_offset + count)):
            log.append(source.epochs[offset], source.values[offset])
        partition.replicated(leader.high_watermark)

    @rule(number=st.integers(0, 2), seconds=st.sampled_from([0, 1, 6]))
    def propose(self, number: int, seconds: int) -> None:
        self.now += seconds
        broker = self.acting(Role.LEADER, number)
        change = self.partitions[broker].propose_isr(self.now) if broker else None
        if change is not None:
            self.changes.append((broker, change))

    @precondition(lambda self: self.changes)
    @rule(answered=st.booleans())
    def write_isr(self, answered: bool) -> None:
        """A change reaches the tree, by compare-and-set; the leader may never hear of it."""
        broker, change = self.changes.pop(0)
        fits = change.partition_epoch == self.version and change.leader_epoch == self.state.leader_epoch
        if fits:
            self.version += 1
            self.state = Assignment(1, self.state.leader, self.state.leader_epoch, change.isr, (1, 2, 3), self.version)
        if answered and broker in self.live:
            if fits:
                self.partitions[broker].isr_written(change, self.version)
            else:
                self.partitions[broker].isr_refused(change)

    @rule(broker=st.integers(1, 3))
    def stop(self, broker: int) -> None:
        """A broker dies; its disk survives. The controller elects another from the ISR, and keeps the last one in it."""
        if broker in self.live:
            self.live.remove(broker)
            isr = self.state.isr - {broker} or {broker}
            leader = next((replica for replica in sorted(isr) if replica in self.live), -1)
            self.elect(leader, isr)

    @rule(broker=st.integers(1, 3))
    def start(self, broker: int) -> None:
        if broker not in self.live:
            self.live.add(broker)
            self.partitions[broker] = Partition(broker, self.logs[broker], self.partitions[broker].high_watermark, lag_max=5.0)
            if self.state.leader == -1 and broker in self.state.isr:
                self.elect(broker, self.state.isr)

    @rule(brokers=st.sets(st.integers(1, 3), min_size=1))
    def hear(self, brokers: set[int]) -> None:
        """The controller's order reaches some brokers, some time."""
        self.tell(*(brokers & self.live))

    @rule(number=st.integers(0, 2))
    def move_leader(self, number: int) -> None:
        able = sorted(self.live & self.state.isr)
        if able:
            self.elect(able[number % len(able)], self.state.isr)

    @invariant()
    def committed_records_stay(self) -> None:
        """What one leader has committed every later leader has, and all agree below their high watermarks."""
        for broker, partition in self.partitions.items():
            log = self.logs[broker]
            assert partition.high_watermark <= log.end_offset
            below = list(zip(log.epochs, log.values, strict=True))[: partition.high_watermark]
            common = min(len(below), len(self.committed))
            assert below[:common] == self.committed[:common], broker
            if len(below) > len(self.committed):
                self.committed = below
        leader = self.state.leader
        if leader != -1:
            log = self.logs[leader]
            assert list(zip(log.epochs, log.values, strict=True))[: len(self.committed)] == self.committed

    @invariant()
    def the_isr_has_what_is_committed(self) -> None:
        for replica in self.state.isr:
            assert self.logs[replica].end_offset >= len(self.committed)


Cluster.TestCase.settings = settings(max_examples=max(200, settings.default.max_examples), stateful_step_count=60, deadline=None)
TestCluster = Cluster.TestCase
