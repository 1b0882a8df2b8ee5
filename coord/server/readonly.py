"""Read-only mode (`readonlymode.enabled`): a server that finds no quorum serves reads to clients that say they can do with it.

It tells what its disk held when it last served, and refuses everything else with NotReadOnlyError. Its sessions are local,
and end with the mode: as soon as there is a quorum again every client has to connect anew.
"""

from __future__ import annotations

from typing import Protocol

import trio

from coord.zab.application import Role

__all__ = ["ALONE_SECONDS_MIN", "Lonely", "serve_alone"]

ALONE_SECONDS_MIN = 2.0
"""Least time without a quorum before a server serves reads; a tick, where that is longer (Apache's rule)."""
POLL_SECONDS = 0.25


class Lonely(Protocol):
    """What is asked of the pipeline."""

    role: Role
    since: float
    read_only: bool

    def serve_reads(self) -> None:
        """Begins to serve reads without a quorum."""


async def serve_alone(pipeline: Lonely, tick_ms: int) -> None:
    """Has the pipeline serve reads once it has looked for a leader for long enough. Runs until cancelled."""
    patience = max(ALONE_SECONDS_MIN, tick_ms / 1000)
    while True:
        await trio.sleep(POLL_SECONDS)
        if pipeline.role is Role.LOOKING and not pipeline.read_only and trio.current_time() - pipeline.since >= patience:
            pipeline.serve_reads()
