"""The two sides of replication: what the ordered log is for, and what it offers.

`Application` is the replicated state machine with its client connections (coord.server.pipeline); `Replication` is the
driver of the ensemble (coord.server.driver) as the application sees it. Both are synchronous and live in one trio task
each wake-up: a method of one may be called from inside a method of the other, and effects of `Replication`'s verbs are
gathered and carried out at the end of the wake-up, so that what arrived together is logged and sent together.

Transactions are opaque bytes here. A batch is a list of (zxid, bytes) in zxid order.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from enum import IntEnum
from typing import NamedTuple, Protocol

from coord.wire.data import Id

__all__ = ["Application", "Cut", "ForwardedRequest", "Replication", "Restoration", "Role", "Transaction"]

Transaction = tuple[int, bytes]
"""(zxid, encoded transaction)."""


class Role(IntEnum):
    """What a server is; the first four numbers are those of the election's wire."""

    LOOKING = 0
    FOLLOWING = 1
    LEADING = 2
    OBSERVING = 3
    STANDALONE = 4


class ForwardedRequest(NamedTuple):
    """A client's write (or sync, check, session operation) on its way to the leader.

    body: the request record as the client sent it, without its header. learner: which link it came by; this is the
    session's owner in the sense of SESSIONMOVED. A learner that comes back has another number. 0 is this server.
    """

    session_id: int
    cxid: int
    op: int
    body: bytes
    auth: tuple[Id, ...]
    learner: int = 0


class Cut(Protocol):
    """A consistent state on its way to a learner, frozen at `zxid` while the application goes on."""

    zxid: int

    def chunks(self) -> Iterator[bytes]:
        """The SNAP body from its first byte (session count) to the closing signature, in pieces of 64 KiB or so."""
        ...

    def close(self) -> None:
        """Lets the frozen state go. Called exactly once, also when the learner left half-way."""


class Restoration(Protocol):
    """A SNAP body being read into a new state that replaces the old one only when it is whole."""

    finished: bool
    """True when the closing signature has been read."""

    def feed(self, data: memoryview) -> int:
        """Takes bytes (valid during the call only); returns how many it consumed. What is left comes again with more
        behind it. Raises ValueError on bytes that are no snapshot."""
        ...

    def install(self, zxid: int) -> None:
        """Makes the new state the application's, as of `zxid`. Called once, when `finished`."""

    def close(self) -> None:
        """Drops what was read, when the leader was lost half-way. The old state stays."""


class Application(Protocol):
    """The state machine that the ensemble replicates."""

    @property
    def last_zxid(self) -> int:
        """The zxid of the last transaction applied."""
        ...

    def became(self, role: Role, epoch: int) -> None:
        """This server now serves as `role`, or serves nothing (LOOKING): then every client connection and everything
        that waits for a reply, a sync or a revalidation is dropped, for the answers will not come.

        LEADING comes when the epoch is established (a quorum has its history), FOLLOWING and OBSERVING when the leader
        says UPTODATE. A new leader starts every session anew with its full timeout; its first zxid is epoch<<32 | 1.
        Between LOOKING and the next role transactions may be delivered, and the state may be replaced or rewound.
        """

    def deliver(self, batch: list[Transaction]) -> None:
        """Applies committed transactions, each exactly once and in order."""

    def requests(self, batch: list[ForwardedRequest]) -> None:
        """On the leader: writes of learners' clients, in order for each learner. Decide and `propose` them before
        returning, or keep the order between them and later calls of `sync` for the same learner yourself."""

    def syncs_done(self, count: int) -> None:
        """The oldest `count` outstanding `Replication.sync` calls are answered: what was committed before them at the
        leader has been delivered here."""

    def revalidate(self, session_id: int, timeout_ms: int, learner: int) -> bool:
        """On the leader: a client re-attached at a learner. True when the session lives; `learner` now owns it."""
        ...

    def revalidated(self, session_id: int, valid: bool) -> None:
        """On a learner: the leader's answer to `Replication.revalidate`."""

    def touch(self, sessions: list[tuple[int, int]]) -> None:
        """On the leader: (session id, timeout in ms) of sessions that a learner heard of."""

    def take_touched(self) -> list[tuple[int, int]]:
        """On a learner: the sessions heard of since the last call, as `touch` wants them; empties the list."""
        ...

    def freeze(self) -> Cut | None:
        """A cut of the state as of `last_zxid` for a learner's SNAP; None while another cut is open (asked again)."""
        ...

    def restore(self) -> Restoration:
        """Starts reading a SNAP body from the leader."""
        ...

    def save(self) -> Awaitable[None]:
        """Writes the state as of `last_zxid` as a durable snapshot, after which the log on disk that is older counts
        for nothing. Called after a restoration, when nothing is delivered meanwhile. Raises OSError."""
        ...

    def rewind(self, zxid: int) -> None:
        """TRUNC: makes the log on disk end with `zxid` (durably) and rebuilds the state from disk, as of `zxid`, where
        it holds later transactions. Snapshots newer than `zxid` count no more. Raises OSError when that is impossible."""


class Replication(Protocol):
    """What the application may ask of the ensemble. Every verb is synchronous and takes effect in order."""

    @property
    def role(self) -> Role:
        """What the application was told last."""
        ...

    @property
    def epoch(self) -> int:
        """The epoch that this server serves in."""
        ...

    @property
    def leader(self) -> int | None:
        """The server id of the leader that this server serves under; None while LOOKING."""
        ...

    def next_zxid(self) -> int:
        """On the leader: the zxid for the next transaction. Each call takes one: propose them all, in that order."""
        ...

    def propose(self, batch: list[Transaction]) -> None:
        """On the leader: replicates transactions whose zxids came from `next_zxid`. They come back by `deliver`."""

    def forward(self, batch: list[ForwardedRequest]) -> None:
        """On a learner: sends clients' writes to the leader, in order."""

    def sync(self, request: ForwardedRequest) -> None:
        """In any role: asks for `Application.syncs_done` once all that was committed before it, by whatever leader, is here.
        (An Apache leader does not ask its quorum: under it, all that it knows to be committed.)
        On the leader `request.learner` says for whom it is."""

    def revalidate(self, session_id: int, timeout_ms: int) -> None:
        """On a learner: asks the leader whether a session that re-attached here lives; see `Application.revalidated`."""
