"""A real Apache ZooKeeper for the tests, started by tests/bench/apache-zookeeper on free ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "bench" / "apache-zookeeper"
JAR = Path("/usr/share/java/zookeeper.jar")
PORTS_EACH = 4


def need_apache() -> None:
    """Skips where the package is not installed."""
    if not JAR.exists():
        pytest.skip("needs a real Apache ZooKeeper: apt-get install zookeeper")


class Apache:
    """A running ensemble."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.folder = folder
        self.ports = ports

    @property
    def hosts(self) -> str:
        """The connect string."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def kill(self, number: int) -> None:
        """kill -9 of server `number`, from 0."""
        self._signal(number, signal.SIGKILL)

    def stop(self, number: int) -> None:
        """SIGSTOP: the server goes silent."""
        self._signal(number, signal.SIGSTOP)

    def cont(self, number: int) -> None:
        """SIGCONT."""
        self._signal(number, signal.SIGCONT)

    def _signal(self, number: int, which: signal.Signals) -> None:
        os.kill(int((self.folder / str(number + 1) / "pid").read_text()), which)


@contextmanager
def apache_ensemble(folder: Path, size: int) -> Iterator[Apache]:
    """An ensemble of `size` servers, ended with the block."""
    need_apache()
    base = _free_base(size)
    command = [str(LAUNCHER), "start", str(folder), str(size), str(base), "maxSessionTimeout=60000"]
    with (folder / "launcher.log").open("wb") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=300)
    ensemble = Apache(folder, [base + 100 * i for i in range(size)])
    try:
        yield ensemble
    finally:
        for number in range(size):
            try:
                ensemble.kill(number)
            except OSError:
                pass


def _free_base(size: int) -> int:
    """A base port whose scheme (see the launcher) hits no port in use."""
    for base in range(23000 + os.getpid() % 1000 * 4, 60000, 8):
        wanted = [base + 100 * i + j for i in range(size) for j in range(PORTS_EACH)]
        if all(_is_free(port) for port in wanted):
            return base
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
