"""A bounded pool of tasks for requests that must wait for the coordination service."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable

import trio

from broker.wire.api import ApiKey
from broker.wire.errors import KafkaError
from broker.wire.fields import Message
from coord.client import CoordError

from .dispatch import Outcome, Request

__all__ = ["TASKS_MAX", "TaskPool"]

log = logging.getLogger(__name__)

TASKS_MAX = 256
"""Jobs under way at once. More of them queue: each belongs to a connection that waits, so connections bound the queue."""

Job = Callable[[], Awaitable[Message | Outcome]]


class TaskPool:
    """Runs jobs in the order of their coming, some of them at a time, and sends what they return."""

    def __init__(self, after: Callable[[], None], tasks_max: int = TASKS_MAX) -> None:
        """`after` runs behind each job: it lets the network send what the job wrote."""
        self._after = after
        self._tasks_max = tasks_max
        self._tasks = 0
        self._queue: deque[tuple[Request, Job]] = deque()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    def start(self, request: Request, job: Job, *, urgent: bool = False) -> None:
        """Runs the job of a request that waits, now or behind those that came earlier; an urgent one now in any case."""
        assert self._nursery is not None, "the pool does not run"
        if urgent:
            self._nursery.start_soon(self._do, request, job)
            return
        self._queue.append((request, job))
        if self._tasks < self._tasks_max:
            self._tasks += 1
            self._nursery.start_soon(self._work)

    async def _work(self) -> None:
        while self._queue:
            request, job = self._queue.popleft()
            if not request.origin.gone:
                await self._do(request, job)
        self._tasks -= 1

    async def _do(self, request: Request, job: Job) -> None:
        try:
            outcome = await job()
            if isinstance(outcome, Message):
                request.reply(outcome)
        except Exception as error:  # one request's trouble is its connection's, not the broker's
            log.debug("a request failed", exc_info=error)
            name = ApiKey(request.api_key).name
            request.origin.close(f"sent {name}, which could not be served: {_words_of(error)}")
        self._after()


def _words_of(error: Exception) -> str:
    """Errors that are foreseen are sentences; of any other it takes the kind to find the fault."""
    if isinstance(error, CoordError | KafkaError):
        return str(error)
    return f"a fault of this broker: {type(error).__name__}: {error}"
