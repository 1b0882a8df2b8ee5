"""The real machine: wall clock, entropy and disk of this host, bundled as the `Host` a node is started on."""

from __future__ import annotations

import time
from random import SystemRandom

from .aio import KernelSyncs
from .host import Host
from .posix import PosixDisk
from .tcp import TcpNetwork

__all__ = ["SystemWall", "system_host"]


class SystemWall:
    """The machine's wall clock."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def system_host(network: TcpNetwork) -> Host:
    """This machine, with `network`, which the caller runs, as its network."""
    return Host(wall=SystemWall(), random=SystemRandom(), network=network, disk=PosixDisk(kernel=KernelSyncs(network.watch)))
