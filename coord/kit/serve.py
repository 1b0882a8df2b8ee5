"""Running one node in the foreground: signals end it, and it ends with 0, quickly."""

from __future__ import annotations

import logging
import signal
from collections.abc import Awaitable, Callable

import trio

__all__ = ["serve_until_stopped"]

log = logging.getLogger(__name__)


async def serve_until_stopped(node: Callable[[], Awaitable[None]], stopping: trio.Event | None = None) -> None:
    """Runs `node()` until it returns, fails, or the process gets SIGTERM or SIGINT; then it is cancelled.

    stopping: set by the first signal, for a node that has something to say before it goes; the second one cancels it.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                async for number in signals:
                    log.info("stopping on %s", signal.Signals(number).name)
                    if stopping is None or stopping.is_set():
                        nursery.cancel_scope.cancel()
                        return
                    stopping.set()

            nursery.start_soon(watch)
            await node()
            nursery.cancel_scope.cancel()
