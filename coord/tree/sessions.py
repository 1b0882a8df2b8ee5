"""Sessions: their ids and passwords, and, on the leader alone, when they expire and which server owns them.

A session expires when it was not touched for its timeout; deadlines are rounded up to the next tick, so that all
sessions of a tick are handled together. Expiry is a closeSession transaction like any other: `expired` only says for
whom it is due. A new leader gives every session its full timeout again.
"""

from __future__ import annotations

from collections.abc import Callable

from coord.errors import SessionExpiredError, SessionMovedError

__all__ = ["SessionIds", "SessionTracker", "password_of"]

_PASSWORD_SALT = 0xB3415C00
_LCG_MULTIPLIER = 0x5DEECE66D
_LCG_INCREMENT = 0xB
_LCG_MASK = (1 << 48) - 1
_NEVER = -(1 << 63)
"""The one id that no session may have: as an owner it marks a container."""


def password_of(session_id: int) -> bytes:
    """The 16 bytes that let a client take its session to another server.

    A pure function of the id (Java's Random seeded with it), so that any server, ours or Apache's, can check it.
    """
    seed = ((session_id ^ _PASSWORD_SALT) ^ _LCG_MULTIPLIER) & _LCG_MASK
    password = b""
    for _ in range(4):
        seed = (seed * _LCG_MULTIPLIER + _LCG_INCREMENT) & _LCG_MASK
        password += (seed >> 16).to_bytes(4, "little")
    return password


class SessionIds:
    """Ids for new sessions: the server in the top byte, then 40 bits of time, then 16 bits of room to count up."""

    __slots__ = ("_next",)

    def __init__(self, server_id: int, now_ms: int) -> None:
        value = (now_ms << 24 & (1 << 64) - 1) >> 8 | (server_id & 0xFF) << 56
        self._next = value - (1 << 64) if value >> 63 else value

    def next(self) -> int:
        """A session id that this server has not given before; a signed long, never 0."""
        if self._next in (0, _NEVER):
            self._next += 1
        session_id = self._next
        self._next += 1
        return session_id


class _Session:
    __slots__ = ("bucket", "closing", "owner", "timeout_ms")

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self.bucket = 0
        self.closing = False
        self.owner: object = None


class SessionTracker:
    """The leader's sessions. Times are monotonic, in seconds; timeouts are in ms.

    now: the latest time the tracker was told. A session that begins between two ticks gets a tick more, since `now` may
    be that old.
    """

    __slots__ = ("_buckets", "_sessions", "_tick_ms", "admits", "now")

    def __init__(self, tick_ms: int, now: float, sessions: dict[int, int] | None = None) -> None:
        """sessions: id -> timeout in ms, of the tree; all of them begin afresh."""
        self._tick_ms = tick_ms
        self._sessions: dict[int, _Session] = {}
        self._buckets: dict[int, dict[int, None]] = {}
        self.now = now
        self.admits: Callable[[int], bool] = lambda session_id: False
        """Whether a session that is not known here may do things nevertheless: one that only its server knows."""
        for session_id, timeout_ms in (sessions or {}).items():
            self.track(session_id, timeout_ms)

    def __contains__(self, session_id: int) -> bool:
        return session_id in self._sessions

    def __len__(self) -> int:
        return len(self._sessions)

    def track(self, session_id: int, timeout_ms: int, owner: object = None) -> None:
        """Begins a session; owner: the server it is connected to."""
        session = self._sessions.get(session_id)
        if session is None:
            session = self._sessions[session_id] = _Session(timeout_ms)
        session.timeout_ms = timeout_ms
        session.owner = owner
        self._move(session_id, session, self._bucket(timeout_ms + self._tick_ms))

    def touch(self, session_id: int, now: float, timeout_ms: int | None = None) -> bool:
        """Notes a sign of life. False when the session is not known any more or being closed."""
        self.now = now
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            return False
        if timeout_ms is not None:
            session.timeout_ms = timeout_ms
        bucket = self._bucket(session.timeout_ms)
        if bucket != session.bucket:
            self._move(session_id, session, bucket)
        return True

    def check(self, session_id: int, owner: object, *, to_own: bool = False) -> None:
        """Raises SessionExpiredError, or SessionMovedError when the session is connected to another server now.

        A session without an owner takes the first that asks. owner None asks for nobody in particular. to_own: the session
        is to own a node, so it must be known, and end some day.
        """
        session = self._sessions.get(session_id)
        if session is None and not to_own and self.admits(session_id):
            return
        if session is None or session.closing:
            raise SessionExpiredError
        if session.owner != owner and owner is not None:
            if session.owner is not None:
                raise SessionMovedError
            session.owner = owner

    def set_owner(self, session_id: int, owner: object) -> bool:
        """The session has connected to another server. False when it is not known or being closed."""
        session = self._sessions.get(session_id)
        if session is None or session.closing:
            return False
        session.owner = owner
        return True

    def close(self, session_id: int) -> None:
        """A closeSession has been decided: from now on the session can do nothing."""
        session = self._sessions.get(session_id)
        if session is not None:
            session.closing = True

    def remove(self, session_id: int) -> None:
        """The closeSession has been applied."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._leave(session_id, session)

    def timeout_of(self, session_id: int) -> int | None:
        """The timeout in ms, or None for a session that is not known."""
        session = self._sessions.get(session_id)
        return None if session is None else session.timeout_ms

    def expired(self, now: float) -> list[int]:
        """The sessions whose time is over, each told once; they count as closing from now on."""
        self.now = now
        limit = int(now * 1000) // self._tick_ms
        due: list[int] = []
        for bucket in sorted(bucket for bucket in self._buckets if bucket <= limit):
            due.extend(self._buckets.pop(bucket))
        for session_id in due:
            session = self._sessions[session_id]
            session.closing = True
            session.bucket = 0
        return due

    def by_expiry(self) -> list[tuple[float, list[int]]]:
        """(seconds, the sessions that expire then), soonest first."""
        return [(bucket * self._tick_ms / 1000, list(ids)) for bucket, ids in sorted(self._buckets.items())]

    def deadline(self) -> float | None:
        """When `expired` has something to say at the earliest."""
        return min(self._buckets) * self._tick_ms / 1000 if self._buckets else None

    def _bucket(self, timeout_ms: int) -> int:
        return (int(self.now * 1000) + timeout_ms) // self._tick_ms + 1

    def _move(self, session_id: int, session: _Session, bucket: int) -> None:
        self._leave(session_id, session)
        session.bucket = bucket
        self._buckets.setdefault(bucket, {})[session_id] = None

    def _leave(self, session_id: int, session: _Session) -> None:
        ids = self._buckets.get(session.bucket)
        if ids is not None:
            ids.pop(session_id, None)
            if not ids:
                del self._buckets[session.bucket]
