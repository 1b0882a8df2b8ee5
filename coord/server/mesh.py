"""The election port: one connection to each peer, over which servers tell their votes.

Of two servers the one with the larger id connects. A smaller one that wants to speak connects too, says who it is and
closes; the larger one then connects back. A new connection takes the place of the old, and the last vote ever told to a
peer is told again over it. So a vote needs no acknowledgement and no queue: a peer that reads slowly misses votes that are
out of date anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from coord.kit.net import Listening, Network, Transport
from coord.wire.election import (
    FRAME_BYTES_MAX,
    HEADER_BYTES_MAX,
    Header,
    Notification,
    parse_frames,
    parse_header,
)
from coord.wire.jute import JuteError
from coord.zab.quorums import Ensemble, bracketed, split_host

__all__ = ["STRANGERS_MAX", "Mesh"]

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
HEADER_SECONDS = 5.0
"""How long a caller may take to say who it is."""
STRANGERS_MAX = 64
"""Connections beyond those of the ensemble's members: observers that nobody configured, and callers of no known name."""
QUEUED_MAX = 64 * 1024
"""Bytes on their way to a peer, above which newer votes wait for the next repetition."""
MOVE_RETRY_SECONDS = 1.0
RETRY_SECONDS = 0.05
"""Between attempts to reach one peer; the election asks again by itself, ever more slowly."""

Notified = Callable[[int, Notification], None]


