"""Java's .properties text, as zoo.cfg and server.properties are written, with the line of every entry.

An entry is a key, then `=`, `:` or white space, then the value to the end of the line; a line that ends with an odd
number of backslashes goes on in the next one; `#` and `!` begin comment lines; `\\t \\n \\r \\f \\uXXXX` are escapes and any
other escaped character is itself. A key that comes twice keeps the last value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["ConfigError", "Entry", "Properties"]

KEY = re.compile(r"(?:\\.|[^\\=: \t\f])*")
SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.|$)")
LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class ConfigError(ValueError):
    """A configuration that cannot be used; the text is one sentence that names the key and the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value and the place it comes from, such as `zoo.cfg line 3`."""

    key: str
    value: str
    place: str

    def wrong(self, expected: str) -> ConfigError:
        """The error that says what the value should have been."""
        shown = self.value if self.value.isprintable() else repr(self.value)
        return ConfigError(f"{self.place}: {self.key}={shown}: expected {expected}")


class Properties(Mapping[str, Entry]):
    """The entries of one file, by key, in the order of the file."""

    def __init__(self, path: str, entries: Iterable[Entry]) -> None:
        self.path = path
        self._entries = {entry.key: entry for entry in entries}

    @classmethod
    def parse(cls, data: bytes, path: str) -> Properties:
        """The entries of a file's content. UTF-8, and Java's ISO 8859-1 where it is not that. Raises ConfigError."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        return cls(path, (_entry(line, f"{path} line {number}") for number, line in _logical_lines(text)))

    def override(self, pairs: Iterable[tuple[str, str]], place: str) -> Properties:
        """These entries with `pairs` in place of those of the same key."""
        return Properties(self.path, [*self.values(), *(Entry(key, value, place) for key, value in pairs)])

    def __getitem__(self, key: str) -> Entry:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of each line that holds an entry, continuations joined."""
    start, whole = 0, ""
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        stripped = line.lstrip(" \t\f")
        if not whole:
            if not stripped or stripped[0] in "#!":
                continue
            start = number
        backslashes = len(stripped) - len(stripped.rstrip("\\"))
        if backslashes % 2:
            whole += stripped[:-1]
            continue
        yield start, whole + stripped
        whole = ""
    if whole:
        yield start, whole


def _entry(line: str, place: str) -> Entry:
    match = KEY.match(line)
    assert match is not None
    end = match.end()
    separator = SEPARATOR.match(line, end)
    assert separator is not None
    return Entry(_unescaped(line[:end], place), _unescaped(line[separator.end() :], place), place)


def _unescaped(text: str, place: str) -> str:
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        if escape == "u":
            raise ConfigError(f"{place}: \\u must be followed by four hexadecimal digits")
        return chr(int(escape[1:], 16)) if escape[:1] == "u" else LETTERS.get(escape, escape)

    return ESCAPE.sub(plain, text)
