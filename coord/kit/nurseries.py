"""Two shapes of nursery: one that does not wrap its body's exception, and one that asks many things at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import trio

__all__ = ["PIPELINE_MAX", "flat_nursery", "gather"]

PIPELINE_MAX = 256
"""Operations that `gather` has under way at a time."""

_Item = TypeVar("_Item")
_Value = TypeVar("_Value")


@asynccontextmanager
async def flat_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery out of which an exception of the block comes as it was raised. It cancels the tasks, as ever."""
    failure: BaseException | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def gather(operation: Callable[[_Item], Awaitable[_Value]], items: Sequence[_Item]) -> list[_Value]:
    """`operation` on every item, many at a time; the results in the items' order. Raises the first failure."""
    results: dict[int, _Value] = {}
    failures: list[Exception] = []
    numbered = iter(enumerate(items))

    async def work(scope: trio.CancelScope) -> None:
        for number, item in numbered:
            try:
                results[number] = await operation(item)
            except Exception as error:
                failures.append(error)
                scope.cancel()
                return

    async with trio.open_nursery() as nursery:
        for _ in range(min(PIPELINE_MAX, len(items))):
            nursery.start_soon(work, nursery.cancel_scope)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]
