"""Lines to words, words to options: zkCli's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.cli.shell_words import OpenQuote, UsageError, parse, split


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  \t ", []),
        ("ls /", ["ls", "/"]),
        ("create '/a b' \"c d\"", ["create", "/a b", "c d"]),
        ('set /j {"a":1,"b":[2]}', ["set", "/j", '{"a":1,"b":[2]}']),
        ('set /x "line 1\nline 2"', ["set", "/x", "line 1\nline 2"]),
        ("set /x ''", ["set", "/x", ""]),
        ('"a"b', ["a", "b"]),
        ("a\\nb 'it''s'", ["a\\nb", "it", "s"]),
        ("set /x \"it's\"", ["set", "/x", "it's"]),
        ("get /ü\u00a0x", ["get", "/ü", "x"]),
    ],
)
def test_split(line: str, words: list[str]) -> None:
    """Quotes at the start of a word hold it together; elsewhere they are characters; nothing is escaped."""
    assert split(line) == words


@pytest.mark.parametrize("line", ["set /x 'open", 'set /x "', "\"a' b"])
def test_split_open_quote(line: str) -> None:
    """An open quote is told apart from other mistakes: the next line may close it."""
    with pytest.raises(OpenQuote):
        split(line)


@given(st.lists(st.text().filter(lambda word: '"' not in word)))
def test_split_takes_quoted_words_as_they_are(words: list[str]) -> None:
    """Every text without the quote itself survives quoting."""
    assert split(" ".join(f'"{word}"' for word in words)) == words


def test_parse() -> None:
    """Options anywhere, until --; a lone dash is an argument."""
    parsed = parse(["-s", "/a", "-v", "-1", "-", "-w", "--", "-x"], "s w", "v t")
    assert (parsed.flags, parsed.values, parsed.arguments) == ({"s", "w"}, {"v": "-1"}, ["/a", "-", "-x"])
    assert parsed.number("v") == -1
    assert parsed.number("t") == -1
    assert parsed.argument(2) == "-x"
    assert parsed.argument(3) is None


@pytest.mark.parametrize(
    ("words", "flags", "values"),
    [
        (["-sw"], {"s", "w"}, {}),
        (["-wsv", "7"], {"s", "w"}, {"v": "7"}),
        (["-sv7"], {"s"}, {"v": "7"}),
        (["-v-1"], set(), {"v": "-1"}),
        (["-v=7"], set(), {"v": "7"}),
        (["-v="], set(), {"v": ""}),
        (["-vs"], set(), {"v": "s"}),
        (["-add", "x"], set(), {"add": "x"}),
    ],
)
def test_parse_joined(words: list[str], flags: set[str], values: dict[str, str]) -> None:
    """Letters behind one dash, the last of them with its value, as zkCli takes them."""
    parsed = parse(words, "s w", "v add")
    assert (parsed.flags, parsed.values, parsed.arguments) == (flags, values, [])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-q", "/"], "unknown option -q"),
        (["/", "-v"], "-v needs a value"),
        (["-sv"], "-v needs a value"),
        (["-sq", "/"], "unknown option -sq"),
        (["-s=1", "/"], "unknown option -s=1"),
        (["-sv=1", "/"], "unknown option -sv=1"),
        (["-addx", "/"], "unknown option -addx"),
        (["--s", "/"], "unknown option --s"),
    ],
)
def test_parse_refuses(words: list[str], message: str) -> None:
    """What is wrong is named."""
    with pytest.raises(UsageError, match=message):
        parse(words, "s w", "v")


def test_numbers() -> None:
    """A value that is no number is an error that shows it."""
    with pytest.raises(UsageError, match="-v x: a whole number"):
        parse(["-v", "x"], "", "v").number("v")
