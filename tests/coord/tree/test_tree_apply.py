"""Applying: total, the same on every server, and able to replay a log over a snapshot that runs ahead of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.tree.applied import reply_body
from coord.tree.tree import Tree
from coord.tree.znode import PERSISTED_STAT
from coord.wire.codes import EventType, OpCode
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id, Stat
from coord.wire.jute import Reader
from coord.wire.txns import (
    Body,
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    TxnHeader,
    encode_txn,
)
from tests.coord.tree.tree_world import (
    CLOSE,
    SESSION,
    Leader,
    container,
    create,
    delete,
    multi,
    set_acl,
    set_data,
    ttl,
)

CREATED = EventType.NODE_CREATED
DELETED = EventType.NODE_DELETED
DATA = EventType.NODE_DATA_CHANGED
CHILDREN = EventType.NODE_CHILDREN_CHANGED
NOBODY: tuple[ACL, ...] = (ACL(31, Id("digest", "a:b")),)


def header(kind: int, zxid: int = 10, session_id: int = SESSION) -> TxnHeader:
    return TxnHeader(session_id, 0, zxid, zxid * 1000, kind)


def apply(tree: Tree, kind: int, body: Body, zxid: int = 10, session_id: int = SESSION) -> int:
    return tree.apply(header(kind, zxid, session_id), body).error


def make(path: str, ephemeral: bool = False, cversion: int = -1, data: bytes = b"") -> CreateTxn:
    return CreateTxn(path, data, OPEN_ACL_UNSAFE, ephemeral, cversion)


def stat_of(tree: Tree, path: str) -> Stat:
    return Stat.read(Reader(tree.nodes[path].stat()))


# ---- statistics ------------------------------------------------------------------------------------------------------


def test_clients_see_a_cversion_that_counts_deletes_too() -> None:
    """Twice the creations less the children that are there."""
    leader = Leader()
    leader.write(create("/a"))
    for name in "bcd":
        leader.write(create(f"/a/{name}"))
    leader.write(delete("/a/b"))
    stat = stat_of(leader.tree, "/a")
    assert (leader.tree.nodes["/a"].cversion, stat.cversion, stat.num_children) == (3, 4, 2)
    assert stat.pzxid == leader.zxid


def test_a_cversion_beyond_an_int_wraps_as_in_java() -> None:
    """A Stat is always 68 bytes."""
    tree = Tree()
    tree.nodes[""].cversion = 2**31 - 1
    assert stat_of(tree, "/").cversion == -2 - 1


def test_owners_of_containers_and_ttl_nodes_are_not_shown() -> None:
    """The field would look like a session."""
    leader = Leader(extended_types=True)
    for op in (container("/c"), ttl("/t", 9), create("/e", flags=1)):
        leader.write(op)
    owners = {path: stat_of(leader.tree, path).ephemeral_owner for path in ("/c", "/t", "/e")}
    assert owners == {"/c": 0, "/t": 0, "/e": SESSION}
    assert leader.tree.nodes["/c"].owner == -(2**63)
    assert leader.tree.nodes["/t"].owner & 2**64 - 1 == 0xFF00000000000009


def test_without_extended_types_a_ttl_node_is_session_255s() -> None:
    """As in Apache: server 255 may exist there, and its sessions look the same."""
    tree = Tree()
    apply(tree, OpCode.CREATE_TTL, CreateTTLTxn("/t", b"", OPEN_ACL_UNSAFE, 1, 9))
    assert stat_of(tree, "/t").ephemeral_owner == tree.nodes["/t"].owner
    assert tree.ephemeral_count == 1


def test_null_data_is_not_empty_data() -> None:
    """Both have length 0."""
    leader = Leader()
    leader.write(create("/a", None))
    assert (leader.tree.nodes["/a"].data, stat_of(leader.tree, "/a").data_length) == (None, 0)


def test_the_configuration_is_set_from_outside() -> None:
    """Its version is -1 for ever; it counts in no digest."""
    tree = Tree()
    digest = tree.digest
    tree.set_config(b"server.1=a:1:2", 7, 1000)
    stat = stat_of(tree, "/zookeeper/config")
    assert (stat.version, stat.aversion, stat.mzxid, stat.mtime) == (-1, -1, 7, 1000)
    assert tree.digest == digest
    assert tree.nodes["/zookeeper/config"].acl == READ_ACL_UNSAFE


# ---- replies and events ----------------------------------------------------------------------------------------------


def test_events_come_in_apaches_order() -> None:
    """The node first, then the list that it is in; the root's name is "/" there."""
    leader = Leader()
    events = [
        [(event, path) for event, path, _ in leader.write(op).events]
        for op in (
            create("/a"),
            create("/a/b", flags=1),
            set_data("/a", b"x"),
            set_acl("/a", OPEN_ACL_UNSAFE),
            multi(set_data("/a/b", b""), delete("/a/b"), create("/a/c", flags=1)),
            multi(create("/d"), delete("/nothing")),
            CLOSE,
        )
    ]
    assert events == [
        [(CREATED, "/a"), (CHILDREN, "/")],
        [(CREATED, "/a/b"), (CHILDREN, "/a")],
        [(DATA, "/a")],
        [],
        [(DATA, "/a/b"), (DELETED, "/a/b"), (CHILDREN, "/a"), (CREATED, "/a/c"), (CHILDREN, "/a")],
        [],
        [(DELETED, "/a/c"), (CHILDREN, "/a")],
    ]


