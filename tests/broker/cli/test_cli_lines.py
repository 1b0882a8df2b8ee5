"""Lines of input to records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cli.lines import LineError, LineFormat


def parse(line: bytes, **properties: str) -> object:
    return LineFormat.of({name.replace("_", "."): value for name, value in properties.items()}).parse(line, 7)


def test_a_line_is_a_value() -> None:
    """Whatever bytes it has, the carriage return included; an empty line is an empty value."""
    assert parse(b"a\tb\r") == (None, b"a\tb\r", ())
    assert parse(b"") == (None, b"", ())
    assert LineFormat().plain
    assert not LineFormat.of({"parse.key": "true"}).plain


def test_keys() -> None:
    """Up to the first separator, which may be longer than a character."""
    assert parse(b"k\tv\tw", parse_key="true") == (b"k", b"v\tw", ())
    assert parse(b"k:v", parse_key="TRUE", key_separator=":") == (b"k", b"v", ())
    assert parse(b"k=>v", parse_key="true", key_separator="=>") == (b"k", b"v", ())
    assert parse(b"k\tv", parse_key="true", key_separator="\\t") == (b"k", b"v", ())
    assert parse(b"\t", parse_key="true") == (b"", b"", ())


def test_headers_come_first() -> None:
    """`h1:v1,h2:v2<TAB>key<TAB>value`, as kafka-console-producer has it."""
    assert parse(b"a:1,b:\tk\tv", parse_headers="true", parse_key="true") == (b"k", b"v", [("a", b"1"), ("b", b"")])
    assert parse(b"a:1\tv", parse_headers="true") == (None, b"v", [("a", b"1")])
    other = {"headers_delimiter": "|", "headers_separator": ";", "headers_key_separator": "="}
    assert parse(b"a=1;b=2|v", parse_headers="true", **other) == (None, b"v", [("a", b"1"), ("b", b"2")])


def test_a_marker_stands_for_null() -> None:
    """In keys, values and headers."""
    marked = {"null_marker": "NULL", "parse_key": "true"}
    assert parse(b"NULL\tv", **marked) == (None, b"v", ())
    assert parse(b"k\tNULL", **marked) == (b"k", None, ())
    assert parse(b"a:NULL\tk\tv", parse_headers="true", **marked) == (b"k", b"v", [("a", None)])
    assert parse(b"NULL\tk\tv", parse_headers="true", **marked) == (b"k", b"v", ())


@pytest.mark.parametrize(
    ("line", "properties", "why"),
    [
        (b"nokey", {"parse_key": "true"}, "No key separator found on line number 7: 'nokey'"),
        (b"none", {"parse_headers": "true"}, "No header delimiter found on line number 7: 'none'"),
        (b"bad\tv", {"parse_headers": "true"}, "No header key separator found in pair 'bad' on line number 7"),
    ],
)
def test_lines_in_another_form(line: bytes, properties: dict[str, str], why: str) -> None:
    """Kafka's own words; or, if errors are to be ignored, the whole line is the value."""
    with pytest.raises(LineError) as caught:
        parse(line, **properties)
    assert str(caught.value) == why
    _, value, _ = parse(line, ignore_error="true", **properties)  # type: ignore[misc]
    assert line.endswith(value)


def test_a_long_line_is_not_repeated_whole() -> None:
    """The message is for a person."""
    with pytest.raises(LineError) as caught:
        parse(b"x" * 100_000, parse_key="true")
    assert len(str(caught.value)) < 300


def test_unknown_properties_are_refused() -> None:
    """A typo would silently change what is written."""
    with pytest.raises(LineError, match=r"unknown property parse\.keys"):
        LineFormat.of({"parse.keys": "true"})


@given(st.binary(), st.booleans(), st.booleans())
def test_any_bytes_are_a_record_or_a_line_error(line: bytes, key: bool, headers: bool) -> None:
    """Nothing else is raised."""
    try:
        LineFormat(parse_key=key, parse_headers=headers).parse(line, 1)
    except LineError:
        pass
