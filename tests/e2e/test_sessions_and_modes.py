"""Housekeeping, local sessions, read-only mode, syncs and joining by SNAP: our servers beside Apache's, asked the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NotReadOnlyCallError

from coord.client import NotReadOnlyError, State, connect
from tests.e2e.mixed import APACHE, OURS, MixedEnsemble, Server, needs_apache
from tests.e2e.raw import RawClient, text

pytestmark = [pytest.mark.apache, pytest.mark.slow]
KINDS = pytest.mark.parametrize("kinds", [(OURS,) * 3, (APACHE,) * 3, (APACHE, APACHE, OURS), (OURS, OURS, APACHE)], ids="-".join)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    needs_apache()
    return tmp_path


def ensemble(folder: Path, kinds: tuple[str, ...], *settings: str) -> MixedEnsemble:
    """A running one. Apache takes some of the settings as system properties alone, so it gets all of them so."""
    made = MixedEnsemble(folder, len(kinds), settings=settings)
    for server in made.servers:
        server.properties = settings
    made.start(kinds)
    return made


def client_of(*servers: Server, **options: object) -> KazooClient:
    client = KazooClient(hosts=",".join(s.address for s in servers), timeout=10, randomize_hosts=False, **options)
    client.start(15)
    return client


def stop(*clients: KazooClient) -> None:
    for client in clients:
        client.stop()
        client.close()


@KINDS
def test_the_leader_sweeps(folder: Path, kinds: tuple[str, ...]) -> None:
    """An empty container and an expired TTL node go, whoever leads; used ones stay."""
    made = ensemble(folder, kinds, "znode.container.checkIntervalMs=500")
    try:

        async def main() -> None:
            async with connect(made.servers[0].address) as client:
                for path in ("/used", "/done", "/new"):
                    await client.create(path, container=True)
                await client.create("/used/child")
                await client.create("/done/child")
                await client.delete("/done/child")
                await client.create("/short", ttl_ms=1000)
                await client.create("/long", ttl_ms=100_000)
                with trio.fail_after(15):
                    while {"done", "short"} & set(await client.children("/")):
                        await trio.sleep(0.1)
                assert {"used", "new", "long"} <= set(await client.children("/"))

        trio.run(main)
        made.assert_digests_agree()
    finally:
        made.close()


@KINDS
def test_local_sessions(folder: Path, kinds: tuple[str, ...]) -> None:
    """Unknown to the ensemble until an ephemeral node is wanted; the same id afterwards, and known everywhere."""
    made = ensemble(folder, kinds, "localSessionsEnabled=true", "localSessionsUpgradingEnabled=true")
    try:
        for server in made.servers:
            client = client_of(server)
            session_id, password = client.client_id
            held = int(server.words("mntr")["zk_local_sessions"])
            assert held >= 1  # a client whose first connection was lost has left one behind
            client.create(f"/from-{server.number}", b"1")
            client.set(f"/from-{server.number}", b"2")
            for other in made.servers:
                if other is not server:
                    with RawClient(other.port, session_id, password) as stranger:
                        assert stranger.session_id == 0, "a local session is nobody's elsewhere"
            client.create(f"/ephemeral-{server.number}", ephemeral=True)
            assert client.client_id[0] == session_id
            assert int(server.words("mntr")["zk_local_sessions"]) == held - 1
            for other in made.servers:
                if other is not server:
                    with RawClient(other.port, session_id, password) as moved:
                        assert moved.session_id == session_id
            stop(client)
        witness = client_of(made.servers[0])
        made.eventually(lambda: not [n for n in witness.get_children("/") if n.startswith("ephemeral")], 15, "ephemerals stay")
        stop(witness)
        made.assert_digests_agree()
    finally:
        made.close()


@pytest.mark.parametrize("kind", [OURS, APACHE])
def test_without_upgrading(folder: Path, kind: str) -> None:
    """-120 for the ephemeral node, and the session goes on."""
    made = ensemble(folder, (kind,) * 3, "localSessionsEnabled=true")
    try:
        for server in made.servers:
            with RawClient(server.port) as client:
                acl = b"\0\0\0\1\0\0\0\x1f" + text("world") + text("anyone")
                assert client.ask(1, text("/e") + text("") + acl + b"\0\0\0\1")[0] == -120
                assert client.ask(1, text(f"/n{server.number}") + text("") + acl + b"\0\0\0\0")[0] == 0
    finally:
        made.close()


@pytest.mark.parametrize("kind", [OURS, APACHE])
def test_read_only_mode(folder: Path, kind: str) -> None:
    """One of three is left: it serves reads to kazoo and to our client, which leave it when there is a quorum again."""
    # Apache's creates sessions in that mode only where local sessions are allowed; ours does in any case
    local = ("localSessionsEnabled=true", "localSessionsUpgradingEnabled=true") if kind == APACHE else ()
    made = ensemble(folder, (kind,) * 3, "readonlymode.enabled=true", *local)
    try:
        seed = client_of(made.servers[0])
        seed.create("/a", b"1")
        seed.sync("/")
        stop(seed)
        for server in made.servers[1:]:
            server.stop(signal.SIGKILL)
        left = made.servers[0]
        made.eventually(lambda: left.mode == "read-only", 20, "no read-only mode")
        assert left.word("isro") == "ro"
        reader = client_of(left, read_only=True)
        assert reader.get("/a")[0] == b"1"
        with pytest.raises(NotReadOnlyCallError):
            reader.set("/a", b"2")
        stop(reader)
        trio.run(_ours_finds_a_writer, made)
    finally:
        made.close()


async def _ours_finds_a_writer(made: MixedEnsemble) -> None:
    async with connect(made.hosts, read_only=True, session_timeout=20) as client:
        assert client.state is State.CONNECTED_READ_ONLY
        assert (await client.get("/a"))[0] == b"1"
        for refused in (client.set("/a", b"2"), client.sync("/"), client.get("/a", sync=True)):
            with pytest.raises(NotReadOnlyError):
                await refused
        for server in made.servers[1:]:
            server.start(server.kind)
        with trio.fail_after(60):
            while client.state is not State.CONNECTED:
                await trio.sleep(0.1)
        await client.set("/a", b"2")
        assert (await client.get("/a", sync=True))[0] == b"2"


class Load(threading.Thread):
    """Creates nodes, some with ACLs of their own, sets and deletes them, as fast as it can."""

    def __init__(self, hosts: str, number: int) -> None:
        super().__init__(daemon=True)
        self.hosts, self.number = hosts, number
        self.stopping = threading.Event()
        self.done = 0

    def run(self) -> None:
        client = KazooClient(hosts=self.hosts, timeout=10)
        client.start(15)
        client.ensure_path(f"/load/{self.number}")
        while not self.stopping.is_set():
            pending = []
            for _ in range(50):
                path = f"/load/{self.number}/{self.done}"
                pending.append(client.create_async(path, b"x" * 100))
                pending.append(client.set_async(f"/big/{self.done * 7 % BIG}", b"%d" % self.done))
                if self.done % 3 == 0:
                    pending.append(client.delete_async(path))
                self.done += 1
            for result in pending:
                try:
                    result.get(20)
                except KazooException:
                    time.sleep(0.1)
        stop(client)


BIG = 20_000
"""Nodes, so that a SNAP takes a while."""


def test_a_follower_of_ours_joins_apaches_leader_by_snap_under_load(folder: Path) -> None:
    """The SNAP is fuzzy; no digest is counted as different, neither then nor after a restart."""
    made = MixedEnsemble(folder, settings=("snapCount=1000000",))
    loads: list[Load] = []
    try:
        ours = made.servers[0]
        made.start((OURS, APACHE, APACHE))
        seed = client_of(made.leader())
        seed.create("/big")
        for start in range(0, BIG, 500):
            for result in [seed.create_async(f"/big/{n}", b"0" * 200) for n in range(start, start + 500)]:
                result.get(20)
        loads = [Load(made.leader().address, number) for number in range(3)]
        for load in loads:
            load.start()
        for _ in range(2):
            ours.stop()
            for path in (ours.folder / "data" / "version-2").iterdir():
                path.unlink()
            ours.start(OURS)
            made.await_serving()
            time.sleep(1.5)
            made.assert_digests_agree()
            ours.stop(signal.SIGKILL)
            ours.start(OURS)
            made.await_serving()
            time.sleep(0.5)
            made.assert_digests_agree()
        for load in loads:
            load.stopping.set()
            load.join(30)
        assert all(load.done > 100 for load in loads)
        seed.sync("/")
        same = client_of(ours)
        same.sync("/")
        assert set(same.get_children("/load/0")) == set(seed.get_children("/load/0"))
        stop(seed, same)
        made.assert_digests_agree()
    finally:
        for load in loads:
            load.stopping.set()
        made.close()


def test_a_sync_waits_for_a_quorum(folder: Path) -> None:
    """Whose followers are stopped cannot know whether it leads still. Ours says nothing; Apache's answers all the same."""
    answered = {kind: _sync_without_quorum(folder / kind, kind) for kind in (OURS, APACHE)}
    assert answered == {OURS: False, APACHE: True}


