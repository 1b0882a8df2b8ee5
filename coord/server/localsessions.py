"""Local sessions: those that this server alone knows (`localSessionsEnabled`), and those of a server without a quorum.

No transaction creates or closes them, so that clients which come and go cost the ensemble nothing. They can do everything
but own ephemeral nodes: who asks for one is upgraded first, keeping its id (`localSessionsUpgradingEnabled`), or refused.
On another server a local session is unknown, and its client is told that it has expired.
"""

from __future__ import annotations

from enum import Enum, auto

from coord.tree.sessions import SessionTracker
from coord.wire.codes import CreateMode, OpCode
from coord.wire.jute import JuteError, Reader
from coord.wire.multi import MultiRequest
from coord.wire.requests import CreateRequest

from .sessions import Pending, Scope

__all__ = ["LocalSessions", "Way", "wants_ephemeral"]

EPHEMERAL = frozenset((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))
CREATES = frozenset((OpCode.CREATE, OpCode.CREATE2))


class Way(Enum):
    """What becomes of a write of a local session."""

    LEADER = auto()
    """It goes to the leader as it is."""
    UPGRADE = auto()
    """The same, behind a createSession."""
    REFUSE = auto()
    """An ephemeral node, and this server upgrades nobody."""
    CLOSE = auto()
    """The session's end, of which nobody else need know."""


class LocalSessions:
    """The ids, and when they expire. Times are trio's seconds."""

    def __init__(self, tick_ms: int, server_id: int, *, enabled: bool, upgrading: bool) -> None:
        self.enabled = enabled
        self._server_id = server_id
        self._upgrading = upgrading
        self._tick_ms = tick_ms
        self._tracker = SessionTracker(tick_ms, 0.0)

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._tracker

    def __len__(self) -> int:
        return len(self._tracker)

    def begin(self, session_id: int, timeout_ms: int, now: float) -> None:
        """A new one."""
        self._tracker.now = now
        self._tracker.track(session_id, timeout_ms)

    def touch(self, session_id: int, timeout_ms: int, now: float) -> bool:
        """A sign of life. False for a session that is not one of these."""
        return self._tracker.touch(session_id, now, timeout_ms)

    def end(self, session_id: int) -> None:
        """Closed, or global from now on."""
        self._tracker.remove(session_id)

    def clear(self) -> None:
        """All are gone."""
        self._tracker = SessionTracker(self._tick_ms, 0.0)

    def by_expiry(self) -> list[tuple[float, list[int]]]:
        """See `SessionTracker.by_expiry`."""
        return self._tracker.by_expiry()

    def expired(self, now: float) -> list[int]:
        """Those whose time is over; they are forgotten."""
        due = self._tracker.expired(now)
        for session_id in due:
            self._tracker.remove(session_id)
        return due

    def admits(self, session_id: int) -> bool:
        """On the leader: whether a session that no transaction created may write. Those of other servers may, for only
        they know their local sessions; of its own this server knows which there are."""
        of_another = session_id >> 56 & 0xFF != self._server_id
        return session_id in self._tracker or (self.enabled and of_another)

    def way_of(self, pending: Pending) -> Way:
        """What is to be done with a write that has arrived."""
        if pending.session.scope is not Scope.LOCAL:
            return Way.LEADER
        if pending.op == OpCode.CLOSE_SESSION:
            return Way.CLOSE
        if not wants_ephemeral(pending.op, pending.body):
            return Way.LEADER
        return Way.UPGRADE if self._upgrading else Way.REFUSE


def wants_ephemeral(op: int, body: bytes) -> bool:
    """Whether a request would make an ephemeral node. One that cannot be read makes none; the leader refuses it."""
    try:
        if op in CREATES:
            return CreateRequest.read(Reader(body)).flags in EPHEMERAL
        if op == OpCode.MULTI:
            ops = MultiRequest.read(Reader(body)).ops
            return any(kind in CREATES and getattr(record, "flags", 0) in EPHEMERAL for kind, record in ops)
    except JuteError:
        pass
    return False
