"""What the generators of compiled decoders and encoders share.

The unit of work is a run: adjacent fields of fixed size, together with the length that opens the next field of
variable size and with the empty tagged section that closes a struct, go through one precompiled `struct.Struct`.
"""

from __future__ import annotations

from typing import Any

from .fields import MISSING, NO_UUID, Field, Struct, WireError

__all__ = ["FIXED", "LENGTH", "SourceWriter", "has_records"]

FIXED = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
"""Primitives of fixed size and their `struct` codes."""
LENGTH = {"string": "h", "bytes": "i", "records": "i"}
"""Codes of the lengths of the others, where they are not compact; that of an array is `i`."""


class SourceWriter:
    """Lines at a depth, fresh names, and constants handed over as globals."""

    def __init__(self, version: int, flexible: bool) -> None:
        self.version = version
        self.flexible = flexible
        self.lines: list[str] = []
        self.depth = 0
        self.count = 0
        self.names: dict[str, Any] = {"WireError": WireError, "NO_UUID": NO_UUID}
        self.run: list[tuple[str, str]] = []  # (struct code, variable or expression)

    def add(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def fresh(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def constant(self, name: str, value: Any) -> str:
        self.names[name] = value
        return name

    def default(self, f: Field) -> str:
        """The default as an expression."""
        if f.default is not MISSING:
            return "NO_UUID" if f.default == NO_UUID else repr(f.default)
        if f.array or f.struct is None:
            return "[]"
        return f"{self.constant(f.struct.__name__, f.struct)}()"

    def tagged(self, cls: type[Struct]) -> list[Field]:
        """Fields of the tagged section, in the order of tags."""
        found = [f for f in cls.FIELDS if f.tag is not None and f.in_version(self.version)]
        return sorted(found, key=lambda f: f.tag or 0)

    def result(self) -> tuple[str, dict[str, Any]]:
        return "\n".join(self.lines) + "\n", self.names


def has_records(cls: type[Struct]) -> bool:
    """Whether there are record batches in it, at any depth."""
    return any(f.kind == "records" or (f.struct is not None and has_records(f.struct)) for f in cls.FIELDS)