def _sync_without_quorum(folder: Path, kind: str) -> bool:
    made = MixedEnsemble(folder)
    try:
        made.start((kind,) * 3)
        leader = made.leader()
        with RawClient(leader.port) as client:
            assert client.ask(9, text("/"))[0] == 0
            for server in made.servers:
                if server is not leader:
                    assert server.process is not None
                    os.kill(server.process.pid, signal.SIGSTOP)
            return _within(1.0, lambda: client.ask(9, text("/")))
    finally:
        made.close()


def _within(seconds: float, call: Callable[[], object]) -> bool:
    done = threading.Event()

    def run() -> None:
        try:
            call()
        except (OSError, AssertionError):
            return
        done.set()

    threading.Thread(target=run, daemon=True).start()
    return done.wait(seconds)


@pytest.mark.parametrize("seen_by", ["leader", "follower"])
def test_a_leader_that_was_stopped_and_deposed_shows_nothing_old(folder: Path, seen_by: str) -> None:
    """The others have another leader and acknowledge a write; then the old one goes on, with a sync and a read waiting for it,
    which were sent after that write. It, or a follower that was stopped with it, closes the connection or tells the new value."""
    made = MixedEnsemble(folder, size=5)
    try:
        made.start((OURS,) * 5)
        old = made.leader()
        companion = made.servers[0]
        writer = client_of(*[server for server in made.servers if server not in (old, companion)])
        writer.create("/a", b"old")
        asked = old if seen_by == "leader" else companion
        with RawClient(asked.port) as reader:
            assert reader.ask(9, text("/"))[0] == 0
            for server in (old, companion):
                assert server.process is not None
                os.kill(server.process.pid, signal.SIGSTOP)
            writer.retry(writer.set, "/a", b"new")
            reader.send(9, text("/"))
            last = reader.send(4, text("/a") + b"\0")
            for server in (old, companion):
                assert server.process is not None
                os.kill(server.process.pid, signal.SIGCONT)
            try:
                error, record = reader.answer(last)
            except (EOFError, OSError):
                pass
            else:
                assert (error, record[4:7]) == (0, b"new")
        stop(writer)
        made.await_serving()
        made.assert_digests_agree()
    finally:
        made.close()
