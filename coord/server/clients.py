"""All clients' connections of one server: who may connect, who has to wait, who is closed for being silent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import trio

from coord.kit.host import Wall
from coord.kit.net import Transport

from .config import ServerConfig
from .connection import QUEUED_MAX, Connection
from .pipeline import Pipeline
from .stats import Statistics

__all__ = ["WRITE_MAX", "Clients"]

log = logging.getLogger(__name__)

WRITE_MAX = 64 * 1024 * 1024
"""Bytes that may wait for one client. Its requests are not read long before; what can add up are watch events and the
replies to what it had asked for."""
TICK_SECONDS = 0.5
Word = Callable[[bytes, Connection], bytes | None]


class Clients:
    """The `Keeper` of every connection. word: the answer to a four-letter word, or None for other bytes."""

    def __init__(
        self, config: ServerConfig, pipeline: Pipeline, stats: Statistics, wall: Wall, word: Word
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.stats = stats
        self.word = word
        self.tick = 0
        self.connections: dict[Connection, None] = {}
        self._hosts: Counter[str] = Counter()
        self._held: dict[Connection, int] = {}
        """Those that are paused, in the order in which they are resumed, and how many bytes waited for each at the last tick."""
        self._wall = wall
        pipeline.on_stop = self.close_all
        pipeline.on_delivered = self.release

    def accept(self, transport: Transport) -> Connection:
        """A client has connected."""
        connection = Connection(self, transport, self._wall.now_ms())
        refusal = self._refusal(transport.host)
        if refusal:
            log.warning("%s: refused: %s", transport.peer, refusal)
            self.stats.connections_refused += 1
            transport.abort(refusal)
        self._hosts[transport.host] += 1
        self.connections[connection] = None
        return connection

    def _refusal(self, host: str) -> str:
        config = self.config
        if config.connections_of_host_max and self._hosts[host] >= config.connections_of_host_max:
            return f"{host} has {self._hosts[host]} connections, as many as maxClientCnxns allows"
        if config.connections_max and len(self.connections) >= config.connections_max:
            return f"there are {len(self.connections)} connections, as many as maxCnxns allows"
        return ""

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""
        self.connections.pop(connection, None)
        self._held.pop(connection, None)
        host = connection.transport.host
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]

    def is_full(self, connection: Connection) -> bool:
        """Pauses the connection, and says so, when too much of it, or of all, is under way."""
        if connection.transport.queued <= QUEUED_MAX and self.pipeline.outstanding < self.config.outstanding_max:
            return False
        connection.transport.pause()
        self._held[connection] = connection.transport.queued
        return True

    def release(self) -> None:
        """Resumes connections that were paused and have room again. Also to be called at the end of each wake-up."""
        if self._held and self.pipeline.outstanding < self.config.outstanding_max:
            for connection in [held for held in self._held if held.transport.queued <= QUEUED_MAX // 2]:
                self._held.pop(connection, None)
                connection.transport.resume()

    def close_all(self) -> None:
        """This server stops serving: clients have to find another."""
        for connection in list(self.connections):
            if connection.asked:
                connection.abort("this server has stopped serving")

    def _hear_the_slow(self) -> None:
        """A paused client may send pings that nobody reads: that it takes what waits for it is its sign of life."""
        for connection, waited in self._held.items():
            if connection.transport.queued < waited:
                connection.still_there()
            self._held[connection] = connection.transport.queued

    async def close_the_silent(self) -> None:
        """Closes who connects and says nothing, or has not been heard of for the session's timeout. Until cancelled."""
        mute = self.config.mute_ms / 1000 / TICK_SECONDS
        while True:
            await trio.sleep(TICK_SECONDS)
            self.tick += 1
            self._hear_the_slow()
            for connection in list(self.connections):
                silent = self.tick - connection.heard
                session = connection.session
                if session is None:
                    if silent > mute:
                        log.info("%s: closed: it has not said who it is", connection.transport.peer)
                        connection.abort("it has not said who it is")
                elif silent > session.timeout_ms / 1000 / TICK_SECONDS + 1:
                    connection.abort("it was silent for longer than its session's timeout")
