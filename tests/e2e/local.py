"""A cluster started the way a user starts it: `quorate up`, on free ports and in a folder of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

START_S = 30.0


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports of which all are free now, below the range that clients draw from."""
    for base in range(20000 + os.getpid() % 500 * 20, 32000, count):
        if all(is_free(port) for port in range(base, base + count)):
            return base
    raise AssertionError(f"no {count} free ports in a row")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Local:
    """`quorate up` and its nodes."""

    def __init__(self, data: Path, *, coords: int = 3, brokers: int = 3, options: tuple[str, ...] = ()) -> None:
        self.data = data
        self.coords, self.brokers = coords, brokers
        self.base = free_ports(3 * coords + brokers)
        self.options = options
        self.process: subprocess.Popen[str] | None = None
        self.ready_s = 0.0

    @property
    def coord_port(self) -> int:
        return self.base

    @property
    def broker_port(self) -> int:
        return self.base + 3 * self.coords

    @property
    def ensemble(self) -> str:
        return ",".join(f"127.0.0.1:{self.coord_port + n}" for n in range(self.coords))

    @property
    def bootstrap(self) -> str:
        return ",".join(f"127.0.0.1:{self.broker_port + n}" for n in range(self.brokers))

    def start(self, *more: str) -> None:
        """Starts it and waits until it says that it is ready."""
        self._start(
            "--coord", str(self.coords), "--brokers", str(self.brokers),
            "--coord-port", str(self.coord_port), "--quorum-port", str(self.base + self.coords),
            "--election-port", str(self.base + 2 * self.coords), "--broker-port", str(self.broker_port),
            *self.options, *more,
        )  # fmt: skip

    def start_on_default_ports(self) -> None:
        """As a user does who gives no options."""
        self._start()

    def _start(self, *options: str) -> None:
        command = [sys.executable, "-m", "broker.cli.up", "up", "--data", str(self.data), *options]
        began = time.monotonic()
        self.data.mkdir(parents=True, exist_ok=True)
        output = open(self.data.parent / f"{self.data.name}.out", "w+")  # noqa: SIM115 - read again by said()
        self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
        output.close()
        while "ready in" not in self.said():
            late = self.process.poll() is not None or time.monotonic() - began > START_S
            assert not late, f"not ready:\n{self.said()}\n{self.logs()}"
            time.sleep(0.02)
        self.ready_s = time.monotonic() - began

    def said(self) -> str:
        """What `quorate up` printed since its start."""
        return (self.data.parent / f"{self.data.name}.out").read_text()

    def logs(self) -> str:
        """The ends of the nodes' logs."""
        return "\n".join(f"== {log}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in sorted(self.data.glob("*/server.log")))

    def pid(self, name: str) -> int:
        """The process of a node such as `coord-1`."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            if child.status() != psutil.STATUS_ZOMBIE and any(f"/{name}/" in word for word in child.cmdline()):
                return child.pid
        raise AssertionError(f"{name} does not run")

    def pids(self) -> list[int]:
        assert self.process is not None
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def kill(self, name: str) -> None:
        """kill -9 of one node."""
        os.kill(self.pid(name), signal.SIGKILL)

    def leader(self) -> str:
        """The name of the coordination server that leads."""
        for number in range(self.coords):
            try:
                with socket.create_connection(("127.0.0.1", self.coord_port + number), timeout=2) as connection:
                    connection.sendall(b"srvr")
                    text = b""
                    while chunk := connection.recv(4096):
                        text += chunk
            except OSError:
                continue
            if b"Mode: leader" in text:
                return f"coord-{number + 1}"
        raise AssertionError("no leader")

    def await_whole(self) -> None:
        """Waits until every node that was killed is back: its port is open."""
        deadline = time.monotonic() + START_S
        for port in (*range(self.coord_port, self.coord_port + self.coords), *range(self.broker_port, self.broker_port + self.brokers)):
            while is_free(port):
                assert time.monotonic() < deadline, f"nobody came back to port {port}:\n{self.said()}\n{self.logs()}"
                time.sleep(0.05)

    def kill_everything(self) -> None:
        """kill -9 of every node and of `quorate up`, at once."""
        assert self.process is not None
        victims = [self.process.pid, *self.pids()]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs([psutil.Process(pid) for pid in victims if psutil.pid_exists(pid)], timeout=5)

    def stop(self) -> float:
        """Ctrl-C; returns the seconds it took. Fails when a process is left."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        took = time.monotonic() - began
        left = [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
        assert not left, f"left behind: {left}"
        return took


@contextmanager
def local(data: Path, *, coords: int = 3, brokers: int = 3, options: tuple[str, ...] = ()) -> Iterator[Local]:
    """A running cluster; stopped at the end, whatever happened."""
    cluster = Local(data, coords=coords, brokers=brokers, options=options)
    cluster.start()
    try:
        yield cluster
    finally:
        if cluster.process is not None and cluster.process.poll() is None:
            cluster.stop()
