"""Coordination servers as a user starts them: `python -m coord server zoo.cfg`, on free ports, in a folder of the test's own.

    with ensemble(tmp_path) as cluster:
        client = cluster.client()
        cluster.leader().kill()
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from tests.e2e.local import free_ports

WAIT_S = 20.0


def until(condition: Callable[[], object], what: str, timeout: float = WAIT_S) -> None:
    """Waits until `condition()` is true; fails with `what` otherwise."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.01)


def word(port: int, name: str, timeout: float = 2.0, host: str = "127.0.0.1") -> str:
    """A four-letter word's answer; empty when nobody answers."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(name.encode())
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer.decode()
    except OSError:
        return ""


class Server:
    """One server and its process. Log lines are in `log`. prefix: a command that runs the server's command."""

    def __init__(self, folder: Path, sid: int, port: int, settings: Sequence[str], host: str = "127.0.0.1") -> None:
        self.folder, self.sid, self.port, self.host = folder, sid, port, host
        self.prefix: tuple[str, ...] = ()
        self.config, self.log, self.data = folder / "zoo.cfg", folder / "server.log", folder / "data"
        self.process: subprocess.Popen[bytes] | None = None
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "myid").write_text(f"{sid}\n")
        self.config.write_text("\n".join([*settings, f"dataDir={self.data}", f"clientPort={port}", ""]))

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def word(self, name: str) -> str:
        return word(self.port, name, host=self.host)

    def command(self, *options: str) -> list[str]:
        return [*self.prefix, sys.executable, "-m", "coord", "server", str(self.config), *options]

    def start(self, *options: str) -> None:
        """Starts the process and returns at once."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(*options), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """SIGTERM; returns the seconds until the process has ended, which it must do with 0."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        assert code == 0, f"server {self.sid} ended with {code}:\n{self.last_words()}"
        return time.monotonic() - began

    def pause(self) -> None:
        """SIGSTOP: there, but silent."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def mode(self) -> str:
        """leader, follower, observer, standalone, or empty when it does not serve."""
        lines = self.word("srvr").splitlines()
        return next((line.removeprefix("Mode: ") for line in lines if line.startswith("Mode: ")), "")

    def facts(self) -> dict[str, str]:
        """mntr, without the zk_ before each key."""
        return dict(line.removeprefix("zk_").split("\t", 1) for line in self.word("mntr").splitlines())

    def serves(self) -> None:
        """Waits until it serves."""
        until(lambda: self.mode() or not self.running, f"server {self.sid} serves")
        assert self.running, f"server {self.sid} ended:\n{self.last_words()}"

    def last_words(self, count: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


class Cluster:
    """Servers of one ensemble; a single one stands alone. addresses: one for each server, instead of loopback."""

    def __init__(
        self, folder: Path, size: int, settings: Sequence[str] = (), observers: int = 0,
        *, tick_ms: int = 0, addresses: Sequence[str] = (),
    ) -> None:  # fmt: skip
        total = size + observers
        base = free_ports(3 * total)
        hosts = addresses or ["127.0.0.1"] * total
        lines = [f"tickTime={tick_ms or TICK_MS}", "initLimit=10", "syncLimit=5", "4lw.commands.whitelist=*", "maxClientCnxns=0", *settings]
        if total > 1:
            lines += [
                f"server.{n + 1}={hosts[n]}:{base + total + n}:{base + 2 * total + n}:{'participant' if n < size else 'observer'}"
                for n in range(total)
            ]
        self.servers = [Server(folder / str(n + 1), n + 1, base + n, lines, hosts[n]) for n in range(total)]
        self._clients: list[KazooClient] = []

    @property
    def hosts(self) -> str:
        return ",".join(server.address for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.serves()

    def stop(self) -> None:
        for client in self._clients:
            client.stop()
            client.close()
        for server in self.servers:
            if server.running:
                server.resume()
                server.kill()

    def client(self, hosts: str | Server | None = None, timeout: float = 10.0, **options: object) -> KazooClient:
        """A connected kazoo client, of the whole ensemble or of one server."""
        where = hosts.address if isinstance(hosts, Server) else hosts or self.hosts
        retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5, deadline=WAIT_S)
        client = KazooClient(where, timeout=timeout, connection_retry=retry, command_retry=retry.copy(), **options)
        client.start(timeout=WAIT_S)
        self._clients.append(client)
        return client

    def leader(self) -> Server:
        """The server that leads; waits until there is one."""
        found: list[Server] = []

        def led() -> bool:
            found[:] = [server for server in self.servers if server.running and server.mode() == "leader"]
            return bool(found)

        until(led, "a leader")
        return found[0]

    def followers(self) -> list[Server]:
        return [server for server in self.servers if server.running and server.mode() == "follower"]

    def agrees(self) -> None:
        """Waits until all running servers have applied the same transactions; no digest ever differed."""

        def states() -> set[tuple[str, ...]]:
            texts = [server.word("srvr") for server in self.servers if server.running]
            return {tuple(line for line in text.splitlines() if line.startswith(("Zxid", "Node count"))) for text in texts}

        def same() -> bool:
            found = states()
            return len(found) == 1 and len(found.pop()) == 2

        until(same, "all serve, with the same zxid and node count")
        for server in self.servers:
            if server.running:
                assert server.facts()["digest_mismatches_count"] == "0"


TICK_MS = 500


@contextmanager
def ensemble(folder: Path, size: int = 3, settings: Sequence[str] = (), observers: int = 0, *, tick_ms: int = 0) -> Iterator[Cluster]:
    """A serving cluster; every process is gone at the end, whatever happened."""
    with watched(Cluster(folder, size, settings, observers, tick_ms=tick_ms)) as cluster:
        yield cluster


@contextmanager
def watched(cluster: Cluster) -> Iterator[Cluster]:
    """Starts a cluster and ends it, with its last words on standard output after a failure."""
    try:
        cluster.start()
        yield cluster
    except BaseException:
        for server in cluster.servers:
            print(f"== server {server.sid}\n{server.last_words()}")
        raise
    finally:
        cluster.stop()
