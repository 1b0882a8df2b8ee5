"""What the controller sends to one broker: its own queue, its own connection, strictly in order.

A request is sent until it is answered or until the broker is no longer registered: the controller removes the sender
then. The queue is bounded; a broker that does not answer for so long loses what was queued and is told everything
anew (`overflowed`) once it answers again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import trio

from broker.controller.image import Broker
from broker.wire.api import encode_request, parse_response, response_class
from broker.wire.fields import Message, WireError
from coord.kit.framing import LENGTH, frames
from coord.kit.net import Network, Transport

__all__ = ["QUEUE_MAX", "BrokerSender"]

log = logging.getLogger(__name__)

QUEUE_MAX = 1000
"""Requests waiting for one broker."""
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 30.0
RETRY_PAUSE_S = 0.05
RETRY_PAUSE_S_MAX = 2.0
REPLY_MAX = 16 << 20

Answered = Callable[[Message], None]


@dataclass(slots=True)
class _Queued:
    message: Message
    version: int
    answered: Answered | None


class BrokerSender:
    """Sends requests to one broker; `run` is its task."""

    def __init__(self, broker: Broker, client_id: str, network: Network) -> None:
        self.broker = broker
        self.overflowed = False
        self._client_id = client_id
        self._network = network
        self._queue: deque[_Queued] = deque()
        self._more = trio.Event()
        self._correlation = 0

    def send(self, message: Message, version: int, answered: Answered | None = None) -> None:
        """Queues a request; `answered` is called with its response."""
        if len(self._queue) >= QUEUE_MAX:
            log.warning("broker %d does not answer: %d requests to it are dropped", self.broker.broker_id, len(self._queue))
            self._queue.clear()
            self.overflowed = True
        self._queue.append(_Queued(message, version, answered))
        self._more.set()

    async def run(self) -> None:
        """Sends for ever; a lost connection is made again and the request at its head is sent again."""
        pause = RETRY_PAUSE_S
        while True:
            try:
                connection = await self._connect()
            except OSError as error:
                log.info("the controller cannot reach broker %d: %s", self.broker.broker_id, error)
                await trio.sleep(pause)
                pause = min(pause * 2, RETRY_PAUSE_S_MAX)
                continue
            pause = RETRY_PAUSE_S
            try:
                await self._send_all(connection)
            except (OSError, WireError, trio.TooSlowError) as error:
                log.info("the controller's connection to broker %d ended: %s", self.broker.broker_id, error)
                await trio.sleep(pause)
            finally:
                connection.transport.abort("the controller lets go of it")

    async def _connect(self) -> _Replies:
        if not self.broker.endpoints:
            raise OSError("it has no endpoint")
        endpoint = self.broker.endpoints[0]
        replies: list[_Replies] = []

        def accept(transport: Transport) -> _Replies:
            replies.append(_Replies(transport))
            return replies[0]

        await self._network.connect(endpoint.host, endpoint.port, accept, timeout=CONNECT_TIMEOUT_S, receive_max=REPLY_MAX)
        return replies[0]

    async def _send_all(self, connection: _Replies) -> None:
        while True:
            while not self._queue:
                self._more = trio.Event()
                await connection.wait_closed_or(self._more)
            queued = self._queue[0]
            self._correlation += 1
            for part in encode_request(queued.message, queued.version, self._correlation, self._client_id):
                connection.transport.write(part)
            self._network.flush()
            with trio.fail_after(REPLY_TIMEOUT_S):
                frame = await connection.next_frame()
            correlation, response = parse_response(response_class(queued.message.API_KEY), queued.version, frame)
            if correlation != self._correlation:
                raise WireError(f"answer {correlation} to request {self._correlation}")
            if self._queue and self._queue[0] is queued:
                self._queue.popleft()
            if queued.answered is not None:
                queued.answered(response)


class _Replies:
    """The receiving half of the connection: whole frames, one at a time."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._frames: deque[bytes] = deque()
        self._changed = trio.Event()
        self._reason: str | None = None

    def received(self, data: memoryview) -> int:
        taken = 0
        for frame in frames(data, REPLY_MAX):
            self._frames.append(bytes(frame))
            taken += LENGTH.size + len(frame)
        self._wake()
        return taken

    def closed(self, reason: str) -> None:
        self._reason = reason
        self._wake()

    async def next_frame(self) -> bytes:
        while not self._frames:
            await self._change()
        return self._frames.popleft()

    async def wait_closed_or(self, more: trio.Event) -> None:
        """Returns when `more` is set. Raises OSError when the connection ends first."""
        async with trio.open_nursery() as nursery:

            async def fail_when_closed() -> None:
                while self._reason is None:
                    await self._change()
                nursery.cancel_scope.cancel()

            nursery.start_soon(fail_when_closed)
            await more.wait()
            nursery.cancel_scope.cancel()
        if self._reason is not None:
            raise OSError(self._reason)

    async def _change(self) -> None:
        if self._reason is not None:
            raise OSError(self._reason)
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
