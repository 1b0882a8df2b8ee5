"""Record batches: headers, checks, stamps, records, control records, compression."""

from __future__ import annotations

import gzip
import random

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from broker.wire import batches, compression, records
from broker.wire.batches import HEADER_SIZE, BatchError, Codec
from broker.wire.errors import ErrorCode, KafkaError, error_name, is_retriable, message_of
from broker.wire.records import ControlType, Record

KEYS = st.none() | st.binary(max_size=20)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3)


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    """Ascending offsets, with gaps, and times in any order."""
    offset = draw(st.integers(0, 2**40))
    found = []
    for gap in draw(st.lists(st.integers(1, 300), min_size=1, max_size=8)):
        offset += gap
        time = draw(st.integers(0, 2**42))
        found.append(Record(offset, time, draw(KEYS), draw(KEYS | st.just(b"v" * 200)), draw(HEADERS)))
    return [record._replace(headers=record.headers or ()) for record in found]


@given(found=record_lists(), codec=st.sampled_from(Codec), cut=st.integers(0, 100))
def test_records_survive_a_round_trip(found: list[Record], codec: Codec, cut: int) -> None:
    """Every codec, two batches in a row; a second one that is cut short is left out when that is allowed."""
    batch = records.build_batch(found, codec=codec, leader_epoch=3)
    assert list(records.read_records(batch)) == found
    assert list(records.read_records(memoryview(batch + batch))) == found * 2

    shorter = (batch + batch)[: -1 - cut % (len(batch) - 1)]
    assert list(records.read_records(shorter, partial=True)) == found
    with pytest.raises(BatchError):
        list(records.read_records(shorter))


@given(found=record_lists(), garbage=st.binary(max_size=120), at=st.integers(0, 200), value=st.integers(0, 255))
def test_damage_is_a_batch_error(found: list[Record], garbage: bytes, at: int, value: int) -> None:
    """Garbage, and one changed byte anywhere, with its checksum made right again, raise BatchError or nothing."""
    batch = records.build_batch(found)
    batch[at % len(batch)] = value
    for data in (garbage, bytes(batch), bytes(batch) + garbage):
        for run in (lambda data: list(records.read_records(data)), batches.validate):
            try:
                run(data)
            except BatchError:
                pass
    if len(batch) >= HEADER_SIZE:
        batches.pack_crc(batch)
        try:
            list(records.read_records(batch))
        except BatchError:
            pass


