"""Scenarios of the classic group protocol, each named by what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest

from broker.group.answers import Join, JoinAnswer, Leaver, Reply, Sync, SyncAnswer
from broker.group.membership import GROUP_BYTES_MAX, NEW_MEMBER_TIMEOUT, GroupLimits, Membership
from broker.group.states import GroupState
from broker.wire.errors import ErrorCode

GROUP = "g"


class Scene:
    """A membership, a clock, and the answers by the name of the request."""

    def __init__(self, delay: float = 0.0, members_max: int = 1 << 31) -> None:
        numbers = count(1)
        self.now = 1000.0
        self.limits = GroupLimits(delay, 6.0, 1800.0, members_max)
        self.membership = Membership(self.limits, lambda: f"{next(numbers)}")
        self.answers: dict[object, JoinAnswer | SyncAnswer] = {}

    def take(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            assert reply.token not in self.answers, f"{reply.token} is answered twice"
            self.answers[reply.token] = reply.answer

    def join(
        self, token: str, member_id: str = "", *, instance: str | None = None, protocols: Sequence[tuple[str, bytes]] = (("range", b"m"),),
        session: float = 10.0, rebalance: float = 60.0, required: bool = False, kind: str = "consumer", skip: bool = False,
    ) -> JoinAnswer | None:  # fmt: skip
        join = Join(
            GROUP,
            member_id,
            instance,
            "client",
            "host",
            kind,
            tuple(protocols),
            session,
            rebalance,
            required,
            skip,
        )
        self.take(self.membership.join(join, token, self.now))
        answer = self.answers.get(token)
        assert answer is None or isinstance(answer, JoinAnswer)
        return answer

    def sync(
        self, token: str, member_id: str, generation: int = 1, assignments: dict[str, bytes] | None = None,
        instance: str | None = None, protocol: str | None = None,
    ) -> SyncAnswer | None:  # fmt: skip
        sync = Sync(GROUP, generation, member_id, instance, None, protocol, assignments or {})
        self.take(self.membership.sync(sync, token, self.now))
        answer = self.answers.get(token)
        assert answer is None or isinstance(answer, SyncAnswer)
        return answer

    def heartbeat(self, member_id: str, generation: int = 1, instance: str | None = None) -> ErrorCode:
        return self.membership.heartbeat(GROUP, generation, member_id, instance, self.now)

    def leave(self, *leavers: Leaver) -> list[ErrorCode]:
        errors, replies = self.membership.leave(GROUP, leavers, self.now)
        self.take(replies)
        return errors

    def sleep(self, seconds: float) -> None:
        """Lets time go by, deadline by deadline, as the shell does."""
        until = self.now + seconds
        while (deadline := self.membership.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.take(self.membership.expire(self.now))
        self.now = until

    def state(self) -> GroupState:
        view = self.membership.view(GROUP)
        assert view is not None
        return view.state

    def joined(self, token: str) -> JoinAnswer:
        answer = self.answers[token]
        assert isinstance(answer, JoinAnswer)
        assert answer.error is ErrorCode.NONE
        return answer

    def stable_pair(self) -> tuple[str, str]:
        """A stable group of two in generation 2; returns (leader, other)."""
        self.join("a1")
        leader = self.joined("a1").member_id
        self.join("b1")
        self.join("a2", leader)
        other = self.joined("b1").member_id
        self.sync("sb", other, 2)
        self.sync("sa", leader, 2, {leader: b"L", other: b"O"})
        assert self.state() is GroupState.STABLE
        return leader, other


def test_one_member_joins_syncs_and_commits() -> None:
    """Without an initial delay a lone member leads generation 1 at once."""
    scene = Scene()
    answer = scene.join("join")
    assert answer == JoinAnswer(
        ErrorCode.NONE, "client-1", 1, "consumer", "range", "client-1", answer.members if answer else ()
    )
    assert answer is not None
    assert [(m.member_id, m.metadata) for m in answer.members] == [("client-1", b"m")]
    assert scene.state() is GroupState.COMPLETING_REBALANCE
    synced = scene.sync("sync", "client-1", 1, {"client-1": b"all"})
    assert synced == SyncAnswer(ErrorCode.NONE, "consumer", "range", b"all")
    assert scene.heartbeat("client-1") is ErrorCode.NONE
    assert scene.membership.check_commit(GROUP, 1, "client-1", None, scene.now) is ErrorCode.NONE


def test_members_that_start_together_meet_in_the_first_generation() -> None:
    """The initial delay is extended by everyone who joins in it, up to the rebalance timeout."""
    scene = Scene(delay=3.0)
    assert scene.join("a", rebalance=5.0) is None
    scene.sleep(2.0)
    assert scene.join("b", rebalance=5.0) is None
    scene.sleep(1.5)
    assert not scene.answers
    scene.sleep(1.5)
    assert scene.joined("a").generation == scene.joined("b").generation == 1
    assert len(scene.joined("a").members) == 2
    assert scene.joined("b").members == ()
    assert scene.joined("b").leader == scene.joined("a").member_id


def test_a_dynamic_member_joins_in_two_steps() -> None:
    """From version 4 on the first JoinGroup gets an id and MEMBER_ID_REQUIRED, the second one is parked."""
    scene = Scene()
    first = scene.join("one", required=True)
    assert first is not None
    assert (first.error, first.member_id) == (ErrorCode.MEMBER_ID_REQUIRED, "client-1")
    second = scene.join("two", "client-1", required=True)
    assert second is not None
    assert (second.error, second.member_id, second.generation) == (ErrorCode.NONE, "client-1", 1)


def test_an_id_that_was_handed_out_and_not_used_is_forgotten() -> None:
    """It holds up the join phase until its session timeout, then it is unknown."""
    scene = Scene()
    scene.join("one", required=True, session=6.0)
    scene.join("other")
    assert "other" not in scene.answers
    scene.sleep(6.0)
    assert scene.joined("other").generation == 1
    late = scene.join("late", "client-1")
    assert late is not None
    assert late.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_new_member_makes_the_others_join_again() -> None:
    """Heartbeats say REBALANCE_IN_PROGRESS; when all have joined, everyone gets the next generation."""
    scene = Scene()
    scene.join("a1")
    scene.sync("sa1", "client-1", 1, {"client-1": b"all"})
    assert scene.join("b1") is None
    assert scene.state() is GroupState.PREPARING_REBALANCE
    assert scene.heartbeat("client-1") is ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.membership.check_commit(GROUP, 1, "client-1", None, scene.now) is ErrorCode.NONE
    again = scene.join("a2", "client-1")
    assert again is not None
    assert again.generation == 2
    assert [m.member_id for m in again.members] == ["client-1", "client-2"]
    assert (
        scene.membership.check_commit(GROUP, 2, "client-1", None, scene.now)
        is ErrorCode.REBALANCE_IN_PROGRESS
    )
    assert scene.heartbeat("client-1", 1) is ErrorCode.ILLEGAL_GENERATION


def test_who_does_not_join_again_is_dropped_at_the_rebalance_timeout() -> None:
    """The rest goes on without it, and another one leads."""
    scene = Scene()
    scene.join("a1", rebalance=20.0, session=1800.0)
    scene.sync("s", "client-1", 1, {"client-1": b"all"})
    scene.join("b1", rebalance=20.0)
    scene.sleep(19.9)
    assert "b1" not in scene.answers
    scene.sleep(0.2)
    answer = scene.joined("b1")
    assert (answer.leader, len(answer.members)) == ("client-2", 1)
    assert scene.heartbeat("client-1") is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_silent_member_expires_and_the_others_rebalance() -> None:
    """A session lasts from heartbeat to heartbeat."""
    scene = Scene()
    leader, other = scene.stable_pair()
    for _ in range(5):
        scene.sleep(4.0)
        assert scene.heartbeat(leader, 2) is ErrorCode.NONE
        assert scene.heartbeat(other, 2) is ErrorCode.NONE
    for _ in range(3):
        scene.sleep(4.0)
        expected = ErrorCode.NONE if _ < 2 else ErrorCode.REBALANCE_IN_PROGRESS
        assert scene.heartbeat(leader, 2) is expected
    assert scene.heartbeat(other, 2) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_parked_member_does_not_expire() -> None:
    """Its connection waits for us, so it cannot send heartbeats."""
    scene = Scene()
    leader, other = scene.stable_pair()
    scene.join("b2", other, protocols=[("range", b"new")], session=10.0)
    for _ in range(5):
        scene.sleep(5.0)
        scene.heartbeat(leader, 2)
    assert "b2" not in scene.answers
    scene.join("a3", leader)
    assert scene.joined("b2").generation == 3


def test_a_first_join_that_nobody_waits_for_does_not_hold_the_group_for_ever() -> None:
    """A member that cannot heartbeat yet lives NEW_MEMBER_TIMEOUT."""
    scene = Scene()
    leader, _ = scene.stable_pair()
    scene.join("c1", rebalance=3 * NEW_MEMBER_TIMEOUT)
    until = scene.now + NEW_MEMBER_TIMEOUT + 1
    while scene.now < until:
        scene.heartbeat(leader, 2)
        scene.sleep(5.0)
    gone = scene.answers["c1"]
    assert gone.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_last_one_to_leave_empties_the_group() -> None:
    """An empty group takes commits without a generation, and keeps counting generations."""
    scene = Scene()
    scene.join("a1")
    assert scene.membership.check_commit(GROUP, -1, "", None, scene.now) is ErrorCode.UNKNOWN_MEMBER_ID
    assert scene.leave(Leaver("client-1")) == [ErrorCode.NONE]
    assert scene.state() is GroupState.EMPTY
    assert scene.membership.check_commit(GROUP, -1, "", None, scene.now) is ErrorCode.NONE
    assert scene.membership.check_commit(GROUP, 1, "client-1", None, scene.now) is ErrorCode.UNKNOWN_MEMBER_ID
    scene.join("b1")
    assert scene.joined("b1").generation == 3


def test_leaving_by_batch_says_what_became_of_each() -> None:
    """Version 3: unknown, fenced and good leavers in one request."""
    scene = Scene()
    scene.join("a1", instance="i")
    errors = scene.leave(Leaver("nobody"), Leaver("wrong", "i"), Leaver("", "i"), Leaver("", "i"))
    assert errors == [
        ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID, ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID,
    ]  # fmt: skip
    assert scene.state() is GroupState.EMPTY


def test_leaving_while_parked_answers_what_is_parked() -> None:
    """Nothing stays parked for a member that is gone."""
    scene = Scene()
    leader, other = scene.stable_pair()
    scene.join("b2", other, protocols=[("range", b"new")])
    scene.leave(Leaver(other))
    assert scene.answers["b2"].error is ErrorCode.UNKNOWN_MEMBER_ID
    scene.join("a3", leader)
    assert len(scene.joined("a3").members) == 1


def test_the_protocol_most_members_prefer_is_chosen() -> None:
    """Only protocols that all support are candidates."""
    scene = Scene(delay=1.0)
    scene.join("a", protocols=[("only-a", b""), ("range", b"ra"), ("robin", b"oa")])
    scene.join("b", protocols=[("robin", b"ob"), ("range", b"rb")])
    scene.join("c", protocols=[("robin", b"oc"), ("range", b"rc")])
    scene.sleep(60.0)
    leader = scene.joined("a")
    assert leader.protocol == "robin"
    assert [m.metadata for m in leader.members] == [b"oa", b"ob", b"oc"]


@pytest.mark.parametrize(
    ("kind", "protocols"),
    [("consumer", [("other", b"")]), ("connect", [("range", b"")]), ("", [("range", b"")]), ("consumer", [])],
)
def test_a_member_without_a_common_protocol_is_refused(kind: str, protocols: list[tuple[str, bytes]]) -> None:
    """The group goes on undisturbed."""
    scene = Scene()
    scene.join("a1")
    answer = scene.join("b1", kind=kind, protocols=protocols)
    assert answer is not None
    assert answer.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert scene.state() is GroupState.COMPLETING_REBALANCE


def test_session_timeouts_have_limits() -> None:
    """At the limits they are taken, beyond refused."""
    for session, error in (
        (5.9, ErrorCode.INVALID_SESSION_TIMEOUT),
        (6.0, ErrorCode.NONE),
        (1800.0, ErrorCode.NONE),
    ):
        answer = Scene().join("a", session=session)
        assert answer is not None
        assert answer.error is error
    answer = Scene().join("a", session=1800.1)
    assert answer is not None
    assert answer.error is ErrorCode.INVALID_SESSION_TIMEOUT


def test_a_full_group_takes_no_more() -> None:
    """group.max.size members, known ones may still join again."""
    scene = Scene(members_max=1)
    scene.join("a1")
    refused = scene.join("b1")
    assert refused is not None
    assert refused.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    scene.sync("s", "client-1", 1, {})
    scene.join("a2", "client-1")
    assert scene.joined("a2").generation == 2


def test_the_metadata_of_a_group_has_a_limit() -> None:
    """At the limit it is taken, one byte beyond refused."""
    size = GROUP_BYTES_MAX - len("range")
    scene = Scene()
    assert scene.join("fits", protocols=[("range", bytes(size))]) is not None
    assert scene.answers["fits"].error is ErrorCode.NONE
    scene = Scene()
    scene.join("beyond", protocols=[("range", bytes(size + 1))])
    assert scene.answers["beyond"].error is ErrorCode.GROUP_MAX_SIZE_REACHED


def test_a_lost_answer_is_given_again() -> None:
    """The same JoinGroup in the same generation gets the same answer, without a rebalance."""
    scene = Scene()
    scene.join("a1")
    again = scene.join("a1 again", "client-1")
    assert again == scene.answers["a1"]
    scene.sync("s1", "client-1", 1, {"client-1": b"x"})
    assert scene.sync("s2", "client-1", 1) == scene.answers["s1"]


def test_a_second_request_of_the_same_member_frees_the_first() -> None:
    """A client that has given up and asks again must not leave a connection parked for ever."""
    scene = Scene()
    _, other = scene.stable_pair()
    scene.join("first", other, protocols=[("range", b"new")])
    scene.join("second", other, protocols=[("range", b"new")])
    assert scene.answers["first"].error is ErrorCode.REBALANCE_IN_PROGRESS
    assert "second" not in scene.answers


def test_a_stable_follower_that_joins_with_nothing_new_disturbs_nobody() -> None:
    """It gets the generation as it is; the leader's JoinGroup starts a rebalance."""
    scene = Scene()
    leader, other = scene.stable_pair()
    same = scene.join("b3", other)
    assert same is not None
    assert (same.generation, same.leader, same.members) == (2, leader, ())
    assert scene.join("a3", leader) is None
    assert scene.state() is GroupState.PREPARING_REBALANCE


