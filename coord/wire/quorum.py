"""Quorum packets: what leader and learners say to each other, on Apache ZooKeeper's own wire.

    QuorumPacket: int type, long zxid, buffer data, vector of Id{string scheme, string id}

There is no length before a packet: a stream is read field by field. `parse` takes whatever has arrived and returns the
whole packets in it. The three types that make up nearly all traffic come out as runs, so that a thousand proposals cost a
loop of `struct` calls and one object: `Proposals` and `Informs` carry [(zxid, bytes)], `Commits` and `Acks` the run's ends.
A run's zxids follow one another without a gap; where they do not, a new run begins.

After a SNAP packet the stream holds a snapshot, which is no packet: `parse` stops behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from .data import Id
from .jute import JuteError

__all__ = [
    "PACKET_BYTES_MAX",
    "PROTOCOL_VERSION",
    "Acks",
    "Commits",
    "Informs",
    "LearnerInfo",
    "Message",
    "Packet",
    "PacketType",
    "Proposals",
    "encode_acks",
    "encode_commits",
    "encode_packet",
    "encode_proposals",
    "encode_request",
    "encode_sessions",
    "parse",
    "parse_request",
    "parse_sessions",
]

PROTOCOL_VERSION = 0x10000
"""In LearnerInfo and LEADERINFO: peers that speak of epochs (ZooKeeper 3.4 and newer)."""
PACKET_BYTES_MAX = 16 * 1024 * 1024
"""The data of one packet. A transaction is about as large as its request (1 MiB), but a closeSession lists its paths."""
AUTH_MAX = 1024
"""Identities of one request."""


class PacketType(IntEnum):
    """The `type` of a QuorumPacket."""

    REQUEST = 1
    PROPOSAL = 2
    ACK = 3
    COMMIT = 4
    PING = 5
    REVALIDATE = 6
    SYNC = 7
    INFORM = 8
    COMMITANDACTIVATE = 9
    NEWLEADER = 10
    FOLLOWERINFO = 11
    UPTODATE = 12
    DIFF = 13
    TRUNC = 14
    SNAP = 15
    OBSERVERINFO = 16
    LEADERINFO = 17
    ACKEPOCH = 18
    INFORMANDACTIVATE = 19


class Packet(NamedTuple):
    """Any packet that is not part of a run."""

    type: int
    zxid: int
    data: bytes | None = None
    auth: tuple[Id, ...] = ()


class Proposals(NamedTuple):
    """PROPOSALs: (zxid, transaction), consecutive."""

    entries: list[tuple[int, bytes]]


class Informs(NamedTuple):
    """INFORMs: committed transactions on their way to an observer."""

    entries: list[tuple[int, bytes]]


class Commits(NamedTuple):
    """COMMITs of every zxid from `first` to `last`."""

    first: int
    last: int


class Acks(NamedTuple):
    """ACKs of every zxid from `first` to `last`."""

    first: int
    last: int


Message = Packet | Proposals | Informs | Commits | Acks

_HEAD = Struct(">iqi")  # type, zxid, length of the data
_BARE = Struct(">iqii")  # a packet without data and identities
_INT = Struct(">i")
_REQUEST = Struct(">qii")  # session, cxid, type
_SESSION = Struct(">qi")  # session, timeout
_INFO = Struct(">qiq")  # sid, protocol version, configuration version
_NULL = b"\xff\xff\xff\xff"

# plain numbers for the loops: an IntEnum costs a descriptor call for each use
_PROPOSAL, _ACK, _COMMIT, _INFORM, _SNAP = 2, 3, 4, 8, 15
_WITH_TRANSACTION = (_PROPOSAL, _INFORM)
_ZXID_ALONE = (_ACK, _COMMIT)
_HEAD_SIZE = _HEAD.size
_BARE_SIZE = _BARE.size


def parse(data: bytes | memoryview, limit: int = PACKET_BYTES_MAX) -> tuple[list[Message], int]:
    """The messages whole in `data` and how many bytes they took; the rest comes again with more behind it.

    limit: the largest data that any packet may carry, in bytes. Raises JuteError on what can be no packet.
    """
    messages: list[Message] = []
    known: list[tuple[bytes, tuple[Id, ...]]] = []
    offset = 0
    end = len(data)
    while end - offset >= _BARE_SIZE:
        kind, zxid, size = _HEAD.unpack_from(data, offset)
        if not 1 <= kind <= 19 or not -1 <= size <= limit:
            raise JuteError(f"no quorum packet: type {kind}, zxid {zxid:#x}, {size} bytes of data (limit {limit})")
        if kind in _WITH_TRANSACTION:
            offset_next = _parse_transactions(data, offset, kind, limit, messages)
        elif kind in _ZXID_ALONE and zxid & 0xFFFFFFFF:
            offset_next = _parse_zxids(data, offset, kind, messages)
        else:
            offset_next = _parse_packet(data, offset, messages, known)
        if offset_next == offset:
            break
        offset = offset_next
        if kind == _SNAP:
            break
    return messages, offset


def _parse_transactions(data: bytes | memoryview, offset: int, kind: int, limit: int, messages: list[Message]) -> int:
    """A run of PROPOSALs or of INFORMs; returns where it ends."""
    entries: list[tuple[int, bytes]] = []
    last = len(data) - _BARE_SIZE
    expected: int = _HEAD.unpack_from(data, offset)[1]
    while offset <= last:
        found, zxid, size = _HEAD.unpack_from(data, offset)
        if found != kind or zxid != expected:
            break
        body = offset + _HEAD_SIZE
        tail = body + size
        if not 0 <= size <= limit:
            raise JuteError(f"a proposal of {size} bytes (limit {limit}), zxid {zxid:#x}")
        if tail + 4 > len(data):
            break
        if _INT.unpack_from(data, tail)[0] > 0:
            raise JuteError(f"a proposal with identities, zxid {zxid:#x}")
        entries.append((zxid, bytes(data[body:tail])))
        offset = tail + 4
        expected += 1
    if entries:
        messages.append(Proposals(entries) if kind == _PROPOSAL else Informs(entries))
    return offset


def _parse_zxids(data: bytes | memoryview, offset: int, kind: int, messages: list[Message]) -> int:
    """A run of ACKs or of COMMITs, which begins whole at `offset` but for data they ought not to have; returns its end."""
    unpack = _BARE.unpack_from
    last = len(data) - _BARE_SIZE
    first: int = _HEAD.unpack_from(data, offset)[1]
    expected = first
    while offset <= last:
        found, zxid, size, count = unpack(data, offset)
        if found != kind or zxid != expected:
            break
        if size > 0 or count > 0:
            raise JuteError(f"a quorum packet of type {kind} with data, zxid {zxid:#x}")
        offset += _BARE_SIZE
        expected += 1
    messages.append(Commits(first, expected - 1) if kind == _COMMIT else Acks(first, expected - 1))
    return offset


def _parse_packet(
    data: bytes | memoryview, offset: int, messages: list[Message], known: list[tuple[bytes, tuple[Id, ...]]]
) -> int:
    """One packet of any type; returns where it ends, or `offset` when it is not all here.

    known: the identities of the packet before, raw and parsed: requests of one learner mostly carry the same.
    """
    kind, zxid, size = _HEAD.unpack_from(data, offset)
    body = offset + _HEAD_SIZE
    tail: int = body + max(size, 0)
    end = tail + 4
    if end > len(data):
        return offset
    (count,) = _INT.unpack_from(data, tail)
    auth: tuple[Id, ...] = ()
    if count > 0:
        if known and data[tail : tail + len(known[0][0])] == known[0][0]:
            end = tail + len(known[0][0])
            auth = known[0][1]
        else:
            taken = _parse_auth(data, end, count)
            if taken is None:
                return offset
            auth, end = taken
            known[:] = [(bytes(data[tail:end]), auth)]
    messages.append(Packet(kind, zxid, bytes(data[body:tail]) if size >= 0 else None, auth))
    return end


def _parse_auth(data: bytes | memoryview, offset: int, count: int) -> tuple[tuple[Id, ...], int] | None:
    """`count` identities and the offset behind them; None when they are not all here yet."""
    if count > AUTH_MAX:
        raise JuteError(f"a quorum packet with {count} identities (limit {AUTH_MAX})")
    texts: list[str] = []
    for _ in range(2 * count):
        if offset + 4 > len(data):
            return None
        (size,) = _INT.unpack_from(data, offset)
        if not -1 <= size <= PACKET_BYTES_MAX:
            raise JuteError(f"a quorum packet with an identity of {size} bytes")
        offset += 4
        stop = offset + max(size, 0)
        if stop > len(data):
            return None
        texts.append(str(data[offset:stop], "utf-8", "replace"))
        offset = stop
    return tuple(map(Id, texts[::2], texts[1::2])), offset


def encode_packet(kind: int, zxid: int, data: bytes | None = None, auth: Sequence[Id] | None = None) -> bytes:
    """One packet. No identities are sent as null, as Apache does where there are none to tell of."""
    if data is None:
        head = _HEAD.pack(kind, zxid, -1)
    else:
        head = _HEAD.pack(kind, zxid, len(data)) + data
    return head + (_NULL if auth is None else _encode_auth(auth))


def _encode_auth(auth: Sequence[Id]) -> bytes:
    parts = [_INT.pack(len(auth))]
    for pair in auth:
        for text in pair:
            raw = text.encode()
            parts += (_INT.pack(len(raw)), raw)
    return b"".join(parts)


def encode_proposals(entries: Iterable[tuple[int, bytes]], kind: int = _PROPOSAL) -> bytes:
    """PROPOSALs (or INFORMs) of consecutive transactions, one buffer for all."""
    parts: list[bytes] = []
    extend, pack = parts.extend, _HEAD.pack
    for zxid, data in entries:
        extend((pack(kind, zxid, len(data)), data, _NULL))
    return b"".join(parts)


def encode_commits(zxids: Iterable[int]) -> bytes:
    """COMMITs, one buffer for all."""
    pack = _BARE.pack
    return b"".join([pack(_COMMIT, zxid, -1, -1) for zxid in zxids])


def encode_acks(zxids: Iterable[int]) -> bytes:
    """ACKs, one buffer for all."""
    pack = _BARE.pack
    return b"".join([pack(_ACK, zxid, -1, -1) for zxid in zxids])


def encode_request(session_id: int, cxid: int, op: int, body: bytes, auth: Sequence[Id]) -> bytes:
    """A client's request on its way to the leader; its identities are a list even when there are none."""
    return encode_packet(PacketType.REQUEST, -1, _REQUEST.pack(session_id, cxid, op) + body, auth)


