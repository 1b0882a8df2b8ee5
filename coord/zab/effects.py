"""What the core obliges its driver to do.

One `Effects` is the answer to one batch of events. Its fields are carried out from top to bottom, each before the next
begins: that order is what makes a crash between any two of them harmless. Within a field the order is the list's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from coord.wire.election import Notification

from .application import ForwardedRequest, Role, Transaction
from .quorums import Ensemble

__all__ = ["BODY", "Effects"]

BODY = None
"""In `Effects.send`, the place of the SNAP body that was frozen for the link."""


@dataclass(slots=True)
class Effects:
    """Duties, in the order in which they must be fulfilled."""

    accepted_epoch: int | None = None
    """Make acceptedEpoch durable. Before `send`, which carries the promise (ACKEPOCH, LEADERINFO)."""
    rewind: int | None = None
    """`Application.rewind`. Before `persist`: what is appended follows this zxid. A sync that is under way counts no more."""
    seen: Ensemble | None = None
    """A configuration that may come into force: make it durable. Before `send`, for an ACK says that it is known."""
    activated: Ensemble | None = None
    """The configuration that is in force now: make it durable. Before `deliver`, which may carry its transaction."""
    persist: list[Transaction] = field(default_factory=list)
    """Append to the log, then sync it soon and tell by `Synced`. Nothing here waits for that sync: what depends on it
    (an ACK, currentEpoch, a commit) is an effect of `Synced`. A leader that is established may append behind `send`, before
    `notify`: a proposal promises nothing of its own log, and a vote does."""
    current_epoch: int | None = None
    """Make currentEpoch durable: the history it stands for is. Before `send`, which carries the ACK of NEWLEADER."""
    became: list[tuple[Role, int]] = field(default_factory=list)
    """`Application.became`. Before `deliver`: a new role's first transactions belong to it."""
    deliver: list[Transaction] = field(default_factory=list)
    """`Application.deliver`: these are committed."""
    syncs_done: int = 0
    """`Application.syncs_done`. After `deliver`, which is what the sync waited for."""
    touched: list[tuple[int, int]] = field(default_factory=list)
    """`Application.touch`."""
    revalidate: list[tuple[int, int, int]] = field(default_factory=list)
    """(link, session id, timeout in ms): ask `Application.revalidate` and send the answer to that learner."""
    revalidated: list[tuple[int, bool]] = field(default_factory=list)
    """`Application.revalidated` for (session id, whether it lives)."""
    requests: list[ForwardedRequest] = field(default_factory=list)
    """`Application.requests`. After `deliver` and `touched`."""
    pongs: list[tuple[int, int]] = field(default_factory=list)
    """(link, zxid of the leader's PING): answer it with `Application.take_touched`."""
    send: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Packets for links, or `BODY`."""
    notify: list[tuple[int, Notification]] = field(default_factory=list)
    """Votes for peers' election ports. Only the newest for each peer matters; a peer out of reach is connected to."""
    close: list[tuple[int, str]] = field(default_factory=list)
    """Links to close, and why. After `send`."""
    freeze: list[int] = field(default_factory=list)
    """Links that need a SNAP: `Application.freeze` as soon as it can be had, then tell by `Frozen`."""
    save: bool = False
    """Start `Application.save`; tell by `Saved`. Nothing is persisted or delivered until then."""
    listen: bool | None = None
    """Open the quorum port, or close it (its links are closed one by one by `close`)."""
    disconnect: bool = False
    """Stop trying to connect."""
    connect: int | None = None
    """Connect to the quorum port of this server, again and again until it stands (`Connected`) or `disconnect` comes."""
