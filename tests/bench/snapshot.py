"""A million znodes: the memory that they take, the start on their snapshot, and what clients notice while one is written."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from coord.kit.posix import PosixDisk
from coord.store.snapshot import write_snapshot_now
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.data import OPEN_ACL_UNSAFE
from coord.wire.txns import CreateTxn, TxnHeader
from tests.e2e.cluster import until, word
from tests.e2e.local import free_ports
from tests.e2e.raw import RawClient, text

FOLDERS, NODES_EACH, DATA = 1000, 999, b"x" * 100
PING_S = 0.001
SNAPSHOTS = 2
READ, WRITE = OpCode.EXISTS, OpCode.SET_DATA


def million() -> list[str]:
    """Lines with the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_snapshot(folder / "data" / "version-2")
        return _serve(folder)


def _write_snapshot(folder: Path) -> None:
    folder.mkdir(parents=True)
    tree = Tree()
    for zxid, (path, data) in enumerate(_nodes(), 1):
        tree.apply(TxnHeader(1, zxid, zxid, 1_700_000_000_000, OpCode.CREATE), CreateTxn(path, data, OPEN_ACL_UNSAFE, False, -1))
    write_snapshot_now(PosixDisk(), str(folder), tree.freeze())


def _nodes() -> list[tuple[str, bytes]]:
    nodes = []
    for folder in range(FOLDERS):
        nodes.append((f"/f{folder}", b""))
        nodes += [(f"/f{folder}/n{node}", DATA) for node in range(NODES_EACH)]
    return nodes


def _serve(folder: Path) -> list[str]:
    port, log = free_ports(1), folder / "log"
    lines = [f"dataDir={folder}/data", f"clientPort={port}", "clientPortAddress=127.0.0.1", "snapCount=5000", "tickTime=3000"]
    (folder / "zoo.cfg").write_text("\n".join(lines) + "\n")
    began = time.monotonic()
    with open(log, "wb") as output:
        server = subprocess.Popen([sys.executable, "-m", "coord", "server", str(folder / "zoo.cfg")], stderr=output)
    try:
        until(lambda: word(port, "srvr"), "it serves", 120)
        started = time.monotonic() - began
        resident = psutil.Process(server.pid).memory_info().rss
        pings = _pinged(port, log)
    finally:
        server.kill()
        server.wait()
    count = FOLDERS * (NODES_EACH + 1)
    pings.sort()
    return [
        f"start on a snapshot of {count:,} znodes            {started:.1f} s, {resident / 1e6:.0f} MB, {resident / count:.0f} bytes a znode",
        f"{len(pings)} pings while {SNAPSHOTS} are written           median {pings[len(pings) // 2] * 1e3:.2f} ms  "
        f"99% {pings[len(pings) * 99 // 100] * 1e3:.1f} ms  worst {pings[-1] * 1e3:.1f} ms",
    ]


def _pinged(port: int, log: Path) -> list[float]:
    """Seconds of each reply while a writer makes snapshots due."""
    stop = multiprocessing.Event()
    replies: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    helpers = [
        multiprocessing.Process(target=_ping, args=(port, stop, replies)),
        multiprocessing.Process(target=_write, args=(port, stop)),
    ]
    for helper in helpers:
        helper.start()
    try:
        until(lambda: log.read_text().count("wrote snapshot") >= SNAPSHOTS, "the snapshots", 180)
    finally:
        stop.set()
    seconds = replies.get(timeout=20)
    for helper in helpers:
        helper.join(20)
    return seconds


def _ping(port: int, stop: multiprocessing.synchronize.Event, replies: multiprocessing.Queue[list[float]]) -> None:
    seconds = []
    with RawClient(port, timeout_ms=60_000) as client:
        while not stop.is_set():
            began = time.monotonic()
            client.ask(READ, text("/f1") + b"\0")
            seconds.append(time.monotonic() - began)
            time.sleep(max(0.0, PING_S - seconds[-1]))
    replies.put(seconds)


def _write(port: int, stop: multiprocessing.synchronize.Event) -> None:
    number = 0
    with RawClient(port, timeout_ms=60_000) as client:
        while not stop.is_set():
            number += 1
            client.ask(WRITE, text(f"/f{number % FOLDERS}/n{number % NODES_EACH}") + struct.pack(">i8si", 8, b"12345678", -1))