def parse_request(packet: Packet) -> tuple[int, int, int, bytes]:
    """(session id, cxid, operation, body) of a REQUEST. Raises JuteError."""
    data = packet.data
    if data is None or len(data) < _REQUEST.size:
        raise JuteError("a forwarded request without a header")
    session_id, cxid, op = _REQUEST.unpack_from(data)
    return session_id, cxid, op, data[_REQUEST.size :]


def encode_sessions(sessions: Iterable[tuple[int, int]]) -> bytes:
    """The data of a learner's PING: (session id, timeout in ms) of every session touched since the last one. Never
    null: an empty list is an empty buffer."""
    return b"".join([_SESSION.pack(session_id, timeout_ms) for session_id, timeout_ms in sessions])


def parse_sessions(data: bytes | None) -> list[tuple[int, int]]:
    """Inverse of `encode_sessions`; also the data of a learner's REVALIDATE. Raises JuteError."""
    if data is None:
        return []
    if len(data) % _SESSION.size:
        raise JuteError(f"{len(data)} bytes of sessions are no multiple of {_SESSION.size}")
    return list(_SESSION.iter_unpack(data))


class LearnerInfo(NamedTuple):
    """The data of FOLLOWERINFO and OBSERVERINFO."""

    sid: int
    protocol_version: int = PROTOCOL_VERSION
    config_version: int = 0

    def encode(self) -> bytes:
        """20 bytes."""
        return _INFO.pack(*self)

    @classmethod
    def parse(cls, data: bytes | None) -> LearnerInfo:
        """Takes the older, shorter forms as well. Raises JuteError."""
        if data is None or len(data) < 8:
            raise JuteError("a learner that does not say who it is")
        if len(data) >= _INFO.size:
            return cls._make(_INFO.unpack_from(data))
        version = _INT.unpack_from(data, 8)[0] if len(data) >= 12 else 1
        return cls(int.from_bytes(data[:8], "big", signed=True), version)
