"""What a broker's logs need now and then: syncs, checkpoints, retention, the removal of what was deleted.

A disk that fails a sync is not trusted again: the broker stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from broker.log.log import Log
from broker.log.manager import LogManager
from coord.kit.host import Wall

if TYPE_CHECKING:
    from .config import BrokerConfig
    from .replica_manager import ReplicaManager

__all__ = ["keep_logs"]

FLUSH_SECONDS = 1.0
"""How often logs are looked at that have something to sync: what was rolled, and what flush.ms asks for."""
SWEEP_SECONDS = 5.0
FIRST_RETENTION_SECONDS = 30.0
"""Rest behind a start before old segments are looked at, as Apache's broker has it."""


async def keep_logs(config: BrokerConfig, logs: LogManager, replicas: ReplicaManager, wall: Wall) -> None:
    """Runs until cancelled. Raises LogStorageError and OSError when the disk is not to be trusted any more."""

    def high_watermark(partition: Log) -> int:
        replica = replicas.find(partition.topic, partition.partition)
        return partition.end_offset if replica is None else replica.state.high_watermark

    async def flush() -> None:
        while True:
            await trio.sleep(FLUSH_SECONDS)
            await logs.flush(wall.now_ms())

    async def checkpoint_high_watermarks() -> None:
        while True:
            await trio.sleep(config.high_watermark_checkpoint_interval_ms / 1000)
            await logs.checkpoint(replicas.high_watermarks())

    async def checkpoint_recovery_points() -> None:
        interval_ms = min(config.recovery_checkpoint_interval_ms, config.start_offset_checkpoint_interval_ms)
        while True:
            await trio.sleep(max(interval_ms, 1000) / 1000)
            await logs.checkpoint()

    async def retain() -> None:
        await trio.sleep(min(FIRST_RETENTION_SECONDS, config.retention_check_interval_ms / 1000))
        while True:
            logs.retain(high_watermark, wall.now_ms())
            await trio.sleep(config.retention_check_interval_ms / 1000)

    async def sweep() -> None:
        while True:
            await trio.sleep(SWEEP_SECONDS)
            logs.sweep(wall.now_ms())

    async with trio.open_nursery() as nursery:
        for task in (flush, checkpoint_high_watermarks, checkpoint_recovery_points, retain, sweep):
            nursery.start_soon(task)
