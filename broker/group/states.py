"""The states of a classic consumer group, and how each one answers.

A state is described by what it answers to each request and by what moves the group on. Anything that is not in
`PREDECESSORS` is a programming error, and `check_transition` says so.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["PREDECESSORS", "GroupState", "check_transition"]


class GroupState(Enum):
    """The value is the name that DescribeGroups and ListGroups print."""

    EMPTY = "Empty"
    """No members; committed offsets may remain.

    Answers: JoinGroup of a new member is taken; Heartbeat, SyncGroup, LeaveGroup get UNKNOWN_MEMBER_ID; OffsetCommit
    is taken without a generation (a consumer that assigns itself).
    Moves on: a member joins -> PREPARING_REBALANCE; the group is deleted or unloaded -> DEAD.
    """

    PREPARING_REBALANCE = "PreparingRebalance"
    """Members are asked, through the answers to their heartbeats, to join again.

    Answers: JoinGroup is parked until all members have joined or the rebalance timeout is over; Heartbeat and
    SyncGroup get REBALANCE_IN_PROGRESS; LeaveGroup removes; OffsetCommit of the last generation is taken, so that a
    consumer may commit before it joins again.
    Moves on: all joined, or time is over -> COMPLETING_REBALANCE; nobody is left -> EMPTY.
    """

    COMPLETING_REBALANCE = "CompletingRebalance"
    """The generation is fixed and its leader computes the assignment.

    Answers: SyncGroup is parked until the leader's arrives; JoinGroup with what is known already gets this generation
    again, otherwise it starts a new rebalance; Heartbeat is good; OffsetCommit gets REBALANCE_IN_PROGRESS.
    Moves on: the leader's SyncGroup -> STABLE; a member joins anew, leaves or expires, or does not sync within the
    rebalance timeout -> PREPARING_REBALANCE.
    """

    STABLE = "Stable"
    """Every member may fetch its assignment.

    Answers: SyncGroup gets the assignment; Heartbeat is good; JoinGroup of the leader or with a changed subscription
    starts a rebalance, of any other member it gets this generation again; OffsetCommit of this generation is taken.
    Moves on: a member joins anew, leaves or expires -> PREPARING_REBALANCE.
    """

    DEAD = "Dead"
    """The group is unloaded or deleted; whoever still holds it answers COORDINATOR_NOT_AVAILABLE. Terminal."""


PREDECESSORS: dict[GroupState, frozenset[GroupState]] = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.PREPARING_REBALANCE: frozenset(
        {GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE}
    ),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.STABLE: frozenset({GroupState.COMPLETING_REBALANCE}),
    GroupState.DEAD: frozenset(GroupState) - {GroupState.DEAD},
}


def check_transition(group_id: str, source: GroupState, target: GroupState) -> None:
    """Asserts that a group may go from `source` to `target`."""
    assert source in PREDECESSORS[target], (
        f"group {group_id!r} may not go from {source.value} to {target.value}"
    )
