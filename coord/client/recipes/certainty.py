"""Stop in time: a block that is cancelled while the session can still not have expired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import trio

from coord.client.client import Client
from coord.client.states import FINAL, State

__all__ = ["while_certain"]


@asynccontextmanager
async def while_certain(client: Client, grace: float | None = None) -> AsyncIterator[trio.CancelScope]:
    """Cancels the block when its client has been without a server for `grace` seconds, or its session is over.

    What the session holds (a lock, a leadership) is nobody else's until the servers expire it, which they do a session
    timeout after they last heard of the client. A silent server is noticed after two thirds of that; the default grace of
    a quarter leaves the rest as a margin. The scope's `cancelled_caught` tells how the block ended.
    """
    allowed = client.session_timeout / 4 if grace is None else grace
    with trio.CancelScope() as scope:

        def watch(state: State) -> None:
            if state in FINAL:
                scope.cancel()
            else:
                scope.deadline = inf if state is State.CONNECTED else trio.current_time() + allowed

        stop = client.on_state(watch)
        try:
            watch(client.state)
            yield scope
        finally:
            stop()
