"""What goes into a session and what comes out of it: calls, and the events that end them or tell of changes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from coord.wire.jute import Writer
from coord.wire.requests import Record

from .states import State
from .watches import Kind, WatchEvent

__all__ = [
    "Call",
    "Credentials",
    "Event",
    "Fired",
    "Reply",
    "StateChanged",
    "Watch",
    "WatchRemoval",
    "encode",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What re-attaches a session: its id and its 16-byte password."""

    session_id: int
    password: bytes


@dataclass(frozen=True, slots=True)
class Watch:
    """Set by a read that succeeds. A DATA watch asked for by `exists` on a missing node becomes an EXIST watch."""

    kind: Kind
    path: str
    watcher: Hashable


@dataclass(frozen=True, slots=True)
class WatchRemoval:
    """Forgets the watches of a path once the server has; `watcher_type` is a `WatcherType`."""

    path: str
    watcher_type: int


class Call:
    """One request. `path` is for error messages, `owner` is whatever the driver wants to find again with the reply.

    then: the next request, which is worth nothing if this one fails.
    """

    __slots__ = ("op", "owner", "path", "payload", "then", "watch", "xid")

    def __init__(
        self,
        op: int,
        payload: bytes = b"",
        path: str | None = None,
        watch: Watch | WatchRemoval | None = None,
        owner: object = None,
    ) -> None:
        self.op = op
        self.payload = payload
        self.path = path
        self.watch = watch
        self.owner = owner
        self.then: Call | None = None
        self.xid = 0


@dataclass(slots=True)
class Reply:
    """The end of a call. err 0: `body` holds the response record. The view is of received bytes: decode it soon."""

    call: Call
    err: int
    body: memoryview


@dataclass(slots=True)
class Fired:
    """An event for one watcher. It precedes every reply that shows the change."""

    watcher: Hashable
    event: WatchEvent


@dataclass(slots=True)
class StateChanged:
    """The session is now in `state`; `reason` is a sentence for people."""

    state: State
    reason: str


Event = Reply | Fired | StateChanged


def encode(record: Record) -> bytes:
    """A record as bytes."""
    writer = Writer()
    record.write(writer)
    return writer.getvalue()
