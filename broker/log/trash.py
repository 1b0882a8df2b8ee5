"""Files and folders that are going away: renamed at once, removed after file.delete.delay.ms.

Apache's names: a segment's files get the suffix `.deleted`, a partition's folder becomes `topic-partition.<id>-delete`.
Either is removed at the next start, should this process not live to do it.
"""

from __future__ import annotations

import logging
from heapq import heappop, heappush

from coord.kit.disk import Disk

from .segment import SUFFIXES, file_name
from .snapshots import SUFFIX as SNAPSHOT

__all__ = ["DELETED", "Trash", "remove_folder"]

log = logging.getLogger(__name__)

DELETED = ".deleted"


class Trash:
    """What waits to be removed on one disk."""

    __slots__ = ("_disk", "_heap")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._heap: list[tuple[int, str, bool]] = []  # (due time, path, whether it is a folder)

    def __len__(self) -> int:
        return len(self._heap)

    def add_segment(self, folder: str, base_offset: int, due_ms: int) -> None:
        """Renames the files of a segment, and removes them from `due_ms` on. Errors are OSError."""
        for suffix in (*SUFFIXES, SNAPSHOT):
            path = f"{folder}/{file_name(base_offset, suffix)}"
            if self._disk.exists(path):
                self._disk.rename(path, path + DELETED)
                heappush(self._heap, (due_ms, path + DELETED, False))

    def add_folder(self, path: str, due_ms: int) -> None:
        """Removes a folder, renamed by the caller, from `due_ms` on."""
        heappush(self._heap, (due_ms, path, True))

    def sweep(self, now_ms: int) -> None:
        """Removes what is due. What cannot be removed is named once and left to the next start."""
        while self._heap and self._heap[0][0] <= now_ms:
            _, path, is_folder = heappop(self._heap)
            try:
                if is_folder:
                    remove_folder(self._disk, path)
                elif self._disk.exists(path):  # its folder may be gone
                    self._disk.remove(path)
            except OSError as error:
                log.warning("%s cannot be removed: %s", path, error)


def remove_folder(disk: Disk, path: str) -> None:
    """Removes a partition's folder with the files in it."""
    if disk.exists(path):
        for name in disk.names(path):
            disk.remove(f"{path}/{name}")
        disk.remove_dir(path)
