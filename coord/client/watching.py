"""Watches as async iterators: the newest state of a node after each change, and the stream of events of a subtree.

The first kind holds no queue: a change only marks the state as old, and reading it again sets the next watch in the same
request, so that nothing is missed and nothing piles up. The second kind has a bounded queue and says when it overflows.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from coord.errors import NoNodeError, SessionExpiredError
from coord.wire.ops import EventType
from coord.wire.records import Stat

from .failures import WatchOverflowError
from .states import State
from .wakeup import Wakeup
from .watches import WatchEvent

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .client import Client

__all__ = ["EVENTS_MAX", "ChildrenWatch", "DataWatch", "EventStream"]

EVENTS_MAX = 10_000
"""Events an EventStream holds for a task that is busy elsewhere."""

_Value = TypeVar("_Value")


class _StateWatch(Generic[_Value]):
    """What the two state watches share. For one task; ends quietly when the client is closed."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self._changed = Wakeup()
        self._begun = False
        self._absent = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Value | None:
        while True:
            if self._begun:
                await self._changed.wait()
            self._begun = True
            try:
                value = await self._client.retry(self._read_or_none)
            except SessionExpiredError:
                if self._client.state is State.CLOSED:
                    raise StopAsyncIteration from None
                raise
            if value is None and self._absent:
                continue  # it came and went before it could be read
            self._absent = value is None
            return value

    async def _read_or_none(self) -> _Value | None:
        while True:
            try:
                return await self._read()
            except NoNodeError:
                if await self._client.exists(self._path, self._fired) is None:
                    return None

    async def _read(self) -> _Value:
        raise NotImplementedError

    def _fired(self, _: WatchEvent) -> None:
        self._changed.set()


class DataWatch(_StateWatch[tuple[bytes, Stat]]):
    """A node's (data, Stat), or None while it is missing."""

    async def _read(self) -> tuple[bytes, Stat]:
        return await self._client.get(self._path, self._fired)


class ChildrenWatch(_StateWatch[list[str]]):
    """The sorted names of a node's children, or None while it is missing."""

    async def _read(self) -> list[str]:
        return sorted(await self._client.children(self._path, self._fired))


class EventStream:
    """The events of a path, by a persistent watch: `async with client.events(path) as events: async for event in events`.

    Raises WatchOverflowError where events are missing. Ends quietly when the client is closed.
    """

    def __init__(self, client: Client, path: str, *, recursive: bool) -> None:
        self._client = client
        self._path = path
        self._recursive = recursive
        self._events: deque[WatchEvent] = deque()
        self._overflown = False
        self._more = Wakeup()

    async def __aenter__(self) -> Self:
        await self._client.add_watch(self._path, self._fired, recursive=self._recursive)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.discard_watch(self._path, self._fired, recursive=self._recursive)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchEvent:
        while not self._events:
            await self._more.wait()
        if self._overflown:
            self._overflown = False
            raise WatchOverflowError(self._path)
        event = self._events.popleft()
        if event.type is EventType.NONE:
            if self._client.state is State.CLOSED:
                raise StopAsyncIteration
            raise SessionExpiredError(self._path)
        return event

    def _fired(self, event: WatchEvent) -> None:
        if len(self._events) >= EVENTS_MAX:
            self._events.clear()
            self._overflown = True
        self._events.append(event)
        self._more.set()
