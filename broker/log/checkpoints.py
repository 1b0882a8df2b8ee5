"""Checkpoint files: the small texts that a log folder keeps beside its segments.

All have one form: a version line `0`, a line with the count, then one entry a line. In each of log.dirs
`recovery-point-offset-checkpoint`, `replication-offset-checkpoint` (high watermarks) and `log-start-offset-checkpoint`
hold `topic partition offset`; in each partition `leader-epoch-checkpoint` holds `epoch startOffset`
(reference: Kafka, on disk).

A file is replaced by rename, so a reader finds the old text or the new. A text that does not parse is an error that
names the file and the line: guessing an offset would lose or invent records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coord.kit.disk import Disk, replace_file

from .errors import LogDirError

__all__ = [
    "HIGH_WATERMARK_FILE",
    "LOG_START_FILE",
    "RECOVERY_POINT_FILE",
    "TopicPartition",
    "read_offsets",
    "read_rows",
    "rewrite",
    "rewrite_rows",
    "save_offsets",
    "write_offsets",
]

RECOVERY_POINT_FILE = "recovery-point-offset-checkpoint"
HIGH_WATERMARK_FILE = "replication-offset-checkpoint"
LOG_START_FILE = "log-start-offset-checkpoint"

TopicPartition = tuple[str, int]


def read_offsets(disk: Disk, path: str) -> dict[TopicPartition, int]:
    """The offsets by (topic, partition); empty when there is no such file. Raises LogDirError."""
    offsets: dict[TopicPartition, int] = {}
    for line, fields in enumerate(_rows(disk, path, 3), 3):
        topic, partition, offset = fields
        offsets[topic, _number(path, line, partition)] = _number(path, line, offset)
    return offsets


def write_offsets(disk: Disk, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Replaces the file and waits for the device: for start-up and shutdown."""
    replace_file(disk, path, _offsets_text(offsets))


async def save_offsets(disk: Disk, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Replaces the file; the task alone waits for the device, so that requests are served meanwhile.

    The new name may be lost with the power: the old offsets are then read, and they are safe ones.
    """
    temporary = path + ".tmp"
    file = disk.open(temporary, create=True)
    try:
        file.truncate(0)
        file.write_at(0, _offsets_text(offsets))
        await file.sync()
    finally:
        file.close()
    disk.rename(temporary, path)


def read_rows(disk: Disk, path: str) -> list[tuple[int, int]]:
    """Rows of two numbers (the leader epochs of a partition); empty when there is no such file. Raises LogDirError."""
    rows = enumerate(_rows(disk, path, 2), 3)
    return [(_number(path, line, first), _number(path, line, second)) for line, (first, second) in rows]


def rewrite_rows(disk: Disk, path: str, rows: Iterable[tuple[int, int]]) -> None:
    """Replaces a file of rows without waiting for the device."""
    rewrite(disk, path, _text([f"{first} {second}" for first, second in rows]))


def rewrite(disk: Disk, path: str, data: bytes) -> None:
    """Replaces `path` whole, but does not wait for the device: for what can be found again from the log itself."""
    temporary = path + ".tmp"
    file = disk.open(temporary, create=True)
    try:
        file.truncate(0)
        file.write_at(0, data)
    finally:
        file.close()
    disk.rename(temporary, path)


def _offsets_text(offsets: Mapping[TopicPartition, int]) -> bytes:
    return _text([f"{topic} {partition} {offset}" for (topic, partition), offset in offsets.items()])


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in ["0", str(len(lines)), *lines]).encode()


def _rows(disk: Disk, path: str, width: int) -> list[list[str]]:
    """The entries of a file, each of `width` words. Apache makes its files empty and writes them later: that is no entry."""
    text = disk.read(path).decode("utf-8", "replace") if disk.exists(path) else ""
    if not text:
        return []
    lines = text.split("\n")
    if lines[0].strip() != "0":
        raise LogDirError(f"{path}: line 1 is {lines[0]!r}, expected the version 0")
    count = _number(path, 2, lines[1] if len(lines) > 1 else "")
    entries = [line.split() for line in lines[2:] if line.strip()]
    if len(entries) != count:
        raise LogDirError(f"{path}: line 2 announces {count} entries, but {len(entries)} follow")
    for line, fields in enumerate(entries, 3):
        if len(fields) != width:
            raise LogDirError(f"{path}: line {line} has {len(fields)} words, expected {width}")
    return entries


def _number(path: str, line: int, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise LogDirError(f"{path}: line {line} has {text!r} where a number belongs") from None
