"""One quorum link: packets in any pieces, a snapshot in between, and what waits behind a body that is leaving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from coord.server import links
from coord.server.links import STREAM_QUEUED_MAX, STREAM_TELL_SECONDS, QuorumLink
from coord.wire.quorum import LearnerInfo, Packet, PacketType, encode_commits, encode_packet
from coord.zab.events import Event, Received, Streamed

SNAP = encode_packet(PacketType.SNAP, 1 << 32)
BODY = b"0123456789!"
PING = encode_packet(PacketType.PING, 5)


@dataclass(eq=False)
class Wire:
    """`Transport` that keeps what is written and, when stuck, never sends it."""

    host: str = "10.0.0.1"
    peer: str = "10.0.0.1:5000"
    queued: int = 0
    closed: bool = False
    stuck: bool = False
    reason: str = ""
    written: list[bytes] = field(default_factory=list)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))
        self.queued += len(data) if self.stuck else 0

    def close(self) -> None:
        self.closed = True

    def abort(self, reason: str) -> None:
        self.closed = True
        self.reason = reason

    def pause(self, *, until_end: bool = False) -> None: ...

    def resume(self) -> None: ...


class Reader:
    """`Restoration` of a body that ends with an exclamation mark."""

    def __init__(self) -> None:
        self.finished = False
        self.data = b""
        self.dropped = False

    def feed(self, data: memoryview) -> int:
        if b"?" in bytes(data):
            raise ValueError("no snapshot")
        end = bytes(data).find(b"!") + 1
        taken = end or len(data)
        self.data += bytes(data[:taken])
        self.finished = end > 0
        return taken

    def install(self, zxid: int) -> None: ...

    def close(self) -> None:
        self.dropped = True


class Owner:
    """The driver as a link sees it. refuses: the core wants no SNAP and closes."""

    def __init__(self) -> None:
        self.application = self
        self.events: list[Event] = []
        self.readers: list[Reader] = []
        self.installed: list[tuple[bytes, int]] = []
        self.gone: list[str] = []
        self.refuses = False
        self.link: QuorumLink

    def restore(self) -> Reader:
        self.readers.append(Reader())
        return self.readers[-1]

    def post(self, event: Event) -> None:
        self.events.append(event)

    def settle(self) -> None:
        if self.refuses:
            self.link.end()

    def install(self, link: QuorumLink, restoration: Reader, zxid: int) -> None:
        self.installed.append((restoration.data, zxid))

    def link_closed(self, link: QuorumLink, reason: str) -> None:
        self.gone.append(reason)


def joined(*, accepted: bool = False) -> tuple[Owner, QuorumLink, Wire]:
    """A link between a remembering transport and a remembering owner."""
    owner, wire = Owner(), Wire()
    owner.link = QuorumLink(owner, wire, 7, accepted=accepted)  # type: ignore[arg-type]
    return owner, owner.link, wire


def arrive(link: QuorumLink, data: bytes, size: int) -> None:
    """Hands bytes over in pieces, as a network does: what was not taken comes again with more behind it."""
    unread = b""
    for at in range(0, len(data), size):
        unread += data[at : at + size]
        unread = unread[link.received(memoryview(unread)) :]


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
def test_a_snapshot_lies_between_packets(size: int) -> None:
    """Whatever the pieces: the packets before it, the body alone, the packets behind it."""
    owner, link, wire = joined()
    arrive(link, PING + SNAP + BODY + encode_commits([1 << 32 | 1, 1 << 32 | 2]) + PING, size)

    types = [m.type for e in owner.events if isinstance(e, Received) for m in e.messages if isinstance(m, Packet)]
    assert types == [PacketType.PING, PacketType.SNAP, PacketType.PING]
    assert owner.installed == [(BODY, 1 << 32)]
    assert not wire.closed


def test_a_snapshot_that_nobody_wants_is_not_read() -> None:
    """The core closed the link: the rest of the bytes means nothing."""
    owner, link, _ = joined()
    owner.refuses = True

    assert link.received(memoryview(SNAP + BODY)) == len(SNAP + BODY)
    assert (owner.readers, owner.installed) == ([], [])


def test_a_body_that_is_no_snapshot_closes_the_link() -> None:
    """And what was read of it is dropped when the link is gone."""
    owner, link, wire = joined()
    link.received(memoryview(SNAP + b"012?"))
    assert "no snapshot" in wire.reason
    link.closed(wire.reason)

    assert owner.readers[0].dropped
    assert owner.gone == [wire.reason]


def test_a_body_on_its_way_is_a_sign_of_life() -> None:
    """The core hears of it, or it would give up a leader whose snapshot takes long."""
    owner, link, _ = joined()
    link.received(memoryview(SNAP))
    link.received(memoryview(b"0123"))

    assert owner.events[-1] == Received(7, [])


def test_a_stranger_may_say_little() -> None:
    """Its first packet is small; after that it may send what learners send."""
    owner, link, wire = joined(accepted=True)
    link.received(memoryview(encode_packet(PacketType.FOLLOWERINFO, 0, LearnerInfo(1).encode())))
    link.received(memoryview(encode_packet(PacketType.REQUEST, -1, bytes(5000))))
    assert (len(owner.events), wire.closed) == (2, False)
    _, link, wire = joined(accepted=True)
    link.received(memoryview(encode_packet(PacketType.FOLLOWERINFO, 0, bytes(5000))[:20]))
    assert "not understood" in wire.reason


def test_a_link_that_ended_says_nothing() -> None:
    """What still arrives is taken and forgotten, and its end is no news."""
    owner, link, _ = joined()
    link.end()

    assert link.received(memoryview(PING)) == len(PING)
    link.closed("closed here")
    assert (owner.events, owner.gone) == ([], [])


class Pieces:
    """`Cut` in pieces of a megabyte."""

    def __init__(self, count: int) -> None:
        self.zxid = 5
        self.count = count
        self.closes = 0

    def chunks(self) -> Iterator[bytes]:
        for number in range(self.count):
            yield bytes([number]) * (1 << 20)

    def close(self) -> None:
        self.closes += 1


def test_packets_wait_for_the_body_before_them() -> None:
    """SNAP, the body, then what was sent meanwhile, in order."""

    async def main() -> None:
        owner, link, wire = joined()
        cut = Pieces(3)
        link.send(SNAP)
        link.hold()
        link.send(b"a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.stream, cut)
            await trio.testing.wait_all_tasks_blocked()
            link.send(b"b")
        assert [len(data) if len(data) > 20 else data for data in wire.written] == [SNAP, *[1 << 20] * 3, b"a", b"b"]
        assert cut.closes == 1
        assert owner.events == [Streamed(7)]

    trio.run(main)


def test_a_body_leaves_as_fast_as_it_is_read() -> None:
    """A learner that does not read costs a few megabytes; one that went away ends the stream and frees the cut."""

    async def main() -> None:
        owner, link, wire = joined()
        wire.stuck = True
        cut = Pieces(100)
        link.hold()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.stream, cut)
            await trio.sleep(STREAM_TELL_SECONDS * 3)
            assert wire.queued <= STREAM_QUEUED_MAX + (1 << 20)
            wire.queued = 0
            await trio.sleep(STREAM_TELL_SECONDS)
            assert Streamed(7) in owner.events, "it made progress"
            wire.abort("gone")
            link.closed("gone")
        assert cut.closes == 1
        assert len(wire.written) < 15

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_what_waits_behind_a_body_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that reads its snapshot too slowly is given up."""
    monkeypatch.setattr(links, "WRITE_MAX", 10)
    _, link, wire = joined()
    link.hold()
    link.send(b"0123456789")
    assert not wire.closed
    link.send(b"x")
    assert "too slowly" in wire.reason
