"""One connection to a broker: requests from any task, pipelined, answers matched by the protocol.

`Connection.run` is the reading task; whoever opens a connection starts it. When the connection ends, every request
that waits fails with `NETWORK_EXCEPTION`, and so does every later one.
"""

from __future__ import annotations

from typing import TypeVar

import trio

from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Message, Records, WireError
from coord.kit.names import open_stream

from .protocol import ClientProtocol

__all__ = ["CONNECT_TIMEOUT_S", "REQUEST_TIMEOUT_S", "Connection", "connect"]

R = TypeVar("R", bound=Message)

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 30.0
_RECEIVE_SIZE = 256 * 1024
_JOIN_MAX = 64 * 1024  # parts below this travel as one buffer


class _Waiting:
    """A request that waits for its answer."""

    __slots__ = ("answer", "done")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answer: Message | Exception | None = None


class Connection:
    """Made by `connect`; `closed` says whether it has ended."""

    def __init__(self, stream: trio.abc.Stream, protocol: ClientProtocol) -> None:
        self.peer = protocol.peer
        self.closed = False
        self._stream = stream
        self._protocol = protocol
        self._sending = trio.Lock()

    async def run(self) -> None:
        """Reads until the connection ends."""
        reason = "the broker closed the connection"
        try:
            while data := await self._stream.receive_some(_RECEIVE_SIZE):
                for answer in self._protocol.receive(data):
                    answer.token.answer = answer.response
                    answer.token.done.set()
        except (trio.BrokenResourceError, trio.ClosedResourceError, WireError) as error:
            reason = str(error) or type(error).__name__
        finally:
            self._fail(reason)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    def offers(self, key: int) -> bool:
        """Whether the broker knows the API at all."""
        return self._protocol.versions is not None and self._protocol.versions.offers(key)

    def version_of(self, request: type[Message]) -> int:
        """The version in which a request is sent. Raises KafkaError where there is none."""
        assert self._protocol.versions is not None
        return self._protocol.versions.choose(request.API_KEY)

    async def request(self, message: Message, response: type[R], *, timeout_s: float = REQUEST_TIMEOUT_S) -> R:
        """Sends a request and returns its answer, of class `response`.

        Raises KafkaError: NETWORK_EXCEPTION, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION, or CORRUPT_MESSAGE for an answer
        that does not parse.
        """
        waiting = _Waiting()
        found = await self._exchange(self._protocol.send(message, waiting), waiting, timeout_s)
        if isinstance(found, WireError):
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"the answer of {self.peer} does not parse: {found}") from found
        assert isinstance(found, response)
        return found

    async def send(self, message: Message) -> None:
        """Sends a request that is never answered (Produce with acks=0)."""
        await self._write(self._protocol.send(message, None))

    async def negotiate(self) -> None:
        """Agrees on versions; the first thing to do. Raises KafkaError."""
        waiting = _Waiting()
        parts = self._protocol.ask_versions(waiting)
        while parts:
            found = await self._exchange(parts, waiting, REQUEST_TIMEOUT_S)
            waiting = _Waiting()
            parts = self._protocol.take_versions(found, waiting)

    async def _exchange(self, parts: list[Records], waiting: _Waiting, timeout_s: float) -> Message | WireError:
        with trio.move_on_after(timeout_s) as scope:
            await self._write(parts)
            await waiting.done.wait()
        if scope.cancelled_caught:
            await self.aclose()  # a broker that does not answer is not waited for again
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, f"{self.peer} did not answer within {timeout_s:g} s")
        answer = waiting.answer
        if isinstance(answer, KafkaError):
            raise answer
        assert isinstance(answer, Message | WireError)
        return answer

    async def _write(self, parts: list[Records]) -> None:
        if self.closed:
            raise KafkaError(ErrorCode.NETWORK_EXCEPTION, f"the connection to {self.peer} has ended")
        joined = [b"".join(parts)] if sum(map(len, parts)) <= _JOIN_MAX else parts
        async with self._sending:
            try:
                for part in joined:
                    await self._stream.send_all(part)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._fail(str(error))
                raise KafkaError(ErrorCode.NETWORK_EXCEPTION, f"the connection to {self.peer} broke: {error}") from error
            except trio.Cancelled:
                self._fail("a request was given up half-way")
                raise

    def _fail(self, reason: str) -> None:
        self.closed = True
        error = KafkaError(ErrorCode.NETWORK_EXCEPTION, f"the connection to {self.peer} ended: {reason}")
        for waiting in self._protocol.unanswered():
            if not waiting.done.is_set():
                waiting.answer = error
                waiting.done.set()

    async def aclose(self) -> None:
        """Closes at once; requests that wait fail."""
        self._fail("closed")
        await trio.aclose_forcefully(self._stream)


async def connect(host: str, port: int, client_id: str, nursery: trio.Nursery) -> Connection:
    """Connects, starts the reading task in `nursery`, and agrees on versions. Raises OSError or KafkaError."""
    with trio.move_on_after(CONNECT_TIMEOUT_S) as scope:
        stream = await open_stream(host, port)
    if scope.cancelled_caught:
        raise OSError(f"no connection within {CONNECT_TIMEOUT_S:g} s")
    connection = Connection(stream, ClientProtocol(client_id, f"{host}:{port}"))
    nursery.start_soon(connection.run)
    await connection.negotiate()
    return connection
