"""What may happen to three servers: processes that die or stop, networks that are cut, disks that are slow, broken or old.

Writers go on all the while and remember what was acknowledged. Afterwards every server that lives holds all of it, the
digests agree, one leads; and no server ever acknowledged a write after one of a later epoch had been acknowledged.
"""

from __future__ import annotations

import bisect
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Server, ensemble, until, watched
from tests.e2e.netns import Networks, networks
from tests.e2e.raw import RawClient, text
from tests.e2e.writer import Acknowledged, Writer

TICK_MS = 200
SETTINGS = ["snapCount=2000"]
SYNC_LIMIT_S = 5 * TICK_MS / 1000
GET_CHILDREN, SYNC = 8, 9


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ensemble(tmp_path_factory.mktemp("faults"), settings=SETTINGS, tick_ms=TICK_MS) as cluster:
        yield cluster


class Load:
    """Writers at work: one on the whole ensemble for each server, each with another one first."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        places = [(server.host, server.port) for server in cluster.servers]
        self.cluster = cluster
        self.writers = [Writer(places[n:] + places[:n], f"/{name}{n}", patience_s=1.0) for n in range(len(places))]
        for writer in self.writers:
            writer.start()

    def goes_on(self, more: int = 20) -> None:
        """Every writer gets so many more acknowledgements."""
        for writer in self.writers:
            writer.waits_for(more)

    def survived(self) -> None:
        """Ends it, and compares what was acknowledged with what is there."""
        acknowledged = [writer.finish() for writer in self.writers]
        never_two_leaders([each for one in acknowledged for each in one])
        self.cluster.agrees()
        running = [server for server in self.cluster.servers if server.running]
        assert sorted(server.mode() for server in running) == sorted(["leader"] + ["follower"] * (len(running) - 1))
        for server in running:
            for writer, paths in zip(self.writers, acknowledged, strict=True):
                there = children(server, writer.root)
                missing = [each.path for each in paths if each.path != writer.root and each.path.rpartition("/")[2] not in there]
                assert not missing, f"server {server.sid} lacks {len(missing)} acknowledged writes, for example {missing[:3]}"


@contextmanager
def load(cluster: Cluster, name: str) -> Iterator[Load]:
    under = Load(cluster, name)
    try:
        under.goes_on()
        yield under
        under.survived()
    finally:
        for writer in under.writers:
            writer.finish()


def never_two_leaders(acknowledged: Sequence[Acknowledged]) -> None:
    """What was sent after an acknowledgement had come is not acknowledged in an earlier epoch."""
    ordered = sorted(acknowledged, key=lambda each: each.at)
    times = [each.at for each in ordered]
    newest = list(accumulate((each.epoch for each in ordered), max))
    for each in ordered:
        before = bisect.bisect_left(times, each.sent)
        assert not before or newest[before - 1] <= each.epoch, f"{each} in an epoch that was over"


def children(server: Server, path: str) -> set[str]:
    """The names below `path` as this one server has them."""
    with RawClient(server.port, host=server.host) as client:
        assert client.ask(SYNC, text(path))[0] == 0
        error, record = client.ask(GET_CHILDREN, text(path) + b"\0")
        assert error == 0
    names, at = set(), 4
    for _ in range(int.from_bytes(record[:4], "big")):
        size = int.from_bytes(record[at : at + 4], "big")
        names.add(record[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return names


def follower_of(cluster: Cluster) -> Server:
    leader = cluster.leader()
    return next(server for server in cluster.servers if server is not leader)


def comes_back(cluster: Cluster, server: Server) -> None:
    server.start()
    server.serves()
    until(cluster.followers, "it follows")


# ---- processes -------------------------------------------------------------------------------------------------------


def test_the_leader_is_killed(three: Cluster) -> None:
    """Twice in a row; each comes back."""
    with load(three, "killed") as under:
        for _ in range(2):
            leader = three.leader()
            leader.kill()
            under.goes_on()
            comes_back(three, leader)


def test_a_planned_stop_of_the_leader_is_hardly_noticed(three: Cluster) -> None:
    """It hands over: less than 200 ms without an acknowledgement, whichever server a client hangs on."""
    gaps = []
    with load(three, "stopped") as under:
        for _ in range(3):
            leader = three.leader()
            began = time.monotonic()
            leader.stop()
            under.goes_on()
            gaps.append(max(writer.gap(began) for writer in under.writers))
            comes_back(three, leader)
    print(f"planned stops: {', '.join(f'{gap * 1000:.0f}' for gap in sorted(gaps))} ms")
    assert statistics.median(gaps) < 0.2
    assert all(writer.sessions == 1 for writer in under.writers), "a session was lost"


def test_the_leader_is_stopped_for_longer_than_sync_limit(three: Cluster) -> None:
    """The others elect another. The old leader has acknowledged nothing when it wakes, steps down and follows."""
    with load(three, "slept") as under:
        old = three.leader()
        pinned = Writer([(old.host, old.port)], "/pinned", patience_s=10.0)
        pinned.start()
        pinned.waits_for(20)
        old.pause()
        asleep = time.monotonic()
        under.goes_on()
        assert next(each for each in reversed(under.writers[0].acknowledged)).at > asleep
        time.sleep(max(0.0, asleep + 1.5 * SYNC_LIMIT_S - time.monotonic()))
        others = [server for server in three.servers if server is not old]
        assert [server.mode() for server in others].count("leader") == 1
        old.resume()
        until(lambda: old.mode() == "follower", "the old leader follows")
        pinned.waits_for(20)
        never_two_leaders([*pinned.finish(), *(each for writer in under.writers for each in writer.acknowledged)])


def test_a_follower_is_stopped_for_longer_than_sync_limit(three: Cluster) -> None:
    """The leader goes on with the other one and lets this one go; it joins again when it wakes."""
    with load(three, "nodded") as under:
        leader, follower = three.leader(), follower_of(three)
        follower.pause()
        time.sleep(1.5 * SYNC_LIMIT_S)
        under.goes_on()
        follower.resume()
        until(lambda: follower.mode() == "follower", "it follows again")
        assert three.leader() is leader


# ---- disks -----------------------------------------------------------------------------------------------------------


@contextmanager
def tampered(server: Server, how: str, folder: Path) -> Iterator[None]:
    """Every sync of the process fares as strace's `inject` says."""
    if shutil.which("strace") is None:
        pytest.skip("syncs are tampered with by strace: apt-get install strace")
    assert server.process is not None
    command = ["strace", "-f", "-o", str(folder / "strace"), "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{how}"]
    tracer = subprocess.Popen([*command, "-p", str(server.process.pid)], stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    assert b"attached" in tracer.stderr.readline()
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)


