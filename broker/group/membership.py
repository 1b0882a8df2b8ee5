"""The membership of all groups of one coordinator: JoinGroup, SyncGroup, Heartbeat, LeaveGroup and their deadlines.

What each request does in each state is written in `states.py`. Requests that must wait are parked by their token, and
every call returns the replies that have come due, for whichever requests. The caller passes the time (seconds, of any
monotonic clock), calls `expire` at `deadline()`, and never sees a group.

The order of one rebalance:

    a member joins, leaves or expires   -> the join phase begins: heartbeats answer REBALANCE_IN_PROGRESS
    all members joined, or the longest rebalance timeout is over, or, in an empty group, the initial delay is over
                                        -> next generation: every JoinGroup is answered, the leader's with all members
    the leader's SyncGroup              -> every SyncGroup is answered with its assignment

A member lives as long as its heartbeats (or the request that it has parked); one that joined for the first time, and so
cannot heartbeat yet, lives NEW_MEMBER_TIMEOUT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from broker.wire.errors import ErrorCode

from .answers import GroupView, Join, JoinAnswer, Leaver, Reply, Sync, SyncAnswer
from .deadlines import Deadlines
from .group import Group, Member
from .states import GroupState

__all__ = ["GROUPS_MAX", "GROUP_BYTES_MAX", "NEW_MEMBER_TIMEOUT", "PENDING_MAX", "GroupLimits", "Membership"]

NEW_MEMBER_TIMEOUT = 300.0
"""Seconds that a first JoinGroup may stay parked; a client that is still there sends another."""
GROUPS_MAX = 100_000
"""Groups held at once; when it is reached, those without members are forgotten first."""
GROUP_BYTES_MAX = 32 << 20
"""Bytes of metadata, and of assignments, of one group."""
PENDING_MAX = 10_000
"""Member ids of one group that were handed out and not used yet."""

_PHASE = ""
"""Stands for the group itself where a member id is expected: the deadline of its join or sync phase."""

EMPTY, PREPARING, COMPLETING, STABLE = (
    GroupState.EMPTY, GroupState.PREPARING_REBALANCE, GroupState.COMPLETING_REBALANCE, GroupState.STABLE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """The group.* keys of server.properties. Times are seconds."""

    initial_rebalance_delay: float = 3.0
    session_timeout_min: float = 6.0
    session_timeout_max: float = 1800.0
    members_max: int = (1 << 31) - 1


class Membership:
    """All groups of one coordinator."""

    def __init__(self, limits: GroupLimits, new_suffix: Callable[[], str]) -> None:
        """`new_suffix` gives the unique part of a new member's id, in Kafka a UUID."""
        self._limits = limits
        self._new_suffix = new_suffix
        self._groups: dict[str, Group] = {}
        self._deadlines: Deadlines[tuple[str, str]] = Deadlines()
        self._replies: list[Reply] = []

    # -- requests

    def join(self, join: Join, token: object, now: float) -> list[Reply]:
        """JoinGroup. The reply to `token` comes with this call's result or with a later one's."""
        group = self._groups.get(join.group_id)
        error = self._check_join(group, join)
        if error is not ErrorCode.NONE:
            self._replies.append(Reply(token, JoinAnswer(error, join.member_id)))
            return self._drain()
        if group is None:
            group = self._groups[join.group_id] = Group(join.group_id)
        if join.member_id:
            self._join_known(group, join, token, now)
        else:
            self._join_unknown(group, join, token, now)
        self._maybe_complete_join(group, now)
        return self._drain()

    def sync(self, sync: Sync, token: object, now: float) -> list[Reply]:
        """SyncGroup."""
        group = self._groups.get(sync.group_id)
        error = ErrorCode.UNKNOWN_MEMBER_ID if group is None else self._check_sync(group, sync)
        if group is None or error is not ErrorCode.NONE:
            self._replies.append(Reply(token, SyncAnswer(error)))
            return self._drain()
        member = group.members[sync.member_id]
        group.pending_sync.discard(member.member_id)
        if group.state is STABLE:
            self._replies.append(Reply(token, self._assignment_of(group, member)))
            self._touch(group, member, now)
        else:
            self._park_sync(group, member, token)
            if group.leader == member.member_id:
                self._assign(group, sync, now)
        return self._drain()

    def heartbeat(
        self, group_id: str, generation: int, member_id: str, instance_id: str | None, now: float
    ) -> ErrorCode:
        """Heartbeat: keeps the member alive and tells it to join again when it should."""
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        error = group.check_member(member_id, instance_id)
        if error is not ErrorCode.NONE:
            return error
        if generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        self._touch(group, group.members[member_id], now)
        return ErrorCode.REBALANCE_IN_PROGRESS if group.state is PREPARING else ErrorCode.NONE

    def leave(
        self, group_id: str, leavers: Sequence[Leaver], now: float
    ) -> tuple[list[ErrorCode], list[Reply]]:
        """LeaveGroup: an error for each leaver, in order, and the replies that the leaving set free."""
        group = self._groups.get(group_id)
        if group is None:
            return [ErrorCode.UNKNOWN_MEMBER_ID] * len(leavers), []
        errors = [self._leave_one(group, leaver, now) for leaver in leavers]
        return errors, self._drain()

    def check_commit(
        self, group_id: str, generation: int, member_id: str, instance_id: str | None, now: float
    ) -> ErrorCode:
        """Whether an OffsetCommit from this member and generation may go ahead; it counts as a heartbeat.

        A generation below zero without a member id is a consumer that assigns itself: only while there are no members.
        """
        group = self._groups.get(group_id)
        if generation < 0 and (group is None or group.state is EMPTY):
            return ErrorCode.NONE
        if group is None:
            return ErrorCode.ILLEGAL_GENERATION
        error = group.check_member(member_id, instance_id)
        if error is not ErrorCode.NONE:
            return error
        if generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        if group.state is COMPLETING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        self._touch(group, group.members[member_id], now)
        return ErrorCode.NONE

    # -- administration

    def view(self, group_id: str) -> GroupView | None:
        """The group, or None when nobody has joined it here."""
        group = self._groups.get(group_id)
        return None if group is None else group.view()

    def views(self) -> list[GroupView]:
        """All groups that somebody has joined here."""
        return [group.view() for group in self._groups.values()]

    def has_members(self, group_id: str) -> bool:
        """Whether a group has members, or some that are about to join."""
        group = self._groups.get(group_id)
        return group is not None and bool(group.members or group.pending)

    def remove(self, group_id: str) -> ErrorCode:
        """Forgets a group without members: NONE, NON_EMPTY_GROUP or GROUP_ID_NOT_FOUND."""
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.GROUP_ID_NOT_FOUND
        if group.state is not EMPTY:
            return ErrorCode.NON_EMPTY_GROUP
        self._unload(group)
        return ErrorCode.NONE

    def unload(self, group_ids: Iterable[str]) -> list[Reply]:
        """Drops groups whose coordinator is now another broker; what they have parked gets NOT_COORDINATOR."""
        for group_id in list(group_ids):
            group = self._groups.get(group_id)
            if group is not None:
                self._unload(group)
        return self._drain()

    def group_ids(self) -> list[str]:
        """The groups that are held."""
        return list(self._groups)

    # -- time

    def deadline(self) -> float | None:
        """When to call `expire` next."""
        return self._deadlines.next()

    def expire(self, now: float) -> list[Reply]:
        """Does what is due: ends join and sync phases, removes members that were not heard of."""
        while (key := self._deadlines.pop_due(now)) is not None:
            group_id, member_id = key
            group = self._groups[group_id]
            if member_id == _PHASE:
                self._phase_over(group, now)
            elif member_id in group.pending:
                group.pending.remove(member_id)
                self._maybe_complete_join(group, now)
            else:
                self._remove_member(group, member_id, now)
        return self._drain()

    # -- joining

    def _check_join(self, group: Group | None, join: Join) -> ErrorCode:
        limits = self._limits
        if not limits.session_timeout_min <= join.session_timeout <= limits.session_timeout_max:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if group is None:
            if join.member_id:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if len(self._groups) >= GROUPS_MAX and not self._forget_one():
                return ErrorCode.COORDINATOR_NOT_AVAILABLE
            group = Group(join.group_id)
        if not self._has_room(group, join):
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if not group.supports(join):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.NONE

    def _has_room(self, group: Group, join: Join) -> bool:
        size = group.size + sum(len(name) + len(metadata) for name, metadata in join.protocols)
        known = group.members.get(join.member_id)
        if known is not None:
            size -= known.size
        if size > GROUP_BYTES_MAX or len(group.pending) >= PENDING_MAX:
            return False
        if group.state is PREPARING:  # those that will not come back must not keep others out
            return (
                known is not None and known.join_token is not None
            ) or group.waiting < self._limits.members_max
        return known is not None or len(group.members) < self._limits.members_max

    def _join_unknown(self, group: Group, join: Join, token: object, now: float) -> None:
        member_id = f"{join.instance_id or join.client_id}-{self._new_suffix()}"
        if join.instance_id is not None and join.instance_id in group.static:
            self._rejoin_static(group, join, member_id, token, now)
        elif join.instance_id is None and join.member_id_required:
            group.pending.add(member_id)
            self._deadlines.set((group.group_id, member_id), now + join.session_timeout)
            self._replies.append(Reply(token, JoinAnswer(ErrorCode.MEMBER_ID_REQUIRED, member_id)))
        else:
            self._add_member(group, member_id, join, token, now)

    def _join_known(self, group: Group, join: Join, token: object, now: float) -> None:
        member_id = join.member_id
        if member_id in group.pending and join.instance_id is None:
            group.pending.remove(member_id)
            self._add_member(group, member_id, join, token, now)
            return
        error = group.check_member(member_id, join.instance_id)
        if error is not ErrorCode.NONE:
            self._replies.append(Reply(token, JoinAnswer(error, member_id)))
            return
        member = group.members[member_id]
        same = member.says_the_same(join)
        if group.state is COMPLETING and same:
            self._answer_join(group, member, token)  # its answer was lost on the way
        elif group.state is STABLE and same and group.leader != member_id:
            self._answer_join(group, member, token)
        else:
            group.update(member, join)
            self._park_join(group, member, token, now)
            self._maybe_prepare_rebalance(group, now)

    def _add_member(self, group: Group, member_id: str, join: Join, token: object, now: float) -> None:
        member = Member(member_id, join)
        if group.state is PREPARING and group.generation == 0:
            group.new_member_added = True
        group.add(member, join.protocol_type)
        self._park_join(group, member, token, now)
        self._maybe_prepare_rebalance(group, now)

    def _rejoin_static(self, group: Group, join: Join, member_id: str, token: object, now: float) -> None:
        assert join.instance_id is not None
        old_id = group.static[join.instance_id]
        old_leader = group.leader
        member = group.replace_static(old_id, member_id)
        self._deadlines.cancel((group.group_id, old_id))
        self._answer_parked(member, ErrorCode.FENCED_INSTANCE_ID, old_id)
        group.update(member, join)
        if group.state is STABLE and group.elect_protocol() == group.protocol:
            # the instance keeps its assignment: nobody else need know that it was away
            self._touch(group, member, now)
            leader = member_id if join.skip_assignment and group.leader == member_id else old_leader
            self._answer_join(group, member, token, leader=leader, skip_assignment=leader == member_id)
            return
        self._park_join(group, member, token, now)
        self._maybe_prepare_rebalance(group, now)

    def _park_join(self, group: Group, member: Member, token: object, now: float) -> None:
        if member.join_token is not None:  # the client has given up on its earlier request and sent another
            self._replies.append(
                Reply(member.join_token, JoinAnswer(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id))
            )
        member.join_token = token
        key = (group.group_id, member.member_id)
        if member.is_new:
            self._deadlines.set(key, now + NEW_MEMBER_TIMEOUT)
        else:
            self._deadlines.cancel(key)

    def _answer_join(
        self,
        group: Group,
        member: Member,
        token: object,
        *,
        leader: str | None = None,
        skip_assignment: bool = False,
    ) -> None:
        leads = group.leader == member.member_id and (leader is None or leader == member.member_id)
        self._replies.append(
            Reply(
                token,
                JoinAnswer(
                    ErrorCode.NONE,
                    member.member_id,
                    group.generation,
                    group.protocol_type,
                    group.protocol,
                    leader or group.leader or "",
                    group.joined_members() if leads else (),
                    skip_assignment,
                ),
            )
        )

    # -- rebalancing

    def _maybe_prepare_rebalance(self, group: Group, now: float) -> None:
        if group.state is PREPARING:
            return
        delay = group.rebalance_timeout
        group.gathering = group.state is EMPTY
        if group.gathering:
            delay = self._limits.initial_rebalance_delay
            group.gathering_left = max(group.rebalance_timeout - delay, 0.0)
            group.new_member_added = False
        elif group.state is COMPLETING:
            for member in group.members.values():
                self._answer_sync(group, member, SyncAnswer(ErrorCode.REBALANCE_IN_PROGRESS), now)
        group.pending_sync.clear()
        for member in group.members.values():
            member.assignment = b""
        group.become(PREPARING)
        self._deadlines.set((group.group_id, _PHASE), now + delay)

    def _maybe_complete_join(self, group: Group, now: float) -> None:
        """Ends the join phase when all have joined; while a group gathers, only when its delay is over."""
        if group.state is PREPARING and group.all_joined:
            phase_ends = self._deadlines.due_at((group.group_id, _PHASE))
            if not group.gathering or phase_ends is None or phase_ends <= now:
                self._complete_join(group, now)

    def _phase_over(self, group: Group, now: float) -> None:
        if group.state is PREPARING:
            if group.gathering and group.new_member_added and group.gathering_left > 0:
                group.new_member_added = False
                delay = min(self._limits.initial_rebalance_delay, group.gathering_left)
                group.gathering_left -= delay
                self._deadlines.set((group.group_id, _PHASE), now + delay)
            else:
                self._complete_join(group, now)
        elif group.pending_sync:
            for member_id in list(group.pending_sync):
                self._drop_member(group, member_id)
            self._maybe_prepare_rebalance(group, now)
            self._maybe_complete_join(group, now)

    def _complete_join(self, group: Group, now: float) -> None:
        for member in list(group.members.values()):
            if member.join_token is None and member.instance_id is None:
                self._drop_member(group, member.member_id)
        if group.members and not group.elect_joined_leader():
            # only static members that are away: wait for one of them, or for their sessions to end
            self._deadlines.set((group.group_id, _PHASE), now + group.rebalance_timeout)
            return
        group.new_member_added = False
        group.next_generation()
        self._deadlines.cancel((group.group_id, _PHASE))
        if not group.members:
            return
        self._deadlines.set((group.group_id, _PHASE), now + group.rebalance_timeout)
        for member in group.members.values():
            token, member.join_token = member.join_token, None
            if token is not None:
                self._answer_join(group, member, token)
            member.is_new = False
            self._touch(group, member, now)

    # -- syncing

    def _check_sync(self, group: Group, sync: Sync) -> ErrorCode:
        error = group.check_member(sync.member_id, sync.instance_id)
        if error is not ErrorCode.NONE:
            return error
        if sync.generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        if sync.protocol_type is not None and sync.protocol_type != group.protocol_type:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if sync.protocol is not None and sync.protocol != group.protocol:
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if group.state is PREPARING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        if sum(map(len, sync.assignments.values())) > GROUP_BYTES_MAX:
            return ErrorCode.INVALID_REQUEST
        return ErrorCode.NONE

    def _park_sync(self, group: Group, member: Member, token: object) -> None:
        if member.sync_token is not None:
            self._replies.append(Reply(member.sync_token, SyncAnswer(ErrorCode.REBALANCE_IN_PROGRESS)))
        member.sync_token = token
        self._deadlines.cancel((group.group_id, member.member_id))

    def _assign(self, group: Group, sync: Sync, now: float) -> None:
        group.become(STABLE)
        for member in group.members.values():
            member.assignment = sync.assignments.get(member.member_id, b"")
            self._answer_sync(group, member, self._assignment_of(group, member), now)

    def _answer_sync(self, group: Group, member: Member, answer: SyncAnswer, now: float) -> None:
        token, member.sync_token = member.sync_token, None
        if token is not None:
            self._replies.append(Reply(token, answer))
            self._touch(group, member, now)

    def _assignment_of(self, group: Group, member: Member) -> SyncAnswer:
        return SyncAnswer(ErrorCode.NONE, group.protocol_type, group.protocol, member.assignment)

    # -- leaving

    def _leave_one(self, group: Group, leaver: Leaver, now: float) -> ErrorCode:
        member_id = leaver.member_id
        if member_id in group.pending and leaver.instance_id is None:
            group.pending.remove(member_id)
            self._deadlines.cancel((group.group_id, member_id))
            self._maybe_complete_join(group, now)
            return ErrorCode.NONE
        if not member_id and leaver.instance_id is not None:
            member_id = group.static.get(leaver.instance_id, "")
        error = group.check_member(member_id, leaver.instance_id)
        if error is ErrorCode.NONE:
            self._remove_member(group, member_id, now)
        return error

    def _remove_member(self, group: Group, member_id: str, now: float) -> None:
        self._drop_member(group, member_id)
        self._maybe_prepare_rebalance(group, now)
        self._maybe_complete_join(group, now)

    def _drop_member(self, group: Group, member_id: str) -> None:
        member = group.remove(member_id)
        self._deadlines.cancel((group.group_id, member_id))
        self._answer_parked(member, ErrorCode.UNKNOWN_MEMBER_ID, member_id)

    def _answer_parked(self, member: Member, error: ErrorCode, member_id: str) -> None:
        if member.join_token is not None:
            self._replies.append(Reply(member.join_token, JoinAnswer(error, member_id)))
            member.join_token = None
        if member.sync_token is not None:
            self._replies.append(Reply(member.sync_token, SyncAnswer(error)))
            member.sync_token = None

    # -- housekeeping

    def _touch(self, group: Group, member: Member, now: float) -> None:
        if member.join_token is None and member.sync_token is None:
            self._deadlines.set((group.group_id, member.member_id), now + member.session_timeout)

    def _unload(self, group: Group) -> None:
        group.become(GroupState.DEAD)
        for member in group.members.values():
            self._answer_parked(member, ErrorCode.NOT_COORDINATOR, member.member_id)
            self._deadlines.cancel((group.group_id, member.member_id))
        for member_id in group.pending:
            self._deadlines.cancel((group.group_id, member_id))
        self._deadlines.cancel((group.group_id, _PHASE))
        del self._groups[group.group_id]

    def _forget_one(self) -> bool:
        """Forgets the group that has been here longest of those without members."""
        for group in self._groups.values():
            if group.state is EMPTY and not group.pending:
                self._unload(group)
                return True
        return False

    def _drain(self) -> list[Reply]:
        replies, self._replies = self._replies, []
        return replies
