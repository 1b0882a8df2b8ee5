"""Running one node in the foreground: signals end it, and it ends with 0, quickly.

And Python's cycle collector, whose pauses a node's clients would feel: it rests until the node is up
(`rest_collector`), and afterwards looks at what is new alone (`wake_collector`).
"""

from __future__ import annotations

import gc
import logging
import signal
from collections.abc import Awaitable, Callable

import trio

__all__ = ["rest_collector", "serve_until_stopped", "wake_collector"]

log = logging.getLogger(__name__)

COLLECTOR = (5_000, 4, 1_000_000_000)
"""When the collector looks at what is new, at what has survived that, and at everything: a look takes most of a
microsecond for each object, so 4 ms, 15 ms, and never. A tree of a million nodes would be a pause of 700 ms, ten thousand
partitions one of a second. What lives long (connections, sessions, partitions) leaves no cycles behind."""


def rest_collector() -> None:
    """For the start, which only builds."""
    gc.disable()


def wake_collector() -> None:
    """The node is up: what its start has built stays, and is never looked at."""
    gc.freeze()
    gc.set_threshold(*COLLECTOR)
    gc.enable()


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