def test_headers_have_the_fields_of_the_protocol() -> None:
    """A header read from a batch that another implementation wrote."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=1, producer_id=7, producer_epoch=2, base_sequence=5, batch_size=99999
    )
    for offset in range(3):
        builder.append(offset, timestamp=1000 + offset, key=b"k", value=b"v%d" % offset, headers=[("h", b"x")])
    theirs = bytes(builder.build())
    header = batches.validate(theirs)

    assert header.size == len(theirs)
    assert (header.base_offset, header.last_offset, header.next_offset, header.record_count) == (0, 2, 3, 3)
    assert (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence) == (7, 2, 5, 7)
    assert (header.base_timestamp, header.max_timestamp, header.codec) == (1000, 1002, 0)
    assert header.is_transactional
    assert not (header.is_control or header.is_append_time or header.has_delete_horizon)
    assert [record.value for record in records.read_records(theirs)] == [b"v0", b"v1", b"v2"]


@pytest.mark.parametrize("codec", list(Codec))
def test_other_implementations_read_our_batches(codec: Codec) -> None:
    """aiokafka unpacks what we pack, with its own checks."""
    found = [Record(at, 1000 + at, b"k%d" % at, b"v" * 50, [("h", b"1")]) for at in range(100)]
    theirs = DefaultRecordBatch(bytearray(records.build_batch(found, codec=codec)))

    assert theirs.validate_crc()
    assert [(r.offset, r.timestamp, r.key, r.value) for r in theirs] == [(r.offset, r.timestamp, r.key, r.value) for r in found]


def test_a_leader_stamps_without_touching_the_checksum() -> None:
    """Base offset and leader epoch lie outside of the CRC; the time of the append does not."""
    batch = records.build_batch([Record(0, 5, b"k", b"v"), Record(1, 6, b"k", b"w")])
    buffer = bytearray(b"..." + batch)

    batches.stamp(buffer, 3, 1 << 40, 9)
    header = batches.validate(buffer, 3)
    assert (header.base_offset, header.leader_epoch, header.last_offset) == (1 << 40, 9, (1 << 40) + 1)

    batches.stamp_append_time(memoryview(buffer), 3, 777)
    header = batches.validate(buffer, 3)
    assert header.is_append_time
    assert [r.timestamp for r in records.unpack_records(buffer, 3, header)] == [777, 777]


def refused(batch: bytes) -> ErrorCode:
    with pytest.raises(BatchError) as caught:
        batches.validate(batch)
    return ErrorCode(caught.value.code)


def test_what_a_leader_refuses() -> None:
    """Each kind of bad batch has the code that Kafka answers."""
    good = bytes(records.build_batch([Record(0, 5, b"k", b"v"), Record(1, 6, b"k", b"w")]))

    def changed(at: int, value: bytes) -> bytes:
        batch = bytearray(good)
        batch[at : at + len(value)] = value
        batches.pack_crc(batch)
        return bytes(batch)

    assert batches.validate(good).record_count == 2
    assert refused(good[:-1]) == ErrorCode.CORRUPT_MESSAGE
    assert refused(good[:-1] + b"\xff") == ErrorCode.CORRUPT_MESSAGE
    assert refused(good[:30]) == ErrorCode.CORRUPT_MESSAGE
    assert refused(b"") == ErrorCode.INVALID_RECORD
    assert refused(changed(8, b"\xff\xff\xff\xff")) == ErrorCode.CORRUPT_MESSAGE
    assert refused(changed(8, b"\0\0\0\x10")) == ErrorCode.CORRUPT_MESSAGE
    assert refused(changed(16, b"\3")) == ErrorCode.CORRUPT_MESSAGE
    assert refused(changed(57, b"\0\0\0\3")) == ErrorCode.INVALID_RECORD
    assert refused(changed(57, b"\0\0\0\0")) == ErrorCode.INVALID_RECORD
    assert refused(changed(21, b"\0\7")) == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    for magic in (b"\0", b"\1"):
        assert refused(changed(16, magic)) == ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT


def test_old_formats_are_recognised() -> None:
    """A message of v0 or v1 has its magic where a batch has it."""
    old = bytes(8) + b"\0\0\0\x16" + bytes(4) + b"\1" + bytes(17)
    assert batches.magic_at(old) == 1
    assert refused(old) == ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT
    with pytest.raises(BatchError):
        batches.magic_at(old[:16])
    with pytest.raises(BatchError):
        batches.read_header(old)


def test_sequences_wrap() -> None:
    """After 2^31 - 1 comes 0."""
    batch = records.build_batch([Record(at, 0, None, b"") for at in range(3)], producer_id=1, producer_epoch=0, base_sequence=2**31 - 2)
    assert batches.read_header(batch).last_sequence == 0
    assert batches.read_header(records.build_batch([Record(0, 0, None, b"")])).last_sequence == -1


def test_control_batches_are_for_the_consumer_to_act_on() -> None:
    """They are left out unless asked for; their key says what they are."""
    batch = records.control_batch(ControlType.COMMIT, now_ms=5, producer_id=7, producer_epoch=1, coordinator_epoch=3, base_offset=50)
    header = batches.validate(batch)
    assert header.is_control
    assert header.is_transactional
    assert list(records.read_records(batch)) == []

    (marker,) = records.read_records(batch, control=True)
    assert marker.offset == 50
    assert records.read_control(marker) == (ControlType.COMMIT, 3)
    assert records.read_control(marker._replace(key=b"\0\0\0\2", value=b"")) == (2, None)
    for broken in (marker._replace(key=None), marker._replace(key=b"\0"), marker._replace(value=b"\0\0")):
        with pytest.raises(BatchError):
            records.read_control(broken)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_compression_is_bounded(codec: Codec) -> None:
    """What unpacks to more than is allowed is refused; to the byte."""
    data = bytes(3_000_000)
    packed = compression.compress(codec, data)

    assert compression.decompress(codec, packed, len(data)) == data
    with pytest.raises(BatchError):
        compression.decompress(codec, packed, len(data) - 1)
    for broken in (packed[:-3], b"\x00" * 20, packed[:20]):
        with pytest.raises(BatchError):
            compression.decompress(codec, broken)


def test_compression_formats() -> None:
    """Framings that only others write are read; a codec without a number is refused."""
    data = random.Random(1).randbytes(100_000) + bytes(100_000)

    assert compression.compress(Codec.SNAPPY, data).startswith(b"\x82SNAPPY\0")
    assert compression.decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(data))) == data
    assert compression.compress(Codec.LZ4, data)[4] & 0x20, "blocks must be independent"
    assert compression.decompress(Codec.LZ4, bytes(cramjam.lz4.compress(data))) == data
    assert compression.decompress(Codec.GZIP, gzip.compress(data)) == data
    assert compression.decompress(Codec.NONE, memoryview(data)) == data
    with pytest.raises(ValueError, match="no compression 7"):
        compression.compress(7, data)
    with pytest.raises(BatchError):
        compression.decompress(7, data)


def test_error_codes() -> None:
    """Every code has a sentence; later Kafkas' codes do not break anything."""
    for code in ErrorCode:
        assert message_of(code)
        assert not code.message.endswith(".")
    assert ErrorCode.NOT_LEADER_OR_FOLLOWER.retriable
    assert not ErrorCode.TOPIC_ALREADY_EXISTS.retriable
    assert (error_name(999), is_retriable(999), message_of(999)) == ("ERROR_999", False, "Error 999")
    error = KafkaError(ErrorCode.NOT_CONTROLLER)
    assert (error.name, error.retriable, str(error)) == ("NOT_CONTROLLER", True, "The broker is not the controller")
    assert str(KafkaError(41, "broker 3 leads")) == "broker 3 leads"