def test_a_rebalance_in_the_middle_of_sync_frees_the_waiting() -> None:
    """SyncGroup that is parked gets REBALANCE_IN_PROGRESS when someone joins."""
    scene = Scene()
    scene.join("a1")
    scene.join("b1")
    scene.join("a2", "client-1")
    scene.sync("sb", "client-2", 2)
    scene.join("c1")
    assert scene.answers["sb"].error is ErrorCode.REBALANCE_IN_PROGRESS
    assert scene.sync("late", "client-2", 2) == SyncAnswer(ErrorCode.REBALANCE_IN_PROGRESS)


def test_who_does_not_sync_in_time_is_dropped() -> None:
    """A leader that dies between join and sync holds the group for one rebalance timeout."""
    scene = Scene()
    scene.join("a1", session=1800.0, rebalance=20.0)
    scene.join("b1", session=1800.0, rebalance=20.0)
    scene.join("a2", "client-1", session=1800.0, rebalance=20.0)
    scene.sync("sb", "client-2", 2)
    scene.sleep(20.0)
    assert scene.answers["sb"].error is ErrorCode.REBALANCE_IN_PROGRESS
    scene.join("b2", "client-2")
    assert scene.joined("b2").leader == "client-2"


@pytest.mark.parametrize(
    ("member", "generation", "protocol", "error"),
    [
        ("nobody", 1, None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("client-1", 2, None, ErrorCode.ILLEGAL_GENERATION),
        ("client-1", 1, "robin", ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_sync_is_checked(member: str, generation: int, protocol: str | None, error: ErrorCode) -> None:
    """Unknown members, old generations and other protocols are refused."""
    scene = Scene()
    scene.join("a1")
    answer = scene.sync("s", member, generation, protocol=protocol)
    assert answer is not None
    assert answer.error is error


def test_a_static_member_that_comes_back_keeps_its_assignment() -> None:
    """No rebalance; its old id is fenced; the old leader's id keeps the new one from assigning (before version 9)."""
    scene = Scene()
    scene.join("a1", instance="ia")
    scene.sync("s1", "ia-1", 1, {"ia-1": b"all"}, instance="ia")
    back = scene.join("a2", instance="ia")
    assert back is not None
    assert (back.error, back.member_id, back.generation, back.leader, back.members) == (
        ErrorCode.NONE,
        "ia-2",
        1,
        "ia-1",
        (),
    )
    assert scene.heartbeat("ia-1", 1, "ia") is ErrorCode.FENCED_INSTANCE_ID
    synced = scene.sync("s2", "ia-2", 1, instance="ia")
    assert synced is not None
    assert synced.assignment == b"all"
    assert scene.state() is GroupState.STABLE


def test_a_static_leader_may_be_told_to_skip_the_assignment() -> None:
    """Version 9: it leads, knows the members, and does not assign."""
    scene = Scene()
    scene.join("a1", instance="ia")
    scene.sync("s1", "ia-1", 1, {"ia-1": b"all"}, instance="ia")
    back = scene.join("a2", instance="ia", skip=True)
    assert back is not None
    assert (back.leader, back.skip_assignment, len(back.members)) == ("ia-2", True, 1)


def test_a_static_member_in_the_middle_of_a_rebalance_fences_its_double() -> None:
    """The parked request of the old id gets FENCED_INSTANCE_ID."""
    scene = Scene()
    leader, _ = scene.stable_pair()
    scene.join("c1", instance="ic")
    scene.join("c2", instance="ic")
    fenced = scene.answers["c1"]
    assert fenced.error is ErrorCode.FENCED_INSTANCE_ID
    assert "c2" not in scene.answers
    scene.join("a3", leader)
    scene.sleep(60.0)
    assert scene.joined("c2").generation == 3


def test_a_static_member_that_is_away_stays_until_its_session_ends() -> None:
    """The rebalance timeout does not remove it; what it owns comes free with its session."""
    scene = Scene()
    scene.join("a1", instance="ia", session=100.0, rebalance=10.0)
    scene.join("b1", rebalance=10.0)
    scene.sleep(10.0)
    assert len(scene.joined("b1").members) == 2
    assert scene.joined("b1").leader == scene.joined("b1").member_id


def test_unloading_answers_everything_that_is_parked() -> None:
    """A coordinator that hands its groups over says NOT_COORDINATOR."""
    scene = Scene()
    _, other = scene.stable_pair()
    scene.join("b2", other, protocols=[("range", b"new")])
    scene.take(scene.membership.unload(scene.membership.group_ids()))
    assert scene.answers["b2"].error is ErrorCode.NOT_COORDINATOR
    assert scene.membership.view(GROUP) is None
    assert scene.membership.deadline() is None


def test_only_an_empty_group_can_be_removed() -> None:
    """NON_EMPTY_GROUP while there are members."""
    scene = Scene()
    assert scene.membership.remove(GROUP) is ErrorCode.GROUP_ID_NOT_FOUND
    scene.join("a1")
    assert scene.membership.remove(GROUP) is ErrorCode.NON_EMPTY_GROUP
    scene.leave(Leaver("client-1"))
    assert scene.membership.remove(GROUP) is ErrorCode.NONE


def test_a_stable_group_shows_who_has_what() -> None:
    """Metadata and assignments are shown for a stable generation only."""
    scene = Scene()
    leader, other = scene.stable_pair()
    view = scene.membership.view(GROUP)
    assert view is not None
    assert (view.protocol_type, view.protocol) == ("consumer", "range")
    assert {m.member_id: m.assignment for m in view.members} == {leader: b"L", other: b"O"}
    scene.leave(Leaver(other))
    view = scene.membership.view(GROUP)
    assert view is not None
    assert [m.assignment for m in view.members] == [b""]
