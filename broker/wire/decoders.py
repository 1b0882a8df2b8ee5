"""Source of the straight-line function that decodes one message in one version, from its `FIELDS`.

Bounds are checked three ways, so that no check is needed for each string: `struct` and indexing refuse to read past the
end, arrays compare their length with the bytes that remain before anything is built, and one last comparison of the
offset catches a final slice that came out short.
"""

from __future__ import annotations

from struct import Struct as Packer
from struct import unpack_from
from typing import Any

from .fields import Field, Message, Struct, WireError
from .source import FIXED, LENGTH, SourceWriter, has_records
from .varint import read_uvarint

__all__ = ["decoder_source", "skip_tags"]

_SIZE = {code: Packer(f">{code}").size for code in FIXED.values()}


def decoder_source(cls: type[Message], version: int) -> tuple[str, dict[str, Any]]:
    """Text of `run(buf, o, end)`, which returns a message and an offset, and the globals that it needs."""
    return _DecoderWriter(version, version >= cls.FLEXIBLE).message(cls)


class _DecoderWriter(SourceWriter):
    def message(self, cls: type[Message]) -> tuple[str, dict[str, Any]]:
        self.names.update(read_uvarint=read_uvarint, unpack_from=unpack_from, skip_tags=skip_tags)
        self.add("def run(buf, o, end):")
        self.depth = 1
        if has_records(cls):
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
        if f.kind in FIXED:
            return self.fixed(FIXED[f.kind])
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
        length = self.length(LENGTH[kind])
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
        code = FIXED.get(f.kind)
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


def _size_min(f: Field, version: int, flexible: bool) -> int:
    """The fewest bytes that one element of an array can take."""
    if f.struct is None:
        code = FIXED.get(f.kind)
        return _SIZE[code] if code is not None else 1 if flexible else Packer(">" + LENGTH[f.kind]).size
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
