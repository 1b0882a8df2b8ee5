"""From files to a tree: the newest snapshot that is whole, and the log behind it.

A snapshot that its writer never finished is passed over: nobody relied on it. One that was finished and does not check is
passed over too, for an older one with more of the log, but only where the log leads beyond it again. Everything that
would lose what was promised is a StoreError which names the file.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import NamedTuple

from coord.kit.disk import Disk
from coord.tree.tree import Tree

from .errors import StoreError
from .layout import joined, snapshots_in
from .snapshot import Snapshot, UnfinishedSnapshotError, read_snapshot
from .txnlog import TxnLog

__all__ = ["Recovered", "recover"]

log = logging.getLogger(__name__)


class Recovered(NamedTuple):
    """from_snapshot: False when there was none, so that one is needed before the first transaction."""

    tree: Tree
    from_snapshot: bool


def recover(
    disk: Disk,
    folder: str,
    txnlog: TxnLog,
    replayed: deque[int] | None = None,
    *,
    trust_empty: bool = False,
    extended_types: bool = False,
) -> Recovered:
    """The tree as the files in `folder` (snapshots) and `txnlog` (replayed to its end) have it. Raises OSError.

    replayed: gets the zxids of the log's transactions. trust_empty: a log without any snapshot is taken for whole
    (Apache's snapshot.trust.empty), not for a loss.
    """
    found, passed_over = _newest_snapshot(disk, folder, extended_types)
    if found is None:
        tree, digest = Tree(extended_types=extended_types), None
    else:
        tree, digest = found.tree, found.digest
        for place in dict.fromkeys((folder, txnlog.folder)):
            disk.sync_dir(place)  # a name that was read must not vanish in the next crash, nor one that is gone come back
    for zxid, txn in txnlog.replay(tree.last_zxid):
        if found is None and not trust_empty:
            raise StoreError(
                f"{txnlog.folder} has transactions, but {folder} has no snapshot that they follow: something was lost. "
                "If the log is known to be whole, start once with snapshot.trust.empty=true"
            )
        if digest is not None and zxid > tree.fuzzy_until:
            _compare_digest(tree, digest)
            digest = None
        _apply(tree, zxid, txn, txnlog)
        if replayed is not None:
            replayed.append(zxid)
    if digest is not None and tree.last_zxid == tree.fuzzy_until:
        _compare_digest(tree, digest)
    if tree.last_zxid < passed_over[0]:
        raise StoreError(f"{passed_over[1]}, and the rest of {folder} and {txnlog.folder} only leads to 0x{tree.last_zxid:x}")
    if tree.digest_mismatches and passed_over[0]:
        raise StoreError(f"{passed_over[1]}, and the log in {txnlog.folder} does not lead there from an older snapshot: something is missing")
    if tree.digest_mismatches:
        log.warning("the digest of %d replayed transactions is not the tree's", tree.digest_mismatches)
    tree.bury_the_dead()
    return Recovered(tree, found is not None)


def _newest_snapshot(disk: Disk, folder: str, extended_types: bool) -> tuple[Snapshot | None, tuple[int, str]]:
    """The snapshot to begin with, and the newest (zxid, trouble) that a complete but unreadable one had before it."""
    passed_over = (0, "")
    for zxid, name in reversed(snapshots_in(disk, folder)):
        path = joined(folder, name)
        try:
            return read_snapshot(disk, path, zxid, extended_types=extended_types), passed_over
        except UnfinishedSnapshotError as error:
            log.warning("%s; it is passed over", error)
        except StoreError as error:
            log.error("%s; an older snapshot is tried", error)
            passed_over = max(passed_over, (zxid, str(error)))
    return None, passed_over


def _apply(tree: Tree, zxid: int, txn: bytes, txnlog: TxnLog) -> None:
    try:
        tree.apply_bytes(txn)
    except ValueError as error:
        raise StoreError(f"transaction 0x{zxid:x} in the log in {txnlog.folder} cannot be read: {error}") from error


def _compare_digest(tree: Tree, digest: int) -> None:
    if tree.digest != digest:
        log.warning(
            "the tree's digest at 0x%x is %x, but its snapshot says %x: it was damaged, or written by a server that differs",
            tree.last_zxid, tree.digest, digest,
        )  # fmt: skip
