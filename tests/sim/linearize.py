"""Is there one order of these operations that explains every answer and respects real time? (Wing and Gong, with Lowe's
memory of configurations, as in porcupine.)

An operation takes effect at one instant between its call and its return. One whose answer was lost has no return: it may
take effect at any time after its call, or never. Histories are checked key by key, for a history of independent keys is
linearizable when each key's is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

__all__ = ["UNKNOWN", "Operation", "TooHard", "check", "check_keys"]

CONFIGURATIONS_MAX = 500_000

UNKNOWN = object()
"""The answer of an operation that got none."""

Model = Callable[[Any, Any, Any], list[Any]]
"""(state, request, answer) to the states after it: none when the answer cannot be given in this state. The answer may be
UNKNOWN."""


class TooHard(Exception):
    """The search has looked at CONFIGURATIONS_MAX configurations."""


@dataclass(frozen=True, slots=True)
class Operation:
    """request and answer are the model's; called and returned are seconds, returned is infinite for a lost answer."""

    key: Hashable
    request: Any
    answer: Any
    called: float
    returned: float = inf

    def __str__(self) -> str:
        answer = "?" if self.answer is UNKNOWN else self.answer
        return f"{self.called:.6f}..{self.returned:.6f} {self.key}: {self.request} -> {answer}"


def check_keys(model: Model, initial: Hashable, operations: Iterable[Operation]) -> list[Operation] | None:
    """The first key's history that is not linearizable, in order of calls; None when all are. Raises TooHard."""
    by_key: defaultdict[Hashable, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    for history in by_key.values():
        history.sort(key=lambda operation: (operation.called, operation.returned))
        if not check(model, initial, history):
            return history
    return None


def check(model: Model, initial: Hashable, history: list[Operation]) -> bool:
    """Whether one key's history, sorted by call, is linearizable from the state `initial`. Raises TooHard.

    Depth first. A configuration is the set of operations done, as bits, and the state. An operation may come next when no
    answered one that is not done has returned before it was called. Of lost operations with the same request the one that
    was called first goes first: whatever a later one can explain, it can.
    """
    known = [operation for operation in history if operation.answer is not UNKNOWN]
    lost = [operation for operation in history if operation.answer is UNKNOWN]
    seen: set[tuple[int, int, Hashable]] = {(0, 0, initial)}
    stack: list[tuple[int, int, int, Hashable]] = [(0, 0, 0, initial)]  # known and lost ones done, first known one not done
    while stack:
        done, gone, first, state = stack.pop()
        if first == len(known):
            return True
        found, earliest = _candidates(known, done, first)
        steps = [(done, gone | bit, lost[index]) for index, bit in _lost_candidates(lost, gone, earliest)]
        steps += [(done | 1 << index, gone, known[index]) for index in reversed(found)]  # the first to be called on top
        for done_after, gone_after, operation in steps:
            for after in model(state, operation.request, operation.answer):
                if operation.answer is UNKNOWN and after == state:
                    continue  # it may as well never take effect
                if (done_after, gone_after, after) not in seen:
                    seen.add((done_after, gone_after, after))
                    if len(seen) > CONFIGURATIONS_MAX:
                        raise TooHard(f"{len(history)} operations on {operation.key}")
                    lowest = first
                    while done_after >> lowest & 1:
                        lowest += 1
                    stack.append((done_after, gone_after, lowest, after))
    return False


def _candidates(known: list[Operation], done: int, first: int) -> tuple[list[int], float]:
    """The answered operations that may come next, and when the first of them has returned."""
    earliest = inf
    found: list[int] = []
    for index in range(first, len(known)):
        if done >> index & 1:
            continue
        if known[index].called > earliest:
            break
        earliest = min(earliest, known[index].returned)
        found.append(index)
    return found, earliest


def _lost_candidates(lost: list[Operation], gone: int, earliest: float) -> list[tuple[int, int]]:
    """The lost operations that may come next, as (index, bit)."""
    found: dict[Any, tuple[int, int]] = {}
    for index, operation in enumerate(lost):
        if operation.called > earliest:
            break
        if not gone >> index & 1:
            found.setdefault(operation.request, (index, 1 << index))
    return list(found.values())
