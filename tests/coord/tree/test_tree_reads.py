"""Reads: frames that any client can decode, permissions, and no bytes that make the server raise."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.tree.acl import Guard, digest_id
from coord.tree.reads import Reads
from coord.tree.watches import WatchTable
from coord.wire.codes import EventType, OpCode
from coord.wire.data import ACL, CREATOR_ALL_ACL, READ_ACL_UNSAFE, WORLD_ANYONE, Id, Stat
from coord.wire.jute import Reader
from coord.wire.records import (
    AddWatchRequest,
    CheckWatchesRequest,
    ExistsRequest,
    GetACLRequest,
    GetACLResponse,
    GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse,
    GetChildren2Request,
    GetChildren2Response,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
    MultiRequest,
    Record,
    ReplyHeader,
    SetDataRequest,
    WhoAmIResponse,
)
from tests.coord.tree.tree_world import SESSION, Leader, create, delete, encode, set_acl, set_data

USER = digest_id(b"user:secret")
READER = digest_id(b"reader:secret")


class Client:
    def __init__(self, *auth: Id, session_id: int = SESSION) -> None:
        self.session_id = session_id
        self.auth = auth


class Rig(Leader):
    """A leader with a read side; its one client may be replaced."""

    def __init__(self) -> None:
        super().__init__(extended_types=True, sessions=(SESSION, 2))
        self.watches: WatchTable[Client] = WatchTable()
        self.reads = Reads(self.tree, self.watches, Guard())
        self.client = Client()

    def ask(self, op: OpCode, record: Record | None, client: Client | None = None) -> tuple[int, Reader]:
        """(error, a reader at the body); checks the frame and the header."""
        frame = self.reads.answer(7, op, memoryview(encode(record)), client or self.client)
        (size,) = struct.unpack_from(">i", frame)
        assert size == len(frame) - 4
        r = Reader(frame, 4)
        header = ReplyHeader.read(r)
        assert (header.xid, header.zxid) == (7, self.tree.last_zxid)
        assert not header.err or r.remaining == 0
        return header.err, r

    def read(self, op: OpCode, record: Record | None, kind: Any, client: Client | None = None) -> Any:
        """The reply's record."""
        err, r = self.ask(op, record, client)
        assert err == 0
        response = kind.read(r)
        assert r.remaining == 0
        return response


def test_data_and_stat() -> None:
    """Null stays null."""
    rig = Rig()
    for path, data in (("/a", b"x" * 300), ("/empty", b""), ("/null", None)):
        rig.write(create(path, data))
        response = rig.read(OpCode.GET_DATA, GetDataRequest(path), GetDataResponse)
        assert response.data == data
        assert response.stat == Stat.read(Reader(rig.tree.nodes[path].stat()))
    assert rig.ask(OpCode.EXISTS, ExistsRequest("/a"))[0] == 0
    assert rig.read(OpCode.GET_DATA, GetDataRequest("/"), GetDataResponse).stat.num_children == 4


@pytest.mark.parametrize(
    ("op", "record"),
    [
        (OpCode.GET_DATA, GetDataRequest("/no")),
        (OpCode.EXISTS, ExistsRequest("/no")),
        (OpCode.GET_ACL, GetACLRequest("/no")),
        (OpCode.GET_CHILDREN, GetChildrenRequest("/no")),
        (OpCode.GET_CHILDREN2, GetChildren2Request("/no")),
        (OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest("/no")),
    ],
)
def test_what_is_not_there(op: OpCode, record: Record) -> None:
    """One error for all of them."""
    assert Rig().ask(op, record)[0] == -101


