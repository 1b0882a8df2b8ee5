"""The election port's bytes: the header of each age, notifications of each version, limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.election import FRAME_BYTES_MAX, Header, Notification, parse_frames, parse_header
from coord.wire.jute import JuteError

GOLDEN = dict(
    line.split() for line in (Path(__file__).parents[2] / "golden/zookeeper_quorum.txt").read_text().splitlines()
)
LONG = st.integers(-(2**63), 2**63 - 1)
NOTES = st.builds(
    Notification, st.integers(0, 3), LONG, LONG, LONG, LONG, st.just(2), st.binary(max_size=60)
)  # fmt: skip


@given(st.lists(NOTES, max_size=4), st.integers(1, 60))
def test_notifications_come_back_from_any_pieces(notes: list[Notification], size: int) -> None:
    """parse_frames is the inverse of frame, whatever pieces the frames arrive in."""
    data = b"".join(note.frame() for note in notes)
    found: list[Notification] = []
    unread = b""
    for at in range(0, len(data), size):
        unread += data[at : at + size]
        some, taken = parse_frames(unread)
        found += some
        unread = unread[taken:]

    assert (found, unread) == (notes, b"")


def test_apaches_notification_is_understood_and_made() -> None:
    """A real server's answer: it follows, and tells its configuration."""
    data = bytes.fromhex(GOLDEN["election.notification"])

    (note,), taken = parse_frames(data)

    assert taken == len(data)
    assert (note.state, note.leader, note.round, note.peer_epoch, note.version) == (1, 2, 1, 1, 2)
    assert note.config.startswith(b"server.1=127.0.0.1:24811:24812:participant\n")
    assert note.config.endswith(b"\nversion=0")
    assert note.frame() == data


def test_notifications_of_older_servers() -> None:
    """28 bytes have no epoch of their own, 40 are ZooKeeper 3.4's, 36 stop before the version."""
    new = Notification(2, 3, (5 << 32) + 1, 9, 6, 2, b"config").frame()[4:]

    assert Notification.parse(new[:28]) == Notification(2, 3, (5 << 32) + 1, 9, 5, 0)
    assert Notification.parse(new[:36]) == Notification(2, 3, (5 << 32) + 1, 9, 6, 0)
    assert Notification.parse(new[:40]) == Notification(2, 3, (5 << 32) + 1, 9, 6, 0)
    assert Notification.parse(new) == Notification(2, 3, (5 << 32) + 1, 9, 6, 2, b"config")


@pytest.mark.parametrize(
    "data",
    [
        (27).to_bytes(4, "big") + bytes(27),
        (0).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        (FRAME_BYTES_MAX + 1).to_bytes(4, "big"),
        (40).to_bytes(4, "big") + b"\0\0\0\4" + bytes(36),
        (44).to_bytes(4, "big") + bytes(36) + b"\0\0\0\2" + b"\0\0\0\1",
        (44).to_bytes(4, "big") + bytes(36) + b"\0\0\0\2" + b"\xff\xff\xff\xff",
    ],
    ids=["27 bytes", "no bytes", "length -1", "too long", "state 4", "config beyond the end", "config of -1"],
)
def test_malformed_notifications_are_refused(data: bytes) -> None:
    """Each is an error at once."""
    with pytest.raises(JuteError):
        parse_frames(data)


def test_the_largest_frame_is_waited_for() -> None:
    """A frame of the limit's size is no error."""
    assert parse_frames(FRAME_BYTES_MAX.to_bytes(4, "big")) == ([], 0)


@pytest.mark.parametrize(
    "header", [Header(1, ("127.0.0.1:3888",)), Header(-1, ("[::1]:3888",)), Header(5, ("a:1", "b:2"))]
)
def test_headers_come_back(header: Header) -> None:
    """Whatever the pieces: nothing before the last byte, and the size tells where the votes begin."""
    data = header.encode()

    assert parse_header(data + b"more") == (header, len(data))
    assert all(parse_header(data[:size]) is None for size in range(len(data)))


def test_the_header_is_apaches() -> None:
    """Version -65536, sid, length, address."""
    assert Header(99, ("127.0.0.1:25999",)).encode() == bytes.fromhex(GOLDEN["election.header"])


def test_the_oldest_header_is_a_sid() -> None:
    """Servers before ZooKeeper 3.5 send their id alone."""
    assert parse_header((3).to_bytes(8, "big") + b"rest") == (Header(3), 8)


@pytest.mark.parametrize(
    "data",
    [
        (-1).to_bytes(8, "big", signed=True),
        (-65536).to_bytes(8, "big", signed=True) + bytes(8) + bytes(4),
        (-65536).to_bytes(8, "big", signed=True) + bytes(8) + (2049).to_bytes(4, "big"),
    ],
    ids=["unknown version", "no address", "address too long"],
)
def test_malformed_headers_are_refused(data: bytes) -> None:
    """Each is an error at once."""
    with pytest.raises(JuteError):
        parse_header(data)


@given(st.binary(max_size=100))
def test_garbage_is_an_error_or_a_value(data: bytes) -> None:
    """No other exception."""
    for parser in (parse_header, parse_frames):
        try:
            parser(data)
        except JuteError:
            pass
