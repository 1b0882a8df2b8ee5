"""What writes become: which error comes first, and what requests in flight mean for the next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import NewConfigNoQuorumError
from coord.tree.acl import Guard, digest_id
from coord.wire.codes import OpCode
from coord.wire.data import ACL, CREATOR_ALL_ACL, READ_ACL_UNSAFE, WORLD_ANYONE, Id
from coord.wire.records import CheckVersionRequest, ReconfigRequest
from coord.wire.txns import (
    CloseSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    decode_txn,
)
from tests.coord.tree.tree_world import (
    CLOSE,
    SESSION,
    Leader,
    check,
    container,
    create,
    created,
    delete,
    delete_container,
    encode,
    multi,
    set_acl,
    set_data,
    ttl,
)

USER = digest_id(b"user:secret")
NOBODY: tuple[ACL, ...] = (ACL(31, Id("digest", "somebody:else")),)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/", -110),
        ("", -8),
        ("a", -8),
        ("//a", -8),
        ("/a/", -101),
        ("/.", -8),
        ("/..", -8),
        ("/...", 0),
        ("/a\0", -8),
        ("/\x01", -8),
        ("/\x7f", -8),
        ("/\ue000", -8),
        ("/\ufffd", -8),
        ("/\U0001f600", -8),
        ("/é日", 0),
        ("/no/b", -101),
        ("/no/\x01", -101),
    ],
)
def test_paths_that_may_be_created(path: str, error: int) -> None:
    """As in Apache: an illegal name is found only once the parent is."""
    assert Leader().error(create(path)) == error


def test_a_sequential_name_is_checked_with_its_number() -> None:
    """So a path may end with a slash before the number is added."""
    leader = Leader()
    leader.write(create("/q"))
    assert created(leader.decide(create("/q/", flags=2))) == "/q/0000000000"
    assert created(leader.decide(create("/q/x-", flags=2))) == "/q/x-0000000001"
    assert created(leader.decide(create("/", flags=2))) == "/0000000001"


def test_numbers_count_creations_in_flight_and_never_go_back() -> None:
    """The number is the parent's persisted cversion: deletes and failed multis do not change it."""
    leader = Leader()
    leader.write(create("/q"))
    decisions = [leader.decide(create("/q/n", flags=2)) for _ in range(3)]
    assert [created(decision) for decision in decisions] == [f"/q/n000000000{n}" for n in range(3)]
    leader.decide(multi(create("/q/m"), delete("/nothing")))
    decisions.append(leader.decide(delete("/q/n0000000000")))
    assert created(leader.decide(create("/q/n", flags=2))) == "/q/n0000000003"
    for decision in decisions:
        leader.apply(decision)
    assert created(leader.decide(create("/q/n", flags=2))) == "/q/n0000000004"


def test_the_number_wraps_into_the_negative_only_on_paper() -> None:
    """Past 2**31 - 1 the cversion stays where it was, on every server: the next sequential create finds it taken."""
    leader = Leader()
    leader.write(create("/q"))
    leader.tree.nodes["/q"].cversion = 2**31 - 1
    leader.tree.digest += leader.tree.nodes["/q"].new_digest() - leader.tree.nodes["/q"].digest
    leader.tree.nodes["/q"].digest = leader.tree.nodes["/q"].new_digest()
    assert leader.write(create("/q/n", flags=2)).path == "/q/n2147483647"
    assert leader.error(create("/q/n", flags=2)) == -110
    assert leader.error(create("/q/other")) == 0


