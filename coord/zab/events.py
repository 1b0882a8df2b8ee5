"""What the core is told. A link is a number that the driver gives to one connection of the quorum port, never reused."""

from __future__ import annotations

from typing import NamedTuple

from coord.wire.election import Notification
from coord.wire.quorum import Message

from .application import ForwardedRequest, Transaction

__all__ = [
    "Connected",
    "Event",
    "ForwardAsked",
    "Frozen",
    "Leaving",
    "LinkClosed",
    "LinkOpened",
    "Notified",
    "Proposed",
    "Received",
    "Restored",
    "RevalidationAsked",
    "Saved",
    "Streamed",
    "SyncAsked",
    "Synced",
]


class Notified(NamedTuple):
    """A vote came from a peer's election port."""

    sid: int
    notification: Notification


class LinkOpened(NamedTuple):
    """A learner connected to this server's quorum port."""

    link: int


class Connected(NamedTuple):
    """The connection to the leader (`Effects.connect`) stands."""

    link: int


class LinkClosed(NamedTuple):
    """A link is gone. Not told of links that `Effects.close` named."""

    link: int
    reason: str


class Received(NamedTuple):
    """Messages of one link, in order. An empty list says that the link is alive, as a long SNAP body does."""

    link: int
    messages: list[Message]


class Synced(NamedTuple):
    """Everything persisted up to and including `zxid` is durable."""

    zxid: int


class Restored(NamedTuple):
    """The body of a SNAP was read whole and is the application's state now."""

    link: int
    zxid: int


class Saved(NamedTuple):
    """The state is durable as a snapshot (`Effects.save`)."""


class Frozen(NamedTuple):
    """A cut of the state as of `zxid` was made for a learner (`Effects.freeze`)."""

    link: int
    zxid: int


class Streamed(NamedTuple):
    """A piece of a SNAP's body has left for the learner; told at least every second while there is progress."""

    link: int


class Proposed(NamedTuple):
    """The application's transactions, with zxids that `next_zxid` gave."""

    batch: list[Transaction]


class ForwardAsked(NamedTuple):
    """Clients' writes for the leader."""

    batch: list[ForwardedRequest]


class SyncAsked(NamedTuple):
    """`Replication.sync`."""

    request: ForwardedRequest


class RevalidationAsked(NamedTuple):
    """`Replication.revalidate`."""

    session_id: int
    timeout_ms: int


class Leaving(NamedTuple):
    """This server is about to be stopped: a leader hands over first. `Peer.left` says when it may go."""


Event = (
    Notified
    | LinkOpened
    | Connected
    | LinkClosed
    | Received
    | Synced
    | Restored
    | Saved
    | Frozen
    | Streamed
    | Proposed
    | ForwardAsked
    | SyncAsked
    | RevalidationAsked
    | Leaving
)
