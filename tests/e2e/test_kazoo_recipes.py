"""kazoo's own recipes on the ensemble: Lock, Election, Counter, Queue, Party, DoubleBarrier, watches, TreeCache; and sessions."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.recipe.cache import TreeCache

from tests.e2e.local import Local, local


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    data: Path = tmp_path_factory.mktemp("recipes") / "data"
    with local(data, brokers=0) as cluster:
        yield cluster


@pytest.fixture
def make(ensemble: Local) -> Iterator[Callable[..., KazooClient]]:
    clients: list[KazooClient] = []

    def start(**options: object) -> KazooClient:
        client = KazooClient(hosts=ensemble.ensemble, **options)
        client.start(15)
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.stop()
        client.close()


def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def test_lock_is_held_by_one(make: Callable[..., KazooClient]) -> None:
    """Three clients on three servers: never two inside."""
    inside: list[int] = []
    overlaps: list[int] = []

    def work(client: KazooClient) -> None:
        for _ in range(5):
            with client.Lock("/recipes/lock"):
                inside.append(1)
                if len(inside) > 1:
                    overlaps.append(1)
                time.sleep(0.002)
                inside.pop()

    threads = [threading.Thread(target=work, args=(make(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not overlaps


def test_election_passes_on(make: Callable[..., KazooClient]) -> None:
    """Each contender leads once, one after the other."""
    led: list[str] = []
    threads = [
        threading.Thread(target=make().Election("/recipes/election", name).run, args=(led.append, name)) for name in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(led) == ["a", "b", "c"]


def test_counter_counts_each_addition(make: Callable[..., KazooClient]) -> None:
    """Two clients add at the same time; nothing is lost."""
    clients = [make(), make()]

    def work(client: KazooClient) -> None:
        counter = client.Counter("/recipes/counter")
        for _ in range(20):
            counter += 1

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert clients[0].Counter("/recipes/counter").value == 40


def test_queue_keeps_order(make: Callable[..., KazooClient]) -> None:
    """What went in comes out, in order, once."""
    queue = make().Queue("/recipes/queue")
    for number in range(10):
        queue.put(str(number).encode())
    reader = make().Queue("/recipes/queue")
    assert [reader.get() for _ in range(10)] == [str(number).encode() for number in range(10)]
    assert reader.get() is None


def test_party_shows_who_is_there(make: Callable[..., KazooClient]) -> None:
    """Members come and go."""
    one, two = make(), make()
    first, second = one.Party("/recipes/party", "one"), two.Party("/recipes/party", "two")
    first.join()
    second.join()
    two.sync("/recipes/party")
    assert sorted(second) == ["one", "two"]
    first.leave()
    two.sync("/recipes/party")
    assert list(second) == ["two"]


def test_double_barrier_begins_and_ends_together(make: Callable[..., KazooClient]) -> None:
    """Nobody enters before all are there, nobody leaves before all are done."""
    order: list[str] = []

    def work(client: KazooClient, pause: float) -> None:
        time.sleep(pause)
        barrier = client.DoubleBarrier("/recipes/barrier", 3)
        order.append("come")
        barrier.enter()
        order.append("in")
        barrier.leave()
        order.append("out")

    threads = [threading.Thread(target=work, args=(make(), n * 0.1)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert order == ["come"] * 3 + ["in"] * 3 + ["out"] * 3


def test_data_watch_sees_every_state_it_must(make: Callable[..., KazooClient]) -> None:
    """Absent, made, changed, gone."""
    watcher, writer = make(), make()
    seen: list[bytes | None] = []
    watcher.DataWatch("/recipes-data", lambda data, stat: seen.append(data))
    writer.create("/recipes-data", b"1")
    eventually(lambda: seen[-1:] == [b"1"])
    writer.set("/recipes-data", b"2")
    eventually(lambda: seen[-1:] == [b"2"])
    writer.delete("/recipes-data")
    eventually(lambda: seen[-1:] == [None])
    assert seen == [None, b"1", b"2", None]


def test_children_watch_follows(make: Callable[..., KazooClient]) -> None:
    """The last list seen is the list there is."""
    watcher, writer = make(), make()
    writer.ensure_path("/recipes-children")
    watcher.sync("/recipes-children")
    seen: list[list[str]] = []
    watcher.ChildrenWatch("/recipes-children", seen.append)
    for name in ("a", "b", "c"):
        writer.create(f"/recipes-children/{name}")
    eventually(lambda: sorted(seen[-1]) == ["a", "b", "c"])
    writer.delete("/recipes-children/b")
    eventually(lambda: sorted(seen[-1]) == ["a", "c"])


def test_tree_cache_mirrors_a_subtree(make: Callable[..., KazooClient]) -> None:
    """The cache holds what the tree holds."""
    reader, writer = make(), make()
    writer.ensure_path("/recipes-cache/x/y")
    reader.sync("/recipes-cache")
    cache = TreeCache(reader, "/recipes-cache")
    cache.start()
    eventually(lambda: cache.get_data("/recipes-cache/x/y") is not None)
    writer.set("/recipes-cache/x/y", b"deep")
    eventually(lambda: cache.get_data("/recipes-cache/x/y").data == b"deep")
    writer.create("/recipes-cache/z", b"new")
    eventually(lambda: (cache.get_children("/recipes-cache") or frozenset()) >= {"x", "z"})
    writer.delete("/recipes-cache/x/y")
    eventually(lambda: cache.get_data("/recipes-cache/x/y") is None)
    cache.close()


VICTIM = """
import sys, time
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1], timeout=4.0)
client.start()
client.create("/recipes-ephemeral", ephemeral=True)
print("made", flush=True)
time.sleep(60)
"""


def test_ephemerals_die_with_the_session_and_not_before(ensemble: Local, make: Callable[..., KazooClient]) -> None:
    """The nodes of a client that is killed stay for its timeout, and no longer than a tick or two more."""
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, ensemble.ensemble], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"made\n"
    witness = make()
    witness.sync("/")
    gone = threading.Event()
    assert witness.exists("/recipes-ephemeral", watch=lambda event: gone.set())
    victim.kill()
    victim.wait()
    victim.stdout.close()
    cut = time.monotonic()
    # its last ping may be a third of the timeout old
    assert not gone.wait(2.5), "gone before the session's timeout"
    assert gone.wait(8.0), "still there long after the session's timeout"
    assert 2.5 < time.monotonic() - cut < 9.0