@pytest.mark.parametrize(
    ("op", "error"),
    [
        (create("/x", flags=7), -8),
        (create("/x", flags=-1), -8),
        (create("/x", flags=5), -6),
        (create("/x", flags=6), -6),
        (create("/x", flags=4), 0),
        (create("/x", acl=()), -114),
        (create("/x", acl=(ACL(31, Id("nope", "x")),)), -114),
        (create("/x", acl=CREATOR_ALL_ACL), -114),
        (create("/there"), -110),
        (create("/ephemeral/x"), -108),
        (create("/closed/x"), -102),
        (delete("/"), -8),
        (delete("/zookeeper"), -8),
        (delete("/zookeeper/quota"), -8),
        (delete("/zookeeper/config"), -8),
        (delete(""), -8),
        (delete("/nothing"), -101),
        (delete("/nothing/x"), -101),
        (delete("/there", 1), -103),
        (delete("/full"), -111),
        (delete("/full", 3), -103),
        (delete("/closed/inside"), -102),
        (set_data("/nothing", b""), -101),
        (set_data("/there/", b""), -8),
        (set_data("", b""), -8),
        (set_data("/there", b"", 1), -103),
        (set_data("/there", b"", 0), 0),
        (set_data("/closed", b""), -102),
        (set_data("/", b""), 0),
        (set_data("/zookeeper/config", b""), -102),
        (set_acl("/nothing", READ_ACL_UNSAFE), -101),
        (set_acl("/there/", READ_ACL_UNSAFE), -8),
        (set_acl("/there", ()), -114),
        (set_acl("/there", READ_ACL_UNSAFE, 1), -103),
        (set_acl("/closed", READ_ACL_UNSAFE), -102),
        (ttl("/x", 1000), -6),
        (container("/x"), 0),
        (delete_container("/empty"), -6),
        (multi(check("/there", 0)), 0),
        (multi(check("/there", 1)), -103),
        (multi(check("/nothing", -1)), -101),
        (multi(check("/closed", -1)), -102),
        (multi(check("nowhere", -1)), -8),
        (multi(), 0),
    ],
)
def test_what_is_refused(op: tuple[int, None], error: int) -> None:
    """One error for each reason, and the first of several."""
    leader = Leader(sessions=(SESSION, 2))
    leader.write(create("/there"))
    leader.write(create("/full"))
    leader.write(create("/full/x"))
    leader.write(container("/empty"))
    leader.write(create("/ephemeral", flags=1))
    leader.write(create("/closed"))
    leader.write(create("/closed/inside"))
    leader.write(set_acl("/closed", NOBODY))
    assert leader.error(op, 2) == error


def test_a_refused_write_consumes_its_zxid() -> None:
    """As an ErrorTxn without a digest."""
    leader = Leader()
    decision = leader.decide(delete("/nothing"))
    assert decision.refused
    header, body, digest = decode_txn(decision.data)
    assert (header.type, header.zxid, body, digest) == (-1, leader.zxid, ErrorTxn(-101), None)
    assert leader.apply(decision).error == -101
    assert leader.tree.last_zxid == leader.zxid


def test_bare_check_is_not_offered() -> None:
    """Apache 3.8.0 wrote it to the log, and could not read that log again."""
    assert Leader().error((OpCode.CHECK, CheckVersionRequest("/", -1))) == -6


@pytest.mark.parametrize("op", [op for op in OpCode if op > 0])
@given(data=st.binary(max_size=40))
def test_garbage_is_refused_with_a_code(op: OpCode, data: bytes) -> None:
    """Whatever the bytes, the leader decides something, and what it decides can be applied."""
    leader = Leader(extended_types=True)
    leader.apply(leader.decide((op, None), body=data))
    assert leader.tree.last_zxid == leader.zxid


def test_a_request_cut_short_is_a_marshalling_error() -> None:
    """With a transaction of its own, as every refusal."""
    leader = Leader()
    _, record = set_data("/", b"x")
    assert leader.apply(leader.decide((OpCode.SET_DATA, None), body=encode(record)[:-1])).error == -5
    _, record = multi((OpCode.GET_DATA, check("/")[1]))
    assert leader.error((OpCode.MULTI, record)) == -5


# ---- versions --------------------------------------------------------------------------------------------------------


def test_versions_are_absolute_and_count_what_is_in_flight() -> None:
    """Three sets in flight make versions 1, 2, 3; a condition on 2 holds for the third only."""
    leader = Leader()
    leader.write(create("/v"))
    decisions = [leader.decide(set_data("/v", b"%d" % n, n)) for n in range(3)]
    assert [decision.body.version for decision in decisions if isinstance(decision.body, SetDataTxn)] == [1, 2, 3]
    assert leader.decide(set_data("/v", b"", 2)).refused
    for decision in decisions:
        leader.apply(decision)
    assert leader.tree.nodes["/v"].version == 3


@pytest.mark.parametrize(("before", "after"), [(-2, 0), (2**31 - 1, -(2**31)), (0, 1)])
def test_a_version_wraps_and_never_becomes_minus_one(before: int, after: int) -> None:
    """-1 means any, so it could never be asked for (ZOOKEEPER-4743)."""
    leader = Leader()
    leader.write(create("/v"))
    leader.tree.nodes["/v"].version = before
    body = leader.decide(set_data("/v", b"")).body
    assert isinstance(body, SetDataTxn)
    assert body.version == after


