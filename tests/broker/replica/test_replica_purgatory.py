"""Waiting requests: woken by what they wait for, or by their deadline, once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker.replica.purgatory import DEAD_MIN, Purgatory, Waiting


def never() -> bool:
    return False


def always() -> bool:
    return True


def test_a_request_is_woken_by_any_of_its_keys_when_it_is_ready() -> None:
    """It is looked at when one of them moves, and is gone from all of them then."""
    purgatory: Purgatory[str] = Purgatory()
    ready = [False]
    purgatory.park("fetch", ["a", "b"], 5.0, lambda: ready[0])
    assert purgatory.wake("a") == []
    assert purgatory.wake("c") == []
    ready[0] = True
    assert purgatory.wake("b") == ["fetch"]
    assert purgatory.wake("a") == []
    assert purgatory.expired(9.0) == []
    assert (len(purgatory), purgatory.deadline()) == (0, None)


def test_requests_are_answered_in_the_order_of_arrival() -> None:
    """Under one key, and at one deadline."""
    purgatory: Purgatory[int] = Purgatory()
    for number in range(5):
        purgatory.park(number, ["a"], 5.0, always if number % 2 else never)
    assert purgatory.wake("a") == [1, 3]
    assert purgatory.expired(5.0) == [0, 2, 4]


def test_deadlines_come_in_order() -> None:
    """`deadline` is the next one that still matters."""
    purgatory: Purgatory[str] = Purgatory()
    first = purgatory.park("first", ["a"], 1.0, never)
    purgatory.park("second", ["a"], 2.0, never)
    assert purgatory.deadline() == 1.0
    assert first is not None
    purgatory.drop(first)
    purgatory.drop(first)
    assert purgatory.deadline() == 2.0
    assert purgatory.expired(1.9) == []
    assert purgatory.expired(2.0) == ["second"]


def test_a_partition_that_goes_away_wakes_all() -> None:
    """They look again and find that it is gone."""
    purgatory: Purgatory[str] = Purgatory()
    purgatory.park("one", ["a", "b"], 1.0, never)
    purgatory.park("two", ["b"], 1.0, never)
    assert purgatory.wake_all("b") == ["one", "two"]
    assert purgatory.wake_all("a") == []


def test_a_request_may_name_a_key_twice() -> None:
    """A fetch that names a partition twice waits once under it."""
    purgatory: Purgatory[str] = Purgatory()
    purgatory.park("one", ["a", "a"], 1.0, always)
    assert purgatory.wake("a") == ["one"]
    assert purgatory.wake("a") == []


def test_the_number_of_requests_is_bounded() -> None:
    """The limit itself fits; one more is refused until there is room."""
    purgatory: Purgatory[int] = Purgatory(2)
    assert purgatory.park(1, ["a"], 1.0, never) is not None
    assert purgatory.park(2, ["a"], 1.0, never) is not None
    assert purgatory.park(3, ["a"], 1.0, never) is None
    purgatory.expired(1.0)
    assert purgatory.park(3, ["a"], 1.0, never) is not None


class Model(RuleBasedStateMachine):
    """Against a list of what waits."""

    def __init__(self) -> None:
        super().__init__()
        self.purgatory: Purgatory[int] = Purgatory(40)
        self.waiting: dict[int, tuple[set[str], float]] = {}
        self.handles: dict[int, Waiting[int]] = {}
        self.ready: set[int] = set()
        self.number = 0
        self.now = 0.0

    @rule(keys=st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), wait=st.integers(0, 20))
    def park(self, keys: list[str], wait: int) -> None:
        number = self.number
        self.number += 1
        handle = self.purgatory.park(number, keys, self.now + wait, lambda: number in self.ready)
        assert (handle is None) == (len(self.waiting) >= 40)
        if handle is not None:
            self.waiting[number] = (set(keys), self.now + wait)
            self.handles[number] = handle

    @rule(number=st.integers(0, 60))
    def make_ready(self, number: int) -> None:
        self.ready.add(number)

    @rule(key=st.sampled_from("abcd"), everybody=st.booleans())
    def wake(self, key: str, everybody: bool) -> None:
        woken = self.purgatory.wake_all(key) if everybody else self.purgatory.wake(key)
        expected = [n for n, (keys, _) in self.waiting.items() if key in keys and (everybody or n in self.ready)]
        assert woken == expected
        for number in woken:
            del self.waiting[number]

    @rule(step=st.integers(0, 10))
    def expire(self, step: int) -> None:
        self.now += step
        due = [(deadline, n) for n, (_, deadline) in self.waiting.items() if deadline <= self.now]
        assert self.purgatory.expired(self.now) == [n for _, n in sorted(due)]
        for _, number in due:
            del self.waiting[number]

    @rule(number=st.integers(0, 60))
    def drop(self, number: int) -> None:
        if number in self.handles:
            self.purgatory.drop(self.handles[number])
            self.waiting.pop(number, None)

    @invariant()
    def agrees(self) -> None:
        assert len(self.purgatory) == len(self.waiting)
        assert self.purgatory.deadline() == min((deadline for _, deadline in self.waiting.values()), default=None)
        assert len(self.purgatory._heap) <= 2 * len(self.waiting) + DEAD_MIN + 1


Model.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestPurgatory = Model.TestCase


@given(st.integers(1, 500))
def test_answered_requests_do_not_pile_up(count: int) -> None:
    """A consumer that is woken again and again before its deadline costs one entry, not one for each poll."""
    purgatory: Purgatory[int] = Purgatory()
    for number in range(count):
        purgatory.park(number, ["a"], 1e9, always)
        purgatory.wake("a")
    assert len(purgatory._heap) <= DEAD_MIN + 1
