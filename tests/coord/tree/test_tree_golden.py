"""Apache's own bytes: the same requests must become the same transactions and the same replies as on ZooKeeper 3.8.0.

`zookeeper_log.100000001` is the log of that server, `zookeeper_client_ops.txt` what its clients read. The labels in the
latter slip by a line once an event comes in between, so replies are found by their xid.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from coord.tree.acl import Guard
from coord.tree.applied import Applied, reply_body
from coord.tree.decide import Decider, Decision, Request
from coord.tree.reads import Reads
from coord.tree.sessions import SessionTracker, password_of
from coord.tree.tree import Tree
from coord.tree.watches import WatchTable
from coord.wire.codes import OpCode
from coord.wire.jute import Writer
from coord.wire.records import (
    OPEN_ACL_UNSAFE,
    AddWatchRequest,
    CheckVersionRequest,
    CheckWatchesRequest,
    CreateRequest,
    CreateSessionRequest,
    CreateTTLRequest,
    DeleteRequest,
    ExistsRequest,
    GetACLRequest,
    GetAllChildrenNumberRequest,
    GetChildren2Request,
    GetChildrenRequest,
    GetDataRequest,
    GetEphemeralsRequest,
    Id,
    MultiRequest,
    ReconfigRequest,
    Record,
    RemoveWatchesRequest,
    SetDataRequest,
    SetWatches,
)
from coord.wire.txns import decode_txn

FOLDER = Path(__file__).resolve().parents[2] / "golden"
SESSION = 0x100002440C20000
SECOND = 0x100002440C20001
FORWARDED = 0x6300000000003039
EPOCH = 1 << 32
IP = Id("ip", "127.0.0.1")
CONFIG = (
    b"server.1=127.0.0.1:22801:23801:participant\nserver.2=127.0.0.1:22802:23802:participant\n"
    b"server.3=127.0.0.1:22803:23803:participant\nversion=0"
)
CONFIG_MTIME = 0x1A1F8937730


def encode(record: Record | None) -> bytes:
    w = Writer()
    if record is not None:
        record.write(w)
    return w.getvalue()


def create(path: str, data: bytes | None = b"", flags: int = 0, acl: Any = OPEN_ACL_UNSAFE) -> CreateRequest:
    return CreateRequest(path, data, acl, flags)


# (low word of the zxid, session, cxid, operation, request): everything that the recorded clients wrote
WRITES: list[tuple[int, int, int, int, Record | None]] = [
    (1, SESSION, 0, OpCode.CREATE_SESSION, CreateSessionRequest(4000)),
    (2, SESSION, 1, OpCode.CREATE2, create("/e1", b"x", 1)),
    (3, SESSION, 3, OpCode.SET_DATA, SetDataRequest("/e1", b"z", -1)),
    (
        4,
        SESSION,
        5,
        OpCode.MULTI,
        MultiRequest(
            [
                (OpCode.CREATE, create("/m1")),
                (OpCode.SET_DATA, SetDataRequest("/none", b"")),
                (OpCode.DELETE, DeleteRequest("/m1")),
            ]
        ),
    ),
    (
        5,
        SESSION,
        6,
        OpCode.MULTI,
        MultiRequest(
            [
                (OpCode.CREATE, create("/m1")),
                (OpCode.CREATE, create("/m2", None)),
                (OpCode.SET_DATA, SetDataRequest("/m1", b"zz", 0)),
                (OpCode.CHECK, CheckVersionRequest("/m1", 1)),
                (OpCode.DELETE, DeleteRequest("/m1", 1)),
            ]
        ),
    ),
    (6, SESSION, 7, OpCode.CREATE_CONTAINER, create("/c1", flags=4)),
    (7, SESSION, 8, OpCode.CREATE_TTL, CreateTTLRequest("/t1", b"", OPEN_ACL_UNSAFE, 5, 60_000)),
    (8, SESSION, 9, OpCode.CREATE_TTL, CreateTTLRequest("/t1-", b"", OPEN_ACL_UNSAFE, 6, 60_000)),
    (9, SESSION, 10, OpCode.MULTI, MultiRequest([(OpCode.CREATE_CONTAINER, create("/c2", flags=4))])),
    (10, SESSION, 22, OpCode.RECONFIG, ReconfigRequest(None, None, None)),
    (11, SESSION, 24, OpCode.DELETE, DeleteRequest("/")),
    (12, SESSION, 26, OpCode.CREATE, create("/none/a")),
    (13, SESSION, 27, OpCode.CREATE, create("/na", acl=())),
    (14, SESSION, 28, OpCode.CREATE, create("/nd", None)),
    (15, SESSION, 31, OpCode.CLOSE_SESSION, None),
    (16, SECOND, 0, OpCode.CREATE_SESSION, CreateSessionRequest(4000)),
    (17, SECOND, 1, OpCode.CREATE, create("/probe", b"v")),
    (18, FORWARDED, 0, OpCode.CREATE_SESSION, CreateSessionRequest(4000)),
    (19, SECOND, 0, OpCode.CLOSE_SESSION, None),
]


def recorded_log() -> dict[int, bytes]:
    """zxid -> transaction, of the recorded log."""
    data = (FOLDER / "zookeeper_log.100000001").read_bytes()
    offset = 16
    found = {}
    while True:
        (size,) = struct.unpack_from(">i", data, offset + 8)
        if not size:
            return found
        txn = data[offset + 12 : offset + 12 + size]
        found[decode_txn(txn)[0].zxid] = txn
        offset += 12 + size + 1


def recorded_replies() -> dict[int, tuple[int, int, bytes]]:
    """xid -> (zxid, error, body), of what the recorded client read."""
    found = {}
    for line in (FOLDER / "zookeeper_client_ops.txt").read_text().splitlines():
        match = re.search(r"xid=(-?\d+) zxid=(\S+) err=(-?\d+) body=(b.*)$", line)
        if match:
            xid, zxid, err, body = match.groups()
            found[int(xid)] = (int(zxid, 16), int(err), ast.literal_eval(body))
        match = re.search(r"(?:eph|read|err|ok) ([0-9a-f]+)$", line)
        if match:
            data = bytes.fromhex(match[1])
            xid_, zxid_, err_ = struct.unpack_from(">iqi", data)
            found.setdefault(xid_, (zxid_, err_, data[16:]))
    return found


class Client:
    """A connection, as the watch table and the reads know it."""

    def __init__(self, session_id: int, *auth: Id) -> None:
        self.session_id = session_id
        self.auth = auth


class Server:
    """A server's tree, fed with requests one after the other."""

    def __init__(self) -> None:
        self.tree = Tree(extended_types=True)
        self.tree.set_config(CONFIG, 0, CONFIG_MTIME)
        self.sessions = SessionTracker(2000, 0.0)
        self.decider = Decider(self.tree, self.sessions, Guard())
        self.reads = Reads(self.tree, WatchTable[Client](), Guard())

    def decide(self, request: Request, zxid: int, time_ms: int) -> Decision:
        return self.decider.decide(request, zxid, time_ms)

    def apply(self, decision: Decision) -> Applied:
        applied = self.tree.apply(decision.header, decision.body, decision.digest)
        self.decider.applied(decision.header.zxid)
        return applied

    def write_until(self, last: int) -> Iterable[tuple[Decision, Applied, int]]:
        """Does the recorded writes up to that zxid, with the recorded times."""
        log = recorded_log()
        for counter, session_id, cxid, op, record in WRITES:
            zxid = EPOCH | counter
            if counter > last:
                return
            if zxid == EPOCH | 3:
                self.sessions.set_owner(SESSION, "the server it has moved to")
            owner = "the server it has moved to" if counter > 3 else "the first server"
            request = Request(session_id, cxid, op, encode(record), (IP,), None if session_id != SESSION else owner)
            decision = self.decide(request, zxid, decode_txn(log[zxid])[0].time_ms)
            yield decision, self.apply(decision), op


