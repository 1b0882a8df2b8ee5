"""The driver over real sockets: ensembles form, write, lose servers and get them back; a broken disk ends a node."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio

from coord.kit.cliutil import StartError
from coord.server.links import STREAM_QUEUED_MAX
from coord.wire.quorum import LearnerInfo, PacketType, encode_packet
from coord.zab.application import ForwardedRequest, Role
from coord.zab.timing import Timing
from tests.coord.server.replicas import (
    SYNC,
    Replica,
    Replicas,
    eventually,
    free_ports,
    patient_clock,
    replicas,
)

Scenario = Callable[[Replicas], Awaitable[None]]


def run(scenario: Scenario, voters: int = 3, observers: int = 0, timing: Timing | None = None) -> None:
    """Runs a scenario on an ensemble of its own."""

    async def main() -> None:
        with trio.fail_after(20):
            async with replicas(voters, observers, timing) as ensemble:
                await scenario(ensemble)

    trio.run(main, clock=patient_clock())


async def closed_by_the_server(stream: trio.SocketStream) -> None:
    """Reads until the other side closes, which it must do soon."""
    with trio.fail_after(5):
        try:
            while await stream.receive_some():
                pass
        except trio.BrokenResourceError:
            pass  # reset: it had more to read
    await stream.aclose()


def test_three_fresh_servers_serve_within_a_second() -> None:
    """One leads, two follow, in epoch 1, and each knows its leader."""

    async def scenario(ensemble: Replicas) -> None:
        assert await ensemble.start() < 1.0
        assert sorted(replica.role for replica in ensemble.all.values()) == [Role.FOLLOWING, Role.FOLLOWING, Role.LEADING]
        assert {replica.driver.epoch for replica in ensemble.all.values()} == {1}
        assert {replica.driver.leader for replica in ensemble.all.values()} == {ensemble.leader.sid}
        assert all((r.disk.accepted, r.disk.current) == (1, 1) for r in ensemble.all.values())

    run(scenario)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What drivers have logged."""
    return [record.message for record in caplog.records if record.name == "coord.server.driver"]


def test_a_member_alone_says_that_it_looks_for_a_leader(caplog: pytest.LogCaptureFixture) -> None:
    """Once, at its start: nothing else would tell why it serves nobody."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.nursery.start(ensemble[1].run)
        await trio.sleep(1.0)

    caplog.set_level(logging.INFO)
    run(scenario)
    assert said(caplog) == ["server 1 looks for a leader: just started"]


def test_a_server_without_an_ensemble_names_no_leader(caplog: pytest.LogCaptureFixture) -> None:
    """It has no epoch of a leader's either."""

    async def main() -> None:
        replica = Replica(0, None)
        async with trio.open_nursery() as nursery:
            await nursery.start(replica.run)
            await replica.stop()

    caplog.set_level(logging.INFO)
    trio.run(main, clock=patient_clock())
    assert said(caplog) == ["server 0 is STANDALONE"]


def test_writes_reach_everybody_in_one_order() -> None:
    """Through the leader, through followers, through an observer."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        names = [b"w%d" % number for number in range(300)]
        for number, name in enumerate(names):
            ensemble[1 + number % 4].write(name)
            if number % 50 == 0:
                await trio.sleep(0.001)
        applied = lambda: [replica.application.applied for replica in ensemble.all.values()]  # noqa: E731
        await eventually(lambda: all(len(log) == 300 for log in applied()))

        assert applied()[0] == applied()[1] == applied()[2] == applied()[3]
        assert sorted(data for _, data in applied()[0]) == sorted(names)
        assert ensemble.leader.disk.syncs < 300, "what arrives together shares a sync"

    run(scenario, observers=1)


def test_syncs_sessions_and_revalidations_cross_the_link() -> None:
    """A follower asks, the leader's application answers."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        follower, leader = ensemble.followers[0], ensemble.leader
        follower.write(b"before")
        follower.driver.sync(ForwardedRequest(7, 1, SYNC, b"", ()))
        follower.driver.revalidate(5, 4000)
        follower.driver.revalidate(-5, 4000)
        follower.application.to_touch = [(5, 4000)]
        await eventually(lambda: follower.application.syncs)
        assert follower.has(b"before")
        await eventually(lambda: follower.application.revalidations == [(5, True), (-5, False)])
        await eventually(lambda: leader.application.touched == [(5, 4000)])
        assert leader.application.owners[5] == leader.application.owners[7] > 0
        leader.driver.sync(ForwardedRequest(7, 2, SYNC, b"", ()))
        await eventually(lambda: leader.application.syncs)

    run(scenario)


