"""A nursery for the tasks behind a block of code: they end with the block, and its error comes out as it is.

A nursery wraps whatever leaves it into an exception group, also where one error is all there is. Callers of this client
write `except KafkaError`, so a group of one is unwrapped here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

__all__ = ["background"]


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """Yields a nursery that is cancelled when the block ends."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
            found = found.exceptions[0]
        if found is group:
            raise
        raise found from found.__cause__
