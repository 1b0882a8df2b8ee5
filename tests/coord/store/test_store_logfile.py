"""One log file: what is written is read, and how a file ends is told apart: finished, torn, damaged."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.kit.disk import File
from coord.store.logfile import (
    HEADER,
    HEADER_SIZE,
    RECORD_SIZE_MAX,
    Ending,
    encode_records,
    ending_of,
    header_ending,
    read_records,
)
from tests.coord.store.samples import FOLDER, GOLDEN, opaque, sim_disk

PATH = f"{FOLDER}/log.1"
payloads = st.lists(st.binary(max_size=700).map(lambda data: data * 3), min_size=1, max_size=12)


def file_of(content: bytes) -> File:
    file = sim_disk().open(PATH, create=True)
    file.append(content)
    return file


def ending_after_reading(file: File) -> tuple[list[tuple[int, bytes]], Ending, int]:
    at, batch = HEADER_SIZE, []
    for record in read_records(file, at, file.size()):
        batch.append((record.zxid, record.txn))
        at = record.end
    return batch, ending_of(file, at, file.size())[0], at


def test_apaches_log_is_read_and_written_byte_for_byte() -> None:
    """The golden log of a real server."""
    content = (GOLDEN / "zookeeper_log.100000001").read_bytes()
    batch, ending, at = ending_after_reading(file_of(content))
    assert ending is Ending.CLEAN
    assert [zxid & 0xFFFF for zxid, _ in batch] == list(range(1, 0x14))
    assert HEADER + encode_records(batch) == content[:at]
    assert not content[at:].strip(b"\0")


@given(payloads, st.integers(0, 5000))
def test_what_is_written_is_read(payloads: list[bytes], padding: int) -> None:
    """Any batch, with any padding behind it."""
    batch = [opaque(zxid, payload) for zxid, payload in enumerate(payloads, 1)]
    read, ending, _ = ending_after_reading(file_of(HEADER + encode_records(batch) + bytes(padding)))
    assert (read, ending) == (batch, Ending.CLEAN)


def test_records_longer_than_one_read() -> None:
    """A record is found whole wherever the pieces read from the file begin and end."""
    batch = [opaque(1, b"a" * 700_000), opaque(2, b"b" * 3_000_000), opaque(3, b"c" * 1_000_000), opaque(4)]
    read, ending, _ = ending_after_reading(file_of(HEADER + encode_records(batch)))
    assert [zxid for zxid, _ in read] == [1, 2, 3, 4]
    assert read == batch
    assert ending is Ending.CLEAN


def test_a_write_cut_at_any_byte_is_a_torn_tail() -> None:
    """Where the process died in the middle of a write, with the file's end there or with padding behind it."""
    batch = [opaque(zxid, bytes([zxid]) * 40 * zxid) for zxid in range(1, 6)]
    ends = list(accumulate((len(encode_records([one])) for one in batch), initial=HEADER_SIZE))
    content = HEADER + encode_records(batch)
    for cut in range(HEADER_SIZE, len(content)):
        for padding in (0, 1, 100, 4096):
            read, ending, at = ending_after_reading(file_of(content[:cut] + bytes(padding)))
            whole = sum(end <= cut for end in ends) - 1
            if padding == 0 or content[cut : cut + padding].strip(b"\0"):
                assert read == batch[:whole]
            # a cut inside zeros is none, so the ending may be clean behind a whole record only
            assert ending is (Ending.CLEAN if not content[at:cut].strip(b"\0") else Ending.TORN)


@given(st.data(), payloads, st.sampled_from([512, 4096]))
def test_lost_sectors_are_a_torn_tail(data: st.DataObject, payloads: list[bytes], unit: int) -> None:
    """A power cut loses any sectors of an unsynced write; what was synced before it is read."""
    batch = [opaque(zxid, payload) for zxid, payload in enumerate(payloads, 1)]
    synced_count = data.draw(st.integers(0, len(batch)))
    synced = HEADER + encode_records(batch[:synced_count])
    content = bytearray(HEADER + encode_records(batch))
    units = range(len(synced) // unit, -(-len(content) // unit))
    for number in units:
        if data.draw(st.booleans()):
            start, end = max(len(synced), number * unit), min(len(content), (number + 1) * unit)
            content[start:end] = bytes(max(0, end - start))
    read, ending, _ = ending_after_reading(file_of(bytes(content) + bytes(1000)))
    assert ending is not Ending.DAMAGED
    assert read == batch[: len(read)]
    assert len(read) >= synced_count


@given(st.data())
def test_a_changed_byte_before_the_last_record_is_damage(data: st.DataObject) -> None:
    """Bytes that were kept once and are others now are no tail, whichever byte it is."""
    batch = [opaque(zxid, b"some payload that has no zeros in it" * zxid) for zxid in range(1, 5)]
    content = bytearray(HEADER + encode_records(batch) + bytes(2000))
    before_last = len(HEADER + encode_records(batch[:-1]))
    place = data.draw(st.integers(HEADER_SIZE, before_last - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    read, ending, at = ending_after_reading(file_of(bytes(content)))
    assert ending is Ending.DAMAGED
    assert read == batch[: len(read)]
    assert HEADER_SIZE <= at <= place


def test_a_record_that_begins_at_the_end_of_a_sector() -> None:
    """The first four bytes of every record are zeros, which is no sign of a lost sector."""
    first = opaque(1, b"f" * (508 - HEADER_SIZE - 45))
    content = bytearray(HEADER + encode_records([first]))
    assert len(content) == 508
    content += encode_records([opaque(2, b"payload"), opaque(3)])
    content[550] ^= 1
    assert ending_after_reading(file_of(bytes(content)))[1:] == (Ending.DAMAGED, 508)


def test_a_changed_byte_in_the_last_record_is_damage_too() -> None:
    """It was written whole, so the crash did not do it."""
    content = bytearray(HEADER + encode_records([opaque(1), opaque(2, b"payload")]))
    content[-4] ^= 1
    assert ending_after_reading(file_of(bytes(content) + bytes(100)))[1] is Ending.DAMAGED


def test_a_length_that_nobody_writes_is_not_believed() -> None:
    """Neither a huge one nor one that a header exceeds makes the reader read or allocate that much."""
    for length in (31, RECORD_SIZE_MAX + 1, 0x7FFFFFFF, 0xFFFFFFFF):
        bad = bytes(4) + b"\1\2\3\4" + length.to_bytes(4, "big") + b"x" * 100
        file = file_of(HEADER + encode_records([opaque(1)]) + bad)
        read, ending, _ = ending_after_reading(file)
        assert [zxid for zxid, _ in read] == [1]
        assert ending is Ending.DAMAGED


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (HEADER, None),
        (HEADER + b"anything", None),
        (b"", Ending.TORN),
        (HEADER[:3], Ending.TORN),
        (bytes(600), Ending.TORN),
        (HEADER[:6] + bytes(500), Ending.TORN),
        (bytes(512) + b"later sectors", Ending.TORN),
        (b"ZKSN" + HEADER[4:], Ending.DAMAGED),
        (b"ZKLG" + (3).to_bytes(4, "big") + bytes(8), Ending.DAMAGED),
    ],
)
def test_a_header_is_there_or_unfinished_or_wrong(content: bytes, ending: Ending | None) -> None:
    """A file that was only just begun is no damage; one that is something else is."""
    assert header_ending(file_of(content)) is ending
