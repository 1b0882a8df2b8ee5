"""What a leader knows of one learner on its quorum port."""

from __future__ import annotations

from enum import Enum, auto

from coord.wire.zxid import show

from .timing import Timing

__all__ = ["FollowerState", "Stage"]


class Stage(Enum):
    """How far a learner has come; each stage ends with a packet of its, but WAITING and FREEZING with one of ours."""

    GREETING = auto()
    """Connected; FOLLOWERINFO or OBSERVERINFO is to come."""
    WAITING = auto()
    """Greeted; LEADERINFO waits for a quorum of promises."""
    PROMISING = auto()
    """LEADERINFO sent; ACKEPOCH is to come."""
    PROMISED = auto()
    """ACKEPOCH here; synchronisation waits for a quorum of them."""
    FREEZING = auto()
    """It needs the whole state; a cut is to be made."""
    SYNCING = auto()
    """Everything up to NEWLEADER sent; its ACK is to come. From here on it gets all proposals."""
    SERVING = auto()
    """Its log and epoch are durable; its ACKs count."""


class FollowerState:
    """One learner, from connection to close."""

    __slots__ = ("acked", "answered", "heard", "link", "observer", "owed", "owed_since", "sid", "since", "stage", "votes", "zxid")

    def __init__(self, link: int, now: float) -> None:
        self.link = link
        self.stage = Stage.GREETING
        self.since = self.heard = now
        self.sid = -1
        self.observer = False
        self.votes = False
        """Whether its ACKs count: a follower in the configuration."""
        self.zxid = 0
        """The end of its log when it came."""
        self.acked = 0
        """The last proposal it acknowledged: all up to this are in its synced log."""
        self.answered = 0
        """The number of the last PING it answered."""
        self.owed = 0
        self.owed_since = 0.0
        """A proposal whose ACK is being waited for, and since when."""

    def greeted(self, sid: int, observer: bool, votes: bool, now: float) -> None:
        """It said who it is."""
        self.sid = sid
        self.observer = observer
        self.votes = votes and not observer
        self.enter(Stage.WAITING, now)

    def enter(self, stage: Stage, now: float) -> None:
        """The next stage begins."""
        self.stage = stage
        self.since = now

    def overdue(self, now: float, timing: Timing, proposed: int) -> str | None:
        """Why this learner must go, if it must. proposed: the last zxid sent to it."""
        if self.stage is not Stage.SERVING:
            # waiting for others, or for a cut of the state, is no fault of the learner's
            waits = self.stage in (Stage.WAITING, Stage.PROMISED, Stage.FREEZING)
            if not waits and now - max(self.since, self.heard) >= timing.init_timeout:
                return f"nothing came within initLimit in stage {self.stage.name}"
            return None
        if now - self.heard >= timing.sync_timeout:
            return "nothing was heard within syncLimit"
        if not self.votes:
            return None
        if self.acked >= self.owed:
            self.owed, self.owed_since = proposed, now
        elif now - self.owed_since >= timing.sync_timeout:
            return f"{show(self.owed)} was not acknowledged within syncLimit"
        return None