def test_the_empty_tree_has_apaches_digest() -> None:
    """The first recorded transaction creates a session, so its digest is that of the tree all servers begin with."""
    assert Tree().digest == decode_txn(recorded_log()[EPOCH | 1])[2]


@pytest.mark.parametrize("extended_types", [True, False])
def test_replaying_the_log_gives_apaches_digests(extended_types: bool) -> None:
    """After every transaction, whatever the option says about TTL nodes."""
    tree = Tree(extended_types=extended_types)
    for data in recorded_log().values():
        tree.apply_bytes(data)
        digest = decode_txn(data)[2]
        assert digest is None or digest == tree.digest
    assert tree.digest_mismatches == 0
    assert tree.last_zxid == EPOCH | 19


def test_decisions_are_apaches_transactions_byte_for_byte() -> None:
    """All nineteen: sessions, creates of every kind, multis that work and fail, refusals, the end of an ephemeral."""
    log = recorded_log()
    server = Server()
    decided = {decision.header.zxid: decision.data for decision, _, _ in server.write_until(99)}
    assert {zxid: data.hex() for zxid, data in decided.items()} == {zxid: data.hex() for zxid, data in log.items()}
    assert server.tree.digest_mismatches == 0


def test_decisions_in_flight_are_the_same() -> None:
    """Nothing changes when everything is decided before anything is applied."""
    log = recorded_log()
    server = Server()
    server.apply = lambda decision: Applied(decision.header, 0, [])  # type: ignore[method-assign]
    decided = {decision.header.zxid: decision.data for decision, _, _ in server.write_until(99)}
    assert decided == log
    assert server.tree.last_zxid == 0


def test_replies_to_writes_are_apaches() -> None:
    """The body of each, and the error in its header."""
    replies = recorded_replies()
    checked = 0
    for decision, applied, op in Server().write_until(14):
        header = decision.header
        if header.cxid in replies and header.cxid not in (0, 3):
            zxid, err, body = replies[header.cxid]
            assert (applied.header.zxid, applied.error, reply_body(applied, op)) == (zxid, err, body), op
            checked += 1
    assert checked == 12


