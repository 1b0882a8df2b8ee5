"""The files of a configuration that changes while the server runs, as Apache keeps them.

    zoo.cfg                      the static part; its `dynamicConfigFile` names the file with the server lines
    zoo.cfg.dynamic.<version>    the configuration in force; the version is the file's name and not in it
    zoo.cfg.dynamic.next         one that was proposed and is not in force yet; its version is a line of it

The first change moves the server lines out of zoo.cfg, for which the old file is kept as zoo.cfg.bak. A crash between two
of the writes leaves files that name what is there: the new dynamic file is whole before zoo.cfg points at it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from coord.kit.disk import Disk, replace_file
from coord.kit.properties import Properties
from coord.zab.quorums import Ensemble

__all__ = ["DynamicFiles", "dynamic_path", "next_path"]

log = logging.getLogger(__name__)

MOVED = re.compile(r"(server\.|group|weight|dynamicConfigFile|peerType)")
"""Keys that a static file has no more once the configuration is in a file of its own."""
CLIENT = re.compile(r"clientPort")
"""So are these, where the server's own line tells the client address."""


def dynamic_path(path: str, version: int) -> str:
    """The file of the configuration `version`, beside the static file `path`."""
    return f"{path}.dynamic.{version:x}"


def next_path(path: str) -> str:
    """The file of a configuration that is not in force yet."""
    return f"{path}.dynamic.next"


class DynamicFiles:
    """`coord.zab.storage.Configurations` on disk.

    The files are synced on the event loop: what follows in the same `Effects` (the ACK, the transaction that is applied)
    must find them durable, and a change is rare. Measured with fdatasync at 0.1 ms, five servers: a proposed configuration
    costs 0.5 ms (one file and its folder), one that comes into force 1.2 ms (two), the worst of 100 on a busy disk 20 ms.

    path: the static file. sid: this server. on_activated: called when a configuration is in force and on disk.
    """

    def __init__(self, disk: Disk, path: str, sid: int, on_activated: Callable[[Ensemble], None]) -> None:
        self._disk = disk
        self._path = path
        self._sid = sid
        self._on_activated = on_activated

    def seen(self, ensemble: Ensemble) -> None:
        """See `Configurations`, as for the one below."""
        log.info("configuration %x is proposed: %s", ensemble.version, _summary(ensemble))
        self._write(next_path(self._path), [*_lines(ensemble), f"version={ensemble.version:x}"])

    def activated(self, ensemble: Ensemble) -> None:
        log.info("configuration %x is in force: %s", ensemble.version, _summary(ensemble))
        path = dynamic_path(self._path, ensemble.version)
        self._write(path, _lines(ensemble))
        self._rewrite_static(path, ensemble)
        if self._disk.exists(following := next_path(self._path)) and self._is_done(following, ensemble.version):
            self._disk.remove(following)
        self._on_activated(ensemble)

    def _is_done(self, path: str, version: int) -> bool:
        """Whether the configuration in the file is not newer than the one in force."""
        entry = Properties.parse(self._disk.read(path), path).get("version")
        return entry is None or int(entry.value, 16) <= version

    def _rewrite_static(self, dynamic: str, ensemble: Ensemble) -> None:
        """Takes out of the static file what the dynamic one says, and has it name that one. Everything else, comments
        too, stays as it is."""
        own = ensemble.members.get(self._sid)
        text = self._disk.read(self._path)
        if not self._disk.exists(self._path + ".bak"):
            replace_file(self._disk, self._path + ".bak", text)
        kept: list[str] = []
        dropped = continued = False
        for line in text.decode("utf-8", "surrogateescape").splitlines():
            if not continued:
                key = line.lstrip()
                dropped = bool(MOVED.match(key) or (own is not None and own.client and CLIENT.match(key)))
            continued = (len(line) - len(line.rstrip("\\"))) % 2 == 1
            if not dropped:
                kept.append(line)
        lines = [*kept, f"dynamicConfigFile={dynamic}", ""]
        replace_file(self._disk, self._path, "\n".join(lines).encode("utf-8", "surrogateescape"))

    def _write(self, path: str, lines: list[str]) -> None:
        replace_file(self._disk, path, ("\n".join(lines) + "\n").encode())


def _lines(ensemble: Ensemble) -> list[str]:
    """The configuration's lines without its version, sorted as Apache sorts them."""
    return sorted(ensemble.text().splitlines()[:-1])


def _summary(ensemble: Ensemble) -> str:
    observers = sorted(ensemble.members.keys() - ensemble.voters)
    return f"voters {sorted(ensemble.voters)}" + (f", observers {observers}" if observers else "")
