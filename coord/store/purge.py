"""Removing what no start will ever need: old snapshots, and the log before the oldest snapshot that is kept.

Only whole snapshots count among those to keep, so a run of unfinished ones cannot push out the last good one.
"""

from __future__ import annotations

from coord.kit.disk import Disk

from .layout import joined, remove_if_there, snapshots_in
from .snapshot import is_finished
from .txnlog import TxnLog

__all__ = ["RETAIN_MIN", "purge"]

RETAIN_MIN = 3
"""Apache's lower limit of autopurge.snapRetainCount."""


def purge(disk: Disk, folder: str, txnlog: TxnLog, retain: int) -> list[str]:
    """Keeps the newest `retain` snapshots in `folder` and the log that they need; returns the paths removed."""
    snapshots = snapshots_in(disk, folder)
    whole = [numbered for numbered in snapshots if is_finished(disk, joined(folder, numbered.name))]
    kept = whole[-max(retain, RETAIN_MIN) :]
    if not kept:
        return []
    oldest = kept[0].zxid
    gone = [joined(folder, numbered.name) for numbered in snapshots if numbered.zxid < oldest]
    for path in gone:
        remove_if_there(disk, path)
    return gone + txnlog.purge(oldest)