def test_a_write_of_a_moved_session_cuts_the_connection_off() -> None:
    """The recorded client read nothing but the end of the connection."""
    applied = [applied for _, applied, _ in Server().write_until(3)][-1]
    assert applied.session_moved


# (xid, the zxid at which it was asked, operation, request)
READS: list[tuple[int, int, int, Record | None]] = [
    (2, 2, OpCode.GET_DATA, GetDataRequest("/e1")),
    (4, 3, OpCode.GET_DATA, GetDataRequest("/e1")),
    (11, 9, OpCode.WHO_AM_I, None),
    (12, 9, OpCode.GET_EPHEMERALS, GetEphemeralsRequest("/")),
    (13, 9, OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest("/")),
    (14, 9, OpCode.GET_ACL, GetACLRequest("/zookeeper/config")),
    (15, 9, OpCode.GET_DATA, GetDataRequest("/zookeeper/config")),
    (16, 9, OpCode.ADD_WATCH, AddWatchRequest("/e1", 0)),
    (17, 9, OpCode.CHECK_WATCHES, CheckWatchesRequest("/e1", 3)),
    (18, 9, OpCode.REMOVE_WATCHES, RemoveWatchesRequest("/e1", 3)),
    (19, 9, OpCode.REMOVE_WATCHES, RemoveWatchesRequest("/e1", 3)),
    (21, 9, OpCode.EXISTS, ExistsRequest("/none")),
    (29, 14, OpCode.GET_DATA, GetDataRequest("/nd")),
]


def test_replies_to_reads_are_apaches() -> None:
    """Frame by frame, from the length to the Stat."""
    replies = recorded_replies()
    client = Client(SESSION, IP)
    server = Server()
    written = 0
    for xid, counter, op, record in READS:
        if counter > written:
            server = Server()
            list(server.write_until(counter))
            written = counter
        zxid, err, body = replies[xid]
        expected = struct.pack(">iiqi", 16 + len(body), xid, zxid, err) + body
        assert server.reads.answer(xid, op, encode(record), client) == expected, (xid, op)


def test_the_listing_of_the_root_is_apaches() -> None:
    """Names come in any order; the Stat behind them is exact."""
    server = Server()
    list(server.write_until(10))
    _, _, body = recorded_replies()[23]
    frame = server.reads.answer(23, OpCode.GET_CHILDREN2, encode(GetChildren2Request("/")), Client(SESSION, IP))
    assert frame[20:24] == body[:4]
    assert frame[-68:] == body[-68:]
    assert sorted(frame[24:-68]) == sorted(body[4:-68])


def test_a_multi_read_is_apaches() -> None:
    """A null that is there, an empty list, a node that is not there."""
    server = Server()
    list(server.write_until(14))
    record = MultiRequest(
        [
            (OpCode.GET_DATA, GetDataRequest("/nd")),
            (OpCode.GET_CHILDREN, GetChildrenRequest("/nd")),
            (OpCode.GET_DATA, GetDataRequest("/none")),
        ]
    )
    frame = server.reads.answer(30, OpCode.MULTI_READ, encode(record), Client(SESSION, IP))
    body = recorded_replies()[30][2]
    assert frame[20:] == body


def test_set_watches_is_apaches() -> None:
    """The missed event first, then the reply."""
    server = Server()
    list(server.write_until(10))
    frames = server.reads.answer(-8, OpCode.SET_WATCHES, encode(SetWatches(0, ["/e1"])), Client(SESSION, IP))
    _, _, event = recorded_replies()[-1]
    zxid, err, _ = recorded_replies()[-8]
    first = struct.pack(">iiqi", 16 + len(event), -1, -1, 0) + event
    assert frames == first + struct.pack(">iiqi", 16, -8, zxid, err)


def test_who_am_i_hides_the_password() -> None:
    """Of a digest identity only the user is told."""
    server = Server()
    list(server.write_until(11))
    guard = Guard()
    client = Client(SESSION, IP, *guard.authenticate("digest", b"u:p", "127.0.0.1"))
    zxid, err, body = recorded_replies()[25]
    assert server.reads.answer(25, OpCode.WHO_AM_I, b"", client) == (
        struct.pack(">iiqi", 16 + len(body), 25, zxid, err) + body
    )


def test_the_password_of_a_session() -> None:
    """Java's Random, which every server can repeat."""
    assert password_of(SESSION) == password_of(SESSION)
    assert len(password_of(SESSION)) == 16
    assert password_of(0).hex() == java_random_bytes(0xB3415C00).hex()


def java_random_bytes(seed: int) -> bytes:
    """java.util.Random(seed).nextBytes(16), written from its documentation."""
    state = (seed ^ 0x5DEECE66D) % 2**48
    out = bytearray()
    while len(out) < 16:
        state = (state * 0x5DEECE66D + 11) % 2**48
        word = state >> 16
        out += bytes((word >> shift) & 0xFF for shift in (0, 8, 16, 24))
    return bytes(out)
