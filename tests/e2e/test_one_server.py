"""One coordination server, as a process, with kazoo: what a user of a single server relies on."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NoAuthError, NodeExistsError, NoNodeError, NotEmptyError
from kazoo.security import make_digest_acl

from coord.wire.codes import CreateMode, OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.jute import Writer
from coord.wire.records import CreateRequest
from tests.e2e.cluster import Cluster, ensemble, until, word
from tests.e2e.raw import RawClient


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ensemble(tmp_path_factory.mktemp("one"), size=1) as cluster:
        yield cluster


def test_nodes_are_created_read_changed_and_deleted(one: Cluster) -> None:
    """The operations of every client, and their errors."""
    client = one.client()
    assert client.create("/crud", b"one") == "/crud"
    data, stat = client.get("/crud")
    assert (data, stat.version, stat.numChildren) == (b"one", 0, 0)
    with pytest.raises(NodeExistsError):
        client.create("/crud")
    assert client.set("/crud", b"two", version=0).version == 1
    with pytest.raises(BadVersionError):
        client.set("/crud", b"three", version=0)
    path, stat = client.create("/crud/child", b"x" * 1000, include_data=True)
    assert (path, stat.dataLength) == ("/crud/child", 1000)
    assert client.get_children("/crud", include_data=True)[0] == ["child"]
    with pytest.raises(NotEmptyError):
        client.delete("/crud")
    names = [client.create("/crud/s-", sequence=True) for _ in range(3)]
    assert names == sorted(names)
    client.delete("/crud", recursive=True)
    assert client.exists("/crud") is None
    with pytest.raises(NoNodeError):
        client.get("/crud")
    assert client.sync("/") == "/"


def test_a_multi_does_all_or_nothing(one: Cluster) -> None:
    """Checks and errors of one part undo the others."""
    client = one.client()
    good = client.transaction()
    good.create("/multi", b"1")
    good.set_data("/multi", b"2")
    good.check("/multi", 1)
    assert good.commit()[0] == "/multi"
    bad = client.transaction()
    bad.set_data("/multi", b"3")
    bad.check("/multi", 7)
    results = bad.commit()
    assert isinstance(results[1], BadVersionError)
    assert client.get("/multi")[0] == b"2"


def test_watches_fire_once_and_before_the_change_is_seen(one: Cluster) -> None:
    """Data, exists and child watches, of changes by another client."""
    watching, changing = one.client(), one.client()
    events: list[tuple[str, str]] = []

    def note(event: object) -> None:
        events.append((event.type, event.path))  # type: ignore[attr-defined]

    changing.create("/watched")
    watching.get("/watched", watch=note)
    watching.get_children("/watched", watch=note)
    watching.exists("/watched/child", watch=note)
    changing.set("/watched", b"1")
    changing.set("/watched", b"2")
    changing.create("/watched/child")
    watching.sync("/")
    until(lambda: len(events) == 3, "three events")
    assert sorted(events) == [("CHANGED", "/watched"), ("CHILD", "/watched"), ("CREATED", "/watched/child")]


def test_ephemerals_go_with_their_session_and_not_before(one: Cluster) -> None:
    """At once when it is closed; after the timeout when its client is silent."""
    observer, leaving = one.client(), one.client()
    leaving.create("/leaving", ephemeral=True)
    assert observer.get("/leaving")[1].ephemeralOwner == leaving.client_id[0]
    leaving.stop()
    assert observer.exists("/leaving") is None

    w = Writer()
    CreateRequest("/silent", b"", OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL).write(w)
    with RawClient(one.servers[0].port, timeout_ms=2000) as silent:
        assert silent.timeout_ms == 2000
        assert silent.ask(OpCode.CREATE, w.getvalue())[0] == 0
        began = time.monotonic()
        until(lambda: observer.exists("/silent") is None, "the silent session's node goes", 5)
        assert 1.9 < time.monotonic() - began < 2.0 + 3 * 0.5
        assert silent.socket.recv(1) == b""


def test_a_session_survives_a_lost_connection(one: Cluster) -> None:
    """The client reconnects with its session; ephemerals are still there, watches work again."""
    client = one.client()
    client.create("/kept", ephemeral=True)
    seen: list[bytes] = []
    client.DataWatch("/kept", lambda data, stat: seen.append(data))
    states: list[str] = []
    client.add_listener(states.append)
    session = client.client_id[0]
    client._connection._socket.shutdown(socket.SHUT_RDWR)
    until(lambda: states and states[-1] == KazooState.CONNECTED, "connected again")
    assert client.client_id[0] == session
    client.set("/kept", b"x")
    until(lambda: seen[-1] == b"x", "the watch set again")


def test_digest_acls_are_enforced(one: Cluster) -> None:
    """Who has not proved the identity neither reads nor writes."""
    owner = one.client(auth_data=[("digest", "user:secret")])
    stranger = one.client()
    owner.create("/private", b"x", acl=[make_digest_acl("user", "secret", all=True)])
    with pytest.raises(NoAuthError):
        stranger.get("/private")
    with pytest.raises(NoAuthError):
        stranger.set("/private", b"y")
    stranger.add_auth("digest", "user:secret")
    assert stranger.get("/private")[0] == b"x"
    assert owner.get_acls("/private")[0][0].id.scheme == "digest"


def test_kazoo_reads_the_version(one: Cluster) -> None:
    """Tools parse the version out of the words."""
    assert one.client().server_version() == (3, 8, 0)
    assert word(one.servers[0].port, "ruok") == "imok"
    assert "Mode: standalone\n" in word(one.servers[0].port, "srvr")


def test_data_over_the_frame_limit_costs_its_own_connection_alone(one: Cluster) -> None:
    """jute.maxbuffer: the connection is closed, one line says why, everybody else goes on."""
    server = one.servers[0]
    good = one.client()
    with socket.create_connection(("127.0.0.1", server.port)) as bad:
        bad.sendall((2_000_000).to_bytes(4, "big") + b"x" * 100_000)
        bad.settimeout(5)
        assert bad.recv(1) == b""
    assert good.create("/after-the-giant")
    until(lambda: "2000000 bytes was announced" in server.log.read_text(), "the log line")
    assert "Traceback" not in server.log.read_text()


def test_everything_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    """A start on the same folder brings back what was acknowledged, with versions and sessions."""
    with ensemble(tmp_path, size=1) as cluster:
        server = cluster.servers[0]
        client = cluster.client()
        results = [client.create_async(f"/n{n}", b"%d" % n) for n in range(500)]
        assert all(result.get(10) for result in results)
        client.create("/mine", ephemeral=True)
        session = client.client_id[0]
        server.kill()
        server.start()
        server.serves()
        until(lambda: client.connected, "reconnected")
        assert client.client_id[0] == session
        assert client.exists("/mine") is not None
        assert all(client.get(f"/n{n}")[0] == b"%d" % n for n in range(0, 500, 50))
        assert len([name for name in client.get_children("/") if name.startswith("n")]) == 500


def test_a_snapshot_is_written_and_started_from(tmp_path: Path) -> None:
    """After snapCount transactions, while requests go on; old files are purged."""
    with ensemble(tmp_path, size=1, settings=["snapCount=200"]) as cluster:
        server = cluster.servers[0]
        client = cluster.client()
        for n in range(1000):
            client.create_async(f"/n{n}", b"x" * 100)
        client.sync("/")

        def written(count: int) -> bool:
            client.set("/n0", b"y")  # one that became due while another was written begins with the next transaction
            return int(server.facts()["snap_count"]) >= count

        until(lambda: written(3), "three snapshots")
        assert server.stop() < 2.0
        server.start("-Dautopurge.purgeInterval=1")
        server.serves()

        def snapshots() -> list[str]:
            return [name for name in os.listdir(server.data / "version-2") if name.startswith("snapshot.")]

        until(lambda: len(snapshots()) == 3, "three snapshots kept")
        until(lambda: client.connected, "reconnected")
        assert len(client.get_children("/")) == 1001


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["tickTime=never"], "zoo.cfg line 6: tickTime=never: expected a whole number of at least 1"),
        (["dataDir=/proc/nowhere"], "dataDir: /proc/nowhere"),
        (["server.1=127.0.0.1:1:2", "server.2=127.0.0.1:3:4", "dataDir=/tmp/"], "/tmp/myid: this server's id is missing"),
        (["clientPort=PORT"], "clientPort: 0.0.0.0:PORT: Address already in use"),
        (["server.1=127.0.0.1:PORT:1", "server.2=127.0.0.1:3:4"], "zoo.cfg: server.1: quorum port 127.0.0.1:PORT: Address already in use"),
        (["dataDir=a\\u0000b"], "zoo.cfg line 6: dataDir='a\\x00b': expected a folder"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(settings: list[str], line: str, tmp_path: Path, one: Cluster) -> None:
    """Exit code 2, the key and the file, no traceback."""
    port = str(one.servers[0].port)
    cluster = Cluster(tmp_path, 1)
    server = cluster.servers[0]
    text = server.config.read_text() + "\n".join(setting.replace("PORT", port) for setting in settings)
    server.config.write_text(text)
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=10)
    assert done.returncode == 2, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("coord server: ")
    assert line.replace("PORT", port).replace("line 6", "line 8") in last, last
    assert "Traceback" not in done.stderr


def test_a_start_is_quick_and_small(tmp_path: Path) -> None:
    """From exec to the first reply in well under a second, and a small process (the figures are printed)."""
    cluster = Cluster(tmp_path, 1)
    server = cluster.servers[0]
    began = time.monotonic()
    server.start()
    try:
        while not word(server.port, "srvr"):
            time.sleep(0.002)
        took = time.monotonic() - began
        assert server.process is not None
        size = psutil.Process(server.process.pid).memory_info().rss
        print(f"start {took:.3f} s, {size / 1e6:.1f} MB")
        assert took < 2.0
        assert size < 60e6
        assert server.stop() < 1.0
    finally:
        cluster.stop()


def test_sigint_stops_it_too(tmp_path: Path) -> None:
    """Ctrl-C: exit code 0 within a second, also with clients connected."""
    with ensemble(tmp_path, size=1) as cluster:
        client = cluster.client()
        assert client.exists("/") is not None
        process = cluster.servers[0].process
        assert process is not None
        began = time.monotonic()
        process.send_signal(2)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 1.0
        assert isinstance(client, KazooClient)
