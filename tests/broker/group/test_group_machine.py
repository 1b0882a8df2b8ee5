"""Random consumers against the membership core: whatever they do, every request is answered once and groups settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from broker.group.answers import Join, JoinAnswer, Leaver, Reply, Sync, SyncAnswer
from broker.group.membership import GroupLimits, Membership
from broker.group.states import GroupState
from broker.wire.errors import ErrorCode

PROTOCOLS = st.sampled_from(
    [(("range", b"1"),), (("range", b"2"), ("robin", b"2")), (("robin", b"3"), ("range", b"3"))]
)


class Consumer:
    """What a client remembers."""

    def __init__(self, instance: str | None) -> None:
        self.instance = instance
        self.member_id = ""
        self.generation = -1
        self.members: list[str] = []


class GroupMachine(RuleBasedStateMachine):
    """Rules are what clients and time do; invariants are what administrators rely on."""

    consumers = Bundle("consumers")

    def __init__(self) -> None:
        super().__init__()
        names, self.tokens = count(), count()
        self.now = 0.0
        self.membership = Membership(GroupLimits(1.0, 1.0, 100.0, members_max=4), lambda: str(next(names)))
        self.parked: dict[int, Consumer] = {}
        self.generation = 0
        self.leaders: dict[int, str] = {}
        self.protocols: dict[int, str] = {}
        self.owners: dict[tuple[int, str], bytes] = {}

    def take(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            assert isinstance(reply.token, int)
            consumer = self.parked.pop(reply.token)  # a KeyError here is an answer that nobody waits for
            if isinstance(reply.answer, JoinAnswer):
                self.joined(consumer, reply.answer)
            else:
                self.synced(consumer, reply.answer)

    def joined(self, consumer: Consumer, answer: JoinAnswer) -> None:
        if answer.error is ErrorCode.MEMBER_ID_REQUIRED:
            consumer.member_id = answer.member_id
        elif answer.error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            consumer.member_id = ""
        elif answer.error is ErrorCode.NONE:
            assert answer.generation >= 1
            assert answer.protocol is not None
            consumer.member_id, consumer.generation = answer.member_id, answer.generation
            assert self.protocols.setdefault(answer.generation, answer.protocol) == answer.protocol
            consumer.members = [member.member_id for member in answer.members]
            if answer.members:
                assert answer.leader == answer.member_id
                assert self.leaders.setdefault(answer.generation, answer.leader) == answer.leader
                assert answer.member_id in consumer.members

    def synced(self, consumer: Consumer, answer: SyncAnswer) -> None:
        if answer.error is ErrorCode.NONE:
            key = (consumer.generation, consumer.member_id)
            assert self.owners.setdefault(key, answer.assignment) == answer.assignment

    def park(self, consumer: Consumer) -> int:
        token = next(self.tokens)
        self.parked[token] = consumer
        return token

    @rule(target=consumers, instance=st.sampled_from([None, None, "one", "two"]))
    def starts(self, instance: str | None) -> Consumer:
        return Consumer(instance)

    @rule(
        consumer=consumers,
        protocols=PROTOCOLS,
        required=st.booleans(),
        session=st.sampled_from([0.5, 2.0, 30.0]),
    )
    def joins(
        self, consumer: Consumer, protocols: tuple[tuple[str, bytes], ...], required: bool, session: float
    ) -> None:
        join = Join(
            "g",
            consumer.member_id,
            consumer.instance,
            "c",
            "h",
            "consumer",
            protocols,
            session,
            5.0,
            required,
        )
        self.take(self.membership.join(join, self.park(consumer), self.now))

    @rule(consumer=consumers)
    def syncs(self, consumer: Consumer) -> None:
        assignments = {
            member: b"%d:%s" % (consumer.generation, member.encode()) for member in consumer.members
        }
        sync = Sync("g", consumer.generation, consumer.member_id, consumer.instance, None, None, assignments)
        self.take(self.membership.sync(sync, self.park(consumer), self.now))

    @rule(consumer=consumers)
    def heartbeats(self, consumer: Consumer) -> None:
        error = self.membership.heartbeat(
            "g", consumer.generation, consumer.member_id, consumer.instance, self.now
        )
        if error is ErrorCode.NONE:
            assert consumer.generation == self.current().generation

    @rule(consumer=consumers)
    def commits(self, consumer: Consumer) -> None:
        error = self.membership.check_commit(
            "g", consumer.generation, consumer.member_id, consumer.instance, self.now
        )
        if error is ErrorCode.NONE and consumer.generation >= 0:
            assert consumer.generation == self.current().generation

    @rule(consumer=consumers)
    def leaves(self, consumer: Consumer) -> None:
        _, replies = self.membership.leave("g", [Leaver(consumer.member_id, consumer.instance)], self.now)
        self.take(replies)

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 3.0, 10.0]))
    def time_goes_by(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.membership.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.take(self.membership.expire(self.now))
        self.now = until

    @rule()
    def is_unloaded(self) -> None:
        self.take(self.membership.unload(["g"]))
        self.generation = 0
        self.leaders.clear()
        self.protocols.clear()
        self.owners.clear()

    def current(self):  # type: ignore[no-untyped-def]
        return self.membership._groups["g"]

    @invariant()
    def the_group_is_consistent(self) -> None:
        group = self.membership._groups.get("g")
        if group is None:
            return
        assert group.generation >= self.generation
        self.generation = group.generation
        assert (group.leader in group.members) if group.members else group.leader is None
        votes = Counter(name for member in group.members.values() for name in member.protocols)
        assert votes == group.votes
        assert group.size == sum(member.size for member in group.members.values())
        assert set(group.static.values()) == {
            m.member_id for m in group.members.values() if m.instance_id is not None
        }
        assert group.pending_sync <= set(group.members)
        assert not group.pending & set(group.members)
        if group.state is not GroupState.PREPARING_REBALANCE:
            assert (group.state is GroupState.EMPTY) == (not group.members)
            assert all(member.join_token is None for member in group.members.values())
        if group.state is not GroupState.COMPLETING_REBALANCE:
            assert all(member.sync_token is None for member in group.members.values())

    @invariant()
    def what_is_parked_is_a_members(self) -> None:
        group = self.membership._groups.get("g")
        members = group.members.values() if group is not None else ()
        held = [
            token
            for member in members
            for token in (member.join_token, member.sync_token)
            if token is not None
        ]
        assert sorted(held) == sorted(self.parked)  # type: ignore[type-var]

    def teardown(self) -> None:
        """When all clients fall silent, everything parked is answered and the group empties."""
        self.time_goes_by(1000.0)
        assert not self.parked
        group = self.membership._groups.get("g")
        assert group is None or (group.state is GroupState.EMPTY and not group.pending)
        assert self.membership.deadline() is None


GroupMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestGroupMachine = GroupMachine.TestCase
