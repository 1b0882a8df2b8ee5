"""One client connection: frames in, answers out in order, and what closes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import pytest
import trio

from broker.server import listener as listener_module
from broker.server.dispatch import APIS, NO_RESPONSE, PENDING, Api, Request
from broker.server.listener import CHOKED_BYTES, Connection, Listeners
from broker.wire.api import ApiKey, encode_request, parse_response
from broker.wire.fields import Message
from broker.wire.messages import ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse

FRAME_MAX = 1000


class FakeTransport:
    """Records what the connection does to it."""

    def __init__(self) -> None:
        self.peer, self.host = "client:1", "client"
        self.queued = 0
        self.closed = self.paused = False
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def pause(self, *, until_end: bool = False) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    def abort(self, reason: str) -> None:
        self.closed = True


class FakeNetwork:
    """Keeps the wake-up callback."""

    def on_wakeup(self, callback: object) -> None:
        self.wake = callback

    def flush(self) -> None:
        pass


class Scene:
    """A connection whose Heartbeat handler is the test's."""

    def __init__(self) -> None:
        config = SimpleNamespace(
            socket_request_max_bytes=FRAME_MAX, connections_max_idle_ms=3000, max_connections=10
        )
        self.network = FakeNetwork()
        self.started: list[Request] = []
        tasks = SimpleNamespace(start=lambda request, job, urgent: self.started.append(request))
        self.listeners = Listeners(SimpleNamespace(config=config), self.network, tasks)  # type: ignore[arg-type]
        self.transport = FakeTransport()
        self.connection = Connection(self.listeners, "PLAINTEXT", self.transport)
        self.requests: list[Request] = []
        self.outcome: object = None

    def handle(self, broker: object, request: Request, message: HeartbeatRequest) -> object:
        self.requests.append(request)
        if self.outcome is None:
            return HeartbeatResponse(error_code=int(message.generation_id))
        return self.outcome

    def receive(self, data: bytes) -> int:
        return self.connection.received(memoryview(bytearray(data)))

    def answers(self) -> list[int]:
        """Correlation ids of the answers so far."""
        found, data = [], self.transport.written
        while data:
            size = int.from_bytes(data[:4], "big")
            found.append(int.from_bytes(data[4:8], "big"))
            data = data[4 + size :]
        return found


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene()
    api = Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, scene.handle, waits=False)  # type: ignore[arg-type]
    monkeypatch.setitem(listener_module.APIS, ApiKey.HEARTBEAT, api)
    return scene


def frame(number: int, message: Message | None = None, version: int = 1) -> bytes:
    return b"".join(encode_request(message or HeartbeatRequest("g", 0, "m"), version, number, "test"))


def test_requests_that_came_together_are_answered_in_order(scene: Scene) -> None:
    """Whole frames are consumed, a partial one is left."""
    data = frame(1) + frame(2) + frame(3)[:-1]
    assert scene.receive(data) == len(frame(1) + frame(2))
    assert scene.answers() == [1, 2]


def test_any_cut_gives_the_same_answers(scene: Scene) -> None:
    """Byte by byte, as the network may deliver it."""
    held = b""
    for byte in frame(1) + frame(2):
        held += bytes([byte])
        held = held[scene.receive(held) :]
    assert scene.answers() == [1, 2]


def test_a_request_that_waits_holds_back_those_behind_it(scene: Scene) -> None:
    """The connection is not read until the answer is sent."""
    scene.outcome = PENDING
    data = frame(1) + frame(2)
    assert scene.receive(data) == len(frame(1))
    assert scene.transport.paused
    assert scene.answers() == []
    scene.outcome = None
    scene.requests[0].reply(HeartbeatResponse())
    assert not scene.transport.paused
    assert scene.receive(frame(2)) == len(frame(2))
    assert scene.answers() == [1, 2]


def test_a_handler_may_answer_before_it_returns(scene: Scene) -> None:
    """PENDING with the answer already given goes on without a pause."""

    def at_once(broker: object, request: Request, message: Message) -> object:
        request.reply(HeartbeatResponse())
        return PENDING

    scene.handle = at_once  # type: ignore[method-assign]
    APIS[ApiKey.HEARTBEAT] = Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, at_once, waits=False)  # type: ignore[arg-type]
    assert scene.receive(frame(1) + frame(2)) == 2 * len(frame(1))
    assert scene.answers() == [1, 2]
    assert not scene.transport.paused


