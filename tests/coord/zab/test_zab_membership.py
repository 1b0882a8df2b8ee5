"""Configurations that change: quorums of the old and the new one, who asks for what, and what a leader makes of it."""

from __future__ import annotations

import pytest

from coord.errors import BadArgumentsError, BadVersionError, NewConfigNoQuorumError, ReconfigInProgressError
from coord.wire.codes import OpCode
from coord.wire.jute import JuteError
from coord.wire.quorum import Acks, Packet, PacketType, Proposals
from coord.wire.requests import ReconfigRequest
from coord.wire.txns import SetDataTxn, TxnHeader, encode_txn
from coord.zab.application import ForwardedRequest, Role, Transaction
from coord.zab.effects import Effects
from coord.zab.membership import Membership, config_version, configurations, parse_configuration
from coord.zab.quorums import Ensemble, parse_ensemble
from coord.zab.reconfigure import reconfigure
from tests.coord.zab.zab_play import LeaderPlay, LearnerPlay, packet, said, z

LINES = {n: f"server.{n}=h{n}:2888:3888:participant;h{n}:2181" for n in range(1, 8)}


def ensemble(*sids: int, version: int = 0) -> Ensemble:
    return parse_ensemble("\n".join([*(LINES[sid] for sid in sids), f"version={version:x}"]))


def membership(*sids: int, version: int = z(1, 0)) -> Membership:
    return Membership(ensemble(*sids, version=version), enabled=True)


def transaction(new: Ensemble) -> Transaction:
    """The transaction that makes `new` the configuration."""
    body = SetDataTxn("/zookeeper/config", new.text().encode(), -1)
    return new.version, encode_txn(TxnHeader(1, 1, new.version, 0, OpCode.RECONFIG), body, None)


def test_both_configurations_must_agree_while_one_is_on_its_way() -> None:
    """A quorum of the old and of the new; afterwards of the new alone."""
    members, out = membership(1, 2, 3), Effects()
    new = ensemble(3, 4, 5, version=z(1, 7))
    members.see(new, out)
    assert (members.in_flight, out.seen, out.activated) == (True, new, None)
    assert members.voters == {1, 2, 3, 4, 5}
    assert not members.is_quorum([1, 2])
    assert not members.is_quorum([4, 5])
    assert members.is_quorum([2, 3, 4])
    assert members.agreed({1: 9, 2: 9, 3: 5, 4: 5, 5: 4}) == 5
    assert members.activate(new, out)
    assert (members.in_flight, members.committed, out.activated) == (False, new, new)
    assert members.is_quorum([4, 5])
    assert not members.activate(ensemble(1, version=z(1, 6)), out), "an older one comes too late"


def test_what_a_new_leader_brings_takes_back_a_proposal() -> None:
    """NEWLEADER is the leader's word; a proposal only ever brings something newer."""
    members, out = membership(1, 2, 3), Effects()
    members.see(ensemble(1, 2, version=z(1, 9)), out)
    members.see(ensemble(1, 2, 3, version=z(1, 0)), out)
    assert not members.in_flight


def test_disabled_means_that_nothing_changes() -> None:
    """Whatever others say."""
    members, out = Membership(ensemble(1, 2, 3)), Effects()
    members.see(ensemble(1, version=z(1, 1)), out)
    members.founded(z(1, 0), out)
    assert not members.activate(ensemble(1, version=z(1, 1)), out)
    assert out == Effects()


def test_the_first_configuration_gets_the_version_of_its_first_epoch() -> None:
    """And only the first."""
    members, out = membership(1, 2, 3, version=0), Effects()
    members.founded(z(1, 0), out)
    assert out.seen is not None
    assert out.seen.version == z(1, 0)
    members.activate(out.seen, out)
    members.founded(z(2, 0), out)
    assert members.last_seen.version == z(1, 0)


def test_a_proposal_that_is_not_in_the_log_counts_no_more_after_a_restart() -> None:
    """The file that names it outlived a crash which took its transaction; the log went on without it (core seed 1000971)."""
    old, lost = ensemble(1, 2, 3, version=z(1, 0)), ensemble(3, 4, version=z(2, 7))
    assert not Membership(old, lost, logged=z(1, 0), enabled=True).in_flight
    assert Membership(old, lost, logged=z(2, 7), enabled=True).in_flight
    first = ensemble(1, 2, 3, version=z(1, 0))
    assert Membership(ensemble(1, 2, 3), first, enabled=True).last_seen == first, "no transaction makes the first one"


def test_roles() -> None:
    """An observer observes; whoever is not in the configuration follows without a vote."""
    members = Membership(parse_ensemble(LINES[1] + "\nserver.2=h:1:2:observer"))
    assert [members.role(sid) for sid in (1, 2, 3)] == [Role.FOLLOWING, Role.OBSERVING, Role.FOLLOWING]


