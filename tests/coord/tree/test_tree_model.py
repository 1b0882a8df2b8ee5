"""The tree against a deliberately plain model: one dictionary, no pending changes, no digests, no cleverness.

Requests are decided in batches (so that most are decided while others are in flight) and then applied; each must fail, or
change the tree, exactly as it does in the model, where every request is done before the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.tree.acl import Guard
from coord.tree.applied import reply_body
from coord.tree.decide import Decider, Request
from coord.tree.sessions import SessionTracker
from coord.tree.tree import DIGEST_MASK, Tree
from coord.wire.codes import OpCode
from coord.wire.jute import Reader, Writer
from coord.wire.records import (
    OPEN_ACL_UNSAFE,
    CheckVersionRequest,
    Create2Response,
    CreateRequest,
    CreateResponse,
    CreateSessionRequest,
    DeleteRequest,
    MultiRequest,
    MultiResponse,
    MultiResult,
    Record,
    SetDataRequest,
    SetDataResponse,
    Stat,
)

NO_NODE, BAD_VERSION, NO_CHILDREN, EXISTS, NOT_EMPTY, EXPIRED, NOT_DONE = -101, -103, -108, -110, -111, -112, -2
SESSIONS = (1, 2, 3, 4)


class RefusedError(Exception):
    """A request that the model refuses, with the code."""


@dataclass
class Node:
    data: bytes | None
    czxid: int
    mzxid: int
    pzxid: int
    version: int = 0
    created: int = 0  # children ever created
    owner: int = 0


class Model:
    """path -> node; times are the zxid, so that they need no clock."""

    def __init__(self) -> None:
        self.nodes = {"": Node(b"", 0, 0, 0)}
        self.open = set(SESSIONS)

    def children(self, path: str) -> int:
        return sum(1 for other in self.nodes if other and other.rpartition("/")[0] == path)

    def stat(self, path: str, root_children: int) -> Stat:
        node = self.nodes[path]
        count = self.children(path) + (root_children if not path else 0)
        return Stat(
            node.czxid,
            node.mzxid,
            node.czxid,
            node.mzxid,
            node.version,
            2 * node.created - count,
            0,
            node.owner,
            len(node.data or b""),
            count,
            node.pzxid,
        )

    def do(self, op: int, record: Any, session_id: int, zxid: int) -> Any:
        """What the reply holds, or RefusedError."""
        if op == OpCode.MULTI:
            return self.multi(record, session_id, zxid)
        if op == OpCode.CLOSE_SESSION:
            for path in [path for path, node in self.nodes.items() if node.owner == session_id]:
                self.remove(path, zxid)
            self.open.discard(session_id)
            return None
        if session_id not in self.open:
            raise RefusedError(EXPIRED)
        if op in (OpCode.CREATE, OpCode.CREATE2):
            return self.create(op, record, session_id, zxid)
        node = self.nodes.get(record.path)
        if op == OpCode.DELETE:
            if record.path.rpartition("/")[0] not in self.nodes or node is None:
                raise RefusedError(NO_NODE)
        elif node is None:
            raise RefusedError(NO_NODE)
        if record.version not in (-1, node.version):
            raise RefusedError(BAD_VERSION)
        if op == OpCode.DELETE:
            if self.children(record.path):
                raise RefusedError(NOT_EMPTY)
            self.remove(record.path, zxid)
            return None
        if op == OpCode.SET_DATA:
            node.data = record.data
            node.version += 1
            node.mzxid = zxid
            return SetDataResponse(self.stat(record.path, 1))
        return None

    def create(self, op: int, record: CreateRequest, session_id: int, zxid: int) -> Any:
        path = record.path
        above = path.rpartition("/")[0]
        parent = self.nodes.get(above)
        if parent is None:
            raise RefusedError(NO_NODE)
        if record.flags & 2:
            path += str(parent.created).zfill(10)
        if path in self.nodes:
            raise RefusedError(EXISTS)
        if parent.owner:
            raise RefusedError(NO_CHILDREN)
        parent.created += 1
        parent.pzxid = zxid
        self.nodes[path] = Node(record.data, zxid, zxid, zxid, owner=session_id if record.flags & 1 else 0)
        return CreateResponse(path) if op == OpCode.CREATE else Create2Response(path, self.stat(path, 1))

    def remove(self, path: str, zxid: int) -> None:
        del self.nodes[path]
        self.nodes[path.rpartition("/")[0]].pzxid = zxid

    def multi(self, record: MultiRequest, session_id: int, zxid: int) -> MultiResponse:
        before = {path: replace(node) for path, node in self.nodes.items()}
        results: list[MultiResult] = []
        try:
            for op, inner in record.ops:
                results.append(MultiResult(op, self.do(op, inner, session_id, zxid)))
        except RefusedError as error:
            self.nodes = before
            results = [MultiResult(-1, None, 0) for _ in results]
            results.append(MultiResult(-1, None, error.args[0]))
            results += [MultiResult(-1, None, NOT_DONE) for _ in range(len(record.ops) - len(results))]
        return MultiResponse(results)


PATHS = st.sampled_from(["/a", "/a", "/b", "/a/a", "/a/b", "/b/a", "/a/a/a"])
DATA = st.none() | st.sampled_from([b"", b"x", b"yy"])
VERSIONS = st.sampled_from([-1, -1, -1, -1, 0, 1])
SINGLES: st.SearchStrategy[tuple[int, Record]] = st.one_of(
    st.tuples(
        st.sampled_from([OpCode.CREATE, OpCode.CREATE2]),
        st.builds(CreateRequest, PATHS, DATA, st.just(OPEN_ACL_UNSAFE), st.sampled_from([0, 0, 0, 1, 1, 2, 3])),
    ),
    st.tuples(st.just(OpCode.DELETE), st.builds(DeleteRequest, PATHS, VERSIONS)),
    st.tuples(st.just(OpCode.SET_DATA), st.builds(SetDataRequest, PATHS, DATA, VERSIONS)),
)
IN_MULTI = st.one_of(SINGLES, st.tuples(st.just(OpCode.CHECK), st.builds(CheckVersionRequest, PATHS, VERSIONS)))
OPS: st.SearchStrategy[tuple[int, Record | None]] = st.one_of(
    SINGLES,
    st.tuples(st.just(OpCode.MULTI), st.builds(MultiRequest, st.lists(IN_MULTI, max_size=4))),
    st.tuples(st.just(OpCode.CLOSE_SESSION), st.none()),
)
BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from(SESSIONS), OPS), min_size=6, max_size=10), min_size=2, max_size=5
)


def random_path(random: Random) -> str:
    return "".join("/" + random.choice("aab") for _ in range(random.choice((1, 1, 2, 2, 3))))


def random_single(random: Random) -> tuple[int, Record]:
    path = random_path(random)
    version = random.choice((-1, -1, -1, -1, 0, 1))
    content = random.choice((None, b"", b"x", b"yy"))
    op = random.choice((OpCode.CREATE, OpCode.CREATE, OpCode.CREATE2, OpCode.CREATE2, OpCode.DELETE, OpCode.SET_DATA))
    if op == OpCode.DELETE:
        return op, DeleteRequest(path, version)
    if op == OpCode.SET_DATA:
        return op, SetDataRequest(path, content, version)
    return op, CreateRequest(path, content, OPEN_ACL_UNSAFE, random.choice((0, 0, 0, 0, 1, 1, 2, 3)))


def random_op(random: Random) -> tuple[int, Record | None]:
    chance = random.random()
    if chance < 0.02:
        return OpCode.CLOSE_SESSION, None
    if chance > 0.4:
        return random_single(random)
    ops = [random_single(random) for _ in range(random.randrange(5))]
    if random.random() < 0.3:
        ops.append((OpCode.CHECK, CheckVersionRequest(random_path(random), random.choice((-1, 0, 1)))))
    return OpCode.MULTI, MultiRequest(ops)


def random_batches(random: Random) -> list[list[tuple[int, tuple[int, Record | None]]]]:
    """Denser than what hypothesis draws: it meets the rare collisions, and hypothesis shrinks what it meets."""
    return [
        [(random.choice(SESSIONS), random_op(random)) for _ in range(random.randint(1, 30))] for _ in range(8)
    ]


def encode(record: Any) -> bytes:
    w = Writer()
    if record is not None:
        record.write(w)
    return w.getvalue()


class World:
    """A leader and a follower: what the first decides, both apply."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.follower = Tree()
        self.decider = Decider(self.tree, SessionTracker(2000, 0.0), Guard())
        self.zxid = 0
        for session_id in SESSIONS:
            self.batch([(session_id, OpCode.CREATE_SESSION, CreateSessionRequest(4000))])

    def batch(self, requests: list[tuple[int, int, Record | None]]) -> list[tuple[int, bytes]]:
        """Decides all, then applies all; (error, reply) of each."""
        decisions = []
        for session_id, op, record in requests:
            self.zxid += 1
            request = Request(session_id, self.zxid, op, memoryview(encode(record)), (), "here")
            decisions.append((self.decider.decide(request, self.zxid, self.zxid), op))
        replies = []
        for decision, op in decisions:
            applied = self.tree.apply(decision.header, decision.body, decision.digest)
            self.decider.applied(decision.header.zxid)
            self.follower.apply_bytes(decision.data)
            replies.append((applied.error, reply_body(applied, op)))
        return replies


