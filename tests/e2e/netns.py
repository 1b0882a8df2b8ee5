"""A network of namespaces: each server has an address of its own, and any direction between two of them can be cut.

Everything lies within namespaces that are made here and removed at the end; the machine's own network is not touched.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

INSTALL = "apt-get install iproute2 nftables"


def needs_namespaces() -> None:
    """Skips where namespaces cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip(f"network namespaces need ip and nft: {INSTALL}")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=20)


class Networks:
    """`size` namespaces on one bridge, which lies in a namespace with an address for the clients."""

    def __init__(self, size: int) -> None:
        self.hub = f"quorate-{os.getpid()}"
        self.names = [f"{self.hub}-{n}" for n in range(1, size + 1)]
        self.addresses = [f"10.213.0.{n}" for n in range(1, size + 1)]

    def make(self) -> None:
        inside = ("ip", "-n", self.hub)
        _run("ip", "netns", "add", self.hub)
        _run(*inside, "link", "set", "lo", "up")
        _run(*inside, "link", "add", "bridge", "type", "bridge")
        _run(*inside, "address", "add", "10.213.0.254/24", "dev", "bridge")
        _run(*inside, "link", "set", "bridge", "up")
        for number, (name, address) in enumerate(zip(self.names, self.addresses, strict=True), 1):
            _run("ip", "netns", "add", name)
            _run(*inside, "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth", "netns", name)
            _run(*inside, "link", "set", f"to{number}", "master", "bridge", "up")
            _run("ip", "-n", name, "link", "set", "lo", "up")
            _run("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth")
            _run("ip", "-n", name, "link", "set", "eth", "up")
            self._nft(name, "add table inet cuts")
            self._nft(name, "add chain inet cuts arriving { type filter hook input priority 0; }")

    def remove(self) -> None:
        for name in (*self.names, self.hub):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=20)

    def cut(self, source: int, target: int) -> None:
        """What server `source` (from 1) sends to server `target` is lost, without a word to either."""
        self._nft(self.names[target - 1], f"add rule inet cuts arriving ip saddr {self.addresses[source - 1]} drop")

    def repair(self) -> None:
        """Nothing is lost any more."""
        for name in self.names:
            self._nft(name, "flush chain inet cuts arriving")

    def prefix(self, number: int) -> tuple[str, ...]:
        """What runs a command in the namespace of a server."""
        return ("ip", "netns", "exec", self.names[number - 1])

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and every thread and process that it starts, is in the clients' namespace meanwhile."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.hub}") as hub:
            _enter(hub.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    @staticmethod
    def _nft(name: str, command: str) -> None:
        _run("ip", "netns", "exec", name, "nft", command)


def _enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def networks(size: int) -> Iterator[Networks]:
    """Namespaces for `size` servers; this thread is among the clients."""
    needs_namespaces()
    made = Networks(size)
    try:
        made.make()
        with made.entered():
            yield made
    finally:
        made.remove()