def test_a_listing_follows_the_changes() -> None:
    """It is kept between reads and made again when a child comes or goes."""
    rig = Rig()
    rig.write(create("/a"))

    def names() -> list[str]:
        first = rig.read(OpCode.GET_CHILDREN, GetChildrenRequest("/a"), GetChildrenResponse).children
        again = rig.read(OpCode.GET_CHILDREN2, GetChildren2Request("/a"), GetChildren2Response)
        assert again.children == first
        assert again.stat.num_children == len(first)
        assert rig.tree.nodes["/a"].listing is not None
        return list(first)

    assert names() == []
    rig.write(create("/a/é"))
    rig.write(create("/a/b"))
    assert names() == ["é", "b"]
    rig.write(delete("/a/é"))
    assert names() == ["b"]


def test_everything_below_is_counted() -> None:
    """Not the node itself; names that only begin alike are not below."""
    rig = Rig()
    for path in ("/a", "/a/b", "/a/b/c", "/a/d", "/ab"):
        rig.write(create(path))

    def count(path: str) -> int:
        kind = GetAllChildrenNumberResponse
        return int(rig.read(OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest(path), kind).total_number)

    assert [count(path) for path in ("/a", "/a/b", "/a/d", "/", "/zookeeper")] == [3, 1, 0, 8, 2]


def test_a_session_asks_for_its_own_ephemerals() -> None:
    """Below a prefix, or all."""
    rig = Rig()
    rig.write(create("/p"))
    for path, owner in (("/e", SESSION), ("/p/e", SESSION), ("/f", 2)):
        rig.write(create(path, flags=1), owner)

    def mine(prefix: str, session_id: int = SESSION) -> list[str]:
        client = Client(session_id=session_id)
        record = GetEphemeralsRequest(prefix)
        return list(rig.read(OpCode.GET_EPHEMERALS, record, GetEphemeralsResponse, client).ephemerals)

    assert mine("/") == mine("") == mine(" ") == ["/e", "/p/e"]
    assert (mine("/p"), mine("/x"), mine("/", 2), mine("/", 3)) == (["/p/e"], [], ["/f"], [])


def test_who_may_read() -> None:
    """READ for everything, except that getACL takes ADMIN as well."""
    rig = Rig()
    rig.write(create("/a"))
    rig.write(create("/a/b"))
    rig.write(set_acl("/a", (ACL(16, USER), ACL(2, READER))))
    for op, record in (
        (OpCode.GET_DATA, GetDataRequest("/a", True)),
        (OpCode.EXISTS, ExistsRequest("/a", True)),
        (OpCode.GET_CHILDREN, GetChildrenRequest("/a", True)),
        (OpCode.GET_CHILDREN2, GetChildren2Request("/a", True)),
        (OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest("/a")),
    ):
        assert rig.ask(op, record, Client(USER))[0] == -102
    assert rig.watches.count == 0
    assert rig.ask(OpCode.GET_ACL, GetACLRequest("/a"), Client(USER))[0] == 0
    assert rig.ask(OpCode.GET_ACL, GetACLRequest("/a"), Client(READER))[0] == -102
    assert rig.ask(OpCode.GET_DATA, GetDataRequest("/a/b"))[0] == 0


def test_hashes_are_shown_to_administrators_only() -> None:
    """Everybody else who may read sees the user and an x."""
    rig = Rig()
    rig.write(create("/a", acl=(*CREATOR_ALL_ACL, ACL(1, WORLD_ANYONE))), auth=(USER,))
    shown = rig.read(OpCode.GET_ACL, GetACLRequest("/a"), GetACLResponse)
    assert shown.acl == (ACL(31, Id("digest", "user:x")), ACL(1, WORLD_ANYONE))
    assert rig.read(OpCode.GET_ACL, GetACLRequest("/a"), GetACLResponse, Client(USER)).acl[0].id == USER
    rig.write(create("/r", acl=READ_ACL_UNSAFE))
    assert rig.read(OpCode.GET_ACL, GetACLRequest("/r"), GetACLResponse).acl == READ_ACL_UNSAFE


