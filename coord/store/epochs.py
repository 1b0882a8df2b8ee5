"""acceptedEpoch and currentEpoch: what this server has promised to leaders, in two files of decimal text.

The rule: current <= accepted, and the log holds nothing of an epoch that was not accepted. Where the files say otherwise
something was lost or mixed up, and the server must not vote (zookeeper.md 3.1; Apache refuses with the same words).

A log may be ahead of current: a leader's transactions become durable before its epoch does, and a crash may come between.
A transaction of an epoch is received behind all that the epoch began with, so the log then has what current stands for,
whatever the file beside it says that was to replace currentEpoch: it may be half written.
"""

from __future__ import annotations

import logging
import re

from coord.kit.disk import Disk, replace_file
from coord.wire.zxid import EPOCH_MAX

from .errors import DamagedFileError, StoreError
from .layout import joined

__all__ = ["ACCEPTED", "CURRENT", "Epochs"]

log = logging.getLogger(__name__)

ACCEPTED = "acceptedEpoch"
CURRENT = "currentEpoch"

_NUMBER = re.compile(rb"\s*(\d{1,10})\s*")


class Epochs:
    """The two numbers in `folder`. Setting one returns when it is durable, and raises OSError.

    last_zxid: the end of the recovered log. A missing file is taken for its epoch, as Apache does. Raises StoreError
    when the files and the log do not go together.
    """

    def __init__(self, disk: Disk, folder: str, last_zxid: int) -> None:
        self._disk = disk
        self._folder = folder
        epoch = last_zxid >> 32
        self._current = self._read(CURRENT, epoch)
        self._accepted = self._read(ACCEPTED, max(epoch, self._current))
        if self._accepted < epoch:
            raise StoreError(
                f"{joined(folder, ACCEPTED)} says epoch {self._accepted}, but the log goes on to 0x{last_zxid:x} of epoch {epoch}"
            )
        if self._current < epoch:
            log.warning("%s says epoch %d, the log goes on to 0x%x: taken for %d", joined(folder, CURRENT), self._current, last_zxid, epoch)
            self.current = epoch
        if self._accepted < self._current:
            raise StoreError(
                f"{joined(folder, ACCEPTED)} says epoch {self._accepted}, less than the {self._current} of {CURRENT} beside it"
            )

    @property
    def accepted(self) -> int:
        """The newest epoch that this server promised to a leader."""
        return self._accepted

    @accepted.setter
    def accepted(self, epoch: int) -> None:
        self._write(ACCEPTED, epoch)
        self._accepted = epoch

    @property
    def current(self) -> int:
        """The newest epoch whose beginning this server has whole."""
        return self._current

    @current.setter
    def current(self, epoch: int) -> None:
        self._write(CURRENT, epoch)
        self._current = epoch

    def _read(self, name: str, otherwise: int) -> int:
        path = joined(self._folder, name)
        return self._parse(path) if self._disk.exists(path) else otherwise

    def _parse(self, path: str) -> int:
        content = self._disk.read(path)
        match = _NUMBER.fullmatch(content)
        if match is None or int(match[1]) > EPOCH_MAX:
            raise DamagedFileError(path, 0, f"an epoch number was expected, not {content[:20]!r}")
        return int(match[1])

    def _write(self, name: str, epoch: int) -> None:
        replace_file(self._disk, joined(self._folder, name), b"%d" % epoch)
