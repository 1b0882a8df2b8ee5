"""Requests that wait: parked under what may wake them, answered when it does or when their time is up.

A produce with acks=all waits for the high watermark to pass its records, a fetch for enough bytes, each under the
partitions it names; a request that names several is looked at whenever one of them moves. No I/O and no clock: the
server calls `wake` after an append or a new high watermark, `expired` when `deadline` is reached, `drop` when the
connection is gone, and answers what comes back.

The number of waiting requests is bounded; when it is reached `park` refuses, and the request is answered with what
there is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

__all__ = ["WAITING_MAX", "Purgatory", "Waiting"]

T = TypeVar("T")

WAITING_MAX = 100_000
"""Requests that may wait at once; each connection has one at most, so this bounds idle consumers, not throughput."""
DEAD_MIN = 64
"""Below this many answered entries in the heap it is not worth rebuilding."""


class Waiting(Generic[T]):
    """One parked request."""

    __slots__ = ("deadline", "item", "keys", "parked", "ready")

    def __init__(self, item: T, keys: tuple[Hashable, ...], deadline: float, ready: Callable[[], bool]) -> None:
        self.item = item
        self.keys = keys
        self.deadline = deadline
        self.ready = ready
        self.parked = True


class Purgatory(Generic[T]):
    """Waiting requests by key and by deadline. Deadlines are in the clock of whoever calls, seconds."""

    __slots__ = ("_by_key", "_heap", "_live", "_sequence", "_waiting_max")

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self._waiting_max = waiting_max
        self._by_key: dict[Hashable, dict[Waiting[T], None]] = {}
        self._heap: list[tuple[float, int, Waiting[T]]] = []
        self._live = 0
        self._sequence = 0  # breaks ties, so that equal deadlines end in the order of arrival

    def __len__(self) -> int:
        return self._live

    def park(self, item: T, keys: Iterable[Hashable], deadline: float, ready: Callable[[], bool]) -> Waiting[T] | None:
        """Parks `item` until `ready()` is true at a `wake` of one of `keys`, or `deadline` has come.

        Returns the handle for `drop`, or None when there is no room. The caller has found `ready()` false already.
        """
        if self._live >= self._waiting_max:
            return None
        waiting = Waiting(item, tuple(dict.fromkeys(keys)), deadline, ready)
        for key in waiting.keys:
            self._by_key.setdefault(key, {})[waiting] = None
        self._sequence += 1
        heappush(self._heap, (deadline, self._sequence, waiting))
        self._live += 1
        return waiting

    def wake(self, key: Hashable) -> list[T]:
        """Something changed under `key`: the items that are ready now, in the order of arrival. They are gone from here."""
        watchers = self._by_key.get(key)
        if watchers is None:
            return []
        ready = [waiting for waiting in watchers if waiting.ready()]
        for waiting in ready:
            self._remove(waiting)
        return [waiting.item for waiting in ready]

    def wake_all(self, key: Hashable) -> list[T]:
        """The items under `key`, ready or not: the partition went away, and they have to look again."""
        watchers = list(self._by_key.get(key, ()))
        for waiting in watchers:
            self._remove(waiting)
        return [waiting.item for waiting in watchers]

    def expired(self, now: float) -> list[T]:
        """The items whose deadline has come, the earliest first. They are gone from here."""
        items: list[T] = []
        heap = self._heap
        while heap and (heap[0][0] <= now or not heap[0][2].parked):
            waiting = heappop(heap)[2]
            if waiting.parked:
                self._remove(waiting)
                items.append(waiting.item)
        return items

    def drop(self, waiting: Waiting[T]) -> None:
        """Forgets a request whose connection is gone; no error when it was answered already."""
        if waiting.parked:
            self._remove(waiting)

    def deadline(self) -> float | None:
        """When `expired` has something to return at the latest; None while nothing waits."""
        heap = self._heap
        while heap and not heap[0][2].parked:
            heappop(heap)
        return heap[0][0] if heap else None

    def _remove(self, waiting: Waiting[T]) -> None:
        waiting.parked = False
        self._live -= 1
        for key in waiting.keys:
            watchers = self._by_key[key]
            watchers.pop(waiting, None)
            if not watchers:
                del self._by_key[key]
        # answered requests leave their place in the heap only at their deadline: rebuild it before they outnumber the others
        if len(self._heap) - self._live > max(DEAD_MIN, self._live):
            self._heap = [entry for entry in self._heap if entry[2].parked]
            heapify(self._heap)
