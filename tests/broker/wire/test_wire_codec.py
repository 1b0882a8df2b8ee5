"""The compiled codec against its slow oracle, against real Kafka's bytes, and against garbage."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.wire import api, codec, reference
from broker.wire.fields import Message, WireError
from broker.wire.messages import (
    ApiVersionsRequest,
    FetchRequest,
    FetchResponse,
    FetchResponseLeader,
    FetchResponsePartition,
    FetchResponseTopic,
    MetadataRequest,
    MetadataRequestTopic,
    OffsetCommitValue,
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
)
from tests.broker.wire.wire_values import CLASSES, message_and_version, sample

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "kafka_wire.txt"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=15)
@given(data=st.data())
def test_compiled_and_reference_agree(cls: type[Message], data: st.DataObject) -> None:
    """Both codecs write the same bytes and read back the same message, from any offset."""
    message, version = data.draw(message_and_version(cls))
    expected = reference.encode(message, version)

    assert codec.encode(message, version) == expected
    assert codec.decode(cls, version, b"pad" + expected, 3) == (message, len(expected) + 3)
    assert reference.decode(cls, version, expected) == (message, len(expected))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_truncated_messages_are_wire_errors(cls: type[Message]) -> None:
    """Every strict prefix of a message fails, and with WireError only."""
    source = random.Random(cls.__name__)
    for version in range(cls.VERSIONS[0], cls.VERSIONS[1] + 1):
        whole = codec.encode(sample(cls, version, source), version)
        for end in range(len(whole)):
            with pytest.raises(WireError) as refused:
                codec.decode(cls, version, memoryview(whole)[:end])
            assert not re.search(r"unpack|out of range|out of bounds|codec|Error", str(refused.value)), "Python's words for it"


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@settings(max_examples=15)
@given(garbage=st.binary(max_size=200), data=st.data())
def test_garbage_is_a_message_or_a_wire_error(cls: type[Message], garbage: bytes, data: st.DataObject) -> None:
    """Both codecs accept the same garbage, as the same message; nothing but WireError comes out."""
    version = data.draw(st.integers(*cls.VERSIONS))
    try:
        expected: object = reference.decode(cls, version, garbage)
    except WireError:
        expected = None
    try:
        found: object = codec.decode(cls, version, garbage)
    except WireError:
        found = None
    assert found == expected or repr(found) == repr(expected)  # a NaN differs from itself


def test_a_length_beyond_the_bytes_allocates_nothing() -> None:
    """An array of two thousand million elements in a message of ten bytes is refused at once."""
    with pytest.raises(WireError, match="more elements than bytes"):
        codec.decode(MetadataRequest, 1, b"\x7f\xff\xff\xff" + bytes(6))


def golden_frames() -> list[tuple[int, int, str, bytes]]:
    """(key, version, direction, frame) of the capture."""
    found = []
    key = version = -1
    for line in GOLDEN.read_text().splitlines():
        if line.startswith("key "):
            _, number, text = line.split()
            key, version = int(number), int(text[1:])
        elif line[0] in "<>":
            found.append((key, version, line[0], bytes.fromhex(line[2:])))
    return found


@pytest.mark.parametrize(("key", "version", "direction", "frame"), golden_frames())
def test_real_frames_survive_a_round_trip(key: int, version: int, direction: str, frame: bytes) -> None:
    """A frame of a real Kafka parses to its last byte, and is written again byte for byte."""
    if direction == ">":
        header, at = api.parse_request_header(frame)
        assert (header.api_key, header.api_version) == (key, version)
        message, end = codec.decode(api.request_class(key), version, frame, at)
        again = api.encode_request(message, version, header.correlation_id, header.client_id)
    else:
        correlation, at = api.parse_response_header(key, version, frame)
        message, end = codec.decode(api.response_class(key), version, frame, at)
        again = api.encode_response(message, version, correlation)

    assert end == len(frame)
    assert b"".join(again) == len(frame).to_bytes(4, "big") + frame
    assert reference.encode(message, version) == frame[at:]


def test_fields_of_other_versions_read_as_their_defaults() -> None:
    """What a version lacks has the default that Kafka gives it."""
    request, _ = codec.decode(FetchRequest, 0, codec.encode(FetchRequest(replica_id=3, max_wait_ms=5), 0))

    assert request == FetchRequest(replica_id=3, max_wait_ms=5, max_bytes=0x7FFFFFFF, session_epoch=-1)


def test_a_value_the_version_cannot_carry_is_an_error_unless_ignorable() -> None:
    """Losing a transactional id would be silent damage; losing a cache hint is fine."""
    with pytest.raises(WireError, match=r"ProduceRequest\.transactional_id is not carried by version 2"):
        codec.encode(ProduceRequest(transactional_id="t"), 2)
    assert codec.encode(FetchRequest(rack_id="r"), 10) == codec.encode(FetchRequest(), 10)


def test_null_where_it_is_not_allowed_is_an_error_both_ways() -> None:
    """Metadata v0 says all topics with an empty list, v1 with null."""
    assert codec.encode(MetadataRequest(topics=None), 1) == b"\xff\xff\xff\xff"
    with pytest.raises(WireError):
        codec.encode(MetadataRequest(topics=None), 0)
    with pytest.raises(WireError, match="topics is null"):
        codec.decode(MetadataRequest, 0, b"\xff\xff\xff\xff")


def test_values_out_of_range_are_wire_errors() -> None:
    """Integers, strings and uuids that do not fit are refused, not cut."""
    for message, version in (
        (ProduceRequest(acks=1 << 20), 9),
        (ApiVersionsRequest(client_software_name="x" * 32768), 3),
        (MetadataRequest([MetadataRequestTopic(topic_id=b"short")]), 12),
        (MetadataRequest([MetadataRequestTopic(name=5)]), 1),  # type: ignore[arg-type]
    ):
        with pytest.raises(WireError):
            codec.encode(message, version)


def test_versions_that_do_not_exist_are_wire_errors() -> None:
    """A version outside of the message's range is refused both ways."""
    with pytest.raises(WireError, match="versions 0 to 11, not 12"):
        codec.encode(ProduceRequest(), 12)
    with pytest.raises(WireError):
        codec.decode(ProduceRequest, -1, b"")