def assert_same_nodes(tree: Tree, model: Model) -> None:
    """Paths, data and every number of every node."""
    mine = {path: node for path, node in tree.nodes.items() if path != "/" and not path.startswith("/zookeeper")}
    assert set(mine) == set(model.nodes)
    for path, node in mine.items():
        assert node.data == model.nodes[path].data
        assert Stat.read(Reader(node.stat())) == model.stat(path, 1), path
        children = {other.rpartition("/")[2] for other in model.nodes if other and other.rpartition("/")[0] == path}
        assert set(node.children or ()) - {"zookeeper"} == children


def assert_sound(tree: Tree) -> None:
    """What the tree keeps incrementally is what it would count afresh."""
    nodes = {path: node for path, node in tree.nodes.items() if path != "/"}
    assert tree.digest == sum(node.new_digest() for node in nodes.values()) & DIGEST_MASK
    owned: dict[int, set[str]] = {}
    for path, node in nodes.items():
        if node.owner:
            owned.setdefault(node.owner, set()).add(path)
    assert {owner: set(paths) for owner, paths in tree.ephemerals.items()} == owned
    assert tree.data_size == sum(len(path) + len(node.data or b"") for path, node in tree.nodes.items())
    assert tree.digest_mismatches == 0


@given(BATCHES)
def test_the_tree_does_what_the_model_does(batches: list[list[tuple[int, tuple[int, Record | None]]]]) -> None:
    """Errors, replies and, after each batch, every node; and a follower has the same tree."""
    check_against_model(batches)