def test_a_slow_disk(three: Cluster, tmp_path: Path) -> None:
    """Of a follower: nobody waits for it, and it is not left behind. Of the leader: nobody waits for that either."""
    with load(three, "slow") as under:
        for server in (follower_of(three), three.leader()):
            with tampered(server, "delay_enter=300000", tmp_path):
                began = time.monotonic()
                others = [writer for writer in under.writers if writer.addresses[0][1] != server.port]
                others[0].waits_for(30)
                assert time.monotonic() - began < 30 * 0.15, "the others wait for the slow disk"


def test_a_leader_whose_disk_fails_ends(three: Cluster, tmp_path: Path) -> None:
    """With a message that names the file, and not with 0; what it acknowledged, the others have."""
    with load(three, "broken") as under:
        leader = three.leader()
        with tampered(leader, "error=EIO", tmp_path):
            until(lambda: not leader.running, "it ends")
        assert leader.process is not None
        assert leader.process.returncode != 0
        last = leader.last_words(2)
        assert "Input/output error" in last
        assert str(leader.data / "version-2" / "log.") in last
        assert "Traceback" not in leader.log.read_text()
        under.goes_on()
        comes_back(three, leader)


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_a_server_comes_back_with_an_empty_folder_and_with_an_old_one(three: Cluster, tmp_path: Path) -> None:
    """Either way it takes over the leader's state."""
    with load(three, "old") as under:
        server = follower_of(three)
        server.stop()
        shutil.copytree(server.data, tmp_path / "old")
        shutil.rmtree(server.data / "version-2")
        comes_back(three, server)
        under.goes_on(200)
        server.kill()
        shutil.rmtree(server.data)
        shutil.copytree(tmp_path / "old", server.data)
        comes_back(three, server)


