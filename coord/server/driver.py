"""The driver of replication: the only interpreter of the core's effects.

The core (`coord.zab.peer`) says what must happen and in which order; here it happens: log and epochs, links to the peers,
calls into the application. `Driver` is the application's `Replication`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import trio

from coord.kit.net import Network
from coord.zab.application import Application, ForwardedRequest, Role, Transaction
from coord.zab.quorums import Ensemble
from coord.zab.storage import Epochs, History, TransactionLog

__all__ = ["Driver", "Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """zoo.cfg's clock: tick_ms is tickTime, the limits are in ticks."""

    tick_ms: int = 2000
    init_limit: int = 10
    sync_limit: int = 5


class Driver:
    """Replication for one server: `Replication` towards the application, links and disk on the other side.

    sid: this server's id (myid). ensemble: the configuration, or None for a server that stands alone (no ports, no
    epochs: it goes on in the epoch of its last transaction, as Apache's does).
    application.last_zxid must be the end of the log when `run` is called: recovery has replayed all of it.
    """

    def __init__(
        self,
        application: Application,
        log: TransactionLog,
        history: History,
        epochs: Epochs,
        network: Network,
        random: Random,
        *,
        sid: int,
        ensemble: Ensemble | None,
        timing: Timing,
    ) -> None:
        self.role = Role.LOOKING
        self.epoch = 0
        self.leader: int | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled; `started` once the election port is open. Raises OSError when a port is taken or the disk
        failed: the node must stop then, for it can keep no promise any more."""

    def next_zxid(self) -> int:
        """See `Replication`, as for the four below."""
        return 0

    def propose(self, batch: list[Transaction]) -> None: ...

    def forward(self, batch: list[ForwardedRequest]) -> None: ...

    def sync(self, request: ForwardedRequest) -> None: ...

    def revalidate(self, session_id: int, timeout_ms: int) -> None: ...
