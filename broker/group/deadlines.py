"""Many deadlines, of which most move on before they are due.

A heartbeat puts its member's deadline off; that must cost no more than a store. So a deadline that moves later keeps
its old place in the heap and is put back when that place comes up; only one that moves earlier is pushed anew.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """Keys and the time (seconds) when each is due."""

    __slots__ = ("_due", "_heap", "_place", "_sequence")

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._place: dict[Key, float] = {}
        """Where the key's only valid heap entry lies; never later than `_due`."""
        self._heap: list[tuple[float, int, Key]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Key, when: float) -> None:
        """Makes `key` due at `when`, whatever it was before."""
        self._due[key] = when
        place = self._place.get(key)
        if place is None or when < place:
            self._push(key, when)

    def cancel(self, key: Key) -> None:
        """Forgets `key`; no error when it is not there."""
        self._due.pop(key, None)
        self._place.pop(key, None)

    def due_at(self, key: Key) -> float | None:
        """When `key` is due, or None."""
        return self._due.get(key)

    def next(self) -> float | None:
        """The time at which to call `pop_due` again; may be earlier than the first deadline, never later."""
        heap = self._heap
        while heap:
            when, _, key = heap[0]
            if self._place.get(key) == when:
                return when
            heappop(heap)
        return None

    def pop_due(self, now: float) -> Key | None:
        """Takes out one key whose time has come, or None."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            when, _, key = heappop(heap)
            if self._place.get(key) != when:
                continue
            due = self._due[key]
            if due <= now:
                del self._due[key], self._place[key]
                return key
            self._push(key, due)
        return None

    def _push(self, key: Key, when: float) -> None:
        self._sequence += 1
        self._place[key] = when
        heappush(self._heap, (when, self._sequence, key))
