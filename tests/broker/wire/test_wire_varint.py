"""Variable-length integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.wire import varint
from broker.wire.fields import WireError


@given(st.integers(-(2**63), 2**63 - 1))
def test_zigzag_round_trip(value: int) -> None:
    """Signed values of 64 bits."""
    data = varint.varint(value)
    assert varint.read_varint(b"x" + data, 1) == (value, len(data) + 1)
    assert len(data) <= 10


@given(st.integers(0, 2**32 - 1))
def test_unsigned_round_trip(value: int) -> None:
    """Unsigned values of 32 bits."""
    data = varint.uvarint(value)
    assert varint.read_uvarint(data, 0) == (value, len(data))
    assert value >= 1024 or varint.UVARINTS[value] == data


def test_known_values() -> None:
    """Small magnitudes are short, whatever their sign."""
    assert [varint.varint(value) for value in (0, -1, 1, -2, 63, -64, 64)] == [b"\0", b"\1", b"\2", b"\3", b"\x7e", b"\x7f", b"\x80\1"]


@pytest.mark.parametrize("data", [b"\xff" * 5 + b"\1", b"\xff\xff\xff\xff\x1f"])
def test_too_long_is_an_error(data: bytes) -> None:
    """More than 32 bits where 32 are allowed."""
    with pytest.raises(WireError):
        varint.read_uvarint(data, 0)


def test_the_end_is_an_index_error() -> None:
    """Callers turn it into their own error, once for a whole message."""
    with pytest.raises(IndexError):
        varint.read_uvarint(b"\x80", 0)
