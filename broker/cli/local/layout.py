"""The data folder of `quorate up`: one folder for each node, with the configuration file a user would write by hand.

    DATA/quorate.json            what was started here last, and the mark that this folder is ours to empty
    DATA/coord-1/zoo.cfg         coord server DATA/coord-1/zoo.cfg        starts this node by hand
    DATA/coord-1/data/           myid, transaction log, snapshots
    DATA/broker-1/server.properties, DATA/broker-1/logs/
    DATA/*/server.log            what the node said

Configuration files are written anew at each start; data is kept until `--fresh`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout", "LayoutError", "Node", "Shape"]

HOST = "127.0.0.1"
MARK = "quorate.json"


class LayoutError(Exception):
    """The folder or the ports cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many nodes, and where they listen."""

    coords: int
    brokers: int
    coord_port: int
    broker_port: int
    quorum_port: int
    election_port: int


@dataclass(frozen=True, slots=True)
class Node:
    """One process to run."""

    kind: str  # "coord" or "broker"
    number: int  # from 1; myid or broker.id
    port: int  # where clients find it
    folder: Path
    config: Path

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.number}"

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def command(self) -> list[str]:
        """What starts it: the command that a user would type, run by this interpreter."""
        return [sys.executable, "-m", self.kind, "server", str(self.config)]

    @property
    def by_hand(self) -> str:
        return f"{self.kind} server {self.config}"


class Layout:
    """The folder of one local cluster."""

    def __init__(self, data: Path, shape: Shape) -> None:
        self.data = data
        self.shape = shape
        self.coords = [self._node("coord", n, shape.coord_port, "zoo.cfg") for n in range(1, shape.coords + 1)]
        self.brokers = [
            self._node("broker", n, shape.broker_port, "server.properties") for n in range(1, shape.brokers + 1)
        ]
        self._lock: int | None = None

    @property
    def nodes(self) -> list[Node]:
        return [*self.coords, *self.brokers]

    @property
    def coord_addresses(self) -> str:
        return ",".join(node.address for node in self.coords)

    @property
    def broker_addresses(self) -> str:
        return ",".join(node.address for node in self.brokers)

    def ports(self) -> list[tuple[int, str, str]]:
        """(port, whose it is, the option that moves it) of every listener."""
        shape = self.shape
        ports = [(node.port, f"clients of {node.name}", "--coord-port") for node in self.coords]
        if shape.coords > 1:
            for n in range(shape.coords):
                ports.append((shape.quorum_port + n, f"peers of coord-{n + 1}", "--quorum-port"))
                ports.append((shape.election_port + n, f"elections of coord-{n + 1}", "--election-port"))
        ports += [(node.port, f"clients of {node.name}", "--broker-port") for node in self.brokers]
        return ports

    def prepare(self, *, fresh: bool) -> None:
        """Takes the folder for this process, empties it when asked, writes the configuration files."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            self._take()
            if fresh:
                self._empty()
            for node in self.nodes:
                node.folder.mkdir(exist_ok=True)
            for coord in self.coords:
                data = coord.folder / "data"
                data.mkdir(exist_ok=True)
                (data / "myid").write_text(f"{coord.number}\n")
                coord.config.write_text(self._zoo_cfg(data, coord))
            for broker in self.brokers:
                broker.config.write_text(self._server_properties(broker))
            (self.data / MARK).write_text(json.dumps({"coords": self.shape.coords, "brokers": self.shape.brokers}))
        except OSError as error:
            raise LayoutError(
                f"the data folder {self.data} cannot be written: {error.strerror or error}; choose another with --data DIR"
            ) from error

    def before(self) -> dict[str, int] | None:
        """The shape that was started in this folder last, or None when it is new."""
        try:
            found = json.loads((self.data / MARK).read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _node(self, kind: str, number: int, base: int, config: str) -> Node:
        folder = self.data / f"{kind}-{number}"
        return Node(kind, number, base + number - 1, folder, folder / config)

    def _take(self) -> None:
        # The lock ends with the process, however it ends.
        self._lock = os.open(self.data / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LayoutError(
                f"another quorate up is running on {self.data}: stop it, or choose another folder with --data DIR"
            ) from None

    def _empty(self) -> None:
        mine = [p for p in self.data.iterdir() if p.name.startswith(("coord-", "broker-")) and p.is_dir()]
        foreign = [p.name for p in self.data.iterdir() if p not in mine and p.name not in (MARK, "lock")]
        if foreign or (mine and not (self.data / MARK).exists()):
            what = ", ".join(sorted(foreign)[:3]) or "folders"
            raise LayoutError(
                f"--fresh will not empty {self.data}: it holds {what} that quorate up did not write; "
                "choose another folder with --data DIR"
            )
        for path in mine:
            shutil.rmtree(path)

    def _zoo_cfg(self, data: Path, node: Node) -> str:
        shape = self.shape
        lines = [
            f"# {node.by_hand}",
            "tickTime=2000",
            "initLimit=10",
            "syncLimit=5",
            f"dataDir={data}",
            f"clientPortAddress={HOST}",
            f"clientPort={node.port}",
            "maxClientCnxns=0",
            "4lw.commands.whitelist=*",
            "autopurge.snapRetainCount=3",
            "autopurge.purgeInterval=1",
        ]
        if shape.coords > 1:
            lines += [
                f"server.{n}={HOST}:{shape.quorum_port + n - 1}:{shape.election_port + n - 1}"
                for n in range(1, shape.coords + 1)
            ]
        return _text(lines)

    def _server_properties(self, node: Node) -> str:
        return _text(
            [
                f"# {node.by_hand}",
                f"broker.id={node.number}",
                f"listeners=PLAINTEXT://{HOST}:{node.port}",
                f"advertised.listeners=PLAINTEXT://{HOST}:{node.port}",
                f"log.dirs={node.folder / 'logs'}",
                f"zookeeper.connect={self.coord_addresses}",
                # short, because here a node is killed on purpose and its successor waits for the old session
                "zookeeper.session.timeout.ms=6000",
                "group.initial.rebalance.delay.ms=0",
            ]
        )


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
