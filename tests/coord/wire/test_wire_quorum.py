"""Quorum packets: Apache's own bytes are understood and made again, a stream may arrive in any pieces, garbage is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.data import Id
from coord.wire.jute import JuteError
from coord.wire.quorum import (
    PACKET_BYTES_MAX,
    PROTOCOL_VERSION,
    Acks,
    Commits,
    Informs,
    LearnerInfo,
    Message,
    Packet,
    PacketType,
    Proposals,
    encode_acks,
    encode_commits,
    encode_packet,
    encode_proposals,
    encode_request,
    encode_sessions,
    parse,
    parse_request,
    parse_sessions,
)

GOLDEN = dict(
    line.split() for line in (Path(__file__).parents[2] / "golden/zookeeper_quorum.txt").read_text().splitlines()
)
"""What a real ZooKeeper 3.8.0 leader sent to an observer and to a follower."""

BASE = 7 << 32
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
RUNS = st.one_of(
    st.tuples(st.just("proposals"), st.integers(0, 5), st.lists(st.binary(max_size=40), min_size=1, max_size=5)),
    st.tuples(st.just("informs"), st.integers(0, 5), st.lists(st.binary(max_size=40), min_size=1, max_size=5)),
    st.tuples(st.just("commits"), st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.just("acks"), st.integers(1, 5), st.integers(1, 5)),
    st.builds(
        Packet,
        st.sampled_from([1, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 18]),
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.binary(max_size=40),
        st.lists(st.builds(Id, TEXT, TEXT), max_size=3).map(tuple),
    ),
)


def encoded(run: tuple[object, ...]) -> bytes:
    """One of RUNS as bytes."""
    if isinstance(run, Packet):
        return encode_packet(run.type, run.zxid, run.data, run.auth or None)
    kind, first, what = run
    assert isinstance(first, int)
    if isinstance(what, int):
        zxids = range(BASE + first, BASE + first + what)
        return encode_commits(zxids) if kind == "commits" else encode_acks(zxids)
    assert isinstance(what, list)
    entries = [(BASE + first + i, data) for i, data in enumerate(what)]
    return encode_proposals(entries, PacketType.PROPOSAL if kind == "proposals" else PacketType.INFORM)


def flat(messages: list[Message]) -> list[tuple[object, ...]]:
    """Messages packet by packet: where runs begin and end is no matter of the stream."""
    out: list[tuple[object, ...]] = []
    for message in messages:
        if isinstance(message, Proposals | Informs):
            out += [(type(message).__name__, *entry) for entry in message.entries]
        elif isinstance(message, Acks | Commits):
            out += [(type(message).__name__, zxid) for zxid in range(message.first, message.last + 1)]
        else:
            out.append(tuple(message))
    return out


def drained(data: bytes, sizes: list[int]) -> list[Message]:
    """Parses `data` as it arrives in pieces of these sizes, over and over."""
    messages: list[Message] = []
    unread, at, turn = b"", 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        turn += 1
        unread += data[at : at + size]
        at += size
        found, taken = parse(memoryview(unread))
        messages += found
        unread = unread[taken:]
    assert unread == b""
    return messages


@given(st.lists(RUNS, max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_a_stream_may_arrive_in_any_pieces(runs: list[tuple[object, ...]], sizes: list[int]) -> None:
    """Whole, byte by byte, or in between: the same packets come out."""
    data = b"".join(map(encoded, runs))

    whole, taken = parse(data)

    assert taken == len(data)
    assert flat(drained(data, sizes)) == flat(drained(data, [1])) == flat(whole)


@given(st.lists(RUNS, max_size=6))
def test_every_packet_comes_back_as_it_was(runs: list[tuple[object, ...]]) -> None:
    """parse is the inverse of the encoders."""
    expected: list[tuple[object, ...]] = []
    for run in runs:
        if isinstance(run, Packet):
            expected.append(tuple(run))
            continue
        kind, first, what = run
        assert isinstance(first, int)
        name = str(kind).capitalize()
        if isinstance(what, list):
            expected += [(name, BASE + first + i, data) for i, data in enumerate(what)]
        else:
            assert isinstance(what, int)
            expected += [(name, BASE + first + i) for i in range(what)]

    assert flat(parse(b"".join(map(encoded, runs)))[0]) == expected


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_packets(data: bytes) -> None:
    """No other exception, and never more taken than there is."""
    try:
        _, taken = parse(data)
    except JuteError:
        return
    assert 0 <= taken <= len(data)


def test_a_run_is_one_message() -> None:
    """A thousand proposals are one object, and so are a thousand COMMITs or ACKs."""
    zxids = range(BASE + 1, BASE + 1001)
    entries = [(zxid, b"x") for zxid in zxids]
    data = encode_proposals(entries) + encode_commits(zxids) + encode_acks(zxids)

    assert parse(data)[0] == [Proposals(entries), Commits(BASE + 1, BASE + 1000), Acks(BASE + 1, BASE + 1000)]


def test_a_gap_ends_a_run() -> None:
    """What follows one another without a gap is a run, and nothing else."""
    data = encode_commits([BASE + 1, BASE + 2, BASE + 4]) + encode_proposals([(BASE + 9, b""), (BASE + 8, b"")])

    assert parse(data)[0] == [
        Commits(BASE + 1, BASE + 2),
        Commits(BASE + 4, BASE + 4),
        Proposals([(BASE + 9, b"")]),
        Proposals([(BASE + 8, b"")]),
    ]


def test_the_ack_of_newleader_is_no_run() -> None:
    """An ACK whose counter is 0 acknowledges an epoch, not a proposal."""
    assert parse(encode_packet(PacketType.ACK, BASE))[0] == [Packet(PacketType.ACK, BASE)]


def test_parsing_stops_behind_snap() -> None:
    """What follows SNAP is a snapshot."""
    snap = encode_packet(PacketType.SNAP, BASE)

    assert parse(snap + b"\0\0\0\0 not a packet") == ([Packet(PacketType.SNAP, BASE)], len(snap))


def test_limits_are_kept_before_the_data_is_here() -> None:
    """A packet of the limit's size is waited for; one byte more is an error at once."""
    head = encode_packet(PacketType.PROPOSAL, 1, b"")[:12]
    size_of = PACKET_BYTES_MAX

    assert parse(head + size_of.to_bytes(4, "big") + b"1234") == ([], 0)
    with pytest.raises(JuteError, match="limit"):
        parse(head + (size_of + 1).to_bytes(4, "big") + b"1234")
    with pytest.raises(JuteError, match="limit 8"):
        parse(encode_packet(PacketType.FOLLOWERINFO, 0, b"123456789"), limit=8)


