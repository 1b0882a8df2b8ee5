"""The client's half of one connection, without I/O: versions, correlation ids, frames.

Requests leave as parts of frames; bytes that arrive come back as answered requests, in order. Versions are agreed by
ApiVersions: the highest that both sides know, below the ceilings which `CEILINGS` explains.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from broker.wire.api import ApiKey, encode_request, parse_response, response_class, versions
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import Message, Records, WireError
from broker.wire.messages import ApiVersionsRequest, ApiVersionsResponse
from coord.kit.framing import LENGTH, FrameError, frames

__all__ = ["FRAME_MAX", "Answer", "ClientProtocol", "Versions"]

FRAME_MAX = 128 << 20
"""The largest response that is accepted; a fetch asks for less than half of it."""

CEILINGS = {
    ApiKey.FETCH: 12,  # 13 addresses topics by id
    ApiKey.OFFSET_FETCH: 7,  # 8 asks for several groups at once
    ApiKey.OFFSET_COMMIT: 8,  # 9 belongs to the new group protocol
    ApiKey.FIND_COORDINATOR: 3,  # 4 asks for several keys at once
    ApiKey.LIST_OFFSETS: 7,  # 8 and 9 are for tiered logs
    ApiKey.DELETE_TOPICS: 5,  # 6 deletes by id
    ApiKey.DESCRIBE_CLUSTER: 0,
}
"""Versions above these have another shape, and nothing that this client needs."""

FLOORS = {
    ApiKey.PRODUCE: 3,  # record batches of format v2
    ApiKey.FETCH: 4,
    ApiKey.LIST_OFFSETS: 1,
    ApiKey.METADATA: 1,  # null for all topics
    ApiKey.OFFSET_COMMIT: 2,
    ApiKey.OFFSET_FETCH: 1,  # v0 reads another store
}
"""Versions below these cannot say what this client means."""


class Versions:
    """What a broker speaks: API key to its first and last version."""

    def __init__(self, ranges: dict[int, tuple[int, int]], peer: str) -> None:
        self._ranges = ranges
        self._peer = peer

    def choose(self, key: int) -> int:
        """The version to speak. Raises KafkaError (UNSUPPORTED_VERSION)."""
        low, high = versions(key)
        low, high = max(low, FLOORS.get(ApiKey(key), 0)), min(high, CEILINGS.get(ApiKey(key), high))
        name = ApiKey(key).name.replace("_", " ").title().replace(" ", "")
        if key not in self._ranges:
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"the broker at {self._peer} does not offer {name}")
        their_low, their_high = self._ranges[key]
        if their_high < low or their_low > high:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"the broker at {self._peer} speaks {name} {their_low} to {their_high}, this client {low} to {high}",
            )
        return min(high, their_high)

    def offers(self, key: int) -> bool:
        """Whether the broker knows the API at all."""
        return key in self._ranges


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request, or why it does not parse; `token` is what the request was sent with."""

    token: Any
    response: Message | WireError


@dataclass(slots=True)
class _Sent:
    correlation_id: int
    key: int
    version: int
    token: Any


@dataclass(slots=True)
class ClientProtocol:
    """Requests out, answers in. Raises WireError where the other side breaks the protocol: close the connection then."""

    client_id: str
    peer: str
    versions: Versions | None = None
    _correlation: int = 0
    _sent: deque[_Sent] = field(default_factory=deque)
    _buffer: bytearray = field(default_factory=bytearray)

    def send(self, message: Message, token: Any, version: int | None = None) -> list[Records]:
        """The parts of a request's frame. Its version is agreed unless given; Produce with acks=0 is never answered."""
        if version is None:
            assert self.versions is not None, "versions are agreed first"
            version = self.versions.choose(message.API_KEY)
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        parts = encode_request(message, version, self._correlation, self.client_id)
        if not (message.API_KEY == ApiKey.PRODUCE and getattr(message, "acks", None) == 0):
            self._sent.append(_Sent(self._correlation, message.API_KEY, version, token))
        return parts

    def receive(self, data: bytes | bytearray) -> list[Answer]:
        """Takes bytes, returns what they complete. Raises WireError."""
        self._buffer += data
        try:
            with memoryview(self._buffer) as view:
                found = [bytes(frame) for frame in frames(view, FRAME_MAX)]
        except FrameError as error:
            raise WireError(f"{self.peer}: {error}") from error
        del self._buffer[: sum(LENGTH.size + len(frame) for frame in found)]
        return [self._answer(frame) for frame in found]

    def unanswered(self) -> list[Any]:
        """Tokens of the requests still open, for when the connection ends."""
        return [sent.token for sent in self._sent]

    def _answer(self, frame: bytes) -> Answer:
        if not self._sent:
            raise WireError(f"{self.peer} answers a request that was not sent")
        sent = self._sent.popleft()
        correlation = LENGTH.unpack_from(frame)[0] if len(frame) >= LENGTH.size else None
        if correlation != sent.correlation_id:
            raise WireError(f"{self.peer} answers request {correlation}, where {sent.correlation_id} is next")
        try:
            return Answer(sent.token, parse_response(response_class(sent.key), sent.version, frame)[1])
        except WireError as error:
            return Answer(sent.token, error)

    # ApiVersions: v3, and v0 once more where the broker refuses that

    def ask_versions(self, token: Any) -> list[Records]:
        """The first request of a connection."""
        return self.send(ApiVersionsRequest("quorate", "0.1"), token, version=3)

    def take_versions(self, response: Message | WireError, token: Any) -> list[Records]:
        """Takes the answer; returns another request where the broker knows v0 only, else nothing. Raises KafkaError."""
        if isinstance(response, WireError):  # error 35 comes in the shape of v0, whatever was asked
            return self.send(ApiVersionsRequest(), token, version=0)
        assert isinstance(response, ApiVersionsResponse)
        if response.error_code:
            raise KafkaError(response.error_code, f"the broker at {self.peer} does not tell its versions")
        self.versions = Versions({row.api_key: (row.min_version, row.max_version) for row in response.api_keys}, self.peer)
        return []
