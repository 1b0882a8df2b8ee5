"""The election port: who connects to whom, the last vote counts, and strangers of every kind are dealt with."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import pytest
import trio

from coord.kit.tcp import TcpNetwork, open_network
from coord.server import mesh as mesh_module
from coord.server.mesh import STRANGERS_MAX, Mesh
from coord.wire.election import Header, Notification, parse_frames, parse_header
from coord.zab.quorums import Ensemble
from tests.coord.server.replicas import ensemble_of, eventually, patient_clock

Vote = tuple[int, int]


def vote(leader: int) -> Notification:
    """A vote that can be told from others."""
    return Notification(0, leader, 0, 1, 0, config=b"c")


class Party:
    """One server's mesh and what it heard, as (sender, leader)."""

    def __init__(self, sid: int, ensemble: Ensemble, network: TcpNetwork) -> None:
        self.heard: list[Vote] = []
        self.mesh = Mesh(sid, ensemble, network, lambda sender, note: self.heard.append((sender, note.leader)))
        self.port = ensemble.members[sid].address.election_port

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await self.mesh.listen("127.0.0.1")
        task_status.started()
        try:
            await self.mesh.run()
        finally:
            self.mesh.close()


Scenario = Callable[[trio.Nursery, list[Party]], Awaitable[None]]


def run(scenario: Scenario, size: int = 3) -> None:
    """Runs a scenario with so many meshes, of which it starts those it wants."""

    async def main() -> None:
        ensemble = ensemble_of(size)
        with trio.fail_after(15):
            async with open_network() as network, trio.open_nursery() as nursery:
                await scenario(nursery, [Party(sid, ensemble, network) for sid in range(1, size + 1)])
                nursery.cancel_scope.cancel()

    trio.run(main, clock=patient_clock())


async def caller(party: Party, data: bytes) -> trio.SocketStream:
    """Connects by hand and says something."""
    stream = await trio.open_tcp_stream("127.0.0.1", party.port)
    await stream.send_all(data)
    return stream


async def votes_on(stream: trio.SocketStream) -> list[Notification]:
    """The next votes that come on a connection."""
    data = b""
    while not parse_frames(data)[0]:
        data += await stream.receive_some()
    return parse_frames(data)[0]


async def ended(stream: trio.SocketStream) -> bytes:
    """What came before the other side closed."""
    data = b""
    try:
        while piece := await stream.receive_some():
            data += piece
    except trio.BrokenResourceError:
        pass
    return data


def test_votes_go_both_ways_whoever_speaks_first() -> None:
    """The larger connects; the smaller one calls and is called back."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one, two, _ = parties
        await nursery.start(one.run)
        await nursery.start(two.run)
        one.mesh.send(2, vote(1))
        await eventually(lambda: two.heard == [(1, 1)])
        two.mesh.send(1, vote(2))
        await eventually(lambda: one.heard == [(2, 2)])
        assert list(one.mesh.links) == [2]
        assert list(two.mesh.links) == [1]

    run(scenario)


def test_a_smaller_server_says_who_it_is_and_closes() -> None:
    """On the wire: the header, the end of the stream, and then a connection from the other side."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one = parties[0]
        await nursery.start(one.run)
        listeners = await trio.open_tcp_listeners(parties[2].port, host="127.0.0.1")
        one.mesh.send(3, vote(1))
        stream = await listeners[0].accept()
        found = parse_header(await ended(stream))
        assert found is not None
        assert found[0] == Header(1, (f"127.0.0.1:{one.port}",))
        back = await caller(one, Header(3, ("127.0.0.1:1",)).encode())
        assert [note.leader for note in await votes_on(back)] == [1]
        await listeners[0].aclose()

    run(scenario)


def test_a_call_from_a_smaller_server_is_answered_by_a_call() -> None:
    """Its connection is closed; ours carries the votes."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        three = parties[2]
        await nursery.start(three.run)
        listeners = await trio.open_tcp_listeners(parties[0].port, host="127.0.0.1")
        three.mesh._last[1] = vote(3).frame()
        stream = await caller(three, Header(1, (f"127.0.0.1:{parties[0].port}",)).encode())
        assert await ended(stream) == b""
        back = await listeners[0].accept()
        data = b""
        while len(data) < 80:
            data += await back.receive_some()
        found = parse_header(data)
        assert found is not None
        assert found[0].sid == 3
        assert [note.leader for note in parse_frames(data[found[1] :])[0]] == [3]
        await back.send_all(vote(9).frame())
        await eventually(lambda: three.heard == [(1, 9)])
        await listeners[0].aclose()

    run(scenario)


def test_a_server_that_comes_back_hears_the_last_vote() -> None:
    """Only the newest, and without being asked."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one, two, _ = parties
        await nursery.start(two.run)
        for leader in (5, 6, 7):
            two.mesh.send(1, vote(leader))
        await trio.sleep(0.1)
        await nursery.start(one.run)
        one.mesh.send(2, vote(1))
        await eventually(lambda: one.heard == [(2, 7)])
        await eventually(lambda: two.heard == [(1, 1)])

    run(scenario)