def test_configurations_are_found_among_transactions() -> None:
    """By their type; a text that is none ends the connection."""
    new = ensemble(1, 2, version=z(1, 3))
    assert configurations([(z(1, 1), b"short"), transaction(new)]) == [(z(1, 3), new)]
    assert config_version(new.text().encode()) == z(1, 3)
    assert config_version(b"none") == 0
    assert config_version(b"version=7fffffffffffffff") == 2**63 - 1
    assert config_version(b"version=8000000000000000") == config_version(b"version=-1") == 0, "no configuration's"
    with pytest.raises(JuteError):
        parse_configuration(b"server.1=\xff")


# the request


def ask(joining: str | None = None, leaving: str | None = None, members: str | None = None, config_id: int = -1) -> ReconfigRequest:
    return ReconfigRequest(joining, leaving, members, config_id)


def decide(request: ReconfigRequest, now: Membership | None = None, synced: tuple[int, ...] = (1, 2, 3, 4)) -> Ensemble:
    return reconfigure(request, now or membership(1, 2, 3), synced, z(1, 9), voters_min=2)


def test_servers_join_leave_and_change() -> None:
    """Incrementally, or all at once, separated by commas or line ends."""
    assert decide(ask(LINES[4], "1,9")) == ensemble(2, 3, 4, version=z(1, 9))
    moved = LINES[3].replace("2888", "2889")
    assert decide(ask(moved)).members[3].address.quorum_port == 2889
    assert decide(ask(members=f"{LINES[1]},{LINES[2]}\n{LINES[4]}")) == ensemble(1, 2, 4, version=z(1, 9))
    observer = LINES[3].replace("participant", "observer")
    assert decide(ask(observer)).voters == {1, 2}


@pytest.mark.parametrize(
    "request_",
    [
        ask("server.4=h4:1:2"), ask("server.4"), ask("server.x=h:1:2;3"), ask("server.999=h:1:2;3"), ask(None, "two"),
        ask(None, "1,2"), ask(members=LINES[1]), ask(members="nonsense"), ask(LINES[3].replace("server.3", "server.4")),
        ask(members=LINES[1].replace("participant", "observer")), ask(LINES[4].replace("h4", "h..4")),
        ask(members=",".join(LINES[sid].replace("h3", "h..3") for sid in (1, 2, 3))),
    ],
)  # fmt: skip
def test_bad_requests(request_: ReconfigRequest) -> None:
    """No client port, no numbers, too few voters, an address twice, a host that can be no name."""
    with pytest.raises(BadArgumentsError):
        decide(request_)


def test_refusals_in_their_order() -> None:
    """In progress, then the version, then the arguments, then the quorum."""
    busy = membership(1, 2, 3)
    busy.see(ensemble(1, 2, version=z(1, 5)), Effects())
    with pytest.raises(ReconfigInProgressError):
        decide(ask(None, "x", config_id=5), busy)
    with pytest.raises(BadVersionError):
        decide(ask(None, "x", config_id=5))
    assert decide(ask(None, "3", config_id=z(1, 0)))
    with pytest.raises(NewConfigNoQuorumError):
        decide(ask(f"{LINES[5]},{LINES[6]},{LINES[7]}", "3"))


def test_groups_change_only_as_a_whole() -> None:
    """As in Apache."""
    grouped = parse_ensemble("\n".join([LINES[1], LINES[2], LINES[3], "group.1=1:2:3", f"version={z(1, 0):x}"]))
    with pytest.raises(BadArgumentsError):
        decide(ask(LINES[4]), Membership(grouped, enabled=True))
    whole = decide(ask(members=grouped.text()), Membership(grouped, enabled=True))
    assert whole.text().splitlines()[3:] == ["group.1=1:2:3", "weight.1=1", "weight.2=1", "weight.3=1", f"version={z(1, 9):x}"]


# leader and learner


def leading(*sids: int) -> LeaderPlay:
    """Server 3 leads servers of which it will hear; configurations may change."""
    play = LeaderPlay(ensemble(*sids))
    play.leader.membership.enabled = True
    return play


def test_a_reconfiguration_commits_with_both_quorums_and_then_needs_the_new_one_alone() -> None:
    """Server 4 follows without a vote, then with one: COMMITANDACTIVATE names the leader that stays."""
    play = leading(1, 2, 3)
    play.join(1)
    play.join(4)
    assert play.leader.membership.committed.version == z(1, 0), "established, the first configuration has a version"
    new = ensemble(3, 4, version=z(1, 1))
    play.out = Effects()
    play.leader.propose([transaction(new)], play.out)
    assert play.out.seen == new
    play.synced()
    assert not play.hear(1, Acks(z(1, 1), z(1, 1))).deliver, "the old configuration alone does not commit"
    out = play.hear(4, Acks(z(1, 1), z(1, 1)))
    assert [zxid for zxid, _ in out.deliver] == [z(1, 1)]
    assert out.activated == new
    assert Packet(PacketType.COMMITANDACTIVATE, z(1, 1), (3).to_bytes(8, "big")) in said(out, 4)
    assert play.leader.lost is None
    play.leader.propose([(z(1, 2), b"2")], play.out)
    play.synced()
    assert play.hear(4, Acks(z(1, 2), z(1, 2))).deliver, "a quorum of the new configuration"


