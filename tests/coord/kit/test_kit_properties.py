"""Java's .properties: what Java's own parser makes of the same text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.kit.properties import ConfigError, Properties


def parsed(text: str) -> dict[str, str]:
    return {key: entry.value for key, entry in Properties.parse(text.encode(), "x.cfg").items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1\nb:2\nc 3\nd\t=\t4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("  a = 1 \r\n\r\n#c=1\n  ! d=2\rb=2", {"a": "1 ", "b": "2"}),
        ("a=one\\\n   two\\\\\nb=x", {"a": "onetwo\\", "b": "x"}),
        ("a==b\nc=d=e:f", {"a": "=b", "c": "d=e:f"}),
        ("a\\=b\\:c\\ d=1", {"a=b:c d": "1"}),
        ("a=\\u0041\\t\\q\nempty\nempty2=", {"a": "A\tq", "empty": "", "empty2": ""}),
        ("a=1\na=2", {"a": "2"}),
        ("a=1\\", {"a": "1"}),
        ("a=1\\\n#not a comment", {"a": "1#not a comment"}),
        ("dataDir=/tmp/zürich", {"dataDir": "/tmp/zürich"}),
        ("\n\n", {}),
    ],
)
def test_text_means_what_java_takes_it_for(text: str, expected: dict[str, str]) -> None:
    """Separators, comments, continuations and escapes."""
    assert parsed(text) == expected


def test_entries_know_their_line() -> None:
    """The line of an entry is its first one, comments and continuations counted."""
    found = Properties.parse(b"# head\na=1\\\n2\n\nb=3\n", "zoo.cfg")
    assert [entry.place for entry in found.values()] == ["zoo.cfg line 2", "zoo.cfg line 5"]


def test_latin_1_is_read_where_utf_8_is_not() -> None:
    """A file that is not UTF-8 is Java's ISO 8859-1."""
    assert Properties.parse(b"a=z\xfcrich", "x")["a"].value == "zürich"


def test_a_broken_escape_names_its_line() -> None:
    """Four hexadecimal digits or an error."""
    with pytest.raises(ConfigError, match=r"x\.cfg line 2: \\u must"):
        parsed("a=1\nb=\\u12g4")


def test_overrides_come_last_and_say_where_from() -> None:
    """A value of the command line wins and its place is the command line."""
    found = Properties.parse(b"a=1\nb=2", "x.cfg").override([("b", "3"), ("c", "4")], "command line")
    assert {key: (e.value, e.place) for key, e in found.items()} == {
        "a": ("1", "x.cfg line 1"), "b": ("3", "command line"), "c": ("4", "command line"),
    }  # fmt: skip


@given(st.text())
def test_any_text_is_entries_or_a_config_error(text: str) -> None:
    """Garbage never raises anything else."""
    try:
        parsed(text)
    except ConfigError:
        pass
