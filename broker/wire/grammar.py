"""The message grammar: text of `schema/*.msg` to typed descriptions.

One file describes one API key: its request and its response, for all versions, as a tree by indentation of two
spaces; or `data` messages, which lie in logs and inside other messages. A line is

    name: type [versions] [= default] [ignorable] [tag N]      # comment

type       bool int8 int16 uint16 int32 uint32 int64 float64 uuid string bytes records, the name of a struct,
           or one of these in brackets for an array. A trailing `?` allows null in all versions of the field,
           `?7+` from version 7 on. A struct is described below its first use, or by `struct Name` ahead of its uses.
versions   `3+`, `2-5` or `4`; without, those of what surrounds the field.
default    what a receiver finds where a version lacks the field; without, zero, empty or false.
ignorable  a sender may drop a value which the version cannot carry; without, that is an error.
tag N      the field is sent in the tagged section, and only when it differs from its default (KIP-482).

Only the generator reads this text; at run time messages carry their own table (see `fields.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["PRIMITIVES", "FieldSpec", "GrammarError", "MessageSpec", "SchemaFile", "StructSpec", "parse"]

PRIMITIVES = frozenset(
    ("bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid", "string", "bytes", "records")
)

_FIELD = re.compile(
    r"(?P<name>[a-z]\w*): (?P<open>\[)?(?P<type>\w+)\]?(?P<null>\?(?:(?P<null_from>\d+)\+)?)?"
    r"(?: (?P<low>\d+)(?P<range>\+|-(?P<high>\d+))?)?(?: = (?P<default>\S+))?(?P<ignorable> ignorable)?"
    r"(?: tag (?P<tag>\d+))?"
)


class GrammarError(ValueError):
    """A line that is not in the grammar; names the file and the line."""


@dataclass(slots=True)
class StructSpec:
    """A struct: `name` is the full class name, fields in wire order."""

    name: str
    comment: str = ""
    fields: list[FieldSpec] = field(default_factory=list)


@dataclass(slots=True)
class FieldSpec:
    """One field; `low..high` are its versions, `struct` is set when `type` is not a primitive."""

    name: str
    type: str
    array: bool
    low: int
    high: int
    nullable_from: int | None
    default: str | None
    ignorable: bool
    tag: int | None
    comment: str
    struct: StructSpec | None = None


@dataclass(slots=True)
class MessageSpec(StructSpec):
    """A request, a response or a data message."""

    low: int = 0
    high: int = 0
    flexible: int | None = None
    structs: dict[str, StructSpec] = field(default_factory=dict)


@dataclass(slots=True)
class SchemaFile:
    """One `.msg` file. `key` and `api` are None for data messages."""

    comment: str
    key: int | None = None
    api: str | None = None
    messages: list[MessageSpec] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    number: int
    indent: int
    text: str
    comment: str


def parse(text: str, source: str = "<schema>") -> SchemaFile:
    """Parses one file. Raises GrammarError."""
    return _Parser(text, source).file()


class _Parser:
    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.lines = list(_lines(text))
        self.at = 0
        self.comment = "\n".join(_heading(text))

    def fail(self, why: str) -> GrammarError:
        number = self.lines[min(self.at, len(self.lines) - 1)].number if self.lines else 0
        return GrammarError(f"{self.source}:{number}: {why}")

    def file(self) -> SchemaFile:
        found = SchemaFile(self.comment)
        low = high = 0
        flexible: int | None = None
        while self.at < len(self.lines):
            line = self.lines[self.at]
            verb, _, rest = line.text.partition(" ")
            self.at += 1
            if verb == "api":
                key, found.api = rest.split()
                found.key = int(key)
            elif verb == "data":
                found.api, flexible = rest, None
            elif verb == "versions":
                first, _, last = rest.partition("-")
                low, high = int(first), int(last or first)
            elif verb == "flexible":
                flexible = int(rest.rstrip("+"))
            elif verb in ("request", "response", "fields"):
                suffix = "" if verb == "fields" else verb.capitalize()
                message = MessageSpec(f"{found.api}{suffix}", line.comment, [], low, high, flexible)
                message.fields = self.fields(message, 1, low, high)
                found.messages.append(message)
            else:
                raise self.fail(f"unknown verb {verb!r}")
        if found.key is None:
            found.api = None
        return found

    def fields(self, message: MessageSpec, indent: int, low: int, high: int) -> list[FieldSpec]:
        """The fields at one level of indentation, with what is nested below them."""
        found: list[FieldSpec] = []
        while self.at < len(self.lines) and self.lines[self.at].indent >= indent:
            line = self.lines[self.at]
            if line.indent != indent:
                raise self.fail("unexpected indentation")
            self.at += 1
            if line.text.startswith("struct "):
                self.struct(message, line.text[7:], line.comment, indent + 1, message.low, message.high)
            else:
                found.append(self.field(message, line, low, high))
        return found

    def struct(
        self, message: MessageSpec, short: str, comment: str, indent: int, low: int, high: int
    ) -> StructSpec:
        if short in message.structs:
            raise self.fail(f"struct {short} is described twice")
        spec = StructSpec(message.name + short, comment)
        spec.fields = self.fields(message, indent, low, high)
        message.structs[short] = spec  # after its own fields: inner structs come first
        return spec

    def field(self, message: MessageSpec, line: _Line, low: int, high: int) -> FieldSpec:
        match = _FIELD.fullmatch(line.text)
        if match is None:
            raise self.fail(f"not a field: {line.text!r}")
        if match["low"] is not None:
            low = int(match["low"])
            if match["range"] is None:
                high = low
            elif match["high"] is not None:
                high = int(match["high"])
        nullable = None if match["null"] is None else max(low, int(match["null_from"] or low))
        spec = FieldSpec(
            name=match["name"],
            type=match["type"],
            array=match["open"] is not None,
            low=low,
            high=high,
            nullable_from=nullable,
            default=match["default"],
            ignorable=match["ignorable"] is not None,
            tag=None if match["tag"] is None else int(match["tag"]),
            comment=line.comment,
        )
        if spec.type not in PRIMITIVES:
            nested = self.at < len(self.lines) and self.lines[self.at].indent > line.indent
            if nested:
                self.struct(message, spec.type, line.comment, line.indent + 1, low, high)
            if spec.type not in message.structs:
                raise self.fail(f"struct {spec.type} is not described")
            spec.struct = message.structs[spec.type]
        return spec


def _lines(text: str) -> Iterator[_Line]:
    for number, raw in enumerate(text.splitlines(), 1):
        code, _, comment = raw.partition("#")
        body = code.strip()
        if body:
            indent = len(code) - len(code.lstrip())
            yield _Line(number, indent // 2, body, comment.strip())


def _heading(text: str) -> Iterator[str]:
    """The comment lines which open the file."""
    for raw in text.splitlines():
        if not raw.startswith("#"):
            return
        yield raw[1:].strip()
