"""The segments that are awake: those with an open file and their indexes in memory, at most `limit` of them.

A broker may hold many more segments than it may open files, and the indexes of all of them would be more memory than
it should take. So a segment that is used wakes up, and the one used longest ago goes back to rest.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

__all__ = ["OPEN_SEGMENTS_MAX", "Awake", "Sleeper"]

OPEN_SEGMENTS_MAX = 512
"""Below the usual limit of 1,024 open files, which connections need as well."""


class Sleeper(Protocol):
    """What can be woken and put to rest."""

    def rest(self) -> None:
        """Closes its file and forgets its indexes."""


class Awake:
    """The awake segments of one node, in order of use."""

    __slots__ = ("_limit", "_order")

    def __init__(self, limit: int = OPEN_SEGMENTS_MAX) -> None:
        self._limit = limit
        self._order: OrderedDict[Sleeper, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def add(self, sleeper: Sleeper) -> None:
        """`sleeper` has woken; the one used longest ago rests if there are too many."""
        self._order[sleeper] = None
        if len(self._order) > self._limit:
            oldest, _ = self._order.popitem(last=False)
            oldest.rest()

    def used(self, sleeper: Sleeper) -> None:
        """`sleeper` is in use and stays awake longer than the others."""
        self._order.move_to_end(sleeper)

    def drop(self, sleeper: Sleeper) -> None:
        """`sleeper` has gone to rest by itself."""
        self._order.pop(sleeper, None)
