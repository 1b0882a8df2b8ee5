"""The real machine: wall clock, entropy and disk of this host, bundled as the `Host` a node is started on."""

from __future__ import annotations

import time
from random import SystemRandom

from .host import Host
from .net import Network
from .posix import PosixDisk

__all__ = ["SystemWall", "system_host"]


class SystemWall:
    """The machine's wall clock."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def system_host(network: Network) -> Host:
    """This machine, with `network` (a `TcpNetwork` that the caller runs) as its network."""
    return Host(wall=SystemWall(), random=SystemRandom(), network=network, disk=PosixDisk())
