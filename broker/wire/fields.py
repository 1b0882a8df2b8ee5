"""What the generated message classes stand on: `Field`, `Struct` and `Message`.

A message class serves all versions of its message: every field of every version is an attribute, and the table
`FIELDS` says which versions carry it and how. `codec.py` compiles that table, `reference.py` interprets it.

The classes are written out by the generator (slots, a typed `__init__`) because decorating three hundred dataclasses
costs a tenth of a second at each start of a process.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, TypeAlias

__all__ = ["MISSING", "NO_UUID", "VERSION_MAX", "Field", "Message", "Records", "Struct", "WireError"]

Records: TypeAlias = bytes | bytearray | memoryview
"""Record batches as they lie on the wire and on disk."""

MISSING: Any = object()
"""Default of arguments whose real default is a new list or struct."""

NO_UUID = bytes(16)
"""The uuid that stands for none."""

VERSION_MAX = 32767
"""Upper bound of `Field.high` for fields that no version has dropped so far."""


class WireError(ValueError):
    """Bytes that are not the message they claim to be, or a message that its version cannot carry."""


class Field(NamedTuple):
    """One field of a struct, in wire order."""

    name: str
    kind: str
    """A primitive of the grammar, or `struct`."""
    low: int = 0
    high: int = VERSION_MAX
    array: bool = False
    nullable_from: int | None = None
    default: Any = MISSING
    """What a version without the field reads as; MISSING stands for an empty array or a struct of defaults."""
    ignorable: bool = False
    tag: int | None = None
    struct: type[Struct] | None = None

    def in_version(self, version: int) -> bool:
        """Whether `version` carries this field."""
        return self.low <= version <= self.high

    def nullable_in(self, version: int) -> bool:
        """Whether null is allowed in `version`."""
        return self.nullable_from is not None and version >= self.nullable_from


class Struct:
    """A part of a message. Compares by value; `FIELDS` is its layout."""

    __slots__ = ()
    FIELDS: ClassVar[tuple[Field, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]  # mutable, as dataclasses that compare by value

    def __repr__(self) -> str:
        inside = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.FIELDS)
        return f"{self.__class__.__name__}({inside})"


class Message(Struct):
    """A whole request, response or log record."""

    __slots__ = ()
    API_KEY: ClassVar[int] = -1
    """The API key, -1 for data messages."""
    VERSIONS: ClassVar[tuple[int, int]] = (0, 0)
    """The first and the last version."""
    FLEXIBLE: ClassVar[int] = VERSION_MAX
    """The first version with compact lengths and tagged sections (KIP-482)."""