# ---- in flight -------------------------------------------------------------------------------------------------------


def test_what_is_in_flight_counts() -> None:
    """Creates, deletes, ACLs and children that nobody has applied yet."""
    leader = Leader()
    in_flight = [leader.decide(create("/a")), leader.decide(create("/a/b"))]
    assert leader.decide(create("/a")).refused
    assert leader.decide(delete("/a")).body == ErrorTxn(-111)
    in_flight.append(leader.decide(delete("/a/b")))
    in_flight.append(leader.decide(set_acl("/a", NOBODY)))
    assert leader.decide(create("/a/c")).body == ErrorTxn(-102)
    in_flight.append(leader.decide(delete("/a")))
    assert leader.decide(set_data("/a", b"")).body == ErrorTxn(-101)
    assert leader.decider.in_flight > 0
    for decision in in_flight:
        assert leader.apply(decision).error == 0
    assert leader.decider.in_flight == 0
    assert leader.paths() == set()


def test_deciding_alone_changes_nothing() -> None:
    """The tree changes when transactions are applied."""
    leader = Leader()
    digest = leader.tree.digest
    leader.decide(create("/a"))
    leader.decide(CLOSE)
    assert (leader.paths(), leader.tree.digest, set(leader.tree.sessions)) == (set(), digest, {SESSION})


# ---- sessions --------------------------------------------------------------------------------------------------------


def test_closing_takes_the_ephemerals_in_flight_along() -> None:
    """Those created and not applied, not those deleted and not applied, not another session's."""
    leader = Leader(sessions=(SESSION, 2))
    leader.write(create("/old", flags=1))
    leader.write(create("/gone", flags=1))
    in_flight = [
        leader.decide(create("/new", flags=1)),
        leader.decide(delete("/gone")),
        leader.decide(create("/other", flags=1), 2),
        leader.decide(delete("/old")),
        leader.decide(create("/old", flags=1), 2),
        leader.decide(CLOSE),
    ]
    assert in_flight[-1].body == CloseSessionTxn(["/new"])
    for decision in in_flight:
        applied = leader.apply(decision)
    assert applied.session_closed == SESSION
    assert leader.paths() == {"/other", "/old"}


def test_a_closed_session_can_do_nothing() -> None:
    """From the moment its end was decided."""
    leader = Leader()
    closing = leader.decide(CLOSE)
    for op in (create("/e", flags=1), create("/p"), delete("/p"), set_data("/", b""), multi(create("/p"))):
        body = leader.decide(op).body
        assert body in (ErrorTxn(-112), MultiTxn([(-1, ErrorTxn(-112))]))
    leader.apply(closing)
    assert SESSION not in leader.sessions
    assert leader.decide(create("/e")).body == ErrorTxn(-112)


def test_a_session_closed_twice_is_closed_once() -> None:
    """Expiry and the client's own close may meet."""
    leader = Leader()
    leader.write(create("/e", flags=1))
    first, second = leader.decide(CLOSE), leader.decide(CLOSE, owner=None)
    assert (first.body, second.body) == (CloseSessionTxn(["/e"]), CloseSessionTxn([]))
    leader.apply(first)
    leader.apply(second)
    assert leader.paths() == set()


def test_a_session_belongs_to_one_server() -> None:
    """The first that writes for it, until it moves."""
    leader = Leader()
    assert leader.decide(create("/a"), owner="here").refused is False
    assert leader.decide(create("/b"), owner="there").body == ErrorTxn(-118)
    leader.sessions.set_owner(SESSION, "there")
    assert leader.decide(create("/b"), owner="here").body == ErrorTxn(-118)
    assert leader.decide(create("/b"), owner="there").refused is False


def test_in_a_multi_a_moved_session_ends_the_connection() -> None:
    """Apache cuts it off instead of answering."""
    leader = Leader()
    leader.sessions.set_owner(SESSION, "there")
    assert leader.apply(leader.decide(multi(create("/a"), create("/b")))).session_moved


# ---- multi -----------------------------------------------------------------------------------------------------------


