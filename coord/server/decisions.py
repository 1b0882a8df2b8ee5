"""The leader's part of a write: requests become transactions, sessions are watched over. One object for each leadership.

The decisions are kept until they come back committed, so that the leader need not decode its own transactions again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import trio

from coord.kit.host import Wall
from coord.tree.decide import Decider, Decision, Request
from coord.tree.sessions import SessionTracker
from coord.wire.codes import OpCode
from coord.zab.application import Replication, Transaction

from .sessions import Pending
from .stats import Statistics

__all__ = ["Decisions"]

log = logging.getLogger(__name__)

SYNC = OpCode.SYNC.value
CLOSE_SESSION = OpCode.CLOSE_SESSION.value
DELETE_CONTAINER = OpCode.DELETE_CONTAINER.value


class Decisions:
    """decider, tracker: of this leadership. sync: called with each sync among the requests, in its place."""

    __slots__ = ("_decided", "_decider", "_replication", "_stats", "_sync", "_wall", "tracker")

    def __init__(
        self,
        decider: Decider,
        tracker: SessionTracker,
        replication: Replication,
        wall: Wall,
        stats: Statistics,
        sync: Callable[[Request, Pending | None], None],
    ) -> None:
        self.tracker = tracker
        self._decider = decider
        self._replication = replication
        self._wall = wall
        self._stats = stats
        self._sync = sync
        self._decided: deque[tuple[Decision, Pending | None]] = deque()

    def decide(self, requests: Iterable[tuple[Request, Pending | None]]) -> None:
        """Decides and proposes them as one batch; but what came before a sync is proposed before it."""
        now_ms = self._wall.now_ms()
        batch: list[Transaction] = []
        for request, pending in requests:
            if request.op == SYNC:
                self._propose(batch)
                batch = []
                self._sync(request, pending)
                continue
            zxid = self._replication.next_zxid()
            decision = self._decider.decide(request, zxid, now_ms)
            self._decided.append((decision, pending))
            batch.append((zxid, decision.data))
        self._propose(batch)

    def _propose(self, batch: list[Transaction]) -> None:
        if batch:
            note = self._stats.proposals.note
            for _, data in batch:
                note(len(data))
            self._replication.propose(batch)

    def take(self, zxid: int) -> tuple[Decision, Pending | None] | None:
        """What was decided under this zxid, if it was decided here. To be asked in the order of commits."""
        decided = self._decided
        return decided.popleft() if decided and decided[0][0].header.zxid == zxid else None

    def applied(self, zxid: int) -> None:
        """Everything up to this is in the tree."""
        self._decider.applied(zxid)

    def delete_unused(self, paths: Sequence[str]) -> None:
        """Proposes to delete containers and TTL nodes that have served their time."""
        self.decide((Request(0, 0, DELETE_CONTAINER, path.encode()), None) for path in paths)

    def touch(self, sessions: Iterable[tuple[int, int]]) -> None:
        """(session id, timeout in ms): their clients were heard of."""
        now = trio.current_time()
        for session_id, timeout_ms in sessions:
            self.tracker.touch(session_id, now, timeout_ms)

    def expire(self, now: float) -> None:
        """Proposes to close the sessions that were silent for too long."""
        due = self.tracker.expired(now)
        if not due:
            return
        for session_id in due:
            log.info("session 0x%x expired: nothing was heard of it for %s ms", session_id, self.tracker.timeout_of(session_id))
        self.decide((Request(session_id, 0, CLOSE_SESSION, b""), None) for session_id in due)
