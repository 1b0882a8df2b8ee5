"""A data folder changes hands: what one server has written the other serves, every field of every node, and goes on with it.

Both ways, ours and Apache's, standalone: from the log alone (nothing but the first empty snapshot), and from snapshots in
the middle of the history with the log behind them, plain, gz and snappy.
"""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NoAuthError
from kazoo.security import ACL, Id, make_acl, make_digest_acl

from coord.kit.posix import PosixDisk
from coord.store.storage import Storage, StorageOptions
from coord.tree.tree import Tree
from coord.tree.znode import OwnerKind, kind_of_owner, ttl_of_owner
from tests.e2e.mixed import APACHE, OURS, Server, eventually, needs_apache, serving
from tests.e2e.raw import RawClient, text

pytestmark = [pytest.mark.apache, pytest.mark.slow]

WORLD = b"\0\0\0\1\0\0\0\x1f" + text("world") + text("anyone")
CREATE_CONTAINER, CREATE_TTL = 19, 21
CONTAINER, PERSISTENT_TTL = 4, 5
TTL_MS = 700
LEFT_ALONE_S = 3.0
"""The timeout of a session whose client never comes back."""
SNAP_COUNT = 60

Nodes = dict[str, tuple[bytes | None, tuple[int, ...], list[ACL]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    needs_apache()
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def client_of(server: Server, timeout: float = 20, client_id: tuple[int, bytes] | None = None) -> KazooClient:
    client = KazooClient(server.address, timeout=timeout, client_id=client_id, connection_retry={"max_tries": 0})
    client.start(15)
    client.add_auth("digest", "user:secret")
    return client


def abandon(*clients: KazooClient) -> None:
    """Without a closeSession, for the server is gone."""
    for client in clients:
        client.stop()
        client.close()


def seen_by(client: KazooClient, path: str = "/") -> Nodes:
    """Every node with its data, the eleven fields of its Stat, and its ACL."""
    data, stat = client.get(path)
    assert len(stat) == 11
    found: Nodes = {path: (data, tuple(stat), client.get_acls(path)[0])}
    for name in sorted(client.get_children(path)):
        found |= seen_by(client, f"{path.rstrip('/')}/{name}")
    return found


def make_special(server: Server, staying: KazooClient, leaving: KazooClient) -> None:
    """Everything that is more than a name with data."""
    staying.create("/data", b"\0\xff" * 500)
    staying.create("/nothing", None)
    staying.create("/nothing/\u00e9\u4e16\u754c", "\u00e9".encode())
    staying.create("/creator", b"", acl=[ACL(31, Id("auth", ""))])
    staying.create("/secret", b"s", acl=[make_digest_acl("user", "secret", all=True)])
    staying.create("/local", b"l", acl=[make_acl("ip", "127.0.0.0/8", all=True), make_acl("world", "anyone", read=True)])
    staying.create("/later", b"")
    for _ in range(3):
        staying.set_acls("/later", [make_digest_acl("user", "secret", all=True)])
    staying.create("/queue", b"")
    for _ in range(6):
        staying.create("/queue/n-", sequence=True)
    staying.delete("/queue/n-0000000004")
    staying.delete("/queue/n-0000000005")
    staying.create("/drained", b"")
    for _ in range(3):
        staying.delete(staying.create("/drained/", sequence=True))
    staying.create("/mine", b"m", ephemeral=True)
    staying.create("/queue/e-", b"m", ephemeral=True, sequence=True)
    leaving.create("/theirs", b"t", ephemeral=True)
    gone = client_of(server)
    gone.create("/closed", ephemeral=True)
    gone.stop()
    gone.close()
    with RawClient(server.port) as raw:
        for path in ("/box", "/box-unused"):
            body = text(path) + text("c") + WORLD + struct.pack(">i", CONTAINER)
            assert raw.ask(CREATE_CONTAINER, body)[0] == 0
        for path, ttl_ms in (("/ttl", TTL_MS), ("/ttl-long", 1 << 39)):
            body = text(path) + text("t") + WORLD + struct.pack(">iq", PERSISTENT_TTL, ttl_ms)
            assert raw.ask(CREATE_TTL, body)[0] == 0
    for path in ("/box/child", "/ttl/child"):
        staying.create(path, b"")


def make_history(client: KazooClient, random: Random, count: int) -> None:
    """Many small changes under way at once, so that snapshots are taken among them."""
    root = client.create("/busy-", sequence=True)
    paths, pending = [root], []
    for number in range(count):
        choice = random.random()
        if choice < 0.5:
            paths.append(f"{random.choice(paths[:4])}/{number}")
            pending.append(client.create_async(paths[-1], random.randbytes(random.randrange(100))))
        elif choice < 0.75:
            pending.append(client.set_async(random.choice(paths), random.randbytes(20)))
        elif choice < 0.9:
            pending.append(client.delete_async(random.choice(paths)))
        else:
            multi = client.transaction()
            multi.create(f"{root}/m{number}", b"1")
            multi.set_data(root, b"2")
            multi.check(root if choice < 0.95 else "/nowhere", -1)
            pending.append(multi.commit_async())
    for result in pending:
        try:
            result.get(10)
        except KazooException:
            pass  # a node that was deleted before


def snapshots(folder: Path) -> list[str]:
    return [path.name for path in (folder / "version-2").glob("snapshot.*") if path.name.split(".")[1] != "0"]


@pytest.mark.parametrize("way", ["log", "snapshot", "gz", "snappy"])
@pytest.mark.parametrize(("author", "heir"), [(OURS, APACHE), (APACHE, OURS)], ids=["ours to Apache's", "Apache's to ours"])
def test_a_folder_changes_hands(folder: Path, author: str, heir: str, way: str) -> None:
    """Equal node by node; counters, sessions, containers and TTL nodes go on as if nobody had noticed."""
    settings = [f"snapCount={1_000_000 if way == 'log' else SNAP_COUNT}"]
    if way in ("gz", "snappy"):
        settings.append(f"snapshot.compression.method={way}")
    with serving(author, folder, *settings, last=SIGKILL if way == "log" else SIGTERM) as server:
        staying, leaving = client_of(server), client_of(server, LEFT_ALONE_S)
        make_history(staying, Random(1), 100)
        make_special(server, staying, leaving)
        make_history(staying, Random(2), 200)
        expected, client_id = seen_by(staying), staying.client_id
    abandon(staying, leaving)
    if way == "log":
        assert not snapshots(folder)
    else:
        assert [name for name in snapshots(folder) if name.count(".") == 1 + (way != "snapshot")]
    check_kinds(folder)
    began = time.monotonic()
    with serving(heir, folder, "znode.container.checkIntervalMs=200") as server:
        client = client_of(server, client_id=client_id)
        assert client.client_id == client_id, "the session lives, and its password is good"
        assert_same(expected, seen_by(client))
        assert float(server.words("mntr")["zk_digest_mismatches_count"]) == 0
        goes_on(server, client)
        eventually(lambda: client.exists("/theirs") is None, LEFT_ALONE_S + 5, server.log)
        assert time.monotonic() - began > LEFT_ALONE_S, "the session had its timeout anew"
        assert client.exists("/mine") is not None
        client.stop()
        client.close()
        witness = client_of(server)
        eventually(lambda: witness.exists("/mine") is None, 5)
        assert not [name for name in witness.get_children("/queue") if name.startswith("e-")]
        assert float(server.words("mntr")["zk_digest_mismatches_count"]) == 0
    abandon(witness)


def assert_same(expected: Nodes, found: Nodes) -> None:
    assert set(found) == set(expected)
    for path, node in expected.items():
        assert (path, *found[path]) == (path, *node)


def goes_on(server: Server, client: KazooClient) -> None:
    """The first changes under the new server."""
    stranger = KazooClient(server.address, timeout=10)
    stranger.start(15)
    for path in ("/secret", "/creator", "/later"):
        with pytest.raises(NoAuthError):
            stranger.get(path)
    assert stranger.get("/local")[0] == b"l"
    stranger.stop()
    stranger.close()
    assert client.create("/queue/n-", sequence=True) == "/queue/n-0000000007", "six were made, and an ephemeral one"
    assert client.create("/drained/", sequence=True) == "/drained/0000000003"
    assert client.set("/mine", b"again").ephemeralOwner == client.client_id[0]
    time.sleep(0.5)
    assert {"box", "ttl"} <= set(client.get_children("/")), "what has children stays"
    for path in ("/box/child", "/ttl/child"):
        client.delete(path)
    eventually(lambda: not {"box", "ttl"} & set(client.get_children("/")), 10, server.log)
    assert {"box-unused", "ttl-long"} <= set(client.get_children("/"))


def check_kinds(folder: Path) -> None:
    """What no reply shows: containers and TTL nodes are still such, by the bits of their owner field."""
    copy = shutil.copytree(folder, folder.parent / "copy")  # for whoever opens a folder also writes to it
    tree = loaded(copy)
    kinds = {path: kind_of_owner(node.owner, True) for path, node in tree.nodes.items()}
    assert {path for path, kind in kinds.items() if kind is OwnerKind.CONTAINER} == {"/box", "/box-unused"}
    assert {path for path, kind in kinds.items() if kind is OwnerKind.TTL} == {"/ttl", "/ttl-long"}
    assert (ttl_of_owner(tree.nodes["/ttl"].owner), ttl_of_owner(tree.nodes["/ttl-long"].owner)) == (TTL_MS, 1 << 39)
    ephemerals = sorted(path for path, kind in kinds.items() if kind is OwnerKind.EPHEMERAL)
    assert ephemerals == ["/mine", "/queue/e-0000000006", "/theirs"]


def loaded(folder: Path) -> Tree:
    storage = Storage(PosixDisk(), str(folder), None, Random(1), StorageOptions(extended_types=True))
    storage.close()
    return storage.tree
