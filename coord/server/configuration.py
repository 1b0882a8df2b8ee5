"""The ensemble's configuration as this server shows and follows it: in its files, in the tree, and at its client port."""

from __future__ import annotations

import logging

import trio

from coord.errors import UnimplementedError
from coord.kit.host import Host
from coord.kit.net import Listening
from coord.tree.decide import Reconfigure
from coord.tree.paths import CONFIG_NODE
from coord.tree.tree import Tree
from coord.wire.requests import ReconfigRequest
from coord.zab.membership import Membership, config_version
from coord.zab.peer import Peer
from coord.zab.quorums import Ensemble, split_host
from coord.zab.reconfigure import reconfigure

from .clients import WRITE_MAX, Clients
from .config import ServerConfig
from .driver import Driver
from .dynamic import DynamicFiles
from .pipeline import Pipeline
from .state import State

__all__ = ["ClientPort", "Configuration"]

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Between attempts to open a client port that is taken."""


class Configuration:
    """One server's view of its ensemble. membership: None for a server that stands alone."""

    def __init__(self, host: Host, config: ServerConfig, state: State, pipeline: Pipeline, port: ClientPort) -> None:
        self.membership: Membership | None = None
        self.files: DynamicFiles | None = None
        self._wall = host.wall
        self._config = config
        self._state = state
        self._pipeline = pipeline
        self._port = port
        if config.ensemble is None:
            return
        logged = config_version(state.tree.nodes[CONFIG_NODE].data or b"")
        self.membership = Membership(config.ensemble, config.last_seen, logged=logged, enabled=config.reconfig_enabled)
        self.files = DynamicFiles(host.disk, config.path, config.server_id, self._activated)
        replaced = state.on_replaced

        def show(tree: Tree) -> None:
            self._show(tree)
            replaced(tree)

        state.on_replaced = show
        self._show(state.tree)

    def reconfigure(self, driver: Driver) -> Reconfigure | None:
        """What decides reconfigurations; None where they are disabled."""
        if not self._config.reconfig_enabled:
            return None
        voters_min = 2 if self._config.standalone_enabled else 1

        def decide(request: ReconfigRequest, zxid: int) -> bytes:
            leading = driver.peer.leading if isinstance(driver.peer, Peer) else None
            if leading is None or self.membership is None:
                raise UnimplementedError
            ensemble = reconfigure(request, self.membership, leading.synced_sids(), zxid, voters_min=voters_min)
            return ensemble.text().encode()

        return decide

    def _show(self, tree: Tree) -> None:
        """Puts the configuration in force into /zookeeper/config, which no transaction does for the first one."""
        assert self.membership is not None
        ensemble = self.membership.committed
        tree.set_config(ensemble.text().encode(), ensemble.version, self._wall.now_ms())

    def _activated(self, ensemble: Ensemble) -> None:
        self._pipeline.ensemble = ensemble
        self._show(self._state.tree)
        own = ensemble.members.get(self._config.server_id)
        if own is not None and own.client:
            self._port.move(own.client)


class ClientPort:
    """Where clients connect; a new configuration may move it. Connections that stand stay."""

    def __init__(self, host: Host, config: ServerConfig, clients: Clients) -> None:
        self._network = host.network
        self._clients = clients
        self._receive_max = config.frame_max + 4
        self._own = config.ensemble.members.get(config.server_id) if config.ensemble is not None else None
        self._client = self._own.client if self._own is not None else ""
        """What the configuration says; the static file's own words come first as long as that does not change."""
        self._listening: Listening | None = None
        self._wanted = (config.client_host, config.client_port)
        self._changed = trio.Event()

    @property
    def port(self) -> int:
        """The port that is open."""
        assert self._listening is not None
        return self._listening.port

    async def open(self) -> None:
        """Begins to listen. Raises OSError."""
        self._listening = await self._listen()

    def close(self) -> None:
        """Listens no more."""
        if self._listening is not None:
            self._listening.close()

    def move(self, client: str) -> None:
        """The configuration says that clients connect to this "host:port"."""
        if client != self._client:
            self._client = client
            host, port = split_host(client)
            self._wanted = (host, int(port))
            self._changed.set()

    async def follow(self) -> None:
        """Opens the ports that `move` asks for. Runs until cancelled."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            self.close()
            self._listening = None
            while self._listening is None and not self._changed.is_set():
                try:
                    self._listening = await self._listen()
                    log.info("clients are served at %s", self._client)
                except OSError as error:
                    log.warning("clients cannot be served at %s: %s", self._client, error)
                    await trio.sleep(RETRY_SECONDS)

    async def _listen(self) -> Listening:
        host, port = self._wanted
        return await self._network.listen(
            host, port, self._clients.accept, receive_max=self._receive_max, write_max=WRITE_MAX
        )
