"""Names in a data folder: `snapshot.<zxid>` and `log.<zxid of its first transaction>`, both in hexadecimal.

Apache keeps them in `version-2` below dataDir and dataLogDir. A snapshot may end in `.gz` or `.snappy`. A file that is
being written has a name that neither Apache nor we take for a snapshot, so a crash leaves nothing half done behind.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple

from coord.kit.disk import Disk

__all__ = [
    "LOCK_FILE",
    "VERSION_FOLDER",
    "WRITING_PREFIX",
    "Numbered",
    "joined",
    "log_name",
    "logs_in",
    "make_durable_dirs",
    "remove_durably",
    "remove_if_there",
    "snapshot_name",
    "snapshots_in",
    "zxid_in_name",
]

VERSION_FOLDER = "version-2"
LOCK_FILE = ".lock"
WRITING_PREFIX = "writing-"

_LOG = re.compile(r"log\.([0-9a-f]{1,16})")
_SNAPSHOT = re.compile(r"snapshot\.([0-9a-f]{1,16})(\.gz|\.snappy)?")


class Numbered(NamedTuple):
    """A file named by a zxid."""

    zxid: int
    name: str

    @property
    def begins_epoch(self) -> bool:
        """Whether the zxid is no transaction's: an epoch had been established, and nothing was committed in it yet."""
        return not self.zxid & 0xFFFFFFFF


def joined(folder: str, name: str) -> str:
    """A path below `folder`."""
    return f"{folder.rstrip('/')}/{name}"


def log_name(zxid: int) -> str:
    """The log whose first transaction is `zxid`."""
    return f"log.{zxid:x}"


def snapshot_name(zxid: int, compression: str = "") -> str:
    """The snapshot of the tree after `zxid`. compression: gz, snappy, or "" for none."""
    return f"snapshot.{zxid:x}.{compression}" if compression else f"snapshot.{zxid:x}"


def logs_in(disk: Disk, folder: str) -> list[Numbered]:
    """The logs in a folder, oldest first; none when there is no folder."""
    return _numbered(disk, folder, _LOG)


def snapshots_in(disk: Disk, folder: str) -> list[Numbered]:
    """The snapshots in a folder, valid or not, oldest first; none when there is no folder."""
    return _numbered(disk, folder, _SNAPSHOT)


def zxid_in_name(name: str) -> int | None:
    """The number of a log or a snapshot; None for any other name."""
    match = _LOG.fullmatch(name) or _SNAPSHOT.fullmatch(name)
    return int(match[1], 16) if match else None


def make_durable_dirs(disk: Disk, path: str) -> None:
    """Makes a folder and those above it so that a crash cannot take them away again."""
    missing = []
    while path and not disk.exists(path):
        missing.append(path)
        path = path.rpartition("/")[0]
    with suppress(PermissionError):  # in a folder that we may not read we have made none
        disk.sync_dir(path.rpartition("/")[0] or "/")  # whoever made the last one there may have been killed before this
    for folder in reversed(missing):
        disk.make_dirs(folder)
        disk.sync_dir(folder.rpartition("/")[0] or "/")


def remove_durably(disk: Disk, folder: str, names: list[str]) -> None:
    """Removes files one after the other: a crash leaves the last ones of the list, never a gap in it."""
    for name in names:
        disk.remove(joined(folder, name))
        disk.sync_dir(folder)


def remove_if_there(disk: Disk, path: str) -> None:
    """Removes a file that nobody needs. Another may have come first: Apache's PurgeTxnLog runs beside a server."""
    with suppress(FileNotFoundError):
        disk.remove(path)


def _numbered(disk: Disk, folder: str, pattern: re.Pattern[str]) -> list[Numbered]:
    if not disk.exists(folder):
        return []
    matches = [match for match in map(pattern.fullmatch, disk.names(folder)) if match]
    return sorted(Numbered(int(match[1], 16), match[0]) for match in matches)