def test_a_new_connection_takes_the_place_of_the_old() -> None:
    """As when a peer lost it without our noticing; the last vote goes out again."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one = parties[0]
        await nursery.start(one.run)
        header = Header(3, ("127.0.0.1:1",)).encode()
        first = await caller(one, header + vote(3).frame())
        await eventually(lambda: one.heard == [(3, 3)])
        one.mesh.send(3, vote(1))
        assert [note.leader for note in await votes_on(first)] == [1]
        second = await caller(one, header)
        assert [note.leader for note in await votes_on(second)] == [1]
        await ended(first)
        await second.send_all(vote(4).frame())
        await eventually(lambda: one.heard == [(3, 3), (3, 4)])

    run(scenario)


def test_an_observer_that_nobody_configured_is_heard_and_answered() -> None:
    """With a greater id it keeps its connection; with a smaller one it is called back where it says it listens."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        two = parties[1]
        await nursery.start(two.run)
        stream = await caller(two, Header(99, ("127.0.0.1:1",)).encode() + vote(99).frame())
        await eventually(lambda: two.heard == [(99, 99)])
        two.mesh.send(99, vote(3))
        assert [note.leader for note in await votes_on(stream)] == [3]

        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        await caller(two, Header(-5, (f"127.0.0.1:{port}",)).encode())
        back = await listeners[0].accept()
        await back.send_all(vote(-5).frame())
        await eventually(lambda: two.heard[1:] == [(-5, -5)])
        await listeners[0].aclose()

    run(scenario)


def test_votes_for_strangers_are_forgotten_with_their_connections() -> None:
    """A caller makes up its id: what was told to it is kept no longer than it can be told again."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        two = parties[1]
        await nursery.start(two.run)
        stream = await caller(two, (1000).to_bytes(8, "big") + vote(1000).frame())
        await eventually(lambda: two.heard == [(1000, 1000)])
        for sid in (1000, 3):
            two.mesh.send(sid, vote(3))
        await stream.aclose()
        await eventually(lambda: not two.mesh.links)
        assert list(two.mesh._last) == [3]

    run(scenario)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 64,
        Header(2, ("127.0.0.1:1",)).encode(),
        Header(3, ("127.0.0.1:1",)).encode() + b"\x7f\xff\xff\xff",
        Header(3, ("127.0.0.1:1",)).encode() + (28).to_bytes(4, "big") + b"\0\0\0\7" + bytes(24),
        Header(1, ("[::1",)).encode(),
        Header(9, ("[::1",)).encode(),
    ],
    ids=["http", "ones", "our own id", "a huge frame", "a state of 7", "known, bad address", "stranger, bad address"],
)
def test_garbage_is_a_closed_connection_and_one_line(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """And the next caller is served."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        two = parties[1]
        await nursery.start(two.run)
        stream = await caller(two, data)
        await ended(stream)
        await caller(two, Header(3, ("127.0.0.1:1",)).encode() + vote(3).frame())
        await eventually(lambda: two.heard == [(3, 3)])

    caplog.set_level(logging.INFO)
    run(scenario)
    lines = [record for record in caplog.records if record.name.startswith("coord")]
    if data.startswith(Header(1, ("[::1",)).encode()):
        assert lines == [], "a member's address is known: what the header says of it does not matter"
    else:
        assert len(lines) == 1
        assert not lines[0].exc_info
        assert "None" not in lines[0].getMessage(), "who has not said who it is has no number"


def test_a_caller_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and so is one that stops within its header."""
    monkeypatch.setattr(mesh_module, "HEADER_SECONDS", 0.2)

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        await nursery.start(parties[0].run)
        for data in (b"", Header(3, ("127.0.0.1:1",)).encode()[:-1]):
            stream = await caller(parties[0], data)
            with trio.fail_after(2):
                assert await ended(stream) == b""

    run(scenario)


def test_callers_are_counted() -> None:
    """Beyond the limit a connection is closed at once; when others leave there is room again."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one = parties[0]
        await nursery.start(one.run)
        streams = [await caller(one, b"") for _ in range(STRANGERS_MAX + 3)]
        await trio.sleep(0.05)
        late = await caller(one, b"")
        assert await ended(late) == b""
        for stream in streams:
            await stream.aclose()
        await trio.sleep(0.05)
        await caller(one, Header(3, ("127.0.0.1:1",)).encode() + vote(3).frame())
        await eventually(lambda: one.heard == [(3, 3)])

    run(scenario)


def test_a_peer_that_never_reads_costs_bounded_memory() -> None:
    """Votes beyond the queue are left out; the next one it can take is the newest."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        one = parties[0]
        await nursery.start(one.run)
        stream = await caller(one, Header(3, ("127.0.0.1:1",)).encode())
        await eventually(lambda: 3 in one.mesh.links)
        large = Notification(0, 1, 0, 1, 0, config=bytes(30_000))
        for _ in range(2000):
            one.mesh.send(3, large)
            await trio.sleep(0)
        assert one.mesh.links[3].transport.queued < 200_000
        await stream.aclose()

    run(scenario)


def test_votes_for_nobody_go_nowhere() -> None:
    """A server that is not in the configuration and never called cannot be reached."""

    async def scenario(nursery: trio.Nursery, parties: list[Party]) -> None:
        await nursery.start(parties[0].run)
        parties[0].mesh.send(55, vote(1))
        await trio.sleep(0.01)
        assert parties[0].mesh.links == {}

    run(scenario)