@pytest.mark.parametrize("seed", range(40))
def test_the_tree_does_what_the_model_does_in_a_crowd(seed: int) -> None:
    """The same with many requests for few paths, nearly all of them in flight together."""
    check_against_model(random_batches(Random(seed)))


def check_against_model(batches: list[list[tuple[int, tuple[int, Record | None]]]]) -> None:
    world = World()
    model = Model()
    for batch in batches:
        first = world.zxid + 1
        replies = world.batch([(session_id, op, record) for session_id, (op, record) in batch])
        for number, ((session_id, (op, record)), (error, body)) in enumerate(zip(batch, replies, strict=True)):
            try:
                expected = (0, encode(model.do(op, record, session_id, first + number)))
            except RefusedError as refused:
                expected = (refused.args[0], b"")
            assert (error, body) == expected, (op, record)
        assert world.decider.in_flight == 0
        assert_same_nodes(world.tree, model)
        assert_sound(world.tree)
        assert_sound(world.follower)
        assert world.follower.digest == world.tree.digest


@given(BATCHES, st.randoms(use_true_random=False))
def test_a_log_can_be_replayed_over_any_later_tree(
    batches: list[list[tuple[int, tuple[int, Record | None]]]], random: Random
) -> None:
    """A fuzzy snapshot holds some effects of later transactions; replaying from its zxid still ends in the same tree.

    The snapshot is as fuzzy as Apache's can be: each node is copied after an arbitrary later transaction, a parent no
    later than its children, children only as far as the parent's copy named them.
    """
    check_replay(batches, random)


@pytest.mark.parametrize("seed", range(60))
def test_a_long_log_can_be_replayed(seed: int) -> None:
    """The same, with more to go wrong."""
    random = Random(seed)
    check_replay(random_batches(random), random)


def check_replay(batches: list[list[tuple[int, tuple[int, Record | None]]]], random: Random) -> None:
    world = World()
    log: list[bytes] = []
    decide = world.decider.decide

    def noting(request: Request, zxid: int, now_ms: int) -> Any:
        decision = decide(request, zxid, now_ms)
        log.append(decision.data)
        return decision

    world.decider.decide = noting  # type: ignore[method-assign]
    for batch in batches:
        world.batch([(session_id, op, record) for session_id, (op, record) in batch])
    start = random.randint(0, len(log))
    fuzzy = fuzzy_snapshot(log, start, random)
    for txn in log[start:]:
        fuzzy.apply_bytes(txn)
    for session_id in SESSIONS:
        assert (session_id in fuzzy.sessions) == (session_id in world.tree.sessions)
    assert image(fuzzy) == image(world.tree)
    assert fuzzy.digest == world.tree.digest


def fuzzy_snapshot(log: list[bytes], start: int, random: Random) -> Tree:
    tree = Tree()
    for session_id in SESSIONS:
        tree.sessions[session_id] = 4000
    for txn in log[:start]:
        tree.apply_bytes(txn)
    sessions = dict(tree.sessions)
    last_zxid = tree.last_zxid
    copied: list[tuple[str, bytes | None, bytes]] = []
    position = start

    def copy(path: str) -> None:
        nonlocal position
        later = random.randint(position, min(position + 12, len(log)))
        for txn in log[position:later]:
            tree.apply_bytes(txn)
        position = later
        node = tree.nodes.get(path)
        if node is not None:
            copied.append((path, node.data, node.persisted()))
            for name in list(node.children or ()):
                copy(f"{path}/{name}")

    copy("")
    fuzzy = Tree()
    fuzzy.clear()
    fuzzy.sessions.update(sessions)
    for path, content, stat in copied:
        acl = tree.nodes[path].acl if path.startswith("/zookeeper") else OPEN_ACL_UNSAFE
        fuzzy.put(path, content, acl, stat)
    fuzzy.loaded(last_zxid, fuzzy_until=1 << 62)
    return fuzzy


def image(tree: Tree) -> dict[str, tuple[bytes | None, bytes, list[str]]]:
    return {path: (node.data, node.persisted(), sorted(node.children or ())) for path, node in tree.nodes.items()}