def test_nothing_is_proposed_behind_a_configuration_on_its_way() -> None:
    """A new voter would have more than those that do not know it, and nobody could lead (core seed 2002529, 5 nodes)."""
    play = leading(1, 2, 3)
    play.join(1)
    play.join(4)
    play.out = Effects()
    new = transaction(ensemble(3, 4, version=z(1, 2)))
    play.leader.propose([(z(1, 1), b"1"), new, (z(1, 3), b"3")], play.out)
    assert play.out.persist == [(z(1, 1), b"1"), new]
    play.leader.propose([(z(1, 4), b"4")], play.out)
    play.synced()
    play.hear(1, Acks(z(1, 1), z(1, 2)))
    out = play.hear(4, Acks(z(1, 1), z(1, 2)))
    assert out.persist == [(z(1, 3), b"3"), (z(1, 4), b"4")]
    *_, activated, proposals = said(out, 4)
    assert isinstance(activated, Packet)
    assert activated.type == PacketType.COMMITANDACTIVATE
    assert proposals == Proposals([(z(1, 3), b"3"), (z(1, 4), b"4")])


def test_a_sync_waits_for_what_is_held_back_behind_a_configuration() -> None:
    """Trio seed 4 with 3 nodes and reconfiguration alone: the reply to a sync showed an earlier zxid than that of the write
    before it, for the write had to wait for a new configuration and the sync did not."""
    play = leading(1, 2, 3)
    play.join(1)
    play.leader.propose([transaction(ensemble(1, 2, 3, version=z(1, 1))), (z(1, 2), b"held")], play.out)
    play.leader.sync(ForwardedRequest(5, 1, 9, b"", (), 1), 0.0, play.out)
    play.leader.tick(0.0, play.out)
    [ping] = [message for message in said(play.out, 1) if isinstance(message, Packet) and message.type == PacketType.PING]
    play.hear(1, packet(PacketType.PING, ping.zxid, b""))
    play.synced()
    out = play.hear(1, Acks(z(1, 1), z(1, 1)))
    assert out.persist == [(z(1, 2), b"held")]
    assert packet(PacketType.SYNC, 0) not in said(out, 1)
    play.synced()
    assert packet(PacketType.SYNC, 0) in said(play.hear(1, Acks(z(1, 2), z(1, 2))), 1)


@pytest.mark.parametrize("kind", [PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO], ids=["follower", "observer"])
def test_new_leader_does_not_tell_of_a_configuration_on_its_way(kind: PacketType) -> None:
    """It would be put in force; an observer hears of no proposal that says otherwise (core seed 1000327, with 3 nodes)."""
    play = leading(1, 2, 3)
    play.join(1)
    in_force = play.leader.membership.committed
    proposal = transaction(ensemble(3, 4, version=z(1, 1)))
    play.leader.propose([proposal], play.out)
    play.greet(4, 0, kind)
    _, told, *rest = said(play.promise(4), 4)

    assert told == Packet(PacketType.NEWLEADER, z(1, 0), in_force.text().encode())
    assert rest == ([Proposals([proposal])] if kind is PacketType.FOLLOWERINFO else [])


def test_a_leader_that_is_removed_designates_another_and_commits_no_more() -> None:
    """One that has the new configuration in its log; what was held back is never proposed."""
    play = leading(1, 2, 3)
    play.join(1)
    play.join(2)
    play.join(4)
    new = ensemble(1, 2, 4, version=z(1, 2))
    play.leader.propose([(z(1, 1), b"1"), transaction(new), (z(1, 3), b"3")], play.out)
    play.synced()
    play.hear(4, Acks(z(1, 1), z(1, 1)))
    play.hear(1, Acks(z(1, 1), z(1, 2)))
    out = play.hear(2, Acks(z(1, 1), z(1, 2)))
    assert Packet(PacketType.COMMITANDACTIVATE, z(1, 2), (2).to_bytes(8, "big")) in said(out, 2)
    assert play.leader.successor == 2
    assert not out.persist


def test_a_follower_leaves_for_the_designated_leader() -> None:
    """A moment later: the replies leave first. One whose leader stays goes on."""
    for designated, successor in ((2, 2), (3, None)):
        play = LearnerPlay()
        play.learner.membership.enabled = True
        play.serving()
        new = ensemble(1, 2, 3, version=z(1, 1))
        assert play.hear(Proposals([transaction(new)])).seen == new
        play.synced()
        out = play.hear(packet(PacketType.COMMITANDACTIVATE, z(1, 1), designated.to_bytes(8, "big")))
        assert out.activated == new
        assert [zxid for zxid, _ in out.deliver] == [z(1, 1)]
        assert (play.learner.successor, play.learner.lost) == (successor, None)
        play.learner.tick(1.0, play.out)
        assert (play.learner.lost is not None) == (successor is not None)
