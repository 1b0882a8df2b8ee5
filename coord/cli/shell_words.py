"""A line of the shell as words, and words as options and arguments: zkCli's rules.

A word that begins with a quote runs to the next of the same kind, line ends included; any other runs to the next blank, so
that `set /x {"a":1}` needs no quotes around its JSON. Nothing is escaped. Options may stand anywhere; `--` ends them.
Options of one letter may share a dash, and the last of them may have its value in the same word: `-es`, `-sv0`, `-v=0`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["OpenQuote", "Parsed", "UsageError", "parse", "split"]


class UsageError(Exception):
    """The command was not given as it must be; the text says what is wrong."""


class OpenQuote(UsageError):
    """The line ends inside quotes: what follows on the next line belongs to it."""


def split(line: str) -> list[str]:
    """The words of a line. Raises OpenQuote."""
    words: list[str] = []
    start, end = 0, len(line)
    while True:
        while start < end and line[start].isspace():
            start += 1
        if start == end:
            return words
        if line[start] in "\"'":
            close = line.find(line[start], start + 1)
            if close < 0:
                raise OpenQuote(f"the quote {line[start]} is not closed")
            words.append(line[start + 1 : close])
            start = close + 1
        else:
            stop = start
            while stop < end and not line[stop].isspace():
                stop += 1
            words.append(line[start:stop])
            start = stop


@dataclass(slots=True)
class Parsed:
    """What a command was given."""

    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def number(self, option: str, default: int = -1) -> int:
        """The whole number behind an option. Raises UsageError."""
        text = self.values.get(option)
        if text is None:
            return default
        try:
            return int(text)
        except ValueError:
            raise UsageError(f"-{option} {text}: a whole number is expected") from None

    def argument(self, index: int) -> str | None:
        """The argument at `index`, or None."""
        return self.arguments[index] if index < len(self.arguments) else None


def parse(words: list[str], flags: str, valued: str) -> Parsed:
    """Sorts words (without the command's name). `flags` and `valued` are option names, separated by blanks.

    Raises UsageError.
    """
    parsed = Parsed()
    rest = iter(words)
    flag_names, valued_names = flags.split(), valued.split()
    for word in rest:
        if word == "--":
            parsed.arguments.extend(rest)
        elif len(word) < 2 or not word.startswith("-"):
            parsed.arguments.append(word)
        else:
            for name, value in _options(word, flag_names, valued_names):
                if name in flag_names:
                    parsed.flags.add(name)
                    continue
                if value is None and (value := next(rest, None)) is None:
                    raise UsageError(f"-{name} needs a value")
                parsed.values[name] = value
    return parsed


def _options(word: str, flags: list[str], valued: list[str]) -> list[tuple[str, str | None]]:
    """The options in a word that begins with a dash, each with the value that the word holds. Raises UsageError."""
    name, equals, value = word[1:].partition("=")
    if equals:
        if len(name) == 1 and name in valued:
            return [(name, value)]
    elif name in flags or name in valued:
        return [(name, None)]
    else:
        found: list[tuple[str, str | None]] = []
        for at, letter in enumerate(name, 1):
            if letter in valued:
                return [*found, (letter, name[at:] or None)]
            if letter not in flags:
                break
            found.append((letter, None))
        else:
            return found
    raise UsageError(f"unknown option {word} (-- goes before data that begins with a dash)")