def test_unknown_tagged_fields_are_skipped() -> None:
    """A later Kafka may add tagged fields to any version; they are passed over, wherever they stand."""
    plain = codec.encode(ApiVersionsRequest("a", "b"), 3)
    assert plain[-1] == 0
    tagged = plain[:-1] + b"\x02\x05\x03xyz\xac\x02\x01q"

    assert codec.decode(ApiVersionsRequest, 3, tagged) == (ApiVersionsRequest("a", "b"), len(tagged))


def test_known_tags_are_sent_only_when_they_differ() -> None:
    """The current leader of a fetched partition costs nothing until there is one to tell."""
    quiet = FetchResponse(responses=[FetchResponseTopic("t", partitions=[FetchResponsePartition(1)])])
    telling = FetchResponse(
        responses=[FetchResponseTopic("t", partitions=[FetchResponsePartition(1, current_leader=FetchResponseLeader(2, 7))])]
    )

    grown = len(codec.encode(telling, 12)) - len(codec.encode(quiet, 12))
    assert grown == 2 + 4 + 4 + 1  # tag, size, two int32, the struct's own empty section
    assert codec.decode(FetchResponse, 12, codec.encode(telling, 12))[0] == telling


def test_records_are_never_copied() -> None:
    """Decoding slices the input, encoding hands the caller's buffer on."""
    batch = bytearray(b"b" * 5000)
    request = ProduceRequest(topic_data=[ProduceRequestTopic("t", [ProduceRequestPartition(0, batch)])])

    parts = codec.encode_parts(request, 9)
    assert any(part is batch for part in parts)

    frame = bytearray(b"".join(parts))
    decoded, _ = codec.decode(ProduceRequest, 9, frame)
    records = decoded.topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert records.obj is frame
    assert records == batch


def test_data_messages_carry_their_version() -> None:
    """Records of the internal topics open with two bytes of version."""
    value = OffsetCommitValue(offset=5, metadata="m", commit_timestamp=7)

    data = codec.encode_versioned(value, 3)
    assert data[:2] == b"\0\3"
    assert codec.decode_versioned(OffsetCommitValue, data) == value
    for broken in (b"", b"\0", b"\0\x63", data[:-1]):
        with pytest.raises(WireError):
            codec.decode_versioned(OffsetCommitValue, broken)


def test_a_process_imports_only_what_it_uses() -> None:
    """Importing the codec loads no message module; a name loads its own."""
    script = (
        "import sys, broker.wire.api, broker.wire.codec\n"
        "from broker.wire.messages import FetchRequest\n"
        "print(*sorted(m for m in sys.modules if m.startswith('broker.wire.messages.')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["broker.wire.messages.fetch"]
