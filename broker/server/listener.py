"""Client connections: bytes to requests, one at a time for each connection, answered in order.

A connection whose request waits is not read (its transport is paused), so a client that pipelines waits in its own
socket buffer. The same happens to one that does not take its responses. What breaks the protocol (a frame above the
limit, an unknown API or version, a body that does not parse) closes that connection, with one line in the log; only
ApiVersions has an answer for a version that it does not know (KIP-511).

A client that hangs up while its fetch or produce waits is noticed at once, and what was kept of the request is let go: a
fetch may wait for as long as the client likes. What it had sent before it hung up is served all the same: a consumer that
closes commits its offsets and leaves its group without waiting for the answers.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from struct import Struct
from typing import TYPE_CHECKING

import trio

from broker.wire.api import ApiKey, RequestHeader, parse_request_header
from broker.wire.codec import decode
from broker.wire.fields import Message, Records, WireError
from coord.kit.net import Listening, Network, Transport

from .dispatch import APIS, NO_RESPONSE, PENDING, Api, Request
from .handlers.api_versions import unsupported_version
from .tasks import TaskPool

if TYPE_CHECKING:
    from .broker import Broker
    from .config import Endpoint

__all__ = ["CHOKED_BYTES", "Connection", "Listeners"]

log = logging.getLogger(__name__)

CHOKED_BYTES = 4 << 20
"""Responses a client may leave unread before its next request has to wait."""
RESPONSE_SLACK_BYTES = 4 << 20
"""Above the largest fetch response and CHOKED_BYTES: what a client may make us queue before it is cut off."""
TICK_SECONDS = 1.0
IDLE_TICKS_MIN = 2

_SIZE = Struct(">i")
_PREFIX = Struct(">hhi")
"""API key, version and correlation id: how every request begins."""


class Connection:
    """One client: a `Receiver` that cuts frames and serves them, and the `Origin` of their requests."""

    __slots__ = ("_idle_ticks", "_listeners", "_transport", "_waiting", "gone", "host", "listener")

    def __init__(self, listeners: Listeners, listener: str, transport: Transport) -> None:
        self._listeners = listeners
        self._transport = transport
        self._waiting: Request | None = None
        self.listener = listener
        self.host = transport.host
        self.gone = False
        self._idle_ticks = 0
        """Ticks since bytes last arrived."""

    # -- the network's side

    def received(self, data: memoryview) -> int:
        """Serves the whole frames in `data` until one has to wait."""
        transport = self._transport
        self._idle_ticks = 0
        start, end = 0, len(data)
        frame_max = self._listeners.frame_max
        while end - start >= 4:
            if transport.queued > CHOKED_BYTES:  # asked for each frame: twenty small requests may want 8 MB each
                self._listeners.choke(self)
                break
            size = _SIZE.unpack_from(data, start)[0]
            if not 0 <= size <= frame_max:
                self.close(f"announced a request of {size} bytes; socket.request.max.bytes is {frame_max}")
                return end
            stop = start + 4 + size
            if stop > end:
                break
            self._serve(data[start + 4 : stop])
            start = stop
            if self._waiting is not None or self.gone:
                break
        return start

    def closed(self, reason: str) -> None:
        """The connection is gone; a request that still waits is let go, or answered into the void."""
        log.debug("%s: %s", self._transport.peer, reason)
        self.gone = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.let_go is not None:
            waiting.let_go()
        self._listeners.forget(self)

    # -- the handlers' side

    def respond(self, request: Request, parts: list[Records]) -> None:
        """Sends a response; when its request has waited, the connection is read again."""
        if self.gone:
            return
        for part in parts:
            self._transport.write(part)
        if self._waiting is request:
            self._waiting = None
            self._transport.resume()

    def close(self, why: str) -> None:
        """Closes the connection, with a line that says who did what."""
        log.warning("%s: %s; connection closed", self._transport.peer, why)
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connection; its client has done nothing wrong."""
        self.gone = True
        self._transport.close()

    # -- housekeeping

    def idles(self, ticks_max: int) -> None:
        """One tick has gone by; closes the connection when it has been silent for too many."""
        if self._waiting is None:
            self._idle_ticks += 1
            if self._idle_ticks > ticks_max:
                log.info(
                    "%s: idle for longer than connections.max.idle.ms; connection closed",
                    self._transport.peer,
                )
                self.hang_up()

    def choked(self) -> bool:
        """Whether it still leaves too many responses unread; if not, it is read again."""
        if self.gone:
            return False
        if self._transport.queued > CHOKED_BYTES // 2:
            return True
        self._transport.resume()
        return False

    def pause(self) -> None:
        """Stops reading."""
        self._transport.pause()

    def resume(self) -> None:
        """Goes on reading."""
        self._transport.resume()

    def _serve(self, frame: memoryview) -> None:
        try:
            header, offset = parse_request_header(frame)
            api = APIS.get(header.api_key)
            if api is None or not api.low <= header.api_version <= api.high:
                self._refuse(header)
                return
            message, _ = decode(api.request, header.api_version, frame, offset)
        except WireError as error:
            self._refuse_unreadable(frame, error)
            return
        request = Request(self, header.api_key, header.api_version, header.correlation_id, header.client_id)
        if api.waits:
            self._wait(request)
            self._listeners.start(api, request, message)
            return
        outcome = api.handle(self._listeners.broker, request, message)
        if outcome is PENDING:
            if not request.answered:
                self._wait(request)
        elif outcome is not NO_RESPONSE:
            assert isinstance(outcome, Message)
            request.reply(outcome)

    def _wait(self, request: Request) -> None:
        self._waiting = request
        self._transport.pause(until_end=request.let_go is not None)

    def _refuse_unreadable(self, frame: memoryview, error: WireError) -> None:
        if len(frame) >= _PREFIX.size:
            # the header of a version that is not known may have any shape behind its first fields
            key, version, correlation_id = _PREFIX.unpack_from(frame)
            if key == ApiKey.API_VERSIONS and not APIS[key].low <= version <= APIS[key].high:
                self._refuse(RequestHeader(key, version, correlation_id))
                return
        self.close(f"sent a request that cannot be read: {error}")

    def _refuse(self, header: RequestHeader) -> None:
        if header.api_key == ApiKey.API_VERSIONS:
            request = Request(self, header.api_key, 0, header.correlation_id, header.client_id)
            request.reply(unsupported_version())
            return
        self.close(
            f"sent API key {header.api_key} version {header.api_version} (client id {header.client_id!r:.100}), "
            "which is not served"
        )


