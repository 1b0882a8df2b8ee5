"""Sessions: ids nobody has twice, deadlines in ticks, one owner."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import SessionExpiredError, SessionMovedError
from coord.tree.sessions import SessionIds, SessionTracker, password_of

TICK_MS = 2000


def test_an_id_says_which_server_and_when() -> None:
    """The server in the top byte, then forty bits of milliseconds."""
    ids = SessionIds(3, 0x123456789A)
    first = ids.next()
    assert first == 0x03_123456789A_0000
    assert ids.next() == first + 1


@given(st.integers(0, 255), st.integers(0, 2**48))
def test_an_id_is_a_long(server_id: int, now_ms: int) -> None:
    """Never zero, never the mark of a container, always counting up."""
    ids = SessionIds(server_id, now_ms)
    given_out = [ids.next() for _ in range(5)]
    assert all(-(2**63) < session_id < 2**63 and session_id for session_id in given_out)
    assert all(b == a + 1 for a, b in pairwise(given_out))
    assert given_out[0] >> 56 & 0xFF == server_id


def test_ids_that_are_taken_are_skipped() -> None:
    """Zero means no session, and the smallest long means container."""
    assert SessionIds(0, 0).next() == 1
    assert SessionIds(128, 0).next() == -(2**63) + 1


def test_a_password_depends_on_the_id_alone() -> None:
    """So that every server can check it."""
    assert password_of(1) != password_of(2)
    assert password_of(-(2**63)) == password_of(-(2**63))
    assert len(password_of(2**63 - 1)) == 16


def test_a_session_lives_as_long_as_it_is_touched() -> None:
    """And a tick more than its timeout at most after that."""
    tracker = SessionTracker(TICK_MS, 100.0)
    tracker.track(1, 4000)
    for second in range(101, 120):
        assert tracker.expired(float(second)) == []
        assert tracker.touch(1, float(second))
    assert tracker.expired(123.0) == []
    assert tracker.expired(125.9) == [1]
    assert tracker.expired(200.0) == []
    assert not tracker.touch(1, 200.0)


@given(st.integers(0, 2**32))
def test_no_session_expires_early_or_late(seed: int) -> None:
    """Not before its timeout, and no more than two ticks after it."""
    random = Random(seed)
    tracker = SessionTracker(TICK_MS, 0.0)
    now = 0.0
    last: dict[int, float] = {}
    timeouts: dict[int, int] = {}
    for session_id in range(60):
        now += random.random()
        if random.random() < 0.5:
            timeouts[session_id] = random.randint(1000, 20_000)
            tracker.now = now
            tracker.track(session_id, timeouts[session_id])
            last[session_id] = now
        for known in list(last):
            if random.random() < 0.2 and tracker.touch(known, now):
                last[known] = now
        for due in tracker.expired(now):
            waited = (now - last.pop(due)) * 1000
            assert timeouts[due] <= waited
        for known, at in last.items():
            assert (now - at) * 1000 <= timeouts[known] + 2 * TICK_MS


def test_the_deadline_is_when_something_expires() -> None:
    """Nothing before it, something at it."""
    tracker = SessionTracker(TICK_MS, 0.0)
    assert tracker.deadline() is None
    tracker.track(1, 4000)
    tracker.touch(1, 0.0)
    deadline = tracker.deadline()
    assert deadline == 6.0
    assert tracker.expired(deadline - 0.001) == []
    assert tracker.expired(deadline) == [1]
    assert tracker.deadline() is None


def test_a_new_leader_gives_everybody_time() -> None:
    """Their full timeouts, from now."""
    tracker = SessionTracker(TICK_MS, 1000.0, {1: 4000, 2: 30_000})
    assert (len(tracker), tracker.timeout_of(2)) == (2, 30_000)
    assert tracker.expired(1004.0) == []
    assert tracker.expired(1010.0) == [1]
    assert tracker.expired(1036.0) == [2]


def test_a_touch_may_bring_a_new_timeout() -> None:
    """A client may ask for another one when it reconnects."""
    tracker = SessionTracker(TICK_MS, 0.0, {1: 4000})
    tracker.touch(1, 0.0, 40_000)
    assert tracker.timeout_of(1) == 40_000
    assert tracker.expired(30.0) == []


def test_the_first_owner_is_the_owner() -> None:
    """Until the session moves; nobody in particular may always ask."""
    tracker = SessionTracker(TICK_MS, 0.0, {1: 4000})
    tracker.check(1, "here")
    with pytest.raises(SessionMovedError):
        tracker.check(1, "there")
    tracker.check(1, None)
    assert tracker.set_owner(1, "there")
    tracker.check(1, "there")
    with pytest.raises(SessionMovedError):
        tracker.check(1, "here")


def test_a_session_that_is_closing_is_over() -> None:
    """It is known until its end is applied, but it can do nothing."""
    tracker = SessionTracker(TICK_MS, 0.0, {1: 4000})
    tracker.close(1)
    with pytest.raises(SessionExpiredError):
        tracker.check(1, "here")
    assert not tracker.touch(1, 1.0)
    assert not tracker.set_owner(1, "here")
    assert 1 in tracker
    tracker.remove(1)
    assert 1 not in tracker
    assert (tracker.deadline(), tracker.timeout_of(1)) == (None, None)
    for harmless in (tracker.remove, tracker.close):
        harmless(1)
    with pytest.raises(SessionExpiredError):
        tracker.check(1, "here")
