"""The logs of one broker: every partition under log.dirs, their checkpoints, retention and shutdown.

A start checks whose folders they are, loads every partition, and refuses folders that hold anything it does not know, in
one error that names all of it. The server drives the rest by its own clock: `flush`, `checkpoint`, `retain`, `sweep`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

from coord.kit.disk import Disk

from .checkpoints import (
    HIGH_WATERMARK_FILE,
    LOG_START_FILE,
    RECOVERY_POINT_FILE,
    TopicPartition,
    read_offsets,
    save_offsets,
    write_offsets,
)
from .config import ConfigError, LogConfig
from .errors import LogDirError, LogStorageError
from .folders import (
    CLEAN_FILE,
    LOCK_FILE,
    check_owner,
    deleted_name,
    is_deleted,
    is_passed_over,
    partition_of,
    read_topic_id,
    write_clean,
    write_topic_id,
)
from .handles import OPEN_SEGMENTS_MAX, Awake
from .log import Log, Place
from .recovery import PRODUCER_EXPIRATION_MS, load_log
from .retention import retain
from .trash import Trash

__all__ = ["LogManager"]

log = logging.getLogger(__name__)

Overrides = Callable[[str], Mapping[str, str]]
"""A topic's own configuration, by its name."""


class LogManager:
    """All logs of one broker. Times are wall time in milliseconds."""

    def __init__(
        self, disk: Disk, folders: Sequence[str], random: Random, defaults: Mapping[str, str] | None = None, *,
        producer_expiration_ms: int = PRODUCER_EXPIRATION_MS, open_segments_max: int = OPEN_SEGMENTS_MAX,
    ) -> None:  # fmt: skip
        """folders: log.dirs. defaults: topic configuration from server.properties (`config.server_defaults`)."""
        self.folders = [folder.rstrip("/") or "/" for folder in folders]
        self._disk = disk
        self._place = Place(disk, Awake(open_segments_max), Trash(disk), random)
        self._defaults = dict(defaults or {})
        self._producer_expiration_ms = producer_expiration_ms
        self._logs: dict[TopicPartition, Log] = {}
        self._starts: dict[str, dict[TopicPartition, int]] = {}  # by folder, as in its checkpoint files
        self._recovery_points: dict[str, dict[TopicPartition, int]] = {}
        self._high_watermarks: dict[TopicPartition, int] = {}
        self._locks: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs.values())

    def __len__(self) -> int:
        return len(self._logs)

    def get(self, topic: str, partition: int) -> Log | None:
        """A partition's log, if there is a replica here."""
        return self._logs.get((topic, partition))

    # -- start

    def open(self) -> None:
        """Makes the folders where they are missing, and takes their locks. Raises LogDirError."""
        for folder in self.folders:
            try:
                self._disk.make_dirs(folder)
                self._locks.append(self._disk.lock(f"{folder}/{LOCK_FILE}"))
            except BlockingIOError:
                raise LogDirError(f"{folder} is used by another process: two brokers cannot share it") from None
            except OSError as error:
                raise _unusable(folder, error) from error

    def load(self, broker_id: int, cluster_id: str, overrides: Overrides, now_ms: int) -> None:
        """Loads everything under log.dirs, which are open. Raises LogDirError."""
        for folder in self.folders:
            try:
                check_owner(self._disk, folder, broker_id, cluster_id)
                self._load_folder(folder, overrides, now_ms)
            except OSError as error:
                raise _unusable(folder, error) from error

    def _load_folder(self, folder: str, overrides: Overrides, now_ms: int) -> None:
        disk = self._disk
        marker = f"{folder}/{CLEAN_FILE}"
        clean = disk.exists(marker)
        self._starts[folder] = read_offsets(disk, f"{folder}/{LOG_START_FILE}")
        self._recovery_points[folder] = read_offsets(disk, f"{folder}/{RECOVERY_POINT_FILE}")
        self._high_watermarks |= read_offsets(disk, f"{folder}/{HIGH_WATERMARK_FILE}")
        partitions = self._partition_folders(folder, now_ms)
        if partitions and not clean:
            log.warning("%s was not shut down cleanly: %d partitions are checked", folder, len(partitions))
        for topic_partition in partitions:
            if topic_partition in self._logs:
                other = self._logs[topic_partition].folder
                raise LogDirError(f"{other} and {folder}/{topic_partition[0]}-{topic_partition[1]} hold the same partition")
            self._logs[topic_partition] = self._load(folder, topic_partition, overrides, clean, now_ms)
        if clean:  # only now: a start that fails midway has changed nothing that would need checking
            disk.remove(marker)
            disk.sync_dir(folder)

    def _partition_folders(self, folder: str, now_ms: int) -> list[TopicPartition]:
        """The partitions in a log folder; what was being deleted is given to the trash. Raises LogDirError."""
        found, foreign = [], []
        for name in self._disk.names(folder):
            path = f"{folder}/{name}"
            partition = partition_of(name)
            if is_deleted(name):
                self._place.trash.add_folder(path, now_ms)
            elif not self._is_folder(path):
                continue
            elif is_passed_over(name):
                log.warning("%s is not served: it is a replica that was being moved, or a stray", path)
            elif partition is not None:
                found.append(partition)
            else:
                foreign.append(name)
        if foreign:
            raise LogDirError(
                f"{folder} holds {', '.join(foreign)}, which is no partition's folder (topic-partition): "
                "a log folder may hold nothing else; move it away, or name another folder"
            )
        return found

    def _is_folder(self, path: str) -> bool:
        try:
            self._disk.names(path)
        except NotADirectoryError:
            return False
        return True

    def _load(self, folder: str, topic_partition: TopicPartition, overrides: Overrides, clean: bool, now_ms: int) -> Log:
        topic, partition = topic_partition
        path = f"{folder}/{topic}-{partition}"
        loaded = load_log(
            self._place, path, topic, partition, self._config(topic, overrides(topic)),
            start_offset=self._starts[folder].get(topic_partition, 0),
            recovery_point=self._recovery_points[folder].get(topic_partition, 0),
            clean=clean, now_ms=now_ms, producer_expiration_ms=self._producer_expiration_ms,
        )  # fmt: skip
        loaded.topic_id = read_topic_id(self._disk, path)
        return loaded

    def _config(self, topic: str, overrides: Mapping[str, str]) -> LogConfig:
        try:
            return LogConfig.of(overrides, self._defaults)
        except ConfigError as error:  # it was checked when it was set; a partition must not be lost over it
            log.warning("topic %s: %s; the server's defaults hold instead", topic, error)
            return LogConfig.of({}, self._defaults)

    # -- replicas that come and go

    def create(
        self, topic: str, partition: int, now_ms: int, overrides: Mapping[str, str] | None = None, topic_id: bytes | None = None
    ) -> Log:
        """The log of a new replica, in the folder that holds the fewest; the log that is there, if there is one.

        Raises LogStorageError.
        """
        key = topic, partition
        existing = self._logs.get(key)
        if existing is not None:
            return existing
        held = [made.folder.rpartition("/")[0] for made in self]
        folder = min(self.folders, key=held.count)
        path = f"{folder}/{topic}-{partition}"
        try:
            self._forget_checkpoints(folder, key)
            self._disk.make_dirs(path)
            made = load_log(
                self._place, path, topic, partition, self._config(topic, overrides or {}),
                start_offset=0, recovery_point=0, clean=False, now_ms=now_ms,
            )  # fmt: skip
            if topic_id is not None:
                self.set_topic_id(made, topic_id)
        except (OSError, LogDirError) as error:
            raise LogStorageError(f"{path} cannot be made: {error}") from error
        self._logs[key] = made
        return made

    def _forget_checkpoints(self, folder: str, key: TopicPartition) -> None:
        """What checkpoint files say of a deleted partition of the same name would cut the new one at the next start."""
        self._high_watermarks.pop(key, None)
        if self._starts[folder].pop(key, None) is not None:
            write_offsets(self._disk, f"{folder}/{LOG_START_FILE}", self._starts[folder])
        if self._recovery_points[folder].pop(key, None) is not None:
            write_offsets(self._disk, f"{folder}/{RECOVERY_POINT_FILE}", self._recovery_points[folder])

    def set_topic_id(self, partition: Log, topic_id: bytes) -> None:
        """Notes the id that the controller gave to the topic. Raises OSError."""
        if partition.topic_id != topic_id:
            write_topic_id(self._disk, partition.folder, topic_id)
            partition.topic_id = topic_id

    def delete(self, topic: str, partition: int, now_ms: int) -> None:
        """Takes a replica away: its folder is renamed at once and removed after file.delete.delay.ms. Raises LogStorageError."""
        gone = self._logs.pop((topic, partition), None)
        if gone is None:
            return
        gone.abandon()
        folder = gone.folder.rpartition("/")[0]
        path = f"{folder}/{deleted_name(topic, partition, self._place.random)}"
        try:
            self._disk.rename(gone.folder, path)
        except OSError as error:
            raise LogStorageError(f"{gone.folder} cannot be deleted: {error}") from error
        self._place.trash.add_folder(path, now_ms + gone.config.file_delete_delay_ms)

    def configure(self, topic: str, overrides: Mapping[str, str]) -> None:
        """A topic's configuration has changed."""
        config = self._config(topic, overrides)
        for partition in self:
            if partition.topic == topic:
                partition.configure(config)

    def high_watermark(self, topic: str, partition: int) -> int:
        """The high watermark as it was checkpointed; 0 without."""
        return self._high_watermarks.get((topic, partition), 0)

    # -- what the server calls now and then

    async def flush(self, now_ms: int) -> None:
        """Syncs what has been rolled, and what flush.ms asks for. One task. Raises LogStorageError: the disk is not trusted."""
        for partition in list(self):
            end = partition.flush_due(now_ms)
            if end and not partition.closed:
                await partition.flush(end)

    async def checkpoint(self, high_watermarks: Mapping[TopicPartition, int] | None = None) -> None:
        """Saves recovery points and log starts, or `high_watermarks` alone when they are given. Raises OSError."""
        for folder in self.folders:
            mine = self._in_folder(folder)
            if high_watermarks is not None:
                await save_offsets(self._disk, f"{folder}/{HIGH_WATERMARK_FILE}", self._to_save(high_watermarks, mine))
                continue
            self._note_offsets(folder, mine)
            await save_offsets(self._disk, f"{folder}/{RECOVERY_POINT_FILE}", self._recovery_points[folder])
            await save_offsets(self._disk, f"{folder}/{LOG_START_FILE}", self._starts[folder])

    def _in_folder(self, folder: str) -> dict[TopicPartition, Log]:
        return {key: partition for key, partition in self._logs.items() if partition.folder.rpartition("/")[0] == folder}

    def _to_save(self, high_watermarks: Mapping[TopicPartition, int], mine: Mapping[TopicPartition, Log]) -> dict[TopicPartition, int]:
        """The high watermarks of a folder; a replica that the controller has not mentioned yet keeps the one of before."""
        known = self._high_watermarks | {key: high_watermarks[key] for key in mine if key in high_watermarks}
        self._high_watermarks = known
        return {key: known[key] for key in mine if key in known}

    def _note_offsets(self, folder: str, mine: Mapping[TopicPartition, Log]) -> None:
        self._recovery_points[folder] = {key: partition.recovery_point for key, partition in mine.items()}
        # a start at the first segment's base is known from its name
        self._starts[folder] = {
            key: partition.start_offset
            for key, partition in mine.items()
            if partition.start_offset > partition.segments[0].base_offset
        }

    def retain(self, high_watermark: Callable[[Log], int], now_ms: int) -> None:
        """Drops old segments and forgets producers that are gone. A partition that cannot be pruned is named, and kept."""
        for partition in self:
            try:
                retain(partition, high_watermark(partition), now_ms)
            except LogStorageError as error:
                log.warning("retention of %s: %s", partition.name, error)
            partition.producers.expire(now_ms - self._producer_expiration_ms)

    def sweep(self, now_ms: int) -> None:
        """Removes the files of what was dropped or deleted long enough ago."""
        self._place.trash.sweep(now_ms)

    # -- shutdown

    def close(self, high_watermarks: Mapping[TopicPartition, int], broker_epoch: int = -1) -> None:
        """A clean shutdown: everything synced and checkpointed, and marked as such. Raises LogStorageError, OSError.

        A log that fails does not keep the others from closing; its folder is not marked, so that the next start checks it.
        """
        failed: LogStorageError | None = None
        for folder in self.folders:
            mine = self._in_folder(folder)
            for partition in mine.values():
                try:
                    partition.close()
                except LogStorageError as error:
                    failed = error
            self._note_offsets(folder, mine)
            write_offsets(self._disk, f"{folder}/{HIGH_WATERMARK_FILE}", self._to_save(high_watermarks, mine))
            write_offsets(self._disk, f"{folder}/{RECOVERY_POINT_FILE}", self._recovery_points[folder])
            write_offsets(self._disk, f"{folder}/{LOG_START_FILE}", self._starts[folder])
            if not any(partition.failure for partition in mine.values()):
                write_clean(self._disk, folder, broker_epoch)
        self._unlock()
        if failed is not None:
            raise failed

    def abandon(self) -> None:
        """Closes the files and no more, as after a failure."""
        for partition in self:
            partition.abandon()
        self._unlock()

    def _unlock(self) -> None:
        while self._locks:
            self._locks.pop()()


def _unusable(folder: str, error: OSError) -> LogDirError:
    """The system's words; with the file when that is not the folder itself."""
    words = "it is a file" if isinstance(error, FileExistsError) else error.strerror or str(error)
    if error.filename not in (None, folder):
        words = f"{error.filename}: {words}"
    return LogDirError(f"{folder} cannot be used: {words}")
