"""The client's half of a connection, byte by byte and against a broker's half written with the same codec."""

from __future__ import annotations

import pytest

from broker.client.protocol import Answer, ClientProtocol, Versions
from broker.wire.api import encode_response, parse_request_header
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.fields import WireError
from broker.wire.messages import (
    ApiVersionsResponse,
    ApiVersionsResponseApiKey,
    HeartbeatRequest,
    HeartbeatResponse,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
)


def agreed(**ranges: tuple[int, int]) -> ClientProtocol:
    keys = {"produce": 0, "fetch": 1, "metadata": 3, "heartbeat": 12}
    table = {keys[name]: bounds for name, bounds in ranges.items()}
    return ClientProtocol("me", "b:1", Versions(table, "b:1"))


def header_of(parts: list[object]) -> tuple[int, int, int]:
    header, _ = parse_request_header(b"".join(parts)[4:])  # type: ignore[arg-type]
    return header.api_key, header.api_version, header.correlation_id


def answers(response: object, version: int, correlation: int) -> bytes:
    return b"".join(encode_response(response, version, correlation))  # type: ignore[arg-type]


def test_answers_meet_their_requests() -> None:
    """In order, whatever pieces they arrive in."""
    protocol = agreed(metadata=(0, 12), heartbeat=(0, 4))
    _, version, first = header_of(protocol.send(MetadataRequest(topics=[]), "a"))
    _, beat, second = header_of(protocol.send(HeartbeatRequest("g"), "b"))
    stream = answers(MetadataResponse(cluster_id="c"), version, first) + answers(HeartbeatResponse(error_code=27), beat, second)

    found: list[Answer] = []
    for byte in stream:
        found += protocol.receive(bytes([byte]))
    assert found == [Answer("a", MetadataResponse(cluster_id="c")), Answer("b", HeartbeatResponse(error_code=27))]
    assert protocol.unanswered() == []


def test_versions_are_the_highest_that_both_know() -> None:
    """Below the ceiling, above the floor, or it is an error that says what each side speaks."""
    assert agreed(metadata=(0, 5)).versions.choose(3) == 5
    assert agreed(metadata=(0, 99)).versions.choose(3) == 12
    assert agreed(fetch=(0, 99)).versions.choose(1) == 12
    with pytest.raises(KafkaError, match="speaks Produce 0 to 2, this client 3 to 11"):
        agreed(produce=(0, 2)).versions.choose(0)
    with pytest.raises(KafkaError, match="speaks Fetch 13 to 17, this client 4 to 12"):
        agreed(fetch=(13, 17)).versions.choose(1)
    with pytest.raises(KafkaError, match="does not offer Heartbeat") as caught:
        agreed().versions.choose(12)
    assert caught.value.code == ErrorCode.UNSUPPORTED_VERSION
    assert not agreed().versions.offers(12)


def test_a_broker_without_v3_is_asked_again_in_v0() -> None:
    """Error 35 comes in the shape of v0, which v3 cannot read."""
    protocol = ClientProtocol("me", "b:1")
    key, version, correlation = header_of(protocol.ask_versions("a"))
    assert (key, version) == (18, 3)
    (answer,) = protocol.receive(answers(ApiVersionsResponse(error_code=35), 0, correlation))

    key, version, correlation = header_of(protocol.take_versions(answer.response, "b"))
    assert (key, version) == (18, 0)
    rows = [ApiVersionsResponseApiKey(3, 0, 4)]
    (answer,) = protocol.receive(answers(ApiVersionsResponse(api_keys=rows), 0, correlation))
    assert protocol.take_versions(answer.response, "c") == []
    assert protocol.versions.choose(3) == 4


def test_a_broker_that_refuses_to_tell_is_an_error() -> None:
    """For example because it wants authentication first."""
    protocol = ClientProtocol("me", "b:1")
    with pytest.raises(KafkaError, match="does not tell its versions"):
        protocol.take_versions(ApiVersionsResponse(error_code=ErrorCode.CLUSTER_AUTHORIZATION_FAILED), "a")


def test_produce_without_acknowledgement_waits_for_nothing() -> None:
    """The next answer belongs to the next request."""
    protocol = agreed(produce=(0, 9), heartbeat=(0, 4))
    protocol.send(ProduceRequest(acks=0), "never")
    _, beat, correlation = header_of(protocol.send(HeartbeatRequest("g"), "b"))
    assert protocol.receive(answers(HeartbeatResponse(), beat, correlation)) == [Answer("b", HeartbeatResponse())]


def test_a_broker_that_breaks_the_protocol() -> None:
    """An answer to nothing, to the wrong request, or of an absurd size ends the connection; a damaged one does not."""
    with pytest.raises(WireError, match="was not sent"):
        agreed().receive(b"\0\0\0\4\0\0\0\1")
    protocol = agreed(heartbeat=(0, 4))
    protocol.send(HeartbeatRequest("g"), "a")
    with pytest.raises(WireError, match="answers request 9, where 1 is next"):
        protocol.receive(b"\0\0\0\4\0\0\0\x09")
    for size in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"):
        with pytest.raises(WireError):
            agreed().receive(size)

    protocol = agreed(heartbeat=(0, 4))
    protocol.send(HeartbeatRequest("g"), "a")
    (answer,) = protocol.receive(b"\0\0\0\5\0\0\0\1\0")
    assert isinstance(answer.response, WireError)
