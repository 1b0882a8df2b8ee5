"""Taking up a partition's folder: what a start finds, brought into a state to serve.

After a clean shutdown the files are believed. Otherwise every segment from the recovery point on is read and its CRCs
checked; the log ends at the first batch that is torn, out of order or fails its CRC, and what lay behind is cut and
said. Kafka may lose such a tail with the power and never with the process, since the page cache outlives that.
Indexes, leader epochs and producers of what was read are built again.

Apache's own leftovers are finished or removed: `.deleted`, `.cleaned`, and `.swap` files of an interrupted compaction.
"""

from __future__ import annotations

import logging
import re

from coord.kit.disk import Disk

from .config import LogConfig
from .epochs import EPOCH_FILE, EpochCache
from .errors import DamagedError, LogDirError, LogStorageError
from .log import Log, Place
from .producers import Producers
from .replay import drop_snapshots_after, replay_producers, snapshot_offsets
from .scan import headers
from .segment import LOG, SUFFIXES, Segment
from .snapshots import snapshot_name
from .trash import DELETED

__all__ = ["PRODUCER_EXPIRATION_MS", "load_log"]

log = logging.getLogger(__name__)

PRODUCER_EXPIRATION_MS = 86_400_000
"""producer.id.expiration.ms."""
CLEANED, SWAP = ".cleaned", ".swap"
SEGMENT_FILE = re.compile(r"(\d{20})(\.[a-z]+)(\.[a-z]+)?")


def load_log(
    place: Place, folder: str, topic: str, partition: int, config: LogConfig, *, start_offset: int, recovery_point: int,
    clean: bool, now_ms: int, producer_expiration_ms: int = PRODUCER_EXPIRATION_MS,
) -> Log:  # fmt: skip
    """Loads the log in `folder`, or begins one. start_offset, recovery_point: as checkpointed, 0 without.

    Raises LogDirError, which names the file.
    """
    try:
        loading = _Loading(place, folder, f"{topic}-{partition}", config, now_ms)
        end_offset = loading.load(start_offset, recovery_point, clean)
        first = loading.segments[0].base_offset
        start_offset = min(max(start_offset, first), end_offset)
        loading.epochs.cut_start(start_offset)
        drop_snapshots_after(place.disk, folder, end_offset)
        producers = Producers(loading.name)
        up_to = min(end_offset, loading.checked_from)
        replay_producers(place.disk, folder, loading.segments, producers, up_to, start_offset)
        producers.expire(now_ms - producer_expiration_ms)
        _tidy_snapshots(place.disk, folder, [segment.base_offset for segment in loading.segments])
    except (OSError, LogStorageError) as error:
        raise LogDirError(f"{folder}: {error}") from error
    return Log(
        place, folder, topic, partition, config, loading.segments, loading.epochs, producers, start_offset, end_offset,
        end_offset if clean else min(recovery_point, end_offset), now_ms,
    )  # fmt: skip


class _Loading:
    """One partition while it is loaded."""

    def __init__(self, place: Place, folder: str, name: str, config: LogConfig, now_ms: int) -> None:
        self.place = place
        self.disk = place.disk
        self.folder = folder
        self.name = name
        self.config = config
        self.now_ms = now_ms
        _finish_leftovers(self.disk, folder)
        self.segments = [self._segment(base) for base in _segment_bases(self.disk, folder)]
        self.epochs = self._load_epochs()
        self.checked_from = 2**63 - 1
        """Base offset of the first segment that was read as a whole; its producers are replayed from there."""

    def load(self, start_offset: int, recovery_point: int, clean: bool) -> int:
        """Brings the segments into order; returns the end offset."""
        if self.segments and clean:
            end_offset = self._trusted_end()
        elif self.segments:
            end_offset = self._recover(recovery_point)
        else:
            end_offset = -1
        if end_offset < start_offset:
            end_offset = self._begin_at(start_offset)
        self.epochs.cut_end(end_offset)
        return end_offset

    def _segment(self, base_offset: int) -> Segment:
        return Segment(
            self.disk, self.place.awake, self.folder, base_offset, self.config.index_interval_bytes, self.now_ms
        )

    def _trusted_end(self) -> int:
        """The end after a clean shutdown."""
        last = self.segments[-1]
        end_offset, end = last.end()
        if end != last.size:
            raise DamagedError(
                f"{last.path(LOG)} was shut down cleanly with {last.size} bytes, but its last whole batch ends at {end}; "
                "without the clean shutdown file of the log folder, the next start cuts what is behind"
            )
        return end_offset

    def _recover(self, recovery_point: int) -> int:
        """Checks the segments from the recovery point on; returns the end offset."""
        number = 0
        for index, segment in enumerate(self.segments):
            if segment.base_offset <= recovery_point:
                number = index
        self.checked_from = end_offset = self.segments[number].base_offset
        while number < len(self.segments):
            segment = self.segments[number]
            if segment.base_offset < end_offset or (segment.base_offset > end_offset and not self.config.compact):
                log.warning("%s: segment %d does not follow offset %d", self.folder, segment.base_offset, end_offset - 1)
                self._drop_from(number)
                break
            found = segment.recover()
            for epoch, offset in found.epochs:
                self.epochs.assign(epoch, offset)
            end_offset = found.next_offset
            number += 1
            if found.cut_bytes:
                log.warning(
                    "%s: %d bytes behind offset %d are cut: %s",
                    segment.path(LOG), found.cut_bytes, end_offset - 1, found.flaw,
                )  # fmt: skip
                self._drop_from(number)
        log.info("%s: recovered from offset %d to %d", self.name, self.checked_from, end_offset)
        return end_offset

    def _drop_from(self, number: int) -> None:
        """Removes the segments behind the end of the log."""
        for segment in self.segments[number:]:
            log.warning("%s: segment %d lies behind the end of the log and is dropped", self.folder, segment.base_offset)
            segment.close()
            for suffix in SUFFIXES:
                if self.disk.exists(segment.path(suffix)):
                    self.disk.remove(segment.path(suffix))
        del self.segments[number:]

    def _begin_at(self, offset: int) -> int:
        """A log without records; nothing below `offset` may be read any more."""
        if self.segments:
            log.warning("%s: all records lie below the log's start, offset %d", self.folder, offset)
            self._drop_from(0)
        interval = self.config.index_interval_bytes
        self.segments.append(Segment.create(self.disk, self.place.awake, self.folder, offset, interval, self.now_ms))
        return offset

    def _load_epochs(self) -> EpochCache:
        try:
            return EpochCache(self.disk, self.folder)
        except LogDirError as error:
            log.warning("%s; it is built again from the batches", error)
            self.disk.remove(f"{self.folder}/{EPOCH_FILE}")
            epochs = EpochCache(self.disk, self.folder)
            for segment in self.segments:
                try:
                    for _, header in segment.headers(segment.base_offset):
                        epochs.assign(header.leader_epoch, header.base_offset)
                except DamagedError:
                    break  # the log may end here: recovery tells
            return epochs


