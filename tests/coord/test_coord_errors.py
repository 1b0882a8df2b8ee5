"""Errors: one class for each code, and back."""

from __future__ import annotations

import coord.errors
from coord.errors import CoordError, NoNodeError, error_of


def test_every_code_finds_its_class() -> None:
    """The class that carries a code is the one that a reply with it becomes."""
    kinds = [kind for kind in vars(coord.errors).values() if isinstance(kind, type) and issubclass(kind, CoordError)]
    codes = [kind.code for kind in kinds if kind is not CoordError]
    assert len(codes) == len(set(codes)) > 30
    for kind in kinds:
        if kind is not CoordError:
            assert type(error_of(kind.code)) is kind
            assert kind.__name__ in coord.errors.__all__


def test_an_unknown_code_is_kept() -> None:
    """A newer server may have errors that we do not know."""
    error = error_of(-999, "/a")
    assert type(error) is CoordError
    assert error.code == -999
    assert CoordError.code == -1


def test_the_message_names_the_path() -> None:
    """So that a traceback says what it was about."""
    assert str(error_of(-101, "/a/b")) == "/a/b: the znode does not exist (code -101)"
    assert str(NoNodeError()) == "the znode does not exist (code -101)"
