"""The leader's housekeeping: empty containers and TTL nodes whose time is over are deleted.

What is to go is looked up every so often and asked for as deleteContainer, a write of the leader's own. Each is decided
like any other, over what is in flight, so that one that was used again meanwhile is refused and stays. No more than so
many go in a minute: a folder of a million that all expire at once must not stand in the way of clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import trio

from coord.kit.host import Wall
from coord.tree.tree import Tree

__all__ = ["Sweeping", "sweep"]

SLICE_SECONDS = 0.1
"""Between two batches of deletions."""
MINUTE_SECONDS = 60.0


class Sweeping(Protocol):
    """What is asked of the pipeline."""

    tree: Tree

    @property
    def deciding(self) -> bool:
        """Whether this server decides: it leads, or stands alone."""
        ...

    def delete_unused(self, paths: Sequence[str]) -> None:
        """Proposes the deletion of containers and TTL nodes."""


async def sweep(
    pipeline: Sweeping, wall: Wall, *, interval_ms: int, per_minute: int, never_used_ms: int
) -> None:
    """Sweeps every `interval_ms`, `per_minute` nodes at most. Runs until cancelled.

    never_used_ms: the age at which a container that never had a child goes too; 0 keeps it.
    """
    size = max(1, int(per_minute * SLICE_SECONDS / MINUTE_SECONDS))
    pause = max(SLICE_SECONDS, size * MINUTE_SECONDS / per_minute)
    while True:
        await trio.sleep(interval_ms / 1000)
        paths = pipeline.tree.removable(wall.now_ms(), never_used_ms) if pipeline.deciding else []
        for start in range(0, len(paths), size):
            if not pipeline.deciding:
                break
            pipeline.delete_unused(paths[start : start + size])
            await trio.sleep(pause)
