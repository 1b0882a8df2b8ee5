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

CONFIGURATIONS_MAX = 2_000_000

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

    Depth first; a configuration is the set of operations done, as bits, and the state. An operation may come next when no
    other that is not done has returned before it was called.
    """
    known = 0
    for index, operation in enumerate(history):
        if operation.answer is not UNKNOWN:
            known |= 1 << index
    seen: set[tuple[int, Hashable]] = {(0, initial)}
    stack: list[tuple[int, int, Hashable]] = [(0, 0, initial)]  # done, the first that is not, state
    while stack:
        done, first, state = stack.pop()
        if known & ~done == 0:
            return True
        for index in _candidates(history, done, first):
            operation = history[index]
            after = done | 1 << index
            for next_state in model(state, operation.request, operation.answer):
                if operation.answer is UNKNOWN and next_state == state:
                    continue  # it may as well never take effect
                if (after, next_state) not in seen:
                    seen.add((after, next_state))
                    if len(seen) > CONFIGURATIONS_MAX:
                        raise TooHard(f"{len(history)} operations on {operation.key}")
                    lowest = first
                    while after >> lowest & 1:
                        lowest += 1
                    stack.append((after, lowest, next_state))
    return False


def _candidates(history: list[Operation], done: int, first: int) -> list[int]:
    """The operations that may come next; those with an answer last, so that they are tried first."""
    earliest = inf
    found: list[int] = []
    lost: list[int] = []
    for index in range(first, len(history)):
        if done >> index & 1:
            continue
        operation = history[index]
        if operation.called > earliest:
            break
        earliest = min(earliest, operation.returned)
        (lost if operation.answer is UNKNOWN else found).append(index)
    return lost + found[::-1]
