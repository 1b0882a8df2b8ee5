"""One task waits, anybody wakes it: a flag that resets itself, at the price of one reschedule."""

from __future__ import annotations

import trio

__all__ = ["Wakeup"]


class Wakeup:
    """Like an event, for one waiter, used again and again. A `set` before `wait` is not lost."""

    __slots__ = ("_set", "_task")

    def __init__(self) -> None:
        self._set = False
        self._task: trio.lowlevel.Task | None = None

    def set(self) -> None:
        """Wakes the waiter, or lets the next wait pass."""
        if self._task is None:
            self._set = True
        else:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def wait(self) -> None:
        """Returns after the next `set`, at once if there was one since the last wait."""
        if self._set:
            self._set = False
            await trio.lowlevel.checkpoint()
            return
        assert self._task is None, "one task waits"
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abort)

    def _abort(self, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
