"""The states of a client's session, and the only moves between them.

    CONNECTING --> CONNECTED <--> SUSPENDED
         |             |              |
         +-------------+--------------+-----> EXPIRED | CLOSED | AUTH_FAILED     (final)

CONNECTED_READ_ONLY, for clients that allow it, has the place of CONNECTED while the server has no quorum.
A move that is not in `MOVES` is a mistake of ours, and says so. Final states stay: a new session is a new client.
"""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["FINAL", "LINKED", "MOVES", "Move", "State"]


class State(Enum):
    """Where a session is. Requests are accepted in all states but the final ones."""

    CONNECTING = "connecting"
    """There is no session yet. Requests wait."""
    CONNECTED = "connected"
    """The session lives and has a server."""
    CONNECTED_READ_ONLY = "connected read-only"
    """There is a server, but it has no quorum: it reads, refuses the rest, and what it says may be old."""
    SUSPENDED = "suspended"
    """The session has no server at the moment and may be expiring. Requests wait; locks and leadership are in doubt."""
    EXPIRED = "expired"
    """The session is over: its ephemeral znodes are gone, its watches will not fire."""
    CLOSED = "closed"
    """The session was closed by its owner."""
    AUTH_FAILED = "auth failed"
    """The server refused the credentials given to `add_auth`."""


class Move(Enum):
    """What happens to a session."""

    ESTABLISHED = auto()
    ESTABLISHED_READ_ONLY = auto()
    LOST = auto()
    EXPIRED = auto()
    CLOSED = auto()
    REFUSED = auto()


FINAL = frozenset((State.EXPIRED, State.CLOSED, State.AUTH_FAILED))
LINKED = frozenset((State.CONNECTED, State.CONNECTED_READ_ONLY))
"""States in which there is a server that answers."""

MOVES: dict[tuple[State, Move], State] = {
    (State.CONNECTING, Move.ESTABLISHED): State.CONNECTED,
    (State.CONNECTING, Move.LOST): State.CONNECTING,
    (State.CONNECTING, Move.EXPIRED): State.EXPIRED,
    (State.CONNECTING, Move.CLOSED): State.CLOSED,
    (State.CONNECTING, Move.ESTABLISHED_READ_ONLY): State.CONNECTED_READ_ONLY,
    (State.CONNECTED_READ_ONLY, Move.LOST): State.SUSPENDED,
    (State.CONNECTED_READ_ONLY, Move.CLOSED): State.CLOSED,
    (State.CONNECTED_READ_ONLY, Move.REFUSED): State.AUTH_FAILED,
    (State.SUSPENDED, Move.ESTABLISHED_READ_ONLY): State.CONNECTED_READ_ONLY,
    (State.CONNECTED, Move.LOST): State.SUSPENDED,
    (State.CONNECTED, Move.CLOSED): State.CLOSED,
    (State.CONNECTED, Move.REFUSED): State.AUTH_FAILED,
    (State.SUSPENDED, Move.ESTABLISHED): State.CONNECTED,
    (State.SUSPENDED, Move.LOST): State.SUSPENDED,
    (State.SUSPENDED, Move.EXPIRED): State.EXPIRED,
    (State.SUSPENDED, Move.CLOSED): State.CLOSED,
}