class Mesh:
    """All election links of one server.

    notified: called with the sender's id for each vote that comes.
    """

    def __init__(self, sid: int, ensemble: Ensemble, network: Network, notified: Notified) -> None:
        self.sid = sid
        self.ensemble = ensemble
        self.notified = notified
        self.links: dict[int, _Link] = {}
        """The present connection to each peer."""
        self._network = network
        self._callers: set[_Link] = set()
        """Connections that have not said who they are."""
        self._last: dict[int, bytes] = {}
        """The last vote for each peer, as a frame."""
        self._addresses: dict[int, tuple[str, int]] = {}
        """Election addresses, the ensemble's and those that strangers told."""
        for member in ensemble.members.values():
            self._addresses[member.sid] = (member.address.host, member.address.election_port)
        self._listen_host: str | None = None
        self._port: Listening | None = None
        self._moved = trio.Event()
        """The configuration gives this server another election address."""
        self._connecting: set[int] = set()
        self._wanted, self._next = trio.open_memory_channel[int](STRANGERS_MAX + len(ensemble.members))

    async def listen(self, host: str | None = None) -> None:
        """Opens the election port, on `host` or on what the configuration says. Raises OSError."""
        self._listen_host = host
        self._port = await self._open()

    async def _open(self) -> Listening:
        host, port = self._addresses[self.sid]
        return await self._network.listen(
            host if self._listen_host is None else self._listen_host, port, self._accept,
            receive_max=FRAME_BYTES_MAX + 4, write_max=2 * FRAME_BYTES_MAX,
        )  # fmt: skip

    def configured(self, ensemble: Ensemble) -> None:
        """A newer configuration: its servers are known from now on, at the addresses that it tells."""
        self.ensemble = ensemble
        for member in ensemble.members.values():
            address = (member.address.host, member.address.election_port)
            if self._addresses.get(member.sid, address) != address:
                if member.sid == self.sid:
                    self._moved.set()
                elif (link := self.links.pop(member.sid, None)) is not None:
                    link.transport.close()
            self._addresses[member.sid] = address

    async def run(self) -> None:
        """Connects to peers as votes for them ask for it, and closes callers that say nothing. Runs until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._close_the_silent)
            nursery.start_soon(self._move)
            async for sid in self._next:
                nursery.start_soon(self._connect, sid)

    def send(self, sid: int, note: Notification) -> None:
        """Tells a peer a vote, now or as soon as it can be reached."""
        if sid not in self._addresses and sid not in self.links:
            return
        frame = note.frame()
        self._last[sid] = frame
        link = self.links.get(sid)
        if link is None:
            self._want(sid)
        elif link.transport.queued <= QUEUED_MAX:
            link.transport.write(frame)

    def close(self) -> None:
        """Closes the port, and every connection at once."""
        if self._port is not None:
            self._port.close()
        for link in (*self.links.values(), *self._callers):
            link.transport.abort("this server stops")

    # connections from here

    def _want(self, sid: int) -> None:
        if sid in self._connecting:
            return
        try:
            self._wanted.send_nowait(sid)
        except trio.WouldBlock:
            return  # the channel holds more peers than there are; the election repeats its vote
        self._connecting.add(sid)

    async def _connect(self, sid: int) -> None:
        host, port = self._addresses[sid]
        try:
            await self._network.connect(
                host, port, lambda transport: self._connected(sid, transport),
                timeout=CONNECT_SECONDS, receive_max=FRAME_BYTES_MAX + 4, write_max=2 * FRAME_BYTES_MAX,
            )  # fmt: skip
        except OSError as error:
            log.debug("server %d at %s:%d cannot be reached: %s", sid, host, port, error)
            await trio.sleep(RETRY_SECONDS)
        finally:
            self._connecting.discard(sid)

    def _connected(self, sid: int, transport: Transport) -> _Link:
        host, port = self._addresses[self.sid]
        transport.write(Header(self.sid, (f"{bracketed(host)}:{port}",)).encode())
        link = _Link(self, transport, sid)
        if sid < self.sid:
            self._adopt(link)
        else:
            transport.close()  # it knows now whom to call
        return link

    # connections to here

    def _accept(self, transport: Transport) -> _Link:
        link = _Link(self, transport, None)
        if len(self._callers) + len(self.links) >= STRANGERS_MAX + len(self.ensemble.members):
            transport.abort("too many connections to the election port")
        else:
            self._callers.add(link)
        return link

    def greeted(self, link: _Link, header: Header) -> None:
        """A caller said who it is. Raises JuteError when it cannot be true."""
        self._callers.discard(link)
        sid = header.sid
        if sid == self.sid:
            raise JuteError(f"a caller claims to be server {sid}, which is this one")
        if sid not in self.ensemble.members:
            self._remember(sid, header)
        if sid > self.sid:
            self._adopt(link)
            return
        link.transport.close()
        if (old := self.links.pop(sid, None)) is not None:
            old.transport.close()  # the other side has lost it, or it would not have called
        if sid in self._addresses:
            self._want(sid)

    def _remember(self, sid: int, header: Header) -> None:
        pieces = split_host(header.addresses[0]) if header.addresses else []
        if len(pieces) == 2 and pieces[1].isascii() and pieces[1].isdigit():
            if len(self._addresses) >= STRANGERS_MAX + len(self.ensemble.members) and sid not in self._addresses:
                raise JuteError(f"server {sid} is not in the configuration, and {STRANGERS_MAX} like it have called")
            self._addresses[sid] = (pieces[0], int(pieces[1]) & 0xFFFF)

    def _adopt(self, link: _Link) -> None:
        assert link.sid is not None
        old = self.links.get(link.sid)
        self.links[link.sid] = link
        if old is not None:
            old.transport.close()
        if (frame := self._last.get(link.sid)) is not None:
            link.transport.write(frame)

    def gone(self, link: _Link) -> None:
        """A connection is closed."""
        self._callers.discard(link)
        if link.sid is not None and self.links.get(link.sid) is link:
            del self.links[link.sid]
        if link.sid is not None and link.sid not in self.links and link.sid not in self._addresses:
            self._last.pop(link.sid, None)  # a stranger that cannot be called back; `send` would take nothing for it either

    async def _move(self) -> None:
        """Opens the election port where a new configuration wants it."""
        while True:
            await self._moved.wait()
            self._moved = trio.Event()
            before, self._port = self._port, None
            if before is not None:
                before.close()
            while self._port is None and not self._moved.is_set():
                try:
                    self._port = await self._open()
                except OSError as error:
                    log.warning("server %d: its new election port cannot be opened: %s", self.sid, error)
                    await trio.sleep(MOVE_RETRY_SECONDS)

    async def _close_the_silent(self) -> None:
        while True:
            await trio.sleep(HEADER_SECONDS / 2)
            for link in list(self._callers):
                if trio.current_time() - link.since >= HEADER_SECONDS:
                    log.info("election port: %s says nothing; closed", link.transport.peer)
                    link.transport.abort("no header came")


class _Link:
    """One connection: the header first when the other side made it, then votes."""

    __slots__ = ("_mesh", "sid", "since", "transport")

    def __init__(self, mesh: Mesh, transport: Transport, sid: int | None) -> None:
        self._mesh = mesh
        self.transport = transport
        self.sid = sid
        self.since = trio.current_time()

    def received(self, data: memoryview) -> int:
        """Takes the header and whole votes."""
        taken = 0
        try:
            if self.sid is None:
                found = parse_header(data[:HEADER_BYTES_MAX])
                if found is None:
                    return 0
                header, taken = found
                self.sid = header.sid
                self._mesh.greeted(self, header)
            notes, size = parse_frames(data[taken:])
        except (JuteError, ValueError) as error:
            who = "" if self.sid is None else f" (server {self.sid})"
            log.info("election port: %s%s: %s; closed", self.transport.peer, who, error)
            self.transport.abort("not understood")
            return len(data)
        for note in notes:
            self._mesh.notified(self.sid, note)
        return taken + size

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        self._mesh.gone(self)
