"""What goes wrong with a data folder: all OSErrors, since whoever writes to a disk must expect those anyway.

StoreError
└── DamagedFileError             bytes that were written are not there any more, or never were a log or a snapshot
    └── UnfinishedSnapshotError  a snapshot that nobody has relied on
"""

from __future__ import annotations

__all__ = ["DamagedFileError", "StoreError", "UnfinishedSnapshotError"]


class StoreError(OSError):
    """The data folder cannot be used as it is; the text says which file, why, and what can be done."""


class DamagedFileError(StoreError):
    """A file holds something else than it should.

    offset: the first byte that cannot be used.
    """

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(f"{path} is damaged at offset {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason


class UnfinishedSnapshotError(DamagedFileError):
    """The file does not end as a snapshot does: its writer died, and nobody has relied on it."""