def test_an_event_carries_the_acl_that_guards_it() -> None:
    """Of the node, and of the parent for the list."""
    leader = Leader()
    leader.write(create("/a", acl=READ_ACL_UNSAFE))
    applied = leader.tree.apply(header(OpCode.CREATE), CreateTxn("/a/b", b"", NOBODY, False, 1))
    assert [acl for _, _, acl in applied.events] == [NOBODY, READ_ACL_UNSAFE]


def test_a_stat_in_a_multi_is_of_its_moment() -> None:
    """Not of the end of the multi."""
    leader = Leader()
    applied = leader.write(multi(create("/a"), set_data("/a", b"1"), set_data("/a", b"22")))
    stats = [Stat.read(Reader(result.stat)) for result in applied.results[1:]]
    assert [(stat.version, stat.data_length) for stat in stats] == [(1, 1), (2, 2)]


def test_without_somebody_waiting_no_stat_is_made() -> None:
    """It is the same transaction otherwise."""
    tree = Tree()
    applied = tree.apply(header(OpCode.CREATE2), make("/a"), answer=False)
    assert (applied.path, applied.stat, applied.error) == ("/a", b"", 0)


def test_sessions_are_told() -> None:
    """Which one began, and which one ended."""
    tree = Tree()
    begun = tree.apply(header(OpCode.CREATE_SESSION), CreateSessionTxn(4000))
    assert (begun.session_created, begun.session_closed, dict(tree.sessions)) == (SESSION, None, {SESSION: 4000})
    ended = tree.apply(header(OpCode.CLOSE_SESSION), CloseSessionTxn([]))
    assert (ended.session_created, ended.session_closed, dict(tree.sessions)) == (None, SESSION, {})


@pytest.mark.parametrize("op", [op for op in OpCode if op > 0])
def test_a_refused_write_has_no_body(op: OpCode) -> None:
    """The header says it all."""
    assert reply_body(Tree().apply(header(OpCode.ERROR), ErrorTxn(-101)), op) == b""


# ---- total and deterministic -----------------------------------------------------------------------------------------

NAMES = st.sampled_from(["/a", "/a/b", "/a/b/c", "/zookeeper", "/zookeeper/config", "/x", "", "/", "a", "//"])
TEXTS = st.none() | st.binary(max_size=5)
INTS = st.integers(-(2**31), 2**31 - 1)
ACLS = st.sampled_from([OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, NOBODY, ()])
INNER: st.SearchStrategy[tuple[int, Body]] = st.one_of(
    st.tuples(st.sampled_from([1, 15]), st.builds(CreateTxn, NAMES, TEXTS, ACLS, st.booleans(), INTS)),
    st.tuples(st.just(19), st.builds(CreateContainerTxn, NAMES, TEXTS, ACLS, INTS)),
    st.tuples(st.just(21), st.builds(CreateTTLTxn, NAMES, TEXTS, ACLS, INTS, st.integers(-(2**63), 2**63 - 1))),
    st.tuples(st.sampled_from([2, 20]), st.builds(DeleteTxn, NAMES)),
    st.tuples(st.sampled_from([5, 16]), st.builds(SetDataTxn, NAMES, TEXTS, INTS)),
    st.tuples(st.just(7), st.builds(SetACLTxn, NAMES, ACLS, INTS)),
    st.tuples(st.just(13), st.builds(CheckVersionTxn, NAMES, INTS)),
    st.tuples(st.just(-1), st.builds(ErrorTxn, INTS)),
)
TXNS: st.SearchStrategy[tuple[int, Body]] = st.one_of(
    INNER,
    st.tuples(st.just(-10), st.builds(CreateSessionTxn, INTS)),
    st.tuples(st.just(-11), st.builds(CloseSessionTxn, st.none() | st.lists(NAMES, max_size=3))),
    st.tuples(st.just(14), st.builds(MultiTxn, st.lists(INNER, max_size=4))),
)


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_is_never_deleted(path: str) -> None:
    """No leader decides that. It has two names, and under neither may it go without the other."""
    tree = Tree()
    applied = tree.apply(header(OpCode.DELETE), DeleteTxn(path))
    assert applied.error == -101
    assert tree.nodes[""] is tree.nodes["/"]


