"""Sessions whose clients are connected to this server, and the requests of each that wait for their reply.

Replies leave in the order of the requests. A write waits until it is committed and applied here; whatever the client
sent behind it waits with it, so that a session reads its own writes (Apache's CommitProcessor does the same). Writes of
one session are committed in the order in which they were sent, so a committed one is always the first that waits.

The queue belongs to the session, not to the connection: a client that reconnects to this server at once may count its
requests from 1 again, and the replies to those of its earlier connection must not be taken for the new ones'.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import Protocol

from coord.tree.reads import Caller

__all__ = ["Client", "ClientSession", "Pending", "Scope"]


class Scope(Enum):
    """Who knows a session."""

    GLOBAL = auto()
    """The ensemble."""
    LOCAL = auto()
    """This server alone, see `localsessions`."""
    UPGRADING = auto()
    """This server, until the createSession that is under way is committed."""


class Client(Caller, Protocol):
    """What the pipeline asks of a client's connection: session id and identities, and these."""

    def established(self, session: ClientSession) -> None:
        """The session is the connection's: say so, and begin to take requests."""

    def rejected(self) -> None:
        """There is no such session (any more): say so, and close."""

    def reply(self, frame: bytes, milliseconds: int) -> None:
        """Sends the reply to a write, or to a sync, that came so long ago."""

    def send(self, frame: bytes) -> None:
        """Sends an event, or a reply that counts for nothing."""

    def answer(self, xid: int, op: int, body: bytes) -> None:
        """Handles a request that had to wait and is not a write."""

    def close(self) -> None:
        """Sends what is queued and closes."""

    def abort(self, reason: str) -> None:
        """Closes at once."""


class ClientSession:
    """connection: the client's, or None once it is gone. waiting: requests without a reply, oldest first."""

    __slots__ = ("connection", "id", "scope", "timeout_ms", "waiting")

    def __init__(self, session_id: int, timeout_ms: int, connection: Client | None, scope: Scope = Scope.GLOBAL) -> None:
        self.id = session_id
        self.scope = scope
        self.timeout_ms = timeout_ms
        self.connection = connection
        self.waiting: deque[Pending] = deque()


class Pending:
    """A request that waits.

    connection: the one it came by; its reply goes there or nowhere. is_write: a write or a sync, which the ensemble
    answers; the rest this server answers by itself. since: when a write arrived, in trio's seconds. frame: its reply,
    once there is one; empty as long as there is none.
    """

    __slots__ = ("body", "connection", "frame", "is_write", "op", "session", "since", "xid")

    def __init__(self, session: ClientSession, xid: int, op: int, body: bytes, *, is_write: bool) -> None:
        self.session = session
        self.connection = session.connection
        self.xid = xid
        self.op = op
        self.body = body
        self.is_write = is_write
        self.since = 0.0
        self.frame = b""
