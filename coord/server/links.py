"""One connection of the quorum port: packets to the core, packets from it, and the body of a SNAP in either direction.

The stream of packets stops at a SNAP: behind it comes a snapshot, which is fed to the application until it is whole. On
the leader's side what the core sends behind the body waits until the body has left; the body leaves no faster than the
learner reads.
"""

from __future__ import annotations

import logging
from typing import Protocol

import trio

from coord.kit.net import Transport
from coord.wire.jute import JuteError
from coord.wire.quorum import PACKET_BYTES_MAX, Message, Packet, PacketType, parse
from coord.zab.application import Application, Cut, Restoration
from coord.zab.events import Event, Received, Streamed

__all__ = ["RECEIVE_MAX", "WRITE_MAX", "Owner", "QuorumLink"]

log = logging.getLogger(__name__)

GREETING_BYTES_MAX = 1024
"""The data of the first packet of a learner, before anything is known of it."""
RECEIVE_MAX = PACKET_BYTES_MAX + 1024 * 1024
WRITE_MAX = 256 * 1024 * 1024
"""Bytes on their way to one peer, beyond which it is too slow to be waited for. More than the largest DIFF."""
STREAM_QUEUED_MAX = 4 * 1024 * 1024
"""Bytes of a body that may wait for the learner to read them."""
STREAM_POLL_SECONDS = 0.005
STREAM_TELL_SECONDS = 1.0


class Owner(Protocol):
    """What a link asks of the driver."""

    application: Application

    def post(self, event: Event) -> None:
        """Gives the core an event, with others that come in the same wake-up."""

    def settle(self) -> None:
        """Has the core handle what was posted, now."""

    def link_closed(self, link: QuorumLink, reason: str) -> None:
        """A link is gone."""

    def install(self, link: QuorumLink, restoration: Restoration, zxid: int) -> None:
        """A learner's new state is whole."""


class QuorumLink:
    """A `Receiver` for one connection. The core knows it by its number."""

    __slots__ = ("_held", "_held_bytes", "_limit", "_owner", "_restoration", "_snap_zxid", "ended", "number", "transport")

    def __init__(self, owner: Owner, transport: Transport, number: int, *, accepted: bool) -> None:
        self._owner = owner
        self.transport = transport
        self.number = number
        self.ended = False
        """The core wants it no more, or knows that it is gone."""
        self._limit = GREETING_BYTES_MAX if accepted else PACKET_BYTES_MAX
        self._held: list[bytes] | None = None
        """While a body is leaving: the packets behind it."""
        self._held_bytes = 0
        self._restoration: Restoration | None = None
        self._snap_zxid = 0

    # receiving

    def received(self, data: memoryview) -> int:
        """Takes whole packets, or what the snapshot takes."""
        taken = 0
        try:
            while taken < len(data) and not self.ended:
                rest = data[taken:]
                used = self._packets(rest) if self._restoration is None else self._body(rest)
                if used == 0:
                    break
                taken += used
        except (JuteError, ValueError) as error:
            log.info("quorum port: %s: %s; closed", self.transport.peer, error)
            self.transport.abort(f"not understood: {error}")
            return len(data)
        return len(data) if self.ended else taken

    def _packets(self, data: memoryview) -> int:
        messages, taken = parse(data, self._limit)
        if messages:
            self._limit = PACKET_BYTES_MAX
            self._owner.post(Received(self.number, messages))
            if _ends_with_snap(messages):
                self._owner.settle()
                if not self.ended:  # it was expected
                    self._snap_zxid = messages[-1].zxid  # type: ignore[union-attr]
                    self._restoration = self._owner.application.restore()
        return taken

    def _body(self, data: memoryview) -> int:
        restoration = self._restoration
        assert restoration is not None
        taken = restoration.feed(data)
        if restoration.finished:
            self._restoration = None
            self._owner.install(self, restoration, self._snap_zxid)
        elif taken:
            self._owner.post(Received(self.number, []))
        return taken

    def closed(self, reason: str) -> None:
        """The connection is gone."""
        if not self.ended:
            self.end()
            self._owner.link_closed(self, reason)

    # sending

    def send(self, data: bytes) -> None:
        """Sends packets, behind the body if one is leaving."""
        if self._held is None:
            self.transport.write(data)
            return
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > WRITE_MAX:
            self.transport.abort("the learner reads its snapshot too slowly")

    def hold(self) -> None:
        """From here on everything waits for the end of a body."""
        self._held = []
        self._held_bytes = 0

    async def stream(self, cut: Cut) -> None:
        """Sends a body, then what waited for its end."""
        told = trio.current_time()
        transport = self.transport
        try:
            for chunk in cut.chunks():
                transport.write(chunk)
                await trio.lowlevel.checkpoint()
                while transport.queued > STREAM_QUEUED_MAX and not transport.closed:
                    await trio.sleep(STREAM_POLL_SECONDS)
                if transport.closed or self.ended:
                    return
                if trio.current_time() - told > STREAM_TELL_SECONDS:
                    told = trio.current_time()
                    self._owner.post(Streamed(self.number))
        finally:
            cut.close()
        held, self._held = self._held or [], None
        for data in held:
            transport.write(data)
        self._owner.post(Streamed(self.number))

    def end(self) -> None:
        """Nothing of this link reaches the core any more."""
        self.ended = True
        self._held = None
        if self._restoration is not None:
            self._restoration.close()
            self._restoration = None


def _ends_with_snap(messages: list[Message]) -> bool:
    last = messages[-1]
    return type(last) is Packet and last.type == PacketType.SNAP
