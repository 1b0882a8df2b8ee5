"""Data folders, transactions and trees that the tests of the store share."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1
from pathlib import Path
from random import Random
from struct import Struct

import trio

from coord.kit.disk import Disk
from coord.store.storage import Storage
from coord.store.txnlog import TxnLog
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, Id
from coord.wire.txns import Body, CreateSessionTxn, CreateTxn, DeleteTxn, SetDataTxn, TxnHeader, encode_txn
from tests.sim.disk import Faults, SimDisk

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
FOLDER = "/data/version-2"
DIGEST_ACL = (ACL(31, Id("digest", "user:" + b64encode(sha1(b"user:secret").digest()).decode())),)

_HEADER = Struct(">qiqqi")


def sim_disk(seed: int = 1, faults: Faults | None = None) -> SimDisk:
    """A simulated disk with the folder of a server on it."""
    disk = SimDisk(Random(seed), faults)
    disk.make_dirs(FOLDER)
    disk.sync_dir("/")
    disk.sync_dir("/data")
    return disk


async def synced(log: Storage | TxnLog) -> None:
    """Waits for a sync that begins now, and raises what it tells."""
    ended = trio.Event()
    results: list[OSError | None] = []

    def done(error: OSError | None) -> None:
        results.append(error)
        ended.set()

    log.start_sync(done)
    await ended.wait()
    if results[0] is not None:
        raise results[0]


def put_file(disk: Disk, path: str, content: bytes) -> None:
    """A file that is durable, with its name."""
    file = disk.open(path, create=True)
    file.truncate(0)
    file.append(content)
    file.sync_now()
    file.close()
    disk.sync_dir(path.rpartition("/")[0])


def opaque(zxid: int, payload: bytes = b"") -> tuple[int, bytes]:
    """A transaction that only the log can read: a header with the zxid, and bytes."""
    return zxid, _HEADER.pack(1, 2, zxid, 3, 4) + payload


def started(disk: Disk, after: int = 0) -> tuple[TxnLog, list[tuple[int, bytes]]]:
    """A log as a start finds it, and what it read."""
    log = TxnLog(disk, FOLDER)
    return log, list(log.replay(after))


class Author:
    """Writes the transactions of one imaginary leader, digests included, by applying them to a tree of its own."""

    def __init__(self, epoch: int = 1, *, extended_types: bool = False) -> None:
        self.tree = Tree(extended_types=extended_types)
        self.zxid = epoch << 32

    def write(self, kind: int, body: Body, session_id: int = 7) -> tuple[int, bytes]:
        self.zxid += 1
        header = TxnHeader(session_id, 1, self.zxid, 1_700_000_000_000 + self.zxid % 1000, kind)
        self.tree.apply(header, body, None, answer=False)
        return self.zxid, encode_txn(header, body, self.tree.digest)

    def session(self, session_id: int = 7, timeout_ms: int = 4000) -> tuple[int, bytes]:
        return self.write(OpCode.CREATE_SESSION, CreateSessionTxn(timeout_ms), session_id)

    def create(self, path: str, data: bytes | None = b"", *, private: bool = False, ephemeral: bool = False) -> tuple[int, bytes]:
        parent = self.tree.nodes[path.rpartition("/")[0]]
        acl = DIGEST_ACL if private else OPEN_ACL_UNSAFE
        return self.write(OpCode.CREATE, CreateTxn(path, data, acl, ephemeral, parent.cversion + 1))

    def set_data(self, path: str, data: bytes | None) -> tuple[int, bytes]:
        return self.write(OpCode.SET_DATA, SetDataTxn(path, data, self.tree.nodes[path].version + 1))

    def delete(self, path: str) -> tuple[int, bytes]:
        return self.write(OpCode.DELETE, DeleteTxn(path))

    def some(self, random: Random, count: int) -> list[tuple[int, bytes]]:
        """Transactions of every kind that a small busy tree sees."""
        batch = []
        for _ in range(count):
            paths = [path for path in self.tree.nodes if path.startswith("/n")]
            choice = random.random()
            if choice < 0.5 or not paths:
                parent = random.choice([*paths, ""]) if len(paths) < 50 else ""
                data = random.choice((None, b"", bytes(random.randrange(2000)), random.randbytes(random.randrange(300))))
                batch.append(self.create(f"{parent}/n{self.zxid & 0xFFFF}", data, private=random.random() < 0.2))
            elif choice < 0.8:
                batch.append(self.set_data(random.choice(paths), random.randbytes(random.randrange(50))))
            else:
                leaf = random.choice([path for path in paths if not self.tree.nodes[path].children])
                batch.append(self.delete(leaf))
        return batch


def state(tree: Tree) -> tuple[object, ...]:
    """Everything about a tree that a snapshot keeps."""
    nodes = {
        path: (node.data, node.acl, node.persisted(), set(node.children or ())) for path, node in tree.nodes.items()
    }
    return nodes, tree.sessions, tree.ephemerals, tree.last_zxid, tree.digest
