"""An ensemble whose members come and go: servers of either kind with `reconfigEnabled` and their client ports in the
server lines. The identity `super:secret` may change it."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
from pathlib import Path

from kazoo.client import KazooClient

from tests.e2e.local import free_ports
from tests.e2e.mixed import MixedEnsemble, Server

SUPER = ("digest", "super:secret")
HASH = base64.b64encode(hashlib.sha1(b"super:secret").digest()).decode()


class Flexible(MixedEnsemble):
    """`size` servers that begin, and `spare` more that may join. Server n's line is `line(n)`."""

    def __init__(self, folder: Path, size: int = 3, spare: int = 1, settings: tuple[str, ...] = ()) -> None:
        total = size + spare
        self.base = free_ports(4 * total)
        self.total = total
        self.observers = 0
        self.folder, self.settings = folder, settings
        self.servers = []
        self.everybody = [self._server(n) for n in range(1, total + 1)]
        first = [self.line(n) for n in range(1, size + 1)]
        for server in self.everybody[:size]:
            self.configure(server, first)
        self.servers = self.everybody[:size]

    def _server(self, number: int) -> Server:
        server = Server(self.folder / str(number), number, self.base + number - 1)
        server.election_port = self.base + 2 * self.total + number - 1
        (server.folder / "data").mkdir(parents=True)
        (server.folder / "data" / "myid").write_text(f"{number}\n")
        return server

    def line(self, number: int, role: str = "participant", client: int | None = None) -> str:
        quorum, election = self.base + self.total + number - 1, self.base + 2 * self.total + number - 1
        port = self.base + number - 1 if client is None else client
        return f"server.{number}=127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{port}"

    def configure(self, server: Server, lines: list[str]) -> None:
        """Writes a static file with server lines."""
        settings = [
            "tickTime=500", "initLimit=20", "syncLimit=10", f"dataDir={server.folder}/data", "maxClientCnxns=0",
            "4lw.commands.whitelist=*", "admin.enableServer=false", "reconfigEnabled=true",
            f"DigestAuthenticationProvider.superDigest=super:{HASH}", *self.settings,
        ]  # fmt: skip
        server.config.write_text("\n".join([*settings, *lines]) + "\n")

    def join(self, number: int, kind: str, role: str = "participant", knows: tuple[int, ...] = (1, 2, 3)) -> Server:
        """Starts a server that is not in the configuration: it knows some of the others and itself."""
        server = self.everybody[number - 1]
        self.configure(server, [*(self.line(n) for n in knows), self.line(number, role)])
        server.start(kind)
        self.servers.append(server)
        self.eventually(lambda: server.mode, 20, f"server {number} does not come")
        return server

    def client(self, *servers: Server, auth: bool = True) -> KazooClient:
        client = KazooClient(
            hosts=",".join(server.address for server in servers or self.servers), timeout=10, randomize_hosts=False
        )
        client.start(15)
        if auth:
            client.add_auth(*SUPER)
        return client

    def config(self, server: Server) -> str:
        """/zookeeper/config as one server shows it."""
        client = self.client(server, auth=False)
        try:
            return client.get("/zookeeper/config")[0].decode()
        finally:
            client.stop()
            client.close()

    def agrees(self, *members: str) -> None:
        """Waits until all running servers show these server lines."""

        def agreed() -> bool:
            texts = {self.config(server) for server in self.servers if server.process is not None}
            return len(texts) == 1 and sorted(texts.pop().splitlines()[:-1]) == sorted(members)

        self.eventually(agreed, 20, f"the servers do not agree on {members}")

    def close(self) -> None:
        for server in self.everybody:
            if server.process is not None:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
                server.process = None
