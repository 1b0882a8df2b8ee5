"""Virtual time: `run` gives the same order of tasks for the same seed, on a clock that jumps when nobody has work.

trio has the switch for this and keeps it private (hypothesis turns it on for its own tests): this is the one file that
touches it, and `test_virtual_time.py` is the canary that sings when a new trio has moved it. Nothing below `run` may
wait for a thread or a socket: the clock does not wait for either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
import trio.testing
from trio._core import _run

__all__ = ["run"]

_Value = TypeVar("_Value")


def run(seed: object, function: Callable[[], Awaitable[_Value]]) -> _Value:
    """`trio.run(function)` under virtual time, repeatable by `seed`."""
    before, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    _run._r.setstate(Random(f"{seed}/scheduler").getstate())
    try:
        return trio.run(function, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        _run._r.setstate(state)