def test_no_response_is_no_response(scene: Scene) -> None:
    """Produce with acks=0."""
    scene.outcome = NO_RESPONSE
    assert scene.receive(frame(1)) == len(frame(1))
    assert scene.transport.written == b""
    assert not scene.transport.paused


def test_a_waiting_handler_runs_in_the_pool(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An async handler's connection waits."""
    api = Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, scene.handle, waits=True)  # type: ignore[arg-type]
    monkeypatch.setitem(listener_module.APIS, ApiKey.HEARTBEAT, api)
    assert scene.receive(frame(1) + frame(2)) == len(frame(1))
    assert [request.correlation_id for request in scene.started] == [1]
    assert scene.transport.paused


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        (FRAME_MAX + 1).to_bytes(4, "big"),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x02\x00\x12",
        frame(1)[:4] + b"\x7f\x00" + frame(1)[6:],
        frame(1, version=1)[:6] + b"\x00\x63" + frame(1)[8:],
        b"\x00\x00\x00\x0e" + frame(1)[4:18],
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x0c" + frame(1)[4:12] + b"\x00\x02\xff\xfe",
        b"\x00\x00\x00\x0e" + frame(1)[4:12] + b"\xff\xff\x00\x02\xff\xfe",
    ],
    ids=[
        "negative",
        "too long",
        "http",
        "no header",
        "unknown key",
        "unknown version",
        "body cut off",
        "empty",
        "a client that is no text",
        "a group that is no text",
    ],
)
def test_what_breaks_the_protocol_closes_the_connection(
    scene: Scene, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says who did what, in plain words."""
    scene.receive(data)
    assert scene.transport.closed
    assert scene.requests == []
    assert len(caplog.records) == 1
    assert "client:1" in caplog.text
    assert not re.search(r"unpack|codec|Error\b", caplog.text)


def test_a_frame_at_the_limit_is_taken(scene: Scene) -> None:
    """socket.request.max.bytes itself is allowed."""
    padding = FRAME_MAX - len(frame(1)) + 4
    message = HeartbeatRequest("g" + "x" * padding, 0, "m")
    assert len(frame(1, message)) == FRAME_MAX + 4
    scene.receive(frame(1, message))
    assert scene.answers() == [1]


@pytest.mark.parametrize("length", [4, 1000], ids=["header cut off", "whole"])
def test_an_unknown_version_of_api_versions_is_answered_in_version_0(scene: Scene, length: int) -> None:
    """The connection lives on, whatever the rest of the request looks like."""
    data = bytearray(frame(7, ApiVersionsRequest(), 3))[: 8 + length]
    data[:4] = (len(data) - 4).to_bytes(4, "big")
    data[6:8] = (99).to_bytes(2, "big")
    scene.receive(bytes(data))
    number, response = parse_response(ApiVersionsResponse, 0, scene.transport.written[4:])
    assert (number, response.error_code) == (7, 35)
    assert not scene.transport.closed


def test_a_client_that_takes_no_answers_is_not_read(scene: Scene) -> None:
    """Above CHOKED_BYTES its next request waits; it is read again when half is gone."""
    scene.transport.queued = CHOKED_BYTES + 1
    assert scene.receive(frame(1)) == 0
    assert scene.transport.paused
    scene.network.wake()  # type: ignore[operator]
    assert scene.transport.paused
    scene.transport.queued = CHOKED_BYTES // 2
    scene.network.wake()  # type: ignore[operator]
    assert not scene.transport.paused


def test_requests_that_came_together_wait_for_the_answers_before_them(scene: Scene) -> None:
    """A client that pipelines fetches of many megabytes is slowed down, not cut off."""

    def large(broker: object, request: Request, message: Message) -> HeartbeatResponse:
        scene.transport.queued += CHOKED_BYTES // 2 + 1
        return HeartbeatResponse()

    scene.handle = large  # type: ignore[method-assign]
    APIS[ApiKey.HEARTBEAT] = Api(ApiKey.HEARTBEAT, 0, 4, HeartbeatRequest, large, waits=False)  # type: ignore[arg-type]
    data = b"".join(map(frame, range(1, 6)))
    taken = scene.receive(data)
    assert taken == 2 * len(frame(1))
    assert scene.transport.paused
    scene.transport.queued = 0
    scene.network.wake()  # type: ignore[operator]
    assert not scene.transport.paused
    taken += scene.receive(data[taken:])
    assert scene.answers() == [1, 2, 3, 4]
    assert taken == 4 * len(frame(1))


def test_an_answer_to_a_connection_that_is_gone_goes_nowhere(scene: Scene) -> None:
    """The handler need not know."""
    scene.outcome = PENDING
    scene.receive(frame(1))
    scene.connection.closed("reset")
    scene.requests[0].reply(HeartbeatResponse())
    assert scene.transport.written == b""
    assert scene.requests[0].origin.gone


def test_a_request_that_waits_is_let_go_when_its_client_hangs_up(scene: Scene) -> None:
    """Not before, and not when it has been answered."""
    scene.outcome = PENDING
    let_go: list[int] = []
    for number in (1, 2):
        scene.receive(frame(number))
        scene.requests[-1].let_go = partial(let_go.append, number)
        if number == 1:
            scene.requests[0].reply(HeartbeatResponse())
    assert let_go == []
    scene.connection.closed("closed by the other side")
    assert let_go == [2]


def test_a_request_is_answered_once(scene: Scene) -> None:
    """A second answer is a mistake of ours."""
    scene.outcome = PENDING
    scene.receive(frame(1))
    scene.requests[0].reply(HeartbeatResponse())
    with pytest.raises(AssertionError, match="answered twice"):
        scene.requests[0].reply(HeartbeatResponse())


def test_a_silent_connection_is_closed_and_a_waiting_one_is_not(scene: Scene) -> None:
    """connections.max.idle.ms counts from the last bytes; a long poll is not idle."""
    for _ in range(3):
        scene.connection.idles(3)
    assert not scene.transport.closed
    scene.receive(frame(1))
    scene.outcome = PENDING
    scene.receive(frame(2))
    for _ in range(10):
        scene.connection.idles(3)
    assert not scene.transport.closed
    scene.requests[-1].reply(HeartbeatResponse())
    for _ in range(4):
        scene.connection.idles(3)
    assert scene.transport.closed


def accepting(scene: Scene) -> Callable[[FakeTransport], Connection]:
    """What a listener does with who connects."""
    accepts = []

    async def listen(host: str, port: int, accept: object, **limits: int) -> SimpleNamespace:
        accepts.append(accept)
        return SimpleNamespace(port=1, close=lambda: None)

    scene.network.listen = listen  # type: ignore[attr-defined]
    scene.listeners.broker.config.fetch_max_bytes = 1  # type: ignore[misc]
    scene.listeners.broker.config.socket_send_buffer_bytes = -1  # type: ignore[misc]
    trio.run(scene.listeners.listen, SimpleNamespace(name="PLAINTEXT", host="", port=0))
    return accepts[0]  # type: ignore[return-value]


def test_one_connection_too_many_is_closed(scene: Scene) -> None:
    """max.connections."""
    scene.listeners.broker.config.max_connections = 1  # type: ignore[misc]
    accept = accepting(scene)
    first, second = FakeTransport(), FakeTransport()
    accept(first)
    accept(second)
    assert (first.closed, second.closed) == (False, True)


def test_who_comes_early_waits(scene: Scene) -> None:
    """The port is taken before the logs are recovered; requests are read when they can be served."""
    accept = accepting(scene)
    early, late = FakeTransport(), FakeTransport()
    accept(early)
    assert early.paused
    scene.listeners.serve()
    accept(late)
    assert (early.paused, late.paused) == (False, False)


def test_a_stop_hangs_up(scene: Scene) -> None:
    """Without a warning: the clients have done nothing wrong."""
    accept = accepting(scene)
    transport = FakeTransport()
    accept(transport)
    scene.listeners.close()
    assert transport.closed
