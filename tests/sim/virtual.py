"""Virtual time: `run` gives the same order of tasks for the same seed, on a clock that jumps when nobody has work.

trio has the switch for this and keeps it private (hypothesis turns it on for its own tests): this is the one file that
touches it, and `test_virtual_time.py` is the canary that sings when a new trio has moved it. Nothing below `run` may
wait for a thread or a socket: the clock does not wait for either.

`Stopper` stops some of the tasks as SIGSTOP stops a process: whatever wakes them, a deadline too, takes effect when they
go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from random import Random
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run

__all__ = ["Stopper", "run"]

_Value = TypeVar("_Value")


def run(seed: object, function: Callable[[], Awaitable[_Value]]) -> _Value:
    """`trio.run(function)` under virtual time, repeatable by `seed`."""
    before, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.setstate(Random(f"{seed}/scheduler").getstate())
    try:
        return trio.run(function, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        _run._r.setstate(state)


class Stopper:
    """Stops tasks by the value that `name` has in their context. Made inside of `run`."""

    def __init__(self, name: ContextVar[str]) -> None:
        self._queue = _RunQueue(name)
        runner = _run.GLOBAL_RUN_CONTEXT.runner
        self._queue.extend(runner.runq)
        runner.runq = self._queue

    def stop(self, name: str) -> None:
        """SIGSTOP, for all tasks of this name, those too that begin later."""
        held = self._queue.held.setdefault(name, [])
        held += [task for task in self._queue if self._queue.name_of(task) == name]
        for task in held:
            self._queue.remove(task)

    def go_on(self, name: str) -> None:
        """SIGCONT; nothing if it was not stopped."""
        for task in self._queue.held.pop(name, ()):
            self._queue.append(task)


class _RunQueue(deque[trio.lowlevel.Task]):
    """trio's queue of the tasks that run next, without those that are stopped."""

    def __init__(self, name: ContextVar[str]) -> None:
        super().__init__()
        self.name = name
        self.held: dict[str, list[trio.lowlevel.Task]] = {}

    def name_of(self, task: trio.lowlevel.Task) -> str | None:
        return task.context.get(self.name)

    def append(self, task: trio.lowlevel.Task) -> None:
        held = self.held.get(task.context.get(self.name, "")) if self.held else None
        if held is None:
            super().append(task)
        else:
            held.append(task)