def test_a_multi_sees_its_own_operations() -> None:
    """Each operation is decided over those before it, all with one zxid."""
    leader = Leader()
    applied = leader.write(
        multi(create("/a"), set_data("/a", b"x", 0), check("/a", 1), create("/a/b", op=OpCode.CREATE2), delete("/a/b"))
    )
    assert [result.error for result in applied.results] == [0] * 5
    assert leader.paths() == {"/a"}
    assert leader.tree.nodes["/a"].mzxid == leader.tree.nodes["/a"].czxid == leader.zxid


def test_a_failed_multi_leaves_nothing_in_flight() -> None:
    """Neither nodes nor counters nor the digest; what was in flight before is still there."""
    leader = Leader()
    leader.write(create("/q"))
    before = leader.decide(create("/q/n", flags=2))
    again = leader.decide(set_data("/q", b"1"))
    flying = leader.decider.in_flight
    failed = leader.decide(
        multi(
            create("/q/n", flags=2),
            create("/q/m"),
            create("/q/m/x", flags=1),
            set_data("/q/m", b""),
            delete("/q/n0000000000"),
            create("/q/n0000000000"),
            set_data("/q", b"2"),
            delete("/nothing"),
            create("/never"),
        )
    )
    assert leader.decider.in_flight == flying
    assert isinstance(failed.body, MultiTxn)
    assert [kind for kind, _ in failed.body.txns] == [1, 1, 1, 5, 2, 1, 5, -1, -1]
    assert [body.err for _, body in failed.body.txns if isinstance(body, ErrorTxn)] == [-101, -2]
    after = leader.decide(create("/q/n", flags=2))
    assert created(after) == "/q/n0000000001"
    assert isinstance(after.body, CreateTxn)
    assert after.body.parent_cversion == 2
    assert leader.decide(CLOSE).body == CloseSessionTxn([])
    for decision in (before, again, failed, after):
        applied = leader.apply(decision)
    assert applied.error == 0
    assert leader.paths() == {"/q", "/q/n0000000000", "/q/n0000000001"}


# ---- who may, and kinds of nodes -------------------------------------------------------------------------------------


def test_the_caller_becomes_the_owner() -> None:
    """`auth` stands for the caller's identities; duplicates go."""
    leader = Leader()
    acl = (*CREATOR_ALL_ACL, *CREATOR_ALL_ACL, ACL(1, WORLD_ANYONE))
    auth = (Id("ip", "127.0.0.1"), USER)
    decision = leader.decide(create("/a", acl=acl), auth=auth)
    assert isinstance(decision.body, CreateTxn)
    assert decision.body.acl == (ACL(31, USER), ACL(1, WORLD_ANYONE))
    leader.apply(decision)
    leader.write(create("/b", acl=CREATOR_ALL_ACL), auth=auth)
    assert leader.error(set_data("/b", b"")) == -102
    assert leader.error(set_data("/b", b""), auth=auth) == 0
    acl_change = leader.decide(set_acl("/b", CREATOR_ALL_ACL, 0), auth=auth).body
    assert acl_change == SetACLTxn("/b", (ACL(31, USER),), 1)


def test_super_may_do_everything() -> None:
    """Also write the configuration's node."""
    guard = Guard(super_digest=USER.id)
    assert Leader().error(set_data("/zookeeper/config", b""), auth=guard.authenticate("digest", b"user:secret", "")) == 0


def test_containers_and_ttl_nodes_go_when_the_leader_says_so() -> None:
    """A container after its last child, a TTL node after its time; a client cannot ask for it."""
    leader = Leader(extended_types=True)
    leader.write(container("/c"))
    leader.write(container("/unused"))
    leader.write(create("/c/x"))
    leader.write(ttl("/t", 5000))
    leader.write(create("/p"))
    assert leader.tree.removable(10**6) == ["/t"]
    assert leader.decide(delete_container("/c"), 0).body == ErrorTxn(-111)
    leader.write(delete("/c/x"))
    born = leader.tree.nodes["/t"].mtime
    assert leader.tree.removable(born + 5000) == ["/c"]
    assert leader.tree.removable(born + 5001) == ["/c", "/t"]
    assert leader.tree.removable(born + 5001, never_used_ms=1) == ["/c", "/unused", "/t"]
    assert leader.decide(delete_container("/p"), 0).body == ErrorTxn(-103)
    assert leader.decide(delete_container("/nothing"), 0).body == ErrorTxn(-101)
    assert leader.decide(delete_container("/c"), SESSION).body == ErrorTxn(-6)
    for path in ("/c", "/t"):
        assert leader.apply(leader.decide(delete_container(path), 0)).error == 0
    assert leader.paths() == {"/unused", "/p"}
    assert (list(leader.tree.containers), list(leader.tree.ttls)) == (["/unused"], [])