def damage(path: Path, offset: int) -> None:
    """Changes 40 bytes."""
    with open(path, "r+b") as file:
        file.seek(offset)
        before = file.read(40)
        file.seek(offset)
        file.write(bytes(byte ^ 0xFF for byte in before))


def newest(folder: Path, kind: str) -> Path:
    return max(folder.glob(f"{kind}.*"), key=lambda path: int(path.name.split(".")[1], 16))


def refuses_to_start(server: Server) -> str:
    """Its last words."""
    server.start()
    assert server.process is not None
    assert server.process.wait(20) != 0
    return server.last_words(1)


def test_a_server_with_a_damaged_log_says_where(three: Cluster) -> None:
    """It does not start, for it might have lost what it promised. Without its version-2 it takes over the leader's state."""
    with load(three, "logged") as under:
        under.goes_on(100)
        server = follower_of(three)
        server.kill()
        log = newest(server.data / "version-2", "log")
        damage(log, 1000)
        last = refuses_to_start(server)
        assert f"{log} is damaged at offset " in last
        assert 0 < int(last.partition("at offset ")[2].split(":")[0]) <= 1000
        shutil.rmtree(server.data / "version-2")
        comes_back(three, server)


def test_a_server_with_a_damaged_snapshot_says_where(three: Cluster) -> None:
    """It starts from an older one where the log leads beyond it, and does not start where none is left."""
    with load(three, "snapped") as under:
        server = follower_of(three)
        folder = server.data / "version-2"
        until(lambda: len(list(folder.glob("snapshot.*"))) > 1, "a second snapshot", 30)
        server.kill()
        broken = newest(folder, "snapshot")
        damage(broken, broken.stat().st_size // 2)
        comes_back(three, server)
        assert f"{broken} is damaged at offset " in server.log.read_text()
        server.kill()
        for snapshot in folder.glob("snapshot.*"):
            damage(snapshot, max(0, snapshot.stat().st_size // 2 - 40))
        last = refuses_to_start(server)
        assert str(folder) in last
        shutil.rmtree(folder)
        comes_back(three, server)
        under.goes_on()


# ---- networks --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Networks]]:
    """Three servers in three network namespaces, and the namespaces."""
    with networks(3) as made:
        cluster = Cluster(tmp_path_factory.mktemp("apart"), 3, SETTINGS, tick_ms=TICK_MS, addresses=made.addresses)
        for server in cluster.servers:
            server.prefix = made.prefix(server.sid)
        with watched(cluster):
            yield cluster, made


CUTS = {
    "the leader, both ways": lambda leader, others: [pair for other in others for pair in ((leader, other), (other, leader))],
    "what the leader says": lambda leader, others: [(leader, other) for other in others],
    "what the leader hears": lambda leader, others: [(other, leader) for other in others],
    "the leader from one follower, both ways": lambda leader, others: [(leader, others[0]), (others[0], leader)],
    "what the leader says to one follower": lambda leader, others: [(leader, others[0])],
    "what one follower says": lambda leader, others: [(others[0], leader), (others[0], others[1])],
}


@pytest.mark.parametrize("kind", CUTS)
def test_a_cut_network(apart: tuple[Cluster, Networks], kind: str) -> None:
    """A majority that can talk goes on; once repaired, everybody is back. Clients reach every server all the while."""
    cluster, made = apart
    with load(cluster, kind.replace(" ", "-").replace(",", "")) as under:
        leader = cluster.leader().sid
        others = [server.sid for server in cluster.servers if server.sid != leader]
        for source, target in CUTS[kind](leader, others):
            made.cut(source, target)
        time.sleep(1.5 * SYNC_LIMIT_S)
        under.goes_on()
        made.repair()
        until(lambda: all(server.mode() for server in cluster.servers), "all serve again")
