"""One task that wakes whatever has deadlines, so that a request that waits costs neither a task nor a cancel scope."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

import trio

__all__ = ["Clock", "Deadlined"]


class Deadlined(Protocol):
    """Something that has to be called in time. Times are seconds of trio's clock."""

    def deadline(self) -> float | None:
        """When to call `expire`; None: nothing is due."""
        ...

    def expire(self, now: float) -> None:
        """Does what is due at `now`."""
        ...


class Clock:
    """Calls its sources at their deadlines."""

    def __init__(self, after: Callable[[], None]) -> None:
        """`after` runs behind the sources that were due together: it sends what they wrote."""
        self._after = after
        self._sources: list[Deadlined] = []
        self._until = -inf
        self._earlier = trio.Event()

    def add(self, source: Deadlined) -> None:
        """Serves one more source."""
        self._sources.append(source)
        self._earlier.set()

    def now(self) -> float:
        """The time."""
        return trio.current_time()

    def nudge(self, when: float) -> None:
        """A source has a new deadline. Whoever shortens one calls this; later ones need no word."""
        if when < self._until:
            self._earlier.set()

    async def run(self) -> None:
        """Calls the sources until cancelled."""
        while True:
            self._earlier = trio.Event()
            self._until = min(
                (when for source in self._sources if (when := source.deadline()) is not None), default=inf
            )
            with trio.move_on_at(self._until):
                await self._earlier.wait()
            self._until = -inf
            now = trio.current_time()
            due = [
                source for source in self._sources if (when := source.deadline()) is not None and when <= now
            ]
            for source in due:
                source.expire(now)
            if due:
                self._after()