def test_who_am_i() -> None:
    """Every identity, without secrets; of super there is no name."""
    client = Client(Id("ip", "::1"), USER, Id("super", ""))
    response = Rig().read(OpCode.WHO_AM_I, None, WhoAmIResponse, client)
    assert response.client_info == [Id("ip", "::1"), Id("digest", "user"), Id("super", "")]


def test_reads_leave_watches() -> None:
    """Only where they are asked to; exists also on a node that is not there."""
    rig = Rig()
    rig.write(create("/a"))
    for watch in (False, True):
        rig.ask(OpCode.GET_DATA, GetDataRequest("/a", watch))
        rig.ask(OpCode.GET_DATA, GetDataRequest("/no", watch))
        rig.ask(OpCode.EXISTS, ExistsRequest("/b", watch))
        rig.ask(OpCode.GET_CHILDREN2, GetChildren2Request("/", watch))
        rig.ask(OpCode.GET_CHILDREN, GetChildrenRequest("/a", watch))
        assert rig.watches.count == (4 if watch else 0)
    events = rig.write(set_data("/a", b"")).events + rig.write(create("/b")).events
    assert rig.watches.trigger(events) == [
        (rig.client, EventType.NODE_DATA_CHANGED, "/a"),
        (rig.client, EventType.NODE_CREATED, "/b"),
        (rig.client, EventType.NODE_CHILDREN_CHANGED, "/"),
    ]


def test_a_multi_read_leaves_watches_too() -> None:
    """For each of its operations that asks and succeeds."""
    rig = Rig()
    ops: list[tuple[int, Record]] = [
        (OpCode.GET_DATA, GetDataRequest("/", True)),
        (OpCode.GET_CHILDREN, GetChildrenRequest("/", True)),
        (OpCode.GET_CHILDREN, GetChildrenRequest("/no", True)),
    ]
    rig.ask(OpCode.MULTI_READ, MultiRequest(ops))
    assert rig.watches.count == 2


def test_a_multi_read_only_reads() -> None:
    """Anything else in it is a marshalling error."""
    ops: list[tuple[int, Record]] = [(OpCode.SET_DATA, SetDataRequest("/", b""))]
    assert Rig().ask(OpCode.MULTI_READ, MultiRequest(ops))[0] == -5


@pytest.mark.parametrize("op", [OpCode.CHECK_WATCHES, OpCode.REMOVE_WATCHES])
@pytest.mark.parametrize("kind", [0, 6, -1])
def test_an_unknown_kind_of_watch(op: OpCode, kind: int) -> None:
    """Is a marshalling error, as is an unknown mode."""
    rig = Rig()
    assert rig.ask(op, CheckWatchesRequest("/", kind))[0] == -5
    assert rig.ask(OpCode.ADD_WATCH, AddWatchRequest("/", 2))[0] == -5


@given(st.sampled_from([*OpCode, 99]), st.binary(max_size=50))
def test_any_bytes_get_an_answer(op: int, body: bytes) -> None:
    """With an error in the header at worst."""
    rig = Rig()
    for data in (body, memoryview(body)):
        frame = rig.reads.answer(1, op, data, rig.client)
        assert len(frame) >= 20
    assert rig.reads.answers(op) or struct.unpack_from(">i", frame, 16)[0] == -6


@pytest.mark.parametrize("size", [-1, -2, -100, 2, 100, 2**31 - 1])
@pytest.mark.parametrize("op", [OpCode.GET_DATA, OpCode.EXISTS, OpCode.GET_CHILDREN, OpCode.GET_CHILDREN2])
def test_a_path_length_that_is_wrong(op: OpCode, size: int) -> None:
    """Is a marshalling error, not the read of another path."""
    rig = Rig()
    frame = rig.reads.answer(1, op, struct.pack(">i", size) + b"/\0", rig.client)
    assert struct.unpack_from(">i", frame, 16)[0] == -5


def test_exists_of_a_null_character() -> None:
    """Apache checks this one here."""
    assert Rig().ask(OpCode.EXISTS, ExistsRequest("/\0"))[0] == -8
