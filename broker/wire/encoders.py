"""Source of the straight-line function that encodes one message in one version, from its `FIELDS`."""

from __future__ import annotations

from struct import Struct as Packer
from typing import Any

from .fields import Field, Message, Struct, WireError
from .source import FIXED, LENGTH, SourceWriter, has_records
from .varint import UVARINTS, uvarint

__all__ = ["INLINE_MAX", "STRING_MAX", "encoder_source"]

INLINE_MAX = 512
"""Record batches up to this size are copied: cheaper than one more buffer for the socket."""

STRING_MAX = 32767
"""Longest string; compact lengths could say more, Kafka's readers refuse it."""


def encoder_source(cls: type[Message], version: int) -> tuple[str, dict[str, Any]]:
    """Text of `run(m, out)`, which returns the parts of the message, and the globals that it needs."""
    return _EncoderWriter(version, version >= cls.FLEXIBLE).message(cls)


class _EncoderWriter(SourceWriter):
    out = "out"

    def message(self, cls: type[Message]) -> tuple[str, dict[str, Any]]:
        self.names.update(uvarint=uvarint, UV=UVARINTS, string_length=string_length, check_uuid=check_uuid)
        self.add("def run(m, out):")
        self.depth = 1
        records = has_records(cls)
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
        elif f.kind in FIXED:
            self.run.append((FIXED[f.kind], value))
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
        self.length(LENGTH[kind], length)
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
        code = FIXED.get(f.kind)
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
