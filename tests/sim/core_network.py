"""The network of `core_world`: streams in order between servers, and votes of which the newest counts.

A cut between two servers holds what is sent, as TCP does; it arrives after the repair, unless the stream was closed
meanwhile. A crash closes streams, or, as when the machine itself dies, says nothing.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from coord.wire.election import Notification
from coord.zab.events import Connected, LinkOpened, Notified

if TYPE_CHECKING:
    from tests.sim.core_machine import Server, Snapshot
    from tests.sim.core_world import World

__all__ = ["Network"]

RETRY = 0.03
"""Seconds between attempts to connect, and between looks whether a cut is repaired."""
SPACING_MAX = 0.002
"""Seconds between two writes to a connection, as they arrive: on a long way they follow one another just as closely."""

_CLOSE = object()


class Pipe:
    """One direction of a stream. `peer` is the other direction."""

    peer: Pipe

    def __init__(self, source: Server, target: Server, link: int) -> None:
        self.source = source
        self.target = target
        self.link = link
        """The link's number at the target."""
        self.items: deque[object] = deque()
        self.closed = False
        """The target wants to hear no more, or has heard the end."""


class Network:
    """All streams and votes between the servers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.blocked: set[tuple[int, int]] = set()
        """(source, target) of directions that are cut."""
        self._outgoing: dict[tuple[Server, int], Pipe] = {}
        """By (server, link at that server)."""
        self.sid_at: dict[int, int] = {}
        """By link: the server at its other end, also when it is closed."""
        self._links = 0
        self._votes: dict[tuple[int, int], Notification] = {}
        """The last vote ever sent from one to the other: sent again when they meet anew."""
        self._held: set[tuple[int, int]] = set()

    # streams

    def connect(self, server: Server, leader: int) -> None:
        """Tries until it succeeds or the server wants it no more."""
        self.world.after(self.world.options.delay(self.world.random), lambda: self._attempt(server, leader))

    def _attempt(self, server: Server, leader: int) -> None:
        if not server.alive or server.connecting != leader:
            return
        target = self.world.servers.get(leader)
        reachable = target is not None and target.alive and target.listening
        if server.paused or not reachable or self.blocked & {(server.sid, leader), (leader, server.sid)}:
            self.world.after(RETRY, lambda: self._attempt(server, leader))
            return
        assert target is not None
        server.connecting = None
        self._links += 2
        there, back = Pipe(server, target, self._links), Pipe(target, server, self._links + 1)
        there.peer, back.peer = back, there
        self._outgoing[server, back.link] = there
        self._outgoing[target, there.link] = back
        self.sid_at[there.link], self.sid_at[back.link] = server.sid, leader
        target.reach(there.link, lambda: target.post(LinkOpened(there.link)))
        server.tell(Connected(back.link))

    def is_open(self, server: Server, link: int) -> bool:
        """Whether the server has not closed the link."""
        return (server, link) in self._outgoing

    def other_end(self, server: Server, link: int) -> Server | None:
        """The server at the other end of a link that is not closed here."""
        pipe = self._outgoing.get((server, link))
        return None if pipe is None else pipe.target

    def send(self, server: Server, link: int, data: bytes) -> None:
        """Queues bytes, now and then in two pieces."""
        if self.world.random.random() < 0.1 and len(data) > 1:
            cut = self.world.random.randrange(1, len(data))
            self._push(server, link, data[:cut])
            data = data[cut:]
        self._push(server, link, data)

    def send_body(self, server: Server, link: int, snapshot: Snapshot) -> None:
        """Queues a SNAP body."""
        self._push(server, link, snapshot)

    def close(self, server: Server, link: int) -> None:
        """Closes at once here, and there when everything before has arrived."""
        pipe = self._outgoing.get((server, link))
        if pipe is not None:
            self._push(server, link, _CLOSE)
            pipe.peer.closed = True
            del self._outgoing[server, link]

    def server_gone(self, server: Server, silently: bool) -> None:
        """A crash."""
        for end in [end for end in self._outgoing if end[0] is server]:
            pipe = self._outgoing.pop(end)
            pipe.peer.closed = True
            if not silently:
                self._enqueue(pipe, _CLOSE)

    def reset(self, share: float) -> None:
        """Some of the connections are torn; both ends hear of it."""
        for (server, link), pipe in list(self._outgoing.items()):
            if (server, link) in self._outgoing and self.world.random.random() < share:
                self.world.trace(f"the connection of {server.sid} and {pipe.target.sid} is reset")
                self.tear(server, link)

    def tear(self, server: Server, link: int) -> None:
        """One connection is reset; what was under way is lost, and both ends hear of it."""
        pipe = self._outgoing.get((server, link))
        if pipe is None:
            return
        for end in (pipe, pipe.peer):
            self._outgoing.pop((end.source, end.peer.link), None)
            end.items.clear()
            end.closed = True
        server.reach(link, partial(server.link_closed, link, "reset"))
        pipe.target.reach(pipe.link, partial(pipe.target.link_closed, pipe.link, "reset"))

    def _push(self, server: Server, link: int, item: object) -> None:
        pipe = self._outgoing.get((server, link))
        if pipe is not None:
            self._enqueue(pipe, item)

    def _enqueue(self, pipe: Pipe, item: object) -> None:
        pipe.items.append(item)
        if len(pipe.items) == 1:
            self.world.after(self.world.options.delay(self.world.random), lambda: self._flow(pipe))

    def _flow(self, pipe: Pipe) -> None:
        if pipe.closed or not pipe.target.alive:
            return
        if (pipe.source.sid, pipe.target.sid) in self.blocked:
            self.world.after(RETRY, lambda: self._flow(pipe))
            return
        item = pipe.items[0]
        if item is _CLOSE:
            pipe.closed = True
            self._outgoing.pop((pipe.target, pipe.link), None)
            pipe.target.reach(pipe.link, lambda: pipe.target.link_closed(pipe.link, "closed by the other side"))
            return
        take = pipe.target.bytes_arrived if isinstance(item, bytes) else pipe.target.body_arrived
        if pipe.target.paused:
            pipe.target.reach(pipe.link, lambda: take(pipe.link, item))  # type: ignore[arg-type]
        else:
            take(pipe.link, item)  # type: ignore[arg-type]
        if pipe.closed:
            return  # what it brought made its target close it, or one of both fail
        pipe.items.popleft()
        if pipe.items:
            delay = min(self.world.options.delay(self.world.random) / 4, SPACING_MAX)
            self.world.after(delay, lambda: self._flow(pipe))

    # votes

    def notify(self, source: int, target: int, note: Notification) -> None:
        """Sends a vote; one that a cut holds back is replaced by the next."""
        self.world.checkers.voted(source, target)
        self._votes[source, target] = note
        if (source, target) in self.blocked:
            self._held.add((source, target))
        else:
            self.world.after(self.world.options.delay(self.world.random), lambda: self._vote(source, target, note))

    def repaired(self) -> None:
        """Directions were repaired: what was held goes out."""
        for pair in sorted(self._held - self.blocked):
            self._held.discard(pair)
            self.notify(*pair, self._votes[pair])

    def server_came(self, sid: int) -> None:
        """A server started: the others reach it, and each sends its last vote again."""
        for (source, target), note in sorted(self._votes.items()):
            if target == sid and source in self.world.servers:
                self.notify(source, target, note)

    def _vote(self, source: int, target: int, note: Notification) -> None:
        server = self.world.servers.get(target)
        if server is not None and server.alive and (source, target) not in self.blocked:
            server.reach("votes", lambda: server.post(Notified(source, note)))
