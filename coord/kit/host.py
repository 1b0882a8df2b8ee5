"""Everything a node asks of its machine, in one frozen bundle.

Five seams: monotonic time is trio's own clock; the other four travel here. A node built on a `Host` of simulated
parts is the same node: nothing else in the packages opens a file, a socket, a clock or a source of randomness.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Protocol

from .disk import Disk
from .net import Network

__all__ = ["Host", "Wall"]


class Wall(Protocol):
    """Wall time: for znode times, record timestamps and log lines, never for timeouts."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Host:
    """The machine under a node."""

    wall: Wall
    random: Random
    network: Network
    disk: Disk