def test_a_lost_leader_is_replaced_within_a_second() -> None:
    """At a tick of two seconds: nothing waits for a tick. The old leader comes back as a follower."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        ensemble.leader.write(b"one")
        await eventually(lambda: all(replica.has(b"one") for replica in ensemble.all.values()))
        old = ensemble.leader
        await old.stop()
        took = await ensemble.led(2)
        ensemble.leader.write(b"two")
        took += await eventually(lambda: ensemble.leader.has(b"one", b"two"))
        assert took < 1.0
        await ensemble.start(old.sid)
        await eventually(lambda: old.has(b"one", b"two"))
        assert old.role is Role.FOLLOWING

    run(scenario, timing=Timing(2000, 10, 5))


def test_a_minority_writes_nothing() -> None:
    """One of three serves no more; with a second one it does again, and has lost nothing."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        for follower in ensemble.followers:
            await follower.stop()
        (alone,) = ensemble.running
        await eventually(lambda: alone.role is Role.LOOKING)
        alone.driver.propose([(1 << 32 | 1, b"nobody heard of it")])
        await trio.sleep(0.1)
        assert alone.has()
        other = next(replica for replica in ensemble.all.values() if replica is not alone)
        await ensemble.start(other.sid)
        ensemble.leader.write(b"again")
        await eventually(lambda: alone.has(b"again"))

    run(scenario)


def test_a_learner_far_behind_gets_the_state() -> None:
    """SNAP with a body of several megabytes, saved before it serves; writes go on meanwhile and arrive behind it."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start(1, 2)
        leader = ensemble.leader
        for number in range(620):
            leader.write(b"%d" % number + bytes(20_000))
            if number % 20 == 0:
                await trio.sleep(0)
        await eventually(lambda: len(leader.application.applied) == 620)
        leader.disk.keeps_history = False
        leader.application.busy = 2
        await ensemble.nursery.start(ensemble[3].run)
        for number in range(50):
            leader.write(b"late %d" % number)
            await trio.sleep(0.001)
        await eventually(lambda: len(ensemble[3].application.applied) == 670)

        assert ensemble[3].application.applied == leader.application.applied
        assert ensemble[3].application.restorations == ensemble[3].application.saves == 1
        assert leader.application.cuts_open == 0
        assert sum(len(data) for _, data in leader.application.applied) > 2 * STREAM_QUEUED_MAX

    run(scenario)


def test_a_leader_that_dies_in_its_snap_leaves_the_old_state() -> None:
    """The half-read body is dropped, and the learner joins the next leader."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start(1, 2)
        leader, late = ensemble.leader, ensemble[3]
        for _ in range(600):
            leader.write(bytes(50_000))
        await eventually(lambda: len(leader.application.applied) == 600)
        leader.disk.keeps_history = False
        await ensemble.nursery.start(late.run)
        await leader.application.half_sent.wait()
        await leader.stop()
        await eventually(lambda: late.application.abandoned)
        assert not late.application.restorations
        await ensemble.led(2)
        await eventually(lambda: late.role is not Role.LOOKING)
        ensemble.leader.write(b"end")
        await eventually(lambda: late.application.applied[-1:] and late.application.applied[-1][1] == b"end")
        assert len(late.application.applied) == 601

    run(scenario)


def test_what_was_never_committed_is_taken_back() -> None:
    """ZOOKEEPER-1154: a leader dies with a transaction that nobody else has logged; under the next one its log is cut:
    TRUNC."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        old = ensemble.leader
        old.write(b"one")
        await eventually(lambda: all(replica.has(b"one") for replica in ensemble.all.values()))
        await old.stop()
        old.disk.entries.append((1 << 32 | 2, b"lost"))
        await ensemble.led(2)
        await ensemble.start(old.sid)
        assert old.has(b"one")
        ensemble.leader.write(b"two")
        await eventually(lambda: all(replica.has(b"one", b"two") for replica in ensemble.all.values()))
        assert [data for _, data in old.disk.entries] == [b"one", b"two"]

    run(scenario)


def test_a_failed_sync_ends_the_node() -> None:
    """Its error is the node's; nothing that was not synced is acknowledged, and the others go on without it."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        leader = ensemble.leader
        leader.disk.broken = OSError(errno.EIO, "the disk is gone")
        leader.write(b"x")
        await leader.stopped.wait()
        assert leader.failure is leader.disk.broken
        await ensemble.led(2)

    run(scenario)