@pytest.mark.parametrize(
    "data",
    [
        encode_packet(0, 1),
        encode_packet(20, 1),
        encode_packet(PacketType.PROPOSAL, 1),
        encode_packet(PacketType.COMMIT, 1, b"x"),
        encode_packet(PacketType.ACK, 1, None, [Id("a", "b")]),
        encode_packet(PacketType.PROPOSAL, 1, b"x", [Id("a", "b")]),
        encode_packet(PacketType.REQUEST, -1, b"")[:-4] + b"\0\0\4\1",
        encode_packet(PacketType.REQUEST, -1, b"")[:-4] + b"\0\0\0\1\xff\xff\xff\xfe",
    ],
    ids=["type 0", "type 20", "empty proposal", "commit with data", "ack with ids", "proposal with ids", "1025 ids", "id of -2"],
)
def test_what_no_peer_sends_is_refused(data: bytes) -> None:
    """Each is an error, not a wait for more."""
    with pytest.raises(JuteError):
        parse(data + b"\0" * 8)


def test_identities_travel_with_a_request() -> None:
    """A REQUEST carries who the client is; an empty list is a list, not null, as Apache's leader wants it."""
    auth = (Id("ip", "127.0.0.1"), Id("digest", "ü:x"))
    data = encode_request(-5, 7, 14, b"body", auth) + encode_request(6, 8, 9, b"", ())

    (first, second), taken = parse(data)

    assert isinstance(first, Packet)
    assert isinstance(second, Packet)
    assert (parse_request(first), first.auth) == ((-5, 7, 14, b"body"), auth)
    assert (parse_request(second), second.auth) == ((6, 8, 9, b""), ())
    assert data[-4:] == b"\0\0\0\0"
    assert taken == len(data)
    with pytest.raises(JuteError):
        parse_request(Packet(PacketType.REQUEST, -1, b"short"))


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**31), 2**31 - 1))))
def test_sessions_come_back(sessions: list[tuple[int, int]]) -> None:
    """A learner's PING tells sessions and timeouts; none at all is an empty buffer."""
    assert parse_sessions(encode_sessions(sessions)) == sessions
    assert parse_sessions(None) == []
    with pytest.raises(JuteError):
        parse_sessions(encode_sessions(sessions) + b"x")


def test_learners_of_every_age_are_understood() -> None:
    """20 bytes today; 12 and 8 before there were configuration versions and protocol versions."""
    info = LearnerInfo(3, PROTOCOL_VERSION, 0x100000001)

    assert LearnerInfo.parse(info.encode()) == info
    assert LearnerInfo.parse(info.encode()[:12]) == LearnerInfo(3, PROTOCOL_VERSION, 0)
    assert LearnerInfo.parse(info.encode()[:8]) == LearnerInfo(3, 1, 0)
    for short in (None, b"", b"1234567"):
        with pytest.raises(JuteError):
            LearnerInfo.parse(short)


def test_apaches_leader_is_understood() -> None:
    """A real leader's stream to an observer: LEADERINFO, SNAP, UPTODATE, then INFORMs, REVALIDATE, SYNC and PINGs."""
    info = parse(bytes.fromhex(GOLDEN["observer.leaderinfo"]))[0]
    sync, taken = parse(bytes.fromhex(GOLDEN["observer.sync"]))
    live = parse(bytes.fromhex(GOLDEN["observer.live"]))[0]

    assert info == [Packet(PacketType.LEADERINFO, 1 << 32, b"\0\1\0\0")]
    assert [message.type for message in sync if isinstance(message, Packet)] == [PacketType.SNAP]
    assert taken == 20
    assert isinstance(live[0], Informs)
    zxids = [zxid for zxid, _ in live[0].entries]
    assert zxids == list(range(zxids[0], zxids[0] + len(zxids)))
    kinds = {message.type for message in live[1:] if isinstance(message, Packet)}
    assert kinds == {PacketType.REVALIDATE, PacketType.SYNC, PacketType.PING}


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.endswith((".live", ".leaderinfo", ".uptodate"))])
def test_we_make_the_bytes_that_apache_makes(name: str) -> None:
    """Every packet of the real streams, encoded again, is what it was."""
    data = bytes.fromhex(GOLDEN[name])
    again = b""
    for message in parse(data)[0]:
        if isinstance(message, Proposals):
            again += encode_proposals(message.entries)
        elif isinstance(message, Informs):
            again += encode_proposals(message.entries, PacketType.INFORM)
        elif isinstance(message, Commits):
            again += encode_commits(range(message.first, message.last + 1))
        elif isinstance(message, Packet):
            again += encode_packet(*message[:3])

    assert again == data