def test_a_ttl_node_that_was_changed_since_it_was_found_stays() -> None:
    """Also when the change is still in flight: the leader looks once more when it decides."""
    leader = Leader(extended_types=True)
    leader.write(ttl("/t", 5000))
    leader.zxid = 10
    assert leader.tree.removable(leader.zxid * 1000) == ["/t"]
    change = leader.decide(set_data("/t", b"1"))
    assert leader.decide(delete_container("/t"), 0).body == ErrorTxn(-103)
    leader.apply(change)
    leader.zxid += 5
    assert leader.decide(delete_container("/t"), 0).body == DeleteTxn("/t")


@pytest.mark.parametrize(
    ("ttl_ms", "flags", "error"), [(1, 5, 0), (2**40 - 1, 6, 0), (0, 5, -8), (-1, 5, -8), (2**40, 5, -8), (1, 0, -8)]
)
def test_the_limits_of_a_ttl(ttl_ms: int, flags: int, error: int) -> None:
    """Forty bits of milliseconds, and a mode that has one."""
    assert Leader(extended_types=True).error(ttl("/t", ttl_ms, flags)) == error


def test_a_ttl_mode_without_a_ttl() -> None:
    """In a plain create it is a bad argument where TTL nodes exist at all."""
    assert Leader(extended_types=True).error(create("/t", flags=5)) == -8


def test_a_ttl_node_may_have_children() -> None:
    """Its owner field is set, but it is no ephemeral."""
    leader = Leader(extended_types=True)
    leader.write(ttl("/t", 1000))
    leader.write(container("/c"))
    assert (leader.error(create("/t/x")), leader.error(create("/c/x"))) == (0, 0)


# ---- reconfiguration and quotas --------------------------------------------------------------------------------------


def test_reconfiguration_is_off_unless_somebody_decides_it() -> None:
    """Then the decision is the new text, and the version stays -1."""
    request = (OpCode.RECONFIG, ReconfigRequest("server.4=…", None, None))
    assert Leader().error(request) == -123
    guard = Guard(super_digest=USER.id)
    auth = guard.authenticate("digest", b"user:secret", "")
    leader = Leader(reconfigure=lambda record, zxid: f"{record.joining} version={zxid:x}".encode())
    assert leader.error(request) == -102
    leader.write(request, auth=auth)
    node = leader.tree.nodes["/zookeeper/config"]
    assert node.data == f"server.4=… version={leader.zxid:x}".encode()
    assert (node.version, node.mzxid) == (-1, leader.zxid)


def test_reconfiguration_can_be_refused() -> None:
    """With the error of whoever decides it."""

    def refuse(record: ReconfigRequest, zxid: int) -> bytes:
        raise NewConfigNoQuorumError

    guard = Guard(super_digest=USER.id)
    auth = guard.authenticate("digest", b"user:secret", "")
    assert Leader(reconfigure=refuse).error((OpCode.RECONFIG, ReconfigRequest(None, "1", None)), auth=auth) == -13


@pytest.mark.parametrize("enforced", [True, False])
def test_hard_quotas_refuse_where_they_are_enforced(enforced: bool) -> None:
    """Soft ones never do."""
    leader = Leader(enforce_quota=enforced)
    leader.write(create("/a"))
    leader.write(create("/zookeeper/quota/a"))
    leader.write(create("/zookeeper/quota/a/zookeeper_stats", b""))
    limits = b"count=1,bytes=1=;byteHardLimit=5;countHardLimit=3"
    leader.write(create("/zookeeper/quota/a/zookeeper_limits", limits))
    refused = -125 if enforced else 0
    assert leader.error(create("/a/b", b"12")) == 0
    assert leader.error(create("/a/c")) == 0
    assert leader.error(create("/a/d")) == refused
    assert leader.error(set_data("/a/b", b"12345")) == 0
    assert leader.error(set_data("/a/b", b"123456")) == refused
    assert leader.error(create("/elsewhere", bytes(100))) == 0
