"""A data folder goes from our server to Apache's and back: the other side reads what the one has written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from coord.kit.posix import PosixDisk
from coord.store.storage import Storage, StorageOptions
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.txns import CreateContainerTxn, CreateTTLTxn
from tests.coord.store.samples import Author, synced
from tests.e2e.local import free_ports
from tests.e2e.mixed import APACHE, Server, needs_apache

pytestmark = pytest.mark.apache

Nodes = dict[str, tuple[bytes | None, Any]]


@contextmanager
def apache(folder: Path, *settings: str) -> Iterator[tuple[Server, KazooClient]]:
    """A standalone Apache server on `folder`, killed at the end, and a client of it."""
    needs_apache()
    port = free_ports(1)
    server = Server(folder, 1, port)
    lines = [
        "tickTime=500", f"dataDir={folder}", f"clientPort={port}", "clientPortAddress=127.0.0.1", "admin.enableServer=false",
        "4lw.commands.whitelist=*", "extendedTypesEnabled=true", *settings,
    ]  # fmt: skip
    server.config.write_text("\n".join(lines) + "\n")
    server.start(APACHE)
    client = KazooClient(server.address, timeout=20, connection_retry={"max_tries": 0})
    try:
        deadline = time.monotonic() + 90
        while server.mode != "standalone":
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.05)
        client.start(timeout=60)
        client.add_auth("digest", "user:secret")
        yield server, client
    finally:
        server.stop(9)  # before the client could close its session
        client.stop()
        client.close()


def opened(folder: Path, compression: str = "") -> Storage:
    return Storage(PosixDisk(), str(folder), None, Random(1), StorageOptions(extended_types=True, compression=compression))


def seen_by(client: KazooClient, path: str = "/") -> Nodes:
    """The same, read node by node over the wire."""
    data, stat = client.get(path)
    found: Nodes = {path: (data, stat)}
    for name in client.get_children(path):
        found |= seen_by(client, f"{path.rstrip('/')}/{name}")
    return found


def assert_same(tree: Tree, client: KazooClient) -> None:
    """Every node that either side has, with its data, its times, its versions and its ACL."""
    found = seen_by(client)
    assert set(found) == {path or "/" for path in tree.nodes}
    for path, (data, stat) in found.items():
        node = tree.nodes[path]
        if path != "/zookeeper/config":  # written by each server for itself
            assert (path, data) == (path, node.data)
        ours = (node.czxid, node.mzxid, node.ctime, node.mtime, node.version, node.aversion, node.pzxid)
        theirs = (stat.czxid, stat.mzxid, stat.ctime, stat.mtime, stat.version, stat.aversion, stat.pzxid)
        assert (path, ours) == (path, theirs)
        assert stat.ephemeralOwner == node.shown_owner
        assert stat.cversion == node.cversion * 2 - node.count()
        acls, _ = client.get_acls(path)
        assert [(acl.perms, acl.id.scheme) for acl in acls] == [(acl.perms, acl.id.scheme) for acl in node.acl]


def test_apache_serves_what_we_wrote(tmp_path: Path) -> None:
    """Snapshots and logs of ours, a torn end included; no digest differs, and it goes on from our last zxid."""
    needs_apache()
    author = Author(extended_types=True)
    storage = opened(tmp_path)

    async def write() -> None:
        storage.append([author.session(0x1_0000_0000_0001, 600_000), author.create("/plain", None)])
        storage.append([
            author.write(OpCode.CREATE_CONTAINER, CreateContainerTxn("/box", b"", OPEN_ACL_UNSAFE, 2)),
            author.write(OpCode.CREATE_TTL, CreateTTLTxn("/ttl", b"t", OPEN_ACL_UNSAFE, 3, 1 << 30)),
            author.create("/hidden", b"secret", private=True),
        ])
        storage.append(author.some(Random(1), 50))
        await synced(storage)
        await storage.snapshot(author.tree.freeze())
        storage.append(author.some(Random(2), 50))
        storage.log.roll()
        storage.append(author.some(Random(3), 50))
        await synced(storage)

    trio.run(write)
    newest = max((tmp_path / "version-2").glob("log.*"), key=lambda path: int(path.suffix[1:], 16))
    assert newest.stat().st_size == 1 << 20  # neither closed nor trimmed: as after kill -9
    with apache(tmp_path) as (server, client):
        assert_same(author.tree, client)
        assert float(server.words("mntr")["zk_digest_mismatches_count"]) == 0
        client.create("/from-apache", b"hello")
        assert client.exists("/from-apache").czxid > author.zxid
    again = opened(tmp_path)
    assert again.tree.nodes["/from-apache"].data == b"hello"
    assert again.tree.digest_mismatches == 0


@pytest.mark.parametrize("compression", ["gz", "snappy"])
def test_apache_serves_what_we_compressed(tmp_path: Path, compression: str) -> None:
    """Whatever its own setting is: it goes by the name. There is no log to help it."""
    needs_apache()
    author = Author(extended_types=True)
    storage = opened(tmp_path, compression)

    async def write() -> None:
        storage.append(author.some(Random(1), 300))
        await synced(storage)
        await storage.snapshot(author.tree.freeze())

    trio.run(write)
    storage.close()
    version = tmp_path / "version-2"
    assert [path.name for path in version.glob(f"snapshot.{author.zxid:x}*")] == [f"snapshot.{author.zxid:x}.{compression}"]
    for path in (version / f"snapshot.0.{compression}", *version.glob("log.*")):
        path.unlink()
    with apache(tmp_path) as (server, client):
        assert_same(author.tree, client)
        assert float(server.words("mntr")["zk_digest_mismatches_count"]) == 0


@pytest.mark.parametrize("compression", ["", "gz", "snappy"])
def test_we_serve_what_apache_wrote(tmp_path: Path, compression: str) -> None:
    """Its fuzzy snapshots, its preallocated logs, whatever kill -9 left; then it reads again what we made of it."""
    settings = ["snapCount=60"] + ([f"snapshot.compression.method={compression}"] if compression else [])
    with apache(tmp_path, *settings) as (_, client):
        _make_history(client, Random(5), 300)
        expected = seen_by(client)
    storage = opened(tmp_path)
    assert storage.tree.digest_mismatches == 0
    if compression:
        assert list((tmp_path / "version-2").glob(f"snapshot.*.{compression}"))
    for path, (data, stat) in expected.items():
        node = storage.tree.nodes[path]
        if path != "/zookeeper/config":
            assert (path, node.data, node.mzxid, node.version) == (path, data, stat.mzxid, stat.version)
    author = Author()
    author.tree, author.zxid = storage.tree, storage.last_zxid

    async def write() -> None:
        storage.append([author.create("/from-us", b"hello")])
        await synced(storage)
        await storage.snapshot(author.tree.freeze())
        storage.append([author.set_data("/from-us", b"again")])
        await synced(storage)

    trio.run(write)
    with apache(tmp_path) as (server, client):
        assert_same(author.tree, client)
        assert float(server.words("mntr")["zk_digest_mismatches_count"]) == 0


def _make_history(client: KazooClient, random: Random, count: int) -> None:
    """Operations of every kind; many under way at once, so that snapshots are taken in the middle."""
    paths = ["/top"]
    client.create("/top", None)
    pending = []
    for number in range(count):
        choice = random.random()
        path = random.choice(paths)
        if choice < 0.5:
            child = f"{random.choice(paths[:5])}/n{number}"
            acl = [make_digest_acl("user", "secret", all=True)] if choice < 0.1 else None
            pending.append(client.create_async(child, random.randbytes(random.randrange(200)), acl=acl))
            paths.append(child)
        elif choice < 0.7:
            pending.append(client.set_async(path, random.randbytes(50)))
        elif choice < 0.8:
            pending.append(client.delete_async(f"/top/n{random.randrange(count)}"))
        elif choice < 0.9:
            pending.append(client.create_async("/top/e-", b"", ephemeral=True, sequence=True))
        else:
            transaction = client.transaction()
            transaction.create(f"/m{number}", b"1")
            transaction.set_data("/top", b"2")
            transaction.check("/top" if choice < 0.97 else "/nowhere", -1)
            pending.append(transaction.commit_async())
    for result in pending:
        result.wait(60)
