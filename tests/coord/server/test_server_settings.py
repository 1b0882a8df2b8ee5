"""Settings of Apache's that change what a server does, each seen to do so."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import trio

from coord.kit.cliutil import StartError
from coord.kit.system import system_host
from coord.kit.tcp import TcpNetwork, open_network
from coord.server.config import read_config
from coord.server.node import run
from coord.store.storage import Storage, StorageOptions
from coord.wire.txns import decode_txn
from coord.zab.application import Role
from tests.coord.server.harness import Rig, create, on_trio
from tests.coord.server.replicas import free_ports
from tests.coord.store.samples import Author, sim_disk, synced

QUOTA_EXCEEDED = -125


@on_trio
def test_a_leader_that_serves_no_clients() -> None:
    """leaderServes=no: closed, so that the client tries another server; a follower serves."""
    for role, serves in ((Role.LEADING, False), (Role.FOLLOWING, True), (Role.STANDALONE, True)):
        rig = Rig(role, leader_serves=False)
        client = rig.connect()
        client.hello()
        assert client.transport.closed is not serves, role
    assert not Rig(Role.LEADING).client().transport.closed


@on_trio
@pytest.mark.parametrize("enabled", [True, False])
def test_digests_in_transactions(enabled: bool) -> None:
    """digest.enabled=false: transactions without the tree's digest, for servers that must not carry it."""
    rig = Rig(digests=enabled)
    client = rig.client()
    client.ask(1, *create("/a"))
    rig.turn()
    ((_, data),) = rig.replication.proposed
    assert (decode_txn(data)[2] is not None) is enabled
    rig.settle()
    assert [err for _, _, err, _ in client.replies()] == [0]


@on_trio
@pytest.mark.parametrize("enforced", [True, False])
def test_hard_limits(enforced: bool) -> None:
    """enforceQuota=true: a hard limit refuses; otherwise it is only noted."""
    rig = Rig(enforce_quota=enforced)
    client = rig.client()
    limits = b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2"
    paths = ("/a", "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_stats")
    for xid, path in enumerate(paths):
        client.ask(xid, *create(path, b"count=0,bytes=0"))
    client.ask(5, *create("/zookeeper/quota/a/zookeeper_limits", limits))
    rig.settle()
    assert {err for _, _, err, _ in client.replies()} == {0}
    client.ask(6, *create("/a/b"))
    rig.settle()
    client.ask(7, *create("/a/c"))
    rig.settle()
    assert [err for _, _, err, _ in client.replies()] == [0, QUOTA_EXCEEDED if enforced else 0]


@pytest.mark.parametrize("forced", [True, False])
def test_writes_that_are_not_forced_to_disk(forced: bool) -> None:
    """forceSync=no: a power loss takes what was acknowledged. With it, nothing."""
    kept = set()
    for seed in range(20):
        disk, author = sim_disk(seed), Author()
        storage = Storage(disk, "/data", None, Random(1), StorageOptions(force_sync=forced))
        storage.append([author.session(), author.create("/a")])
        trio.run(synced, storage)
        kept.add(Storage(disk.crash(), "/data", None, Random(1)).last_zxid)
    assert kept == {author.zxid} if forced else 0 in kept


def on_network(test: Callable[[TcpNetwork, trio.Nursery], Awaitable[None]]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery, open_network() as network:
            await test(network, nursery)
            nursery.cancel_scope.cancel()

    trio.run(main)


def written(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "zoo.cfg"
    path.write_text("\n".join(["clientPort=0", "clientPortAddress=127.0.0.1", f"dataDir={tmp_path}/data", *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize("everywhere", [True, False])
def test_ports_of_peers_on_all_addresses(tmp_path: Path, everywhere: bool) -> None:
    """quorumListenOnAllIPs=true: not only at the address of the server's own line."""
    quorum, election = free_ports(2)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("1\n")
    lines = ("standaloneEnabled=false", f"quorumListenOnAllIPs={str(everywhere).lower()}", f"server.1=127.0.0.1:{quorum}:{election}")

    async def test(network: TcpNetwork, nursery: trio.Nursery) -> None:
        host = system_host(network)
        await nursery.start(run, host, read_config(host.disk, written(tmp_path, *lines)))
        for address, open_there in (("127.0.0.1", True), ("127.0.0.2", everywhere)):
            with socket.socket() as probe:
                assert (probe.connect_ex((address, election)) == 0) is open_there

    on_network(test)


def test_a_server_that_may_lose_writes_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, at the start, with what is left out of the file beside it."""

    async def test(network: TcpNetwork, nursery: trio.Nursery) -> None:
        host = system_host(network)
        await nursery.start(run, host, read_config(host.disk, written(tmp_path, "forceSync=no", "admin.serverPort=8080")))

    on_network(test)
    assert "ACKNOWLEDGED WRITES ARE LOST" in caplog.text
    assert "not served here: the admin server (admin.serverPort)" in caplog.text


def test_folders_that_may_not_be_made(tmp_path: Path) -> None:
    """datadir.autocreate=false: a folder that is not mounted is an error, not an empty tree."""

    async def test(network: TcpNetwork, nursery: trio.Nursery) -> None:
        host = system_host(network)
        with pytest.raises(StartError, match=r"dataDir: .*/data/version-2 does not exist, and datadir.autocreate=false"):
            await run(host, read_config(host.disk, written(tmp_path, "datadir.autocreate=false")))

    on_network(test)