@given(st.lists(st.tuples(st.integers(1, 2), TXNS), max_size=30), st.booleans())
def test_any_transactions_can_be_applied(txns: list[tuple[int, tuple[int, Body]]], extended_types: bool) -> None:
    """Even ones that no leader would decide; two servers end up with the same tree."""
    one, other = Tree(extended_types=extended_types), Tree(extended_types=extended_types)
    for zxid, (session_id, (kind, body)) in enumerate(txns, 1):
        applied = one.apply(header(kind, zxid, session_id), body)
        reply_body(applied, kind)
        other.apply_bytes(encode_txn(header(kind, zxid, session_id), body, one.digest))
    assert other.digest_mismatches == 0
    assert list(one.nodes) == list(other.nodes)
    assert [node.stat() for node in one.nodes.values()] == [node.stat() for node in other.nodes.values()]


def test_a_wrong_digest_is_counted_and_nothing_else() -> None:
    """Nobody knows which of the two trees is right; while a snapshot is fuzzy it says nothing."""
    tree = Tree()
    tree.apply(header(OpCode.CREATE), make("/a"), digest=1)
    assert (tree.digest_mismatches, "/a" in tree.nodes) == (1, True)
    tree.fuzzy_until = 20
    tree.apply(header(OpCode.CREATE, 20), make("/b"), digest=1)
    assert tree.digest_mismatches == 1
    tree.apply(header(OpCode.CREATE, 21), make("/c"), digest=1)
    assert tree.digest_mismatches == 2


# ---- replaying over a fuzzy snapshot ---------------------------------------------------------------------------------


def test_a_create_that_is_there_already_raises_the_parents_counters() -> None:
    """The node is left alone; a parent that is ahead is left alone too."""
    tree = Tree()
    apply(tree, OpCode.CREATE, make("/a"), 1)
    apply(tree, OpCode.CREATE, make("/a/b", data=b"old", cversion=1), 2)
    for kind in (OpCode.CREATE, OpCode.CREATE2):
        assert apply(tree, kind, make("/a/b", data=b"new", cversion=5), 9) == -110
    parent = tree.nodes["/a"]
    assert (parent.cversion, parent.pzxid, tree.nodes["/a/b"].data) == (5, 9, b"old")
    assert apply(tree, OpCode.CREATE, make("/a/b", cversion=3), 11) == -110
    assert (parent.cversion, parent.pzxid) == (5, 9)


def test_an_old_create_does_not_take_a_newer_parent_back() -> None:
    """The parent of the snapshot has seen later creations already."""
    tree = Tree()
    apply(tree, OpCode.CREATE, make("/a"), 1)
    apply(tree, OpCode.CREATE, make("/a/b", cversion=7), 8)
    assert apply(tree, OpCode.CREATE, make("/a/c", cversion=4), 5) == 0
    assert (tree.nodes["/a"].cversion, tree.nodes["/a"].pzxid) == (7, 8)


def test_a_delete_of_what_is_gone_raises_the_parents_pzxid() -> None:
    """ZOOKEEPER-3125: replayed over a fuzzy snapshot; it never takes the pzxid back."""
    tree = Tree()
    apply(tree, OpCode.CREATE, make("/a"), 1)
    assert apply(tree, OpCode.DELETE, DeleteTxn("/a/b"), 9) == -101
    assert tree.nodes["/a"].pzxid == 9
    assert apply(tree, OpCode.DELETE, DeleteTxn("/a/c"), 5) == -101
    assert tree.nodes["/a"].pzxid == 9
    assert apply(tree, OpCode.DELETE, DeleteTxn("/gone/b"), 9) == -101


