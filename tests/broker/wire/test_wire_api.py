"""Headers of requests and responses, and the table of APIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.wire import api
from broker.wire.api import ApiKey, RequestHeader
from broker.wire.fields import NO_UUID, WireError
from broker.wire.messages import (
    APIS,
    ApiVersionsRequest,
    ApiVersionsResponse,
    ControlledShutdownRequest,
    MetadataRequest,
    MetadataResponse,
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)


def test_the_enum_is_the_table() -> None:
    """Every API with messages has a name in ApiKey, and its classes agree with the table."""
    assert {key.value for key in ApiKey} == set(APIS)
    for key, (name, _, low, high, flexible) in APIS.items():
        assert ApiKey(key).name.replace("_", "").lower() == name.lower()
        for cls in (api.request_class(key), api.response_class(key)):
            assert key == cls.API_KEY
            assert cls.VERSIONS == (low, high) == api.versions(key)
        assert api.flexible_from(key) == (32767 if flexible is None else flexible)


@given(
    key=st.sampled_from(sorted(APIS)),
    data=st.data(),
    correlation=st.integers(-(2**31), 2**31 - 1),
    client=st.none() | st.text(max_size=50),
)
def test_headers_survive_a_round_trip(key: int, data: st.DataObject, correlation: int, client: str | None) -> None:
    """What encode_request writes, parse_request_header reads, and stops where the body begins."""
    cls = api.request_class(key)
    version = data.draw(st.integers(*cls.VERSIONS))
    frame = b"".join(api.encode_request(cls(), version, correlation, client))

    header, at = api.parse_request_header(memoryview(frame)[4:])
    expected = None if api.header_version(key, version) == 0 else client
    assert header == RequestHeader(key, version, correlation, expected)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert at <= len(frame) - 4


def test_header_versions() -> None:
    """Flexible requests have header v2, except that ControlledShutdown v0 has v0; ApiVersions answers with v0 always."""
    assert api.header_version(ApiKey.CONTROLLED_SHUTDOWN, 0) == 0
    assert api.header_version(ApiKey.CONTROLLED_SHUTDOWN, 1) == 1
    assert api.header_version(ApiKey.CONTROLLED_SHUTDOWN, 3) == 2
    assert api.header_version(ApiKey.API_VERSIONS, 3) == 2
    assert api.header_version(ApiKey.API_VERSIONS, 99) == 2
    assert api.header_version(12345, 7) == 1
    assert api.response_header_version(ApiKey.API_VERSIONS, 3) == 0
    assert api.response_header_version(ApiKey.METADATA, 8) == 0
    assert api.response_header_version(ApiKey.METADATA, 9) == 1


def test_the_client_id_is_never_compact() -> None:
    """A flexible header keeps the two-byte length of the client id, and adds a tagged section."""
    frame = b"".join(api.encode_request(ApiVersionsRequest(), 3, 7, "me"))[4:]
    assert frame.startswith(b"\0\x12\0\3\0\0\0\7\0\2me\0")
    old = b"".join(api.encode_request(ControlledShutdownRequest(5), 0, 7, "me"))[4:]
    assert old == b"\0\7\0\0\0\0\0\7\0\0\0\5"


def test_responses_of_api_versions_can_be_read_without_knowing_versions() -> None:
    """The error code of ApiVersions v3 stands where v0 has it."""
    frame = b"".join(api.encode_response(ApiVersionsResponse(error_code=35), 3, 9))[4:]
    assert frame[:6] == b"\0\0\0\x09\0\x23"
    assert api.parse_response(ApiVersionsResponse, 3, frame) == (9, ApiVersionsResponse(error_code=35))


def test_flexible_responses_carry_a_tagged_section() -> None:
    """And unknown tags in a header are skipped."""
    frame = b"".join(api.encode_response(MetadataResponse(), 9, 9))[4:]
    assert frame[:5] == b"\0\0\0\x09\0"
    tagged = frame[:4] + b"\x01\x00\x02hi" + frame[5:]
    assert api.parse_response(MetadataResponse, 9, tagged) == (9, MetadataResponse())


def test_the_size_counts_record_batches() -> None:
    """Parts that are not in the first buffer count too."""
    request = ProduceRequest(topic_data=[ProduceRequestTopic("t", [ProduceRequestPartition(0, b"x" * 10_000)])])
    parts = api.encode_request(request, 9, 1, None)

    assert len(parts) == 3
    assert int.from_bytes(parts[0][:4], "big") == sum(map(len, parts)) - 4


@given(st.binary(max_size=60))
def test_garbage_is_a_header_or_a_wire_error(garbage: bytes) -> None:
    """Whatever arrives, nothing else is raised."""
    for parse in (api.parse_request_header, lambda data: api.parse_response(MetadataResponse, 12, data)):
        try:
            parse(garbage)
        except WireError:
            pass


@pytest.mark.parametrize("frame", [b"", b"\0\x03\0\x01", b"\0\3\0\1\0\0\0\1", b"\0\3\0\1\0\0\0\1\0\x05abc", b"\0\3\0\1\0\0\0\1\0\1\xff"])
def test_broken_headers_are_wire_errors(frame: bytes) -> None:
    """Too short, a client id beyond the end, a client id that is no text."""
    with pytest.raises(WireError):
        api.parse_request_header(frame)


def test_uuids_as_text() -> None:
    """Kafka writes topic ids as 22 characters of URL-safe base64."""
    raw = bytes.fromhex("0a8123f4f1924cecb5a040584453dc63")
    assert api.uuid_text(raw) == "CoEj9PGSTOy1oEBYRFPcYw"
    assert api.uuid_bytes("CoEj9PGSTOy1oEBYRFPcYw") == raw
    assert api.uuid_text(NO_UUID) == "A" * 22
    for broken in ("", "abc", "CoEj9PGSTOy1oEBYRFPcY!", "CoEj9PGSTOy1oEBYRFPcYwAA"):
        with pytest.raises(WireError):
            api.uuid_bytes(broken)


def test_unknown_keys_are_key_errors() -> None:
    """The caller decides what to do with an API that nobody knows."""
    for look in (api.versions, api.request_class, api.flexible_from):
        with pytest.raises(KeyError):
            look(12345)


def test_messages_compare_by_value() -> None:
    """And show their fields."""
    assert MetadataRequest() == MetadataRequest()
    assert MetadataRequest() != MetadataRequest(allow_auto_topic_creation=False)
    assert MetadataRequest() != ApiVersionsRequest()
    assert repr(ApiVersionsRequest("a", "b")) == "ApiVersionsRequest(client_software_name='a', client_software_version='b')"