class Listeners:
    """All listeners of a broker and their connections."""

    def __init__(self, broker: Broker, network: Network, tasks: TaskPool) -> None:
        self.broker = broker
        self.frame_max = broker.config.socket_request_max_bytes
        self._network = network
        self._tasks = tasks
        self._open: list[Listening] = []
        self._connections: set[Connection] = set()
        self._choked: set[Connection] = set()
        self._serving = False
        network.on_wakeup(self._release)

    async def listen(self, endpoint: Endpoint) -> int:
        """Takes a port; returns it. Who connects waits for `serve`. Raises OSError."""
        config = self.broker.config

        def accept(transport: Transport) -> Connection:
            connection = Connection(self, endpoint.name, transport)
            if len(self._connections) >= config.max_connections:
                connection.close(f"is one connection too many; max.connections is {config.max_connections}")
            else:
                self._connections.add(connection)
            if not self._serving:
                connection.pause()
            return connection

        listening = await self._network.listen(
            endpoint.host,
            endpoint.port,
            accept,
            receive_max=self.frame_max + 4,
            write_max=config.fetch_max_bytes + CHOKED_BYTES + RESPONSE_SLACK_BYTES,
            send_buffer=config.socket_send_buffer_bytes,
        )
        self._open.append(listening)
        return listening.port

    def serve(self) -> None:
        """Serves those who have connected already, and everyone from now on."""
        self._serving = True
        for connection in self._connections:
            connection.resume()

    async def run(self) -> None:
        """Closes connections that idle, until cancelled."""
        ticks_max = max(IDLE_TICKS_MIN, int(self.broker.config.connections_max_idle_ms / 1000 / TICK_SECONDS))
        while True:
            await trio.sleep(TICK_SECONDS)
            for connection in list(self._connections):
                connection.idles(ticks_max)
            self._release()

    def close(self) -> None:
        """Stops accepting, and closes the connections behind what they have been answered."""
        for listening in self._open:
            listening.close()
        for connection in self._connections:
            connection.hang_up()

    # -- called by connections

    def start(self, api: Api, request: Request, message: Message) -> None:
        """Runs a handler that waits in the pool of tasks."""

        async def job() -> Message:
            outcome = api.handle(self.broker, request, message)
            assert isinstance(outcome, Awaitable)
            response: Message = await outcome
            return response

        self._tasks.start(request, job, urgent=api.urgent)

    def choke(self, connection: Connection) -> None:
        """Stops reading a client until it has taken its responses."""
        connection.pause()
        self._choked.add(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._choked.discard(connection)

    def _release(self) -> None:
        if self._choked:
            self._choked = {connection for connection in self._choked if connection.choked()}
