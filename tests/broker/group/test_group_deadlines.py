"""Deadlines against the obvious implementation: a dict and its minimum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.group.deadlines import Deadlines

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, 4), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.integers(0, 10)),
    )
)


@given(STEPS)
def test_what_is_due_comes_out_once_and_nothing_early(steps: list[tuple[str, int, int]]) -> None:
    """`next` is never later than the first deadline, and a loop that follows it misses none."""
    deadlines: Deadlines[int] = Deadlines()
    model: dict[int, float] = {}
    now = 0.0
    for verb, key, number in steps:
        if verb == "set":
            deadlines.set(key, now + number)
            model[key] = now + number
        elif verb == "cancel":
            deadlines.cancel(key)
            model.pop(key, None)
        else:
            now += number
            due = set()
            while (popped := deadlines.pop_due(now)) is not None:
                assert popped not in due
                due.add(popped)
            assert due == {k for k, when in model.items() if when <= now}
            model = {k: when for k, when in model.items() if when > now}
        assert len(deadlines) == len(model)
        assert all(deadlines.due_at(k) == when for k, when in model.items())
        following = deadlines.next()
        assert (following is None) == (not model)
        assert following is None or following <= min(model.values())


def test_putting_off_does_not_grow_the_heap() -> None:
    """A million heartbeats of one member leave one entry."""
    deadlines: Deadlines[str] = Deadlines()
    for beat in range(1000):
        deadlines.set("member", beat + 10.0)
    assert len(deadlines._heap) == 1
    assert deadlines.pop_due(500.0) is None
    assert deadlines.pop_due(1009.0) == "member"
