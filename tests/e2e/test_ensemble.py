"""Three coordination servers, as processes, with kazoo: what an ensemble promises when servers die and come back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException, OperationTimeoutError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from tests.e2e.cluster import Cluster, Server, ensemble, until


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ensemble(tmp_path_factory.mktemp("three")) as cluster:
        yield cluster


def test_one_leads_and_all_agree(three: Cluster) -> None:
    """A write through any server is read through any other; the digests of all trees are equal."""
    modes = sorted(server.mode() for server in three.servers)
    assert modes == ["follower", "follower", "leader"]
    facts = three.leader().facts()
    assert (facts["learners"], facts["synced_followers"], facts["synced_observers"]) == ("2", "2", "0")
    clients = [three.client(server) for server in three.servers]
    for n, client in enumerate(clients):
        client.create(f"/agree{n}", b"%d" % n)
    for client in clients:
        client.sync("/")
        assert [client.get(f"/agree{n}")[0] for n in range(3)] == [b"0", b"1", b"2"]
    three.agrees()


def test_a_session_reads_its_own_writes_through_a_follower(three: Cluster) -> None:
    """Pipelined: each get sees the set before it, replies come in order."""
    client = three.client(three.followers()[0])
    client.create("/own", b"")
    results = []
    for n in range(300):
        client.set_async("/own", b"%d" % n)
        results.append(client.get_async("/own"))
    assert [result.get(10)[0] for result in results] == [b"%d" % n for n in range(300)]


def test_watches_and_ephemerals_work_across_servers(three: Cluster) -> None:
    """The change is made on one server, the watcher hangs on another."""
    watching, changing = three.client(three.servers[0]), three.client(three.servers[1])
    events: list[str] = []
    changing.create("/across", ephemeral=True)
    watching.sync("/across")
    assert watching.exists("/across", watch=lambda event: events.append(event.type)) is not None
    changing.stop()
    until(lambda: events == ["DELETED"], "the event")


def test_a_session_moves_to_another_server(three: Cluster) -> None:
    """With its id and password any server takes it, and its ephemerals stay."""
    first = three.client(three.servers[0])
    first.create("/moves", ephemeral=True)
    session = first.client_id
    second = three.client(three.servers[1], client_id=session)
    assert second.client_id == session
    assert second.exists("/moves") is not None
    second.create("/moves2", ephemeral=True)
    second.stop()
    watching = three.client()
    watching.sync("/")
    assert watching.exists("/moves") is None
    assert watching.exists("/moves2") is None


def test_only_one_of_many_increments_wins(three: Cluster) -> None:
    """Conditional sets through all servers at once lose no update."""
    three.client().create("/counter", b"0")

    def count(server: Server) -> None:
        counter = three.client(server).Counter("/counter")
        for _ in range(20):
            counter += 1

    threads = [threading.Thread(target=count, args=(server,)) for server in three.servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    client = three.client()
    client.sync("/counter")
    assert client.get("/counter")[0] == b"60"


def test_a_killed_leader_is_replaced_and_comes_back(tmp_path: Path) -> None:
    """Acknowledged writes survive, sessions go on, the first new write comes soon, the old leader follows."""
    with ensemble(tmp_path) as cluster:
        client = cluster.client()
        states: list[str] = []
        client.add_listener(states.append)
        client.create("/held", ephemeral=True)
        acknowledged = write_until_failure(cluster, client)
        session = client.client_id
        leader = cluster.leader()
        leader.kill()
        began = time.monotonic()
        first_write(client, "/after")
        print(f"first write {time.monotonic() - began:.3f} s after kill -9 of the leader")
        assert client.client_id == session
        assert KazooState.LOST not in states
        assert client.exists("/held") is not None
        leader.start()
        leader.serves()
        cluster.agrees()
        assert leader.mode() == "follower"
        reader = cluster.client(leader)
        assert all(reader.exists(path) for path in acknowledged)


def write_until_failure(cluster: Cluster, client: KazooClient) -> list[str]:
    """Some acknowledged writes."""
    results = [client.create_async(f"/kept{n}", b"x" * 50) for n in range(200)]
    return [result.get(10) for result in results]


def first_write(client: KazooClient, path: str) -> None:
    """Tries until a write is acknowledged."""
    deadline = time.monotonic() + 15
    while True:
        try:
            client.retry(client.set, "/", b"x")
            client.ensure_path(path)
            return
        except (KazooException, KazooTimeoutError):
            assert time.monotonic() < deadline, "no write was taken"
            time.sleep(0.01)


def test_an_empty_follower_catches_up(tmp_path: Path) -> None:
    """A server whose folder was lost gets the whole state, writes going on meanwhile."""
    with ensemble(tmp_path, settings=["snapCount=300"]) as cluster:
        client = cluster.client(cluster.leader())
        lost = cluster.followers()[0]
        for n in range(1000):
            client.create_async(f"/n{n}", b"%d" % n)
        client.sync("/")
        lost.kill()
        shutil.rmtree(lost.data / "version-2")
        for n in range(1000, 1500):
            client.create_async(f"/n{n}", b"%d" % n)
        lost.start()
        for n in range(1500, 2000):
            client.create_async(f"/n{n}", b"%d" % n)
        client.sync("/")
        lost.serves()
        cluster.agrees()
        reader = cluster.client(lost)
        reader.sync("/")
        assert len(reader.get_children("/")) == 2001
        assert reader.get("/n1999")[0] == b"1999"


def test_a_restarted_follower_needs_only_what_it_missed(tmp_path: Path) -> None:
    """It was away for some writes; afterwards it agrees, and restarts of all keep everything."""
    with ensemble(tmp_path) as cluster:
        client = cluster.client(cluster.leader())
        client.create("/before")
        away = cluster.followers()[0]
        assert away.stop() < 1.0
        for n in range(50):
            client.create(f"/missed{n}")
        away.start()
        away.serves()
        cluster.agrees()
        for server in cluster.servers:
            server.kill()
        for server in cluster.servers:
            server.start()
        for server in cluster.servers:
            server.serves()
        again = cluster.client()
        assert again.exists("/missed49") is not None
        assert len(again.get_children("/")) == 52


def test_a_minority_serves_nobody(tmp_path: Path) -> None:
    """One of three neither writes nor reads, and says so; with a second one it serves again."""
    with ensemble(tmp_path) as cluster:
        client = cluster.client()
        client.create("/a")
        leader = cluster.leader()
        followers = cluster.followers()
        for follower in followers:
            follower.kill()
        until(lambda: leader.mode() == "", "the leader alone stops serving", 10)
        with pytest.raises((KazooTimeoutError, ConnectionLoss, OperationTimeoutError, SessionExpiredError)):
            KazooClient(leader.address).start(timeout=2)
        followers[0].start()
        followers[0].serves()
        leader.serves()
        cluster.client().create("/b")


def test_an_observer_serves_and_does_not_vote(tmp_path: Path) -> None:
    """It takes reads and forwards writes; the two voters go on without it, and it catches up."""
    with ensemble(tmp_path, size=3, observers=1) as cluster:
        observer = cluster.servers[3]
        assert observer.mode() == "observer"
        client = cluster.client(observer)
        client.create("/seen", b"x")
        assert client.get("/seen")[0] == b"x"
        observer.kill()
        cluster.client(cluster.leader()).create("/unseen")
        observer.start()
        observer.serves()
        cluster.agrees()


def test_a_frozen_leader_is_left_behind(tmp_path: Path) -> None:
    """SIGSTOP: the others elect another; the old leader, awake again, acknowledges nothing more and follows."""
    with ensemble(tmp_path) as cluster:
        old = cluster.leader()
        others = [server for server in cluster.servers if server is not old]
        client = cluster.client(",".join(server.address for server in others))
        client.create("/a")
        old.pause()
        until(lambda: any(server.mode() == "leader" for server in others), "another leader", 30)
        first_write(client, "/b")
        old.resume()
        until(lambda: old.mode() == "follower", "the old leader follows", 30)
        cluster.agrees()
