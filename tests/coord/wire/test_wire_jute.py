"""jute: what is written is read back, and bytes from outside raise JuteError and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.jute import JuteError, Reader, Writer

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(
    st.tuples(st.just("int"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("long"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("buffer"), st.none() | st.binary()),
    st.tuples(st.just("string"), st.none() | TEXT),
    st.tuples(st.just("strings"), st.lists(TEXT)),
)


@given(st.lists(VALUES))
def test_every_verb_reads_what_it_wrote(values: list[tuple[str, object]]) -> None:
    """The two sides of each verb agree, on bytes and on memoryviews."""
    w = Writer()
    for verb, value in values:
        getattr(w, verb)(value)
    data = w.getvalue()
    assert len(w) == len(data)
    for source in (data, memoryview(data)):
        r = Reader(source)
        assert [(verb, getattr(r, verb)()) for verb, _ in values] == values
        assert r.remaining == 0


def test_the_bytes_are_zookeepers() -> None:
    """Big-endian, -1 for null, counted vectors."""
    w = Writer()
    w.int(-2)
    w.long(1)
    w.bool(True)
    w.buffer(None)
    w.string("a")
    w.strings(["b"])
    assert w.getvalue().hex() == "fffffffe" "0000000000000001" "01" "ffffffff" "0000000161" "00000001" "0000000162"


@given(st.binary(), st.sampled_from(["int", "long", "bool", "buffer", "string", "text", "strings"]))
def test_garbage_is_an_error_or_a_value(data: bytes, verb: str) -> None:
    """A verb takes a value within the data or raises JuteError."""
    r = Reader(data)
    try:
        getattr(r, verb)()
    except JuteError:
        return
    assert 0 < r.offset <= len(data)


@pytest.mark.parametrize("verb", ["buffer", "string", "strings"])
@pytest.mark.parametrize("size", [-2, -(2**31), 1, 2**31 - 1])
def test_a_length_is_not_believed(verb: str, size: int) -> None:
    """Neither a negative length other than -1 nor one beyond the data."""
    w = Writer()
    w.int(size)
    with pytest.raises(JuteError):
        getattr(Reader(w.getvalue()), verb)()


def test_a_short_read_leaves_the_offset() -> None:
    """After an error the reader stands where the value began."""
    r = Reader(b"\0\0\0\7ab")
    assert r.int() == 7
    with pytest.raises(JuteError, match=r"^the data ends early: 8 bytes are wanted at offset 4 of 6$"):
        r.long()
    assert r.offset == 4


def test_strings_that_are_not_utf8_are_marked() -> None:
    """As in Java: U+FFFD stands for what could not be decoded."""
    w = Writer()
    w.buffer(b"/a\xff")
    assert Reader(w.getvalue()).string() == "/a\ufffd"
