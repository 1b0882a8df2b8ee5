"""The codec said slowly: interprets `FIELDS` one value at a time. The oracle of the compiled codec, for tests.

It shares no code with the generators of the compiled one, prefers plain arithmetic over `struct`, and copies everything.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

from .fields import MISSING, Field, Message, Struct, WireError

__all__ = ["decode", "encode"]

M = TypeVar("M", bound=Message)

_INTEGERS = {
    "int8": (1, True),
    "int16": (2, True),
    "uint16": (2, False),
    "int32": (4, True),
    "uint32": (4, False),
    "int64": (8, True),
}


def decode(cls: type[M], version: int, data: bytes) -> tuple[M, int]:
    """One message from the start of `data`, and the bytes it took. Raises WireError."""
    reader = _Reader(bytes(data), version, version >= cls.FLEXIBLE)
    message = reader.struct(cls)
    assert isinstance(message, cls)
    return message, reader.at


def encode(message: Message, version: int) -> bytes:
    """The message as bytes. Raises WireError."""
    return _struct(message, version, version >= message.FLEXIBLE)


class _Reader:
    def __init__(self, data: bytes, version: int, flexible: bool) -> None:
        self.data = data
        self.at = 0
        self.version = version
        self.flexible = flexible

    def take(self, size: int) -> bytes:
        if size < 0 or size > len(self.data) - self.at:
            raise WireError("the message ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def uvarint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 32:
                    raise WireError("a variable-length integer is too large")
                return value
        raise WireError("a variable-length integer is too long")

    def length(self, size: int) -> int:
        """A length; negative for null."""
        if self.flexible:
            return self.uvarint() - 1
        return int.from_bytes(self.take(size), "big", signed=True)

    def struct(self, cls: type[Struct]) -> Struct:
        made = cls()
        for f in cls.FIELDS:
            if f.in_version(self.version) and f.tag is None:
                setattr(made, f.name, self.field(f))
        if self.flexible:
            known = {f.tag: f for f in cls.FIELDS if f.tag is not None and f.in_version(self.version)}
            for _ in range(self.uvarint()):
                tag, size = self.uvarint(), self.uvarint()
                start = self.at
                if tag in known:
                    setattr(made, known[tag].name, self.field(known[tag]))
                else:
                    self.take(size)
                if self.at - start != size:
                    raise WireError("a tagged field has the wrong size")
        return made

    def field(self, f: Field) -> Any:
        nullable = f.nullable_in(self.version)
        if f.array:
            length = self.length(4)
            if length < 0:
                return self.null(f, nullable)
            if length > len(self.data) - self.at:
                raise WireError(f"{f.name} has more elements than bytes")
            element = f._replace(array=False, nullable_from=None)
            return [self.field(element) for _ in range(length)]
        if f.struct is not None:
            if nullable and self.take(1)[0] >= 0x80:
                return None
            return self.struct(f.struct)
        return self.primitive(f, nullable)

    def primitive(self, f: Field, nullable: bool) -> Any:
        if f.kind in _INTEGERS:
            size, signed = _INTEGERS[f.kind]
            return int.from_bytes(self.take(size), "big", signed=signed)
        if f.kind == "bool":
            return self.take(1) != b"\0"
        if f.kind == "float64":
            return struct.unpack(">d", self.take(8))[0]
        if f.kind == "uuid":
            return self.take(16)
        length = self.length(2 if f.kind == "string" else 4)
        if length < 0:
            return self.null(f, nullable)
        data = self.take(length)
        if f.kind != "string":
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise WireError(f"{f.name} is not UTF-8: {error}") from error

    def null(self, f: Field, nullable: bool) -> None:
        if not nullable:
            raise WireError(f"{f.name} is null")


def _struct(value: Struct, version: int, flexible: bool) -> bytes:
    out = b""
    tags: dict[int, bytes] = {}
    for f in value.FIELDS:
        held = getattr(value, f.name)
        if not f.in_version(version):
            if not f.ignorable and not _is_default(f, held):
                raise WireError(f"{f.name} is not carried by version {version}")
        elif f.tag is None:
            out += _field(f, held, version, flexible)
        elif not _is_default(f, held):
            tags[f.tag] = _field(f, held, version, flexible)
    if flexible:
        out += _uvarint(len(tags))
        for tag, data in sorted(tags.items()):
            out += _uvarint(tag) + _uvarint(len(data)) + data
    return out


def _is_default(f: Field, held: Any) -> bool:
    default: Any = f.default
    if default is MISSING:
        default = [] if f.array or f.struct is None else f.struct()
    return bool(held == default)


def _uvarint(value: int) -> bytes:
    out = []
    while value >= 0x80:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*out, value])


def _length(length: int, size: int, flexible: bool) -> bytes:
    if flexible:
        return _uvarint(length + 1)
    return length.to_bytes(size, "big", signed=True)


def _field(f: Field, held: Any, version: int, flexible: bool) -> bytes:
    nullable = f.nullable_in(version)
    if held is None:
        if not nullable:
            raise WireError(f"{f.name} is null")
        if f.struct is not None and not f.array:
            return b"\xff"
        return _length(-1, 2 if f.kind == "string" and not f.array else 4, flexible)
    if f.array:
        element = f._replace(array=False, nullable_from=None)
        return _length(len(held), 4, flexible) + b"".join(_field(element, item, version, flexible) for item in held)
    if f.struct is not None:
        return (b"\x01" if nullable else b"") + _struct(held, version, flexible)
    if f.kind in _INTEGERS:
        size, signed = _INTEGERS[f.kind]
        return int(held).to_bytes(size, "big", signed=signed)
    if f.kind == "bool":
        return b"\x01" if held else b"\0"
    if f.kind == "float64":
        return struct.pack(">d", held)
    if f.kind == "uuid":
        return bytes(held)
    data = held.encode() if f.kind == "string" else bytes(held)
    return _length(len(data), 2 if f.kind == "string" else 4, flexible) + data
