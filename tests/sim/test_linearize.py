"""The checker of linearizability, on histories whose verdict is known."""

from __future__ import annotations

from itertools import permutations
from math import inf
from random import Random
from typing import Any

from tests.sim.linearize import UNKNOWN, Operation, check, check_keys


def _register(state: Any, request: Any, answer: Any) -> list[Any]:
    """("w", value) -> None, ("r",) -> value."""
    if request[0] == "w":
        return [request[1]]
    return [state] if answer is UNKNOWN or answer == state else []


def _op(request: Any, answer: Any, called: float, returned: float = inf, key: str = "k") -> Operation:
    return Operation(key, request, answer, called, returned)


def test_a_read_between_two_writes() -> None:
    """It may see either while the second is under way, and only the second afterwards."""
    writes = [_op(("w", 1), None, 0, 1), _op(("w", 2), None, 2, 5)]

    assert check(_register, 0, [*writes, _op(("r",), 1, 3, 4)])
    assert check(_register, 0, [*writes, _op(("r",), 2, 3, 4)])
    assert not check(_register, 0, [*writes, _op(("r",), 1, 6, 7)])


def test_two_reads_do_not_go_back() -> None:
    """Once seen, a write under way has happened."""
    write = _op(("w", 1), None, 0, 9)

    assert check(_register, 0, [write, _op(("r",), 0, 1, 2), _op(("r",), 1, 3, 4)])
    assert not check(_register, 0, [write, _op(("r",), 1, 1, 2), _op(("r",), 0, 3, 4)])


def test_a_lost_answer_may_count_late_or_never() -> None:
    """Nobody knows when it took effect, but never before its call, and once."""
    lost = _op(("w", 1), UNKNOWN, 1)

    assert check(_register, 0, [lost, _op(("r",), 0, 2, 3)])
    assert check(_register, 0, [lost, _op(("r",), 0, 2, 3), _op(("r",), 1, 4, 5)])
    assert not check(_register, 0, [_op(("r",), 1, 0, 0.5), lost])
    assert not check(_register, 0, [lost, _op(("r",), 1, 2, 3), _op(("r",), 0, 4, 5)])


def test_keys_are_checked_by_themselves() -> None:
    """The history of the first that fails is told."""
    good = [_op(("w", 1), None, 0, 1, "a"), _op(("r",), 1, 2, 3, "a")]
    bad = [_op(("r",), 7, 2, 3, "b")]

    assert check_keys(_register, 0, good) is None
    assert check_keys(_register, 0, good + bad) == bad


def test_the_search_agrees_with_trying_every_order() -> None:
    """Random small histories against the definition itself."""
    random = Random(4)
    verdicts = set()
    for _ in range(400):
        history = []
        for _ in range(random.randint(1, 5)):
            called = random.randrange(10)
            returned = called + random.randint(1, 6)
            if random.random() < 0.5:
                lost = random.random() < 0.2
                request, answer = ("w", random.randrange(3)), UNKNOWN if lost else None
                history.append(_op(request, answer, called, inf if lost else returned))
            else:
                history.append(_op(("r",), random.randrange(3), called, returned))
        history.sort(key=lambda operation: (operation.called, operation.returned))
        verdict = check(_register, 0, history)
        assert verdict == _by_definition(history)
        verdicts.add(verdict)
    assert verdicts == {True, False}


def _by_definition(history: list[Operation]) -> bool:
    known = [operation for operation in history if operation.answer is not UNKNOWN]
    lost = [operation for operation in history if operation.answer is UNKNOWN]
    for chosen in range(1 << len(lost)):
        some = known + [operation for index, operation in enumerate(lost) if chosen >> index & 1]
        if any(_explains(order) for order in permutations(some)):
            return True
    return False


def _explains(order: tuple[Operation, ...]) -> bool:
    state: Any = 0
    for index, operation in enumerate(order):
        if any(later.returned < operation.called for later in order[index + 1 :]):
            return False
        states = _register(state, operation.request, operation.answer)
        if not states:
            return False
        state = states[0]
    return True