def test_a_failed_write_ends_the_node() -> None:
    """An append or an epoch that cannot be written is as bad."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        follower = ensemble.followers[0]

        def full(batch: object) -> None:
            raise OSError(errno.ENOSPC, "the disk is full")

        follower.disk.append = full  # type: ignore[method-assign]
        ensemble.leader.write(b"x")
        await follower.stopped.wait()
        assert isinstance(follower.failure, OSError)
        await eventually(lambda: ensemble.leader.has(b"x"))

    run(scenario)


@pytest.mark.parametrize("which", ["quorum_port", "election_port"])
def test_a_port_that_is_taken_is_an_error_at_once(which: str) -> None:
    """Not only when this server is elected."""

    async def scenario(ensemble: Replicas) -> None:
        with socket.create_server(("127.0.0.1", getattr(ensemble.ensemble.members[1].address, which))):
            await ensemble[1].run()
        port = getattr(ensemble.ensemble.members[1].address, which)
        assert isinstance(ensemble[1].failure, StartError)
        assert str(ensemble[1].failure) == f"server.1: {which.replace('_', ' ')} 127.0.0.1:{port}: Address already in use"

    run(scenario)


def test_garbage_on_the_quorum_port_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Each caller gets a closed connection and one line in the log; the ensemble goes on."""
    packets = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(1000),
        encode_packet(PacketType.FOLLOWERINFO, 0, bytes(2000)),
        encode_packet(PacketType.FOLLOWERINFO, 0, b"?"),
        encode_packet(PacketType.ACKEPOCH, 0, bytes(4)),
        encode_packet(PacketType.OBSERVERINFO, 0, LearnerInfo(77, 1).encode()),
        encode_packet(PacketType.OBSERVERINFO, 0, LearnerInfo(77).encode()) + encode_packet(PacketType.UPTODATE, -1),
    ]

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        caplog.set_level(logging.INFO)
        caplog.clear()
        port = ensemble.ensemble.members[ensemble.leader.sid].address.quorum_port
        for data in packets:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(data)
            await closed_by_the_server(stream)
        lines = [record for record in caplog.records if "127.0.0.1" in record.getMessage()]
        assert len(lines) == len(packets)
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info]
        ensemble.leader.write(b"unharmed")
        await eventually(lambda: all(replica.has(b"unharmed") for replica in ensemble.all.values()))

    run(scenario)


def test_a_caller_that_says_nothing_is_closed() -> None:
    """After initLimit."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        stream = await trio.open_tcp_stream("127.0.0.1", ensemble.ensemble.members[ensemble.leader.sid].address.quorum_port)
        with trio.fail_after(3):
            assert await stream.receive_some() == b""

    run(scenario, timing=Timing(100, 5, 5))


def test_a_server_alone_needs_no_peers() -> None:
    """It serves at once, and what it has synced is applied."""

    async def main() -> None:
        replica = Replica(0, None)
        async with trio.open_nursery() as nursery:
            await nursery.start(replica.run)
            assert (replica.role, replica.driver.leader) == (Role.STANDALONE, None)
            replica.write(b"a", b"b")
            await eventually(lambda: replica.has(b"a", b"b"))
            replica.driver.sync(ForwardedRequest(1, 1, SYNC, b"", ()))
            await eventually(lambda: replica.application.syncs)
            await replica.stop()

    trio.run(main)


def test_stopping_is_quick_and_closes_everything() -> None:
    """Links and ports are free at once, whatever is on its way."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.start()
        ensemble.leader.write(*[bytes(10_000)] * 100)
        began = trio.current_time()
        for replica in list(ensemble.running):
            await replica.stop()
        assert trio.current_time() - began < 0.5
        for member in ensemble.ensemble.members.values():
            for port in (member.address.quorum_port, member.address.election_port):
                socket.create_server(("127.0.0.1", port)).close()

    run(scenario)


def test_a_node_that_comes_late_finds_the_leader_by_itself() -> None:
    """One server starts alone and keeps trying; the second one makes a quorum."""

    async def scenario(ensemble: Replicas) -> None:
        await ensemble.nursery.start(ensemble[1].run)
        await trio.sleep(0.7)
        assert ensemble[1].role is Role.LOOKING
        await ensemble.start(2)
        await eventually(lambda: ensemble[1].role is not Role.LOOKING, 2.0)

    run(scenario)


def test_free_ports_are_free() -> None:
    """The helper that all of this stands on."""
    ports = free_ports(5)

    assert len(set(ports)) == 5
