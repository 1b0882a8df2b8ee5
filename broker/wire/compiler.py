"""Source of the straight-line functions which `codec.py` executes, from a message's `FIELDS`.

The unit of work is a run: adjacent fields of fixed size, together with the length that opens the next field of
variable size and with the empty tagged section that closes a struct, go through one precompiled `struct.Struct`.

A decoder checks bounds three ways, so that it never needs a check for each string: `struct` and indexing refuse to
read past the end, arrays compare their length with the bytes that remain before anything is built, and one last
comparison of the offset catches a final slice that came out short.
"""

from __future__ import annotations

from struct import Struct as Packer
from struct import unpack_from
from typing import Any

from .fields import MISSING, NO_UUID, Field, Message, Struct, WireError
from .varint import UVARINTS, read_uvarint, uvarint

__all__ = ["INLINE_MAX", "decoder_source", "encoder_source"]

INLINE_MAX = 512
"""Record batches up to this size are copied: cheaper than one more buffer for the socket."""

STRING_MAX = 32767
"""Longest string; compact lengths could say more, Kafka's readers refuse it."""

_FIXED = {
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
_SIZE = {code: Packer(f">{code}").size for code in _FIXED.values()}
_LENGTH = {"string": "h", "bytes": "i", "records": "i"}


def decoder_source(cls: type[Message], version: int) -> tuple[str, dict[str, Any]]:
    """Text of `run(buf, o, end)` and the globals that it needs."""
    return _DecoderWriter(version, version >= cls.FLEXIBLE).message(cls)


def encoder_source(cls: type[Message], version: int) -> tuple[str, dict[str, Any]]:
    """Text of `run(m, out)` and the globals that it needs."""
    return _EncoderWriter(version, version >= cls.FLEXIBLE).message(cls)


class _Writer:
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


class _DecoderWriter(_Writer):
    def message(self, cls: type[Message]) -> tuple[str, dict[str, Any]]:
        self.names.update(read_uvarint=read_uvarint, unpack_from=unpack_from, skip_tags=skip_tags)
        self.add("def run(buf, o, end):")
        self.depth = 1
        if _has_records(cls):
            self.add("mem = memoryview(buf)")
        made = self.struct(cls)
        self.add("if o > end:")
        self.add("    raise WireError('the message ends early')")
        self.add(f"return {made}, o")
        return self.result()

    def struct(self, cls: type[Struct]) -> str:
        """Reads a struct; returns the expression that builds it."""
        values: dict[str, str] = {}
        for f in cls.FIELDS:
            if f.tag is None and f.in_version(self.version):
                values[f.name] = self.value(f)
            elif f.tag is None or not f.in_version(self.version):
                values[f.name] = self.default(f)
        if self.flexible:
            values.update(self.tags(cls))
        self.flush()
        name = self.constant(cls.__name__, cls)
        return f"{name}({', '.join(values[f.name] for f in cls.FIELDS)})"

    def tags(self, cls: type[Struct]) -> dict[str, str]:
        count = self.fixed("B")
        known = self.tagged(cls)
        self.flush()
        values = {}
        for f in known:
            values[f.name] = self.fresh()
            self.add(f"{values[f.name]} = {self.default(f)}")
        self.add(f"if {count}:")
        self.depth += 1
        if known:
            self.known_tags(known, values, count)
        else:
            self.add("o = skip_tags(buf, o - 1, end)")
        self.depth -= 1
        return values

    def known_tags(self, known: list[Field], values: dict[str, str], count: str) -> None:
        tag, stop = self.fresh("tag"), self.fresh("stop")
        self.add(f"{count}, o = read_uvarint(buf, o - 1)")
        self.add(f"for _ in range({count}):")
        self.depth += 1
        self.add(f"{tag}, o = read_uvarint(buf, o)")
        self.add(f"{stop}, o = read_uvarint(buf, o)")
        self.add(f"{stop} += o")
        for at, f in enumerate(known):
            self.add(f"{'elif' if at else 'if'} {tag} == {f.tag}:")
            self.depth += 1
            found = self.value(f)
            self.flush()
            self.add(f"{values[f.name]} = {found}")
            self.depth -= 1
        self.add("else:")
        self.add(f"    o = {stop}")
        self.add(f"if o != {stop} or o > end:")
        self.add("    raise WireError('a tagged field has the wrong size')")
        self.depth -= 1

    def fixed(self, code: str) -> str:
        name = self.fresh()
        self.run.append((code, name))
        return name

    def flush(self) -> None:
        if not self.run:
            return
        codes = "".join(code for code, _ in self.run)
        if codes == "B":
            self.add(f"{self.run[0][1]} = buf[o]")
            self.add("o += 1")
        else:
            packer = Packer(">" + codes)
            read = self.constant(f"read_{codes.replace('?', 'B_')}", packer.unpack_from)
            self.add(f"{', '.join(name for _, name in self.run)}, = {read}(buf, o)")
            self.add(f"o += {packer.size}")
        self.run.clear()

    def length(self, code: str) -> str:
        """Reads a length, -1 for null."""
        if not self.flexible:
            name = self.fixed(code)
            self.flush()
            return name
        name = self.fixed("B")
        self.flush()
        self.add(f"if {name} < 128:")
        self.add(f"    {name} -= 1")
        self.add("else:")
        self.add(f"    {name}, o = read_uvarint(buf, o - 1)")
        self.add(f"    {name} -= 1")
        return name

    def value(self, f: Field) -> str:
        """Reads one field; returns the variable or expression that holds it."""
        if f.array:
            return self.array(f)
        if f.struct is not None:
            return self.one_struct(f, f.struct)
        if f.kind in _FIXED:
            return self.fixed(_FIXED[f.kind])
        return self.sized(f.kind, f.name, f.nullable_in(self.version))

    def one_struct(self, f: Field, struct: type[Struct]) -> str:
        if not f.nullable_in(self.version):
            made = self.struct(struct)
            name = self.fresh()
            self.add(f"{name} = {made}")
            return name
        flag, name = self.fixed("b"), self.fresh()
        self.flush()
        self.add(f"{name} = None")
        self.add(f"if {flag} >= 0:")
        self.depth += 1
        made = self.struct(struct)
        self.add(f"{name} = {made}")
        self.depth -= 1
        return name

    def sized(self, kind: str, field: str, nullable: bool) -> str:
        length = self.length(_LENGTH[kind])
        name, start = self.fresh(), self.fresh("s")
        self.add(f"if {length} >= 0:")
        self.add(f"    {start} = o")
        self.add(f"    o += {length}")
        part = {"string": "str(buf[{}:o], 'utf-8')", "bytes": "bytes(buf[{}:o])", "records": "mem[{}:o]"}[kind]
        self.add(f"    {name} = {part.format(start)}")
        self.null(name, field, nullable)
        return name

    def null(self, name: str, field: str, nullable: bool) -> None:
        self.add("else:")
        self.add(f"    {name} = None" if nullable else f"    raise WireError('{field} is null')")

    def array(self, f: Field) -> str:
        length, name = self.length("i"), self.fresh("a")
        self.add(f"if {length} >= 0:")
        self.depth += 1
        size = _size_min(f, self.version, self.flexible)
        self.add(f"if {length} * {size} > end - o:")
        self.add(f"    raise WireError('{f.name} has more elements than bytes')")
        code = _FIXED.get(f.kind)
        if code is not None and f.kind != "uuid":
            self.add(f"{name} = list(unpack_from(f'>{{{length}}}{code}', buf, o)) if {length} else []")
            self.add(f"o += {length} * {size}")
        else:
            self.add(f"{name} = []")
            self.add(f"for _ in range({length}):")
            self.depth += 1
            item = self.struct(f.struct) if f.struct is not None else self.value(f._replace(array=False, nullable_from=None))
            self.flush()
            self.add(f"{name}.append({item})")
            self.depth -= 1
        self.depth -= 1
        self.null(name, f.name, f.nullable_in(self.version))
        return name


class _EncoderWriter(_Writer):
    out = "out"

    def message(self, cls: type[Message]) -> tuple[str, dict[str, Any]]:
        self.names.update(uvarint=uvarint, UV=UVARINTS, string_length=string_length, check_uuid=check_uuid)
        self.add("def run(m, out):")
        self.depth = 1
        records = _has_records(cls)
        if records:
            self.add("parts = []")
        self.struct(cls, "m", cls.__name__)
        self.flush()
        if records:
            self.add("parts.append(out)")
        self.add("return parts" if records else "return [out]")
        return self.result()

    def struct(self, cls: type[Struct], value: str, path: str) -> None:
        for f in cls.FIELDS:
            if not f.in_version(self.version):
                if not f.ignorable:
                    self.refuse(f, f"{value}.{f.name}", f"{path}.{f.name}")
            elif f.tag is None:
                self.value(f, f"{value}.{f.name}", f"{path}.{f.name}")
        if self.flexible:
            self.tags(cls, value, path)

    def refuse(self, f: Field, value: str, path: str) -> None:
        """A value that this version cannot carry, and that must not be lost."""
        self.add(f"if {self.differs(f, value)}:")
        self.add(f"    raise WireError('{path} is not carried by version {self.version}')")

    def differs(self, f: Field, value: str) -> str:
        """The condition that a field is not at its default."""
        if f.default is None:
            return f"{value} is not None"
        if f.array:
            return value
        if f.struct is None:
            return f"{value} != {self.default(f)}"
        if any(inner.array or inner.struct is not None for inner in f.struct.FIELDS):
            return f"{value} != {self.default(f)}"
        return " or ".join(self.differs(inner, f"{value}.{inner.name}") for inner in f.struct.FIELDS)

    def tags(self, cls: type[Struct], value: str, path: str) -> None:
        known = self.tagged(cls)
        if not known:
            self.run.append(("x", ""))
            return
        self.flush()
        tags, outer = self.fresh("tags"), self.out
        self.add(f"{tags} = []")
        for f in known:
            self.add(f"if {self.differs(f, f'{value}.{f.name}')}:")
            self.depth += 1
            self.out = self.fresh("sub")
            self.add(f"{self.out} = bytearray()")
            self.value(f, f"{value}.{f.name}", f"{path}.{f.name}")
            self.flush()
            self.add(f"{tags}.append(({f.tag}, {self.out}))")
            self.depth -= 1
        self.out = outer
        self.add(f"{self.out} += uvarint(len({tags}))")
        self.add(f"for tag, sub in {tags}:")
        self.add(f"    {self.out} += uvarint(tag) + uvarint(len(sub)) + sub")

    def flush(self) -> None:
        if not self.run:
            return
        codes = "".join(code for code, _ in self.run)
        if codes == "x":
            self.add(f"{self.out}.append(0)")
        else:
            write = self.constant(f"write_{codes.replace('?', 'B_')}", Packer(">" + codes).pack)
            self.add(f"{self.out} += {write}({', '.join(value for code, value in self.run if code != 'x')})")
        self.run.clear()

    def length(self, code: str, name: str) -> None:
        """Writes the length held by `name`, -1 for null."""
        if not self.flexible:
            self.run.append((code, name))
            self.flush()
            return
        self.flush()
        longer = f"string_length({name} + 1)" if code == "h" else f"uvarint({name} + 1)"
        self.add(f"{self.out} += UV[{name} + 1] if {name} < {len(UVARINTS) - 1} else {longer}")

    def value(self, f: Field, value: str, path: str) -> None:
        nullable = f.nullable_in(self.version)
        if f.array:
            self.array(f, value, path)
        elif f.struct is not None:
            self.one_struct(f.struct, value, path, nullable)
        elif f.kind == "uuid":
            self.run.append(("16s", f"check_uuid({value})"))
        elif f.kind in _FIXED:
            self.run.append((_FIXED[f.kind], value))
        else:
            self.sized(f.kind, value, nullable)

    def one_struct(self, struct: type[Struct], value: str, path: str, nullable: bool) -> None:
        name = self.fresh("m")
        self.flush()
        self.add(f"{name} = {value}")
        if not nullable:
            self.struct(struct, name, path)
            return
        self.add(f"if {name} is None:")
        self.add(f"    {self.out}.append(255)")
        self.add("else:")
        self.depth += 1
        self.add(f"{self.out}.append(1)")
        self.struct(struct, name, path)
        self.flush()
        self.depth -= 1

    def sized(self, kind: str, value: str, nullable: bool) -> None:
        name, length = self.fresh(), self.fresh("n")
        held = f"{value}.encode()" if kind == "string" else value
        if nullable:
            self.add(f"{name} = {value}")
            self.add(f"if {name} is None:")
            self.add(f"    {length} = -1")
            self.add(f"    {name} = b''")
            self.add("else:")
            if kind == "string":
                self.add(f"    {name} = {name}.encode()")
            self.add(f"    {length} = len({name})")
        else:
            self.add(f"{name} = {held}")
            self.add(f"{length} = len({name})")
        self.length(_LENGTH[kind], length)
        if kind != "records":
            self.add(f"{self.out} += {name}")
            return
        self.add(f"if {length} > {INLINE_MAX}:")
        self.add(f"    parts.append({self.out})")
        self.add(f"    parts.append({name})")
        self.add(f"    {self.out} = bytearray()")
        self.add("else:")
        self.add(f"    {self.out} += {name}")

    def array(self, f: Field, value: str, path: str) -> None:
        name, length = self.fresh("a"), self.fresh("n")
        self.add(f"{name} = {value}")
        if f.nullable_in(self.version):
            self.add(f"{length} = -1 if {name} is None else len({name})")
        else:
            self.add(f"{length} = len({name})")
        self.length("i", length)
        code = _FIXED.get(f.kind)
        self.add(f"if {length} > 0:")
        self.depth += 1
        if code is not None and f.kind != "uuid":
            self.names["Packer"] = Packer
            self.add(f"{self.out} += Packer(f'>{{{length}}}{code}').pack(*{name})")
        else:
            item = self.fresh("m")
            self.add(f"for {item} in {name}:")
            self.depth += 1
            if f.struct is not None:
                self.struct(f.struct, item, path)
            else:
                self.value(f._replace(array=False, nullable_from=None), item, path)
            self.flush()
            self.depth -= 1
        self.depth -= 1


def skip_tags(buffer: bytes | bytearray | memoryview, offset: int, end: int) -> int:
    """The offset behind a tagged section of which no field is known."""
    count, offset = read_uvarint(buffer, offset)
    for _ in range(count):
        _, offset = read_uvarint(buffer, offset)
        size, offset = read_uvarint(buffer, offset)
        offset += size
        if offset > end:
            raise WireError("a tagged field is longer than the message")
    return offset


def string_length(length: int) -> bytes:
    """A compact string's length plus one, refused where readers would refuse it."""
    if length > STRING_MAX + 1:
        raise WireError(f"a string of {length - 1} bytes is too long, {STRING_MAX} is the limit")
    return uvarint(length)


def check_uuid(value: bytes) -> bytes:
    """`struct` would pad or cut other lengths in silence."""
    if len(value) != 16:
        raise WireError(f"a uuid has 16 bytes, not {len(value)}")
    return value


def _has_records(cls: type[Struct]) -> bool:
    return any(f.kind == "records" or (f.struct is not None and _has_records(f.struct)) for f in cls.FIELDS)


def _size_min(f: Field, version: int, flexible: bool) -> int:
    """The fewest bytes that one element of an array can take."""
    if f.struct is None:
        code = _FIXED.get(f.kind)
        return _SIZE[code] if code is not None else 1 if flexible else Packer(">" + _LENGTH[f.kind]).size
    size = 1 if flexible else 0
    for inner in f.struct.FIELDS:
        if inner.tag is None and inner.in_version(version):
            if inner.array:
                size += 1 if flexible else 4
            elif inner.struct is not None and inner.nullable_in(version):
                size += 1
            else:
                size += _size_min(inner, version, flexible)
    assert size > 0, f"{f.struct.__name__} is empty in version {version}"
    return size
