"""An ensemble whose servers are of either kind, on the same configuration and the same data folders: ours or Apache's."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.local import free_ports

OURS = "ours"
APACHE = "apache"
JARS = Path("/usr/share/java")
NAMES = (
    "zookeeper", "netty-codec", "netty-resolver", "netty-handler", "netty-buffer", "netty-common", "netty-transport",
    "slf4j-log4j12", "log4j-1.2", "snappy-java", "metrics-core",
)  # fmt: skip
LOG4J = """log4j.rootLogger=INFO, C
log4j.appender.C=org.apache.log4j.ConsoleAppender
log4j.appender.C.layout=org.apache.log4j.PatternLayout
log4j.appender.C.layout.ConversionPattern=%d %-5p %c{1} - %m%n
"""


def needs_apache() -> None:
    """Skips where Apache ZooKeeper is not installed."""
    if not (JARS / "zookeeper.jar").exists():
        pytest.skip("Apache ZooKeeper is not installed: apt-get install zookeeper")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One member: a configuration, a data folder, and at most one process of either kind."""

    def __init__(self, folder: Path, number: int, port: int) -> None:
        self.folder, self.number, self.port = folder, number, port
        self.election_port = 0
        self.config = folder / "zoo.cfg"
        self.process: subprocess.Popen[bytes] | None = None
        self.kind = ""
        self.properties: Sequence[str] = ()
        """What Apache's server takes as system properties alone."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, kind: str) -> None:
        assert self.process is None, f"server {self.number} runs already"
        self.kind = kind
        log = open(self.folder / "server.log", "ab")  # noqa: SIM115 - the process's own
        if kind == OURS:
            command = [sys.executable, "-m", "coord", "server", str(self.config)]
        else:
            (self.folder / "log4j.properties").write_text(LOG4J)
            path = ":".join([str(self.folder), *(str(JARS / f"{name}.jar") for name in NAMES)])
            properties = [f"-Dzookeeper.{setting}" for setting in self.properties] + [f"-D{setting}" for setting in self.properties]
            command = ["java", "-Xmx256m", *properties, "-cp", path, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.config)]
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(15)
        self.process = None

    def word(self, word: str) -> str:
        """The answer to a four-letter word; empty while nobody answers."""
        text = b""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(word.encode())
                while chunk := connection.recv(65536):
                    text += chunk
        except OSError:
            return ""
        return text.decode()

    def words(self, word: str) -> dict[str, str]:
        """`srvr` or `mntr` as a dict; empty while it does not serve."""
        separator = "\t" if word == "mntr" else ": "
        return dict(line.split(separator, 1) for line in self.word(word).splitlines() if separator in line)

    @property
    def mode(self) -> str:
        return self.words("srvr").get("Mode", "")

    @property
    def logged_twice(self) -> int:
        """How many transactions Apache's server had in its log twice, as ours said when it last took over from it."""
        return int(["0", *re.findall(r"says (\d+) transactions twice", self.log())][-1])

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")


@contextmanager
def serving(kind: str, folder: Path, *settings: str, last: int = signal.SIGKILL) -> Iterator[Server]:
    """One server of this kind on the folder; `last` is the signal that ends it."""
    server = Server(folder, 1, free_ports(1))
    server.properties = settings
    lines = [
        "tickTime=200", f"dataDir={folder}", f"clientPort={server.port}", "clientPortAddress=127.0.0.1", "maxSessionTimeout=60000",
        "admin.enableServer=false", "4lw.commands.whitelist=*", "extendedTypesEnabled=true", *settings,
    ]  # fmt: skip
    server.config.write_text("\n".join(lines) + "\n")
    server.start(kind)
    try:
        eventually(lambda: server.mode == "standalone", 20, server.log)
        yield server
    finally:
        server.stop(last)


def eventually(condition: Callable[[], object], seconds: float, what: Callable[[], str] = str) -> None:
    """Waits for the condition; `what` tells why it did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


class MixedEnsemble:
    """`size` servers; `observers` of them, the last ones, do not vote."""

    def __init__(self, folder: Path, size: int = 3, observers: int = 0, settings: Sequence[str] = ()) -> None:
        base = free_ports(3 * size)
        self.observers = observers
        self.servers = [Server(folder / str(n), n, base + n - 1) for n in range(1, size + 1)]
        members = [
            f"server.{n}=127.0.0.1:{base + size + n - 1}:{base + 2 * size + n - 1}"
            + (":observer" if n > size - observers else "")
            for n in range(1, size + 1)
        ]
        for server in self.servers:
            server.election_port = base + 2 * size + server.number - 1
            (server.folder / "data").mkdir(parents=True)
            (server.folder / "data" / "myid").write_text(f"{server.number}\n")
            own = ["peerType=observer"] if server.number > size - observers else []
            lines = [
                "tickTime=500", "initLimit=20", "syncLimit=10", f"dataDir={server.folder}/data", f"clientPort={server.port}",
                "clientPortAddress=127.0.0.1", "maxClientCnxns=0", "4lw.commands.whitelist=*", "admin.enableServer=false",
                "extendedTypesEnabled=true", *own, *settings, *members,
            ]  # fmt: skip
            server.config.write_text("\n".join(lines) + "\n")

    @property
    def hosts(self) -> str:
        return ",".join(server.address for server in self.servers)

    def start(self, kinds: Sequence[str]) -> None:
        """Starts all of them so that the voter with the highest number leads: the first quorum cannot be without it."""
        voters = len(self.servers) - self.observers
        order = sorted(zip(self.servers, kinds, strict=True), key=lambda pair: (pair[0].number != voters, pair[0].number))
        for started, (server, kind) in enumerate(order, 1):
            server.start(kind)
            if server.number == voters:
                self.eventually(lambda port=server.election_port: _listens(port), 20, "no election port")
            if started == voters // 2 + 1:
                self.await_serving()
        self.await_serving()

    def await_serving(self, seconds: float = 30) -> None:
        """Until every running server serves and one leads."""
        running = [server for server in self.servers if server.process is not None]

        def serving() -> bool:
            modes = [server.mode for server in running]
            return all(modes) and modes.count("leader") == 1

        self.eventually(serving, seconds, "not all of them serve")

    def eventually(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"== {s.number} {s.kind} {s.mode!r}\n" + "\n".join(s.log().splitlines()[-25:]) for s in self.servers)
                raise AssertionError(f"{what} after {seconds} s\n{logs}")
            time.sleep(0.05)

    def leader(self) -> Server:
        return next(server for server in self.servers if server.process is not None and server.mode == "leader")

    def assert_digests_agree(self) -> None:
        """No server, of either kind, has seen a tree digest that differs from the leader's; but where Apache's learner has
        logged transactions twice (ZOOKEEPER-4394) it applies them twice when it starts, and counts what that changes."""
        for server in self.servers:
            if server.process is not None:
                words = server.words("mntr")
                assert "zk_digest_mismatches_count" in words, f"server {server.number} ({server.kind}) says {words}"
                count = float(words["zk_digest_mismatches_count"])
                known = server.logged_twice if server.kind == APACHE else 0
                assert count <= known, f"server {server.number} ({server.kind}) counts {count:.0f} digest mismatches"

    def close(self) -> None:
        for server in self.servers:
            if server.process is not None:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
                server.process = None
