"""Batches, disks and logs that the tests of broker.log share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from broker.log.config import LogConfig
from broker.log.handles import Awake
from broker.log.log import Log, Place
from broker.log.recovery import load_log
from broker.log.trash import Trash
from broker.wire.batches import BatchHeader, batches
from broker.wire.records import Record, build_batch, read_records
from coord.kit.disk import Disk
from tests.sim.disk import Faults, SimDisk

FOLDER = "/data"
NOW_MS = 1_700_000_000_000


def sim_disk(seed: int = 1, faults: Faults | None = None) -> SimDisk:
    """A simulated disk with an empty log folder."""
    disk = SimDisk(Random(seed), faults)
    disk.make_dirs(FOLDER)
    disk.sync_dir("/")
    return disk


def place_on(disk: Disk, open_segments_max: int = 512) -> Place:
    """What logs on `disk` share."""
    return Place(disk, Awake(open_segments_max), Trash(disk), Random(1))


def open_log(
    disk: Disk, overrides: Mapping[str, str] | None = None, *, clean: bool = False, start_offset: int = 0, recovery_point: int = 0,
    now_ms: int = NOW_MS, place: Place | None = None,
) -> Log:  # fmt: skip
    """The log of partition t-0, as a start finds it."""
    path = f"{FOLDER}/t-0"
    disk.make_dirs(path)
    return load_log(
        place or place_on(disk), path, "t", 0, LogConfig.of(overrides or {}), start_offset=start_offset,
        recovery_point=recovery_point, clean=clean, now_ms=now_ms,
    )  # fmt: skip


def values(count: int, size: int = 10, first: int = 0, time_ms: int = NOW_MS) -> list[Record]:
    """`count` records whose values tell them apart, a millisecond from one another."""
    return [Record(n, time_ms + n, b"k%d" % n, (b"v%d " % (first + n)).ljust(size, b".")) for n in range(count)]


def batch(
    count: int = 1, size: int = 10, *, first: int = 0, time_ms: int = NOW_MS, codec: int = 0, producer: tuple[int, int, int] | None = None,
    transactional: bool = False,
) -> bytearray:  # fmt: skip
    """A client's batch of `count` records. producer: id, epoch, first sequence."""
    producer_id, epoch, sequence = producer or (-1, -1, -1)
    return build_batch(
        values(count, size, first, time_ms), codec=codec, producer_id=producer_id, producer_epoch=epoch,
        base_sequence=sequence, transactional=transactional,
    )  # fmt: skip


def stamped(base_offset: int, count: int = 1, epoch: int = 0, size: int = 10, time_ms: int = NOW_MS) -> bytearray:
    """A batch as a leader stamped it."""
    records = [record._replace(offset=record.offset + base_offset) for record in values(count, size, base_offset, time_ms)]
    return build_batch(records, leader_epoch=epoch)


def fill(log: Log, counts: Sequence[int], size: int = 10, epoch: int = 0, now_ms: int = NOW_MS) -> None:
    """Appends batches with these numbers of records; each record's value tells its offset."""
    for count in counts:
        log.append(batch(count, size, first=log.end_offset, time_ms=now_ms), epoch, now_ms)


def headers_of(data: bytes | memoryview) -> list[BatchHeader]:
    """The headers of what was read."""
    return [header for _, header in batches(data)]


def everything(log: Log, max_bytes: int = 1 << 20) -> list[tuple[int, bytes | None]]:
    """Offset and value of every record, as a consumer reads them."""
    found: list[tuple[int, bytes | None]] = []
    offset = log.start_offset
    while offset < log.end_offset:
        records = list(read_records(log.read(offset, max_bytes), control=True))
        assert records, f"nothing at offset {offset} of {log.end_offset}"
        found += [(record.offset, record.value) for record in records if record.offset >= offset]
        offset = records[-1].offset + 1
    return found


def expected(end: int, start: int = 0, size: int = 10) -> list[tuple[int, bytes]]:
    """What `everything` returns of a log that `fill` has written up to `end`."""
    return [(offset, (b"v%d " % offset).ljust(size, b".")) for offset in range(start, end)]
