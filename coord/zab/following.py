"""The learners of one leader, and the questions that concern all of them: who takes part, who serves, who is in sync."""

from __future__ import annotations

from .application import Role
from .follower import FollowerState, Stage
from .membership import Membership

__all__ = ["Following"]


class Following:
    """sid: the leader's own, which counts as one of those that serve."""

    __slots__ = ("by_link", "followers", "membership", "observers", "sid")

    def __init__(self, sid: int, membership: Membership) -> None:
        self.sid = sid
        self.membership = membership
        self.by_link: dict[int, FollowerState] = {}
        self.followers: list[int] = []
        self.observers: list[int] = []
        """Links that take part in the broadcast."""

    def regroup(self) -> None:
        """A learner has begun to take part, or is gone."""
        taking_part = [lr for lr in self.by_link.values() if lr.stage in (Stage.SYNCING, Stage.SERVING)]
        self.followers = [learner.link for learner in taking_part if not learner.observer]
        self.observers = [learner.link for learner in taking_part if learner.observer]

    def count_voters(self) -> None:
        """The configuration has changed, and with it whose ACKs count."""
        for learner in self.by_link.values():
            learner.votes = learner.sid in self.membership.voters and not learner.observer

    def serving(self) -> list[FollowerState]:
        """Those whose logs and epochs are durable."""
        return [learner for learner in self.by_link.values() if learner.stage is Stage.SERVING]

    def serving_sids(self) -> list[int]:
        """The same as servers, with the leader."""
        return [self.sid, *(learner.sid for learner in self.serving())]

    def here(self) -> set[int]:
        """Who has come and said who it is, the leader included."""
        return {self.sid, *(lr.sid for lr in self.by_link.values() if lr.stage is not Stage.GREETING)}

    def synced_sids(self) -> list[int]:
        """The servers whose logs are the leader's: its own, and those of followers in sync, with or without a vote. One
        that is an observer by now, and does not know yet, will come back as one."""
        there = [learner for learner in self.serving() if not learner.observer]
        return [self.sid, *(lr.sid for lr in there if self.membership.role(lr.sid) is Role.FOLLOWING)]

    def acknowledged(self, own: int) -> dict[int, int]:
        """How far each voter's log is durable; own: the leader's."""
        return {self.sid: own, **{learner.sid: learner.acked for learner in self.serving() if learner.votes}}

    def answered(self, newest: int) -> dict[int, int]:
        """The last PING that each voter has answered; newest: the last one sent."""
        return {self.sid: newest, **{learner.sid: learner.answered for learner in self.serving() if learner.votes}}