def test_a_delete_takes_children_of_the_future_along() -> None:
    """They will be created again; until then no node may be without a parent."""
    tree = Tree()
    for zxid, path in enumerate(("/a", "/a/b", "/a/b/c"), 1):
        apply(tree, OpCode.CREATE, make(path, ephemeral=path == "/a/b/c"), zxid)
    applied = tree.apply(header(OpCode.DELETE, 4), DeleteTxn("/a"))
    assert set(tree.nodes) == set(Tree().nodes)
    assert tree.ephemerals == {}
    assert [event[0] for event in applied.events] == [DELETED, CHILDREN]


def test_a_close_session_of_old_takes_what_the_session_owns() -> None:
    """Before 3.6 the transaction listed nothing; later ones list all, and what they forget goes too."""
    tree = Tree()
    for paths in (None, ["/x", "/gone"], []):
        apply(tree, OpCode.CREATE, make("/x", ephemeral=True), 1)
        apply(tree, OpCode.CREATE, make("/y", ephemeral=True), 1)
        applied = tree.apply(header(OpCode.CLOSE_SESSION), CloseSessionTxn(paths))
        assert applied.error == 0
        assert [path for event, path, _ in applied.events if event is DELETED] == ["/x", "/y"]
        assert tree.ephemerals == {}


def test_ephemerals_of_unknown_sessions_are_buried() -> None:
    """A fuzzy snapshot may hold an ephemeral whose session's end it has seen."""
    tree = Tree()
    apply(tree, OpCode.CREATE_SESSION, CreateSessionTxn(4000), 1, session_id=1)
    apply(tree, OpCode.CREATE, make("/mine", ephemeral=True), 2, session_id=1)
    apply(tree, OpCode.CREATE, make("/orphan", ephemeral=True), 3, session_id=2)
    tree.bury_the_dead()
    assert ("/mine" in tree.nodes, "/orphan" in tree.nodes, list(tree.ephemerals)) == (True, False, [1])


# ---- loading ---------------------------------------------------------------------------------------------------------


def images(tree: Tree) -> list[tuple[str, bytes | None, tuple[ACL, ...], bytes]]:
    return [(path, node.data, node.acl, node.persisted()) for path, node in tree.nodes.items() if path != "/"]


def test_a_tree_that_was_loaded_is_the_same_tree() -> None:
    """Digest, children, owners, sizes, limits: all are found again from the nodes alone."""
    leader = Leader(extended_types=True)
    for op in (
        create("/a", b"x"),
        create("/a/e", flags=1),
        container("/c"),
        ttl("/t", 5),
        create("/r", acl=NOBODY),
        create("/zookeeper/quota/a"),
        create("/zookeeper/quota/a/zookeeper_stats"),
        create("/zookeeper/quota/a/zookeeper_limits", b"count=9,bytes=-1"),
        create("/a/b", b"123"),
        set_data("/", b"root"),
    ):
        leader.write(op)
    old = leader.tree
    new = Tree(extended_types=True)
    new.clear()
    for path, data, acl, stat in images(old):
        new.put(path, data, acl, stat)
    new.loaded(old.last_zxid)
    assert images(new) == images(old)
    assert [new.nodes[path].stat() for path in old.nodes] == [node.stat() for node in old.nodes.values()]
    for name in ("digest", "last_zxid", "data_size", "ephemerals", "containers", "ttls"):
        assert getattr(new, name) == getattr(old, name), name
    assert new.quotas.paths == {"/a": None}
    assert new.nodes["/a"].children == {"e": None, "b": None}


def test_a_snapshot_that_cannot_be_a_tree_is_refused() -> None:
    """No root, a child before its parent, a node twice."""
    stat = PERSISTED_STAT.pack(*[0] * 9)
    tree = Tree()
    tree.clear()
    with pytest.raises(ValueError, match="no root"):
        tree.loaded(1)
    with pytest.raises(ValueError, match="before its parent"):
        tree.put("/a", b"", OPEN_ACL_UNSAFE, stat)
    tree.put("", b"", OPEN_ACL_UNSAFE, stat)
    with pytest.raises(ValueError, match="twice"):
        tree.put("", b"", OPEN_ACL_UNSAFE, stat)


def test_an_old_snapshot_gets_the_nodes_it_lacks() -> None:
    """"/zookeeper/config" came with 3.5."""
    tree = Tree()
    tree.clear()
    tree.put("", b"", OPEN_ACL_UNSAFE, PERSISTED_STAT.pack(*[0] * 9))
    tree.loaded(5)
    assert set(tree.nodes) == set(Tree().nodes)
    assert tree.digest == Tree().digest
