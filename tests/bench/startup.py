"""How long starting takes, how much memory the processes hold, and how long a killed leader is missed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from tests.bench.common import launcher, summary
from tests.e2e.local import free_ports, local


def six_processes(rounds: int) -> list[str]:
    """`quorate up` to its own "ready", and each process's resident memory at rest."""
    seconds, coord_mb, broker_mb = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "data") as cluster:
            seconds.append(cluster.ready_s)
            time.sleep(2)
            for kind, found in (("coord", coord_mb), ("broker", broker_mb)):
                found += [psutil.Process(cluster.pid(f"{kind}-{n}")).memory_info().rss / 1e6 for n in (1, 2, 3)]
    return [
        summary("quorate up, six processes, to ready", seconds, "s"),
        summary("resident, a coordination server at rest", coord_mb, "MB"),
        summary("resident, a broker at rest", broker_mb, "MB"),
    ]


def single_server(rounds: int) -> list[str]:
    """One coordination server from its start to its first reply, and its memory then."""
    seconds, resident = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            port = free_ports(3)
            config = Path(folder) / "zoo.cfg"
            config.write_text(f"dataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\n4lw.commands.whitelist=*\n")
            Path(folder, "data").mkdir()
            began = time.monotonic()
            server = subprocess.Popen([sys.executable, "-m", "coord", "server", str(config)], stderr=subprocess.DEVNULL)
            while not _answers(port):
                assert server.poll() is None and time.monotonic() - began < 20, "the server did not start"
                time.sleep(0.002)
            seconds.append(time.monotonic() - began)
            resident.append(psutil.Process(server.pid).memory_info().rss / 1e6)
            server.terminate()
            server.wait(10)
    return [
        summary("one coordination server, to its first reply", seconds, "s"),
        summary("resident, one coordination server", resident, "MB"),
    ]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"srvr")
        return b"Mode" in connection.recv(4096)
    return False


def failover(rounds: int) -> list[str]:
    """kill -9 of the leader under a writer: until its first new write is accepted, ours and Apache's."""
    ours, theirs = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "data", brokers=0, options=("--no-restart",)) as cluster:
            ours.append(_missed(cluster.ensemble, lambda c=cluster: c.kill(c.leader())))
        with tempfile.TemporaryDirectory() as folder:
            hosts = launcher("apache-zookeeper", "start", f"{folder}/zk", "3", str(free_ports(400)))
            ours_of = {port: Path(folder, "zk", str(n), "pid") for n, port in enumerate(hosts.split(","), 1)}
            theirs.append(_missed(hosts, lambda found=ours_of: _kill_leader(found)))
            launcher("apache-zookeeper", "stop", f"{folder}/zk")
    return [summary("leader killed, ours", ours, "s"), summary("leader killed, Apache ZooKeeper", theirs, "s")]


def _kill_leader(pids: dict[str, Path]) -> None:
    for address, pid in pids.items():
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=2) as connection:
            connection.sendall(b"srvr")
            text = b""
            while chunk := connection.recv(4096):
                text += chunk
        if b"Mode: leader" in text:
            os.kill(int(pid.read_text()), signal.SIGKILL)
            return


def _missed(hosts: str, kill: object) -> float:
    """Writers on every server; the seconds from the kill to the first write that was begun after it and accepted."""
    clients = []
    for host in hosts.split(","):
        client = KazooClient(hosts=host, timeout=10)
        client.start(15)
        clients.append(client)
    clients[0].ensure_path("/missed")
    time.sleep(0.5)
    kill()  # type: ignore[operator]
    began = time.monotonic()
    while True:
        for client in clients:
            with contextlib.suppress(KazooException, KazooTimeoutError):
                client.set_async("/missed", b"x").get(timeout=0.05)
                took = time.monotonic() - began
                for each in clients:
                    each.stop()
                    each.close()
                return took
        assert time.monotonic() - began < 30, "no write was accepted for 30 s"
