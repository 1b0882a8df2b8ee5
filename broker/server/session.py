"""The broker's session with the coordination service, and the next one when it expires.

A session is what the broker's ephemeral znodes hang on: its registration, the controller's seat, its claims on
groups. What belongs to a session is a task (`each`) that is started with every new session's client and cancelled when
that session is over. Expiry is not the end of a broker: it begins again, as Apache's does.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from coord.client import Client, ConnectionLossError, CoordError, State

__all__ = ["CoordSession", "SessionTask"]

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""Rest between two attempts to get a session."""


class SessionTask(Protocol):
    """What runs for the length of a session. It says `task_status.started()` when the next task may start."""

    def __call__(self, client: Client, *, task_status: trio.TaskStatus[None]) -> Awaitable[None]: ...


class CoordSession:
    """Keeps a session alive for as long as `run` runs."""

    def __init__(self, new_client: Callable[[], Client]) -> None:
        self._new_client = new_client
        self._client: Client | None = None
        self._tasks: list[SessionTask] = []

    @property
    def client(self) -> Client:
        """The client of the present session. Raises ConnectionLossError while there is none."""
        if self._client is None:
            raise ConnectionLossError
        return self._client

    def each(self, task: SessionTask) -> None:
        """Runs `task` in every session, started behind those that were named before."""
        self._tasks.append(task)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Lives until cancelled; started when the first session has all its tasks. Raises if there is no first one."""
        started = False

        def up() -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started()

        while True:
            failure: BaseException | None = None
            try:
                await self._one_session(up)
            except* CoordError as errors:
                failure = _first(errors)
            if failure is not None and not started:
                raise failure
            log.warning(
                "the session with the coordination service is over (%s); beginning another",
                failure or "it expired",
            )
            await trio.sleep(AGAIN_SECONDS)

    async def _one_session(self, up: Callable[[], None]) -> None:
        client = self._new_client()
        over = trio.Event()

        def watch(state: State) -> None:
            if state in (State.EXPIRED, State.AUTH_FAILED):
                over.set()

        client.on_state(watch)
        async with trio.open_nursery() as nursery:
            await nursery.start(client.run)
            self._client = client
            try:
                for task in self._tasks:
                    await nursery.start(task, client)
                up()
                await over.wait()
            finally:
                self._client = None
            nursery.cancel_scope.cancel()


def _first(group: BaseExceptionGroup[CoordError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
