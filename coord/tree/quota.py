"""Quotas: a limit on the number of znodes or of bytes below a path, and how much of it is used.

The limit on "/a/b" is the data of "/zookeeper/quota/a/b/zookeeper_limits", the use is that of ".../zookeeper_stats"; both
read "count=N,bytes=M", where -1 is no limit. Every server keeps the use itself while it applies transactions, so it is
not part of the tree's digest. A stats node that holds something else reads as -1, as in Apache.
"""

from __future__ import annotations

from .paths import QUOTA_NODE

__all__ = ["LIMITS_NAME", "STATS_NAME", "QuotaPaths", "Track", "limits_path", "stats_path"]

LIMITS_NAME = "zookeeper_limits"
STATS_NAME = "zookeeper_stats"

_COUNT = "count"
_BYTES = "bytes"
_COUNT_HARD = "countHardLimit"
_BYTES_HARD = "byteHardLimit"


def limits_path(path: str) -> str:
    """Where the limit on `path` is kept."""
    return f"{QUOTA_NODE}{path}/{LIMITS_NAME}"


def stats_path(path: str) -> str:
    """Where the use of `path` is kept."""
    return f"{QUOTA_NODE}{path}/{STATS_NAME}"


class QuotaPaths:
    """The paths that have a limit."""

    __slots__ = ("paths",)

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}

    def nearest(self, path: str) -> str | None:
        """The limited path that `path` counts against: itself or the nearest above; never the root."""
        if not self.paths:
            return None
        while path:
            if path in self.paths:
                return path
            path = path.rpartition("/")[0]
        return None

    def created(self, parent: str, name: str) -> None:
        """A node was created: it may be a limit."""
        if name == LIMITS_NAME and parent.startswith(QUOTA_NODE + "/"):
            self.paths[parent[len(QUOTA_NODE) :]] = None

    def deleted(self, parent: str, name: str) -> None:
        """A node was deleted: it may have been a limit."""
        if name == LIMITS_NAME and parent.startswith(QUOTA_NODE + "/"):
            self.paths.pop(parent[len(QUOTA_NODE) :], None)


class Track:
    """The numbers in a limits or stats node. What is absent is -1."""

    __slots__ = ("_values",)

    def __init__(self, data: bytes | None = None) -> None:
        self._values: dict[str, int] = {}
        for pair in (data or b"").decode(errors="replace").replace(";", ",").split(","):
            name, _, value = pair.partition("=")
            value = value.rstrip("=")  # Apache writes a stray "=" after the bytes when hard limits follow
            try:
                self._values[name] = int(value)
            except ValueError:
                continue

    @property
    def count(self) -> int:
        return self._values.get(_COUNT, -1)

    @property
    def size(self) -> int:
        return self._values.get(_BYTES, -1)

    @property
    def count_hard(self) -> int:
        return self._values.get(_COUNT_HARD, -1)

    @property
    def size_hard(self) -> int:
        return self._values.get(_BYTES_HARD, -1)

    @classmethod
    def unlimited(cls) -> Track:
        """Limits of which none is set, but all are named."""
        return cls(f"{_COUNT}=-1,{_BYTES}=-1;{_BYTES_HARD}=-1;{_COUNT_HARD}=-1".encode())

    def limit(self, option: str, value: int) -> None:
        """Sets one limit by zkCli's letter for it: n and b, N and B for the hard ones. -1: no limit."""
        self._values[{"n": _COUNT, "b": _BYTES, "N": _COUNT_HARD, "B": _BYTES_HARD}[option]] = value

    def set(self, count: int, size: int) -> None:
        """Replaces count and bytes; hard limits stay."""
        self._values[_COUNT] = count
        self._values[_BYTES] = size

    def exceeds_hard(self, use: Track, count_more: int, bytes_more: int) -> bool:
        """Whether `use`, grown by this much, breaks one of the hard limits here. Soft limits never refuse."""
        count_max = self._values.get(_COUNT_HARD, -1)
        bytes_max = self._values.get(_BYTES_HARD, -1)
        if count_more and -1 < count_max < use.count + count_more:
            return True
        return bool(bytes_more) and -1 < bytes_max < use.size + bytes_more

    def encode(self) -> bytes:
        """The node's data, in the order that old clients can parse."""
        rest = sorted(name for name in self._values if name not in (_COUNT, _BYTES))
        text = f"count={self.count},bytes={self.size}"
        if rest:
            text += "=" + "".join(f";{name}={self._values[name]}" for name in rest)
        return text.encode()