def _segment_bases(disk: Disk, folder: str) -> list[int]:
    """The base offsets of the segments, ascending; index files without a log are removed."""
    names = set(disk.names(folder))
    bases = []
    for name in sorted(names):
        match = SEGMENT_FILE.fullmatch(name)
        if match is None or match[3] or match[2] not in SUFFIXES:
            continue
        if match[2] == LOG:
            bases.append(int(match[1]))
        elif match[1] + LOG not in names:
            log.warning("%s/%s: its log is missing, it is removed", folder, name)
            disk.remove(f"{folder}/{name}")
    return bases


def _finish_leftovers(disk: Disk, folder: str) -> None:
    """Removes what was going away, and finishes or undoes an interrupted compaction as Apache does.

    A compaction writes `.cleaned` files, renames all of them to `.swap`, removes the segments they replace and renames
    them into place. While there is a `.cleaned` file the renaming had not ended, and `.swap` files from its offset on
    do not count.
    """
    found: dict[str, list[tuple[int, str]]] = {DELETED: [], CLEANED: [], SWAP: []}
    for name in disk.names(folder):
        match = SEGMENT_FILE.fullmatch(name)
        if match is not None and match[3] in found:
            found[match[3]].append((int(match[1]), name))
    first_cleaned = min((offset for offset, _ in found[CLEANED]), default=None)
    swaps = [(offset, name) for offset, name in found[SWAP] if first_cleaned is None or offset < first_cleaned]
    for _, name in [*found[DELETED], *found[CLEANED], *(set(found[SWAP]) - set(swaps))]:
        disk.remove(f"{folder}/{name}")
    if swaps:
        _swap(disk, folder, swaps)


def _swap(disk: Disk, folder: str, swaps: list[tuple[int, str]]) -> None:
    """Puts compacted segments in the place of those whose offsets they cover."""
    lowest, highest = 2**63 - 1, -1
    for offset, name in swaps:
        if name.endswith(LOG + SWAP):
            file = disk.open(f"{folder}/{name}")
            try:
                last = max((header.next_offset for _, header in headers(file, 0, file.size())), default=offset)
            finally:
                file.close()
            lowest, highest = min(lowest, offset), max(highest, last)
    for name in disk.names(folder):
        match = SEGMENT_FILE.fullmatch(name)
        if match is not None and not match[3] and match[2] in SUFFIXES and lowest <= int(match[1]) < highest:
            disk.remove(f"{folder}/{name}")
    for _, name in swaps:
        disk.rename(f"{folder}/{name}", f"{folder}/{name.removesuffix(SWAP)}")
    log.info("%s: an interrupted compaction of offsets %d to %d is finished", folder, lowest, highest - 1)


def _tidy_snapshots(disk: Disk, folder: str, bases: list[int]) -> None:
    """Removes the snapshots of no segment, save the newest, which a clean shutdown wrote."""
    offsets = snapshot_offsets(disk, folder)
    for offset in offsets[:-1]:
        if offset not in bases:
            disk.remove(f"{folder}/{snapshot_name(offset)}")
