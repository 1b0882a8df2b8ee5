"""Frames: whatever the cut, the same frames come out; a bad length is said with the good frames before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.kit.framing import LENGTH, FrameError, frames


def framed(payloads: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(p)) + p for p in payloads)


@given(st.lists(st.binary(max_size=20), max_size=8), st.data())
def test_any_cut_yields_the_same_frames(payloads: list[bytes], data: st.DataObject) -> None:
    """Feeding a stream in two pieces, keeping what was not used up, gives what one piece gives."""
    stream = framed(payloads)
    cut = data.draw(st.integers(0, len(stream)))
    found = [bytes(f) for f in frames(memoryview(stream[:cut]), 20)]
    used = sum(4 + len(f) for f in found)
    found += [bytes(f) for f in frames(memoryview(stream[used:]), 20)]

    assert found == payloads


@pytest.mark.parametrize("length", [-1, 21, 0x7FFFFFFF, -(2**31)])
def test_a_bad_length_follows_the_good_frames(length: int) -> None:
    """The frames before the bad one are handed out first, then the error names the length."""
    stream = framed([b"good"]) + LENGTH.pack(length)
    found = []
    with pytest.raises(FrameError) as caught:
        for frame in frames(memoryview(stream), 20):
            found.append(bytes(frame))

    assert found == [b"good"]
    assert caught.value.length == length


def test_the_limit_itself_is_allowed() -> None:
    """A frame of exactly the limit is a frame."""
    assert [len(f) for f in frames(memoryview(framed([b"x" * 20])), 20)] == [20]
