"""Writes `messages/*.py` from `schema/*.msg`: `python -m broker.wire.generate`.

The result is committed, and a test compares it with what this module renders, so neither can drift. Every schema file
becomes one module with a class for each struct, inner ones first; `messages/__init__.py` imports a module when one of
its names is first asked for, so that a process loads the APIs that it speaks.
"""

from __future__ import annotations

import re
from pathlib import Path

from .grammar import FieldSpec, MessageSpec, SchemaFile, StructSpec, parse

__all__ = ["main", "render"]

_HERE = Path(__file__).parent
_PYTHON = {
    "bool": ("bool", "False"),
    "string": ("str", '""'),
    "bytes": ("bytes", 'b""'),
    "records": ("Records", 'b""'),
    "uuid": ("bytes", "NO_UUID"),
    "float64": ("float", "0.0"),
}
_NOTE = "# Written by `python -m broker.wire.generate` from {source}; edit that file instead."
_NOQA = "# ruff: noqa: RUF023  (the order of fields is the order on the wire)"


def render(schema: Path) -> dict[str, str]:
    """File name to contents of the whole `messages` package."""
    files: dict[str, str] = {}
    found: list[tuple[str, SchemaFile]] = []
    for path in sorted(schema.glob("*.msg")):
        module = re.sub(r"^\d+_", "", path.stem)
        parsed = parse(path.read_text(encoding="utf-8"), path.name)
        found.append((module, parsed))
        files[f"{module}.py"] = _module(parsed, f"schema/{path.name}")
    files["__init__.py"] = _package(found)
    return files


def main() -> None:
    """Rewrites the package and removes modules without a schema."""
    target = _HERE / "messages"
    target.mkdir(exist_ok=True)
    files = render(_HERE / "schema")
    for stale in {path.name for path in target.glob("*.py")} - files.keys():
        (target / stale).unlink()
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")


def _module(parsed: SchemaFile, source: str) -> str:
    structs: list[StructSpec] = []
    for message in parsed.messages:
        structs += [*message.structs.values(), message]
    body = "\n\n\n".join(_class(struct, parsed) for struct in structs)
    names = ["Field"]
    if "(Message)" in body:
        names.append("Message")
    if "(Struct)" in body:
        names.append("Struct")
    if re.search(r"\bRecords\b", body):
        names.append("Records")
    names += [name for name in ("MISSING", "NO_UUID") if name in body]
    exported = ", ".join(f'"{struct.name}"' for struct in sorted(structs, key=lambda struct: struct.name))
    first = parsed.comment.partition("\n")[0] or f"Messages of {source}."
    rest = parsed.comment.partition("\n")[2].strip()
    doc = f'"""{first}\n\n{rest}\n"""' if rest else f'"""{first}"""'
    return (
        f"{_NOTE.format(source=source)}\n{_noqa(structs)}{doc}\n\nfrom __future__ import annotations\n\n"
        f"from broker.wire.fields import {', '.join(sorted(names, key=_isort))}\n\n__all__ = [{exported}]\n\n\n{body}\n"
    )


def _noqa(structs: list[StructSpec]) -> str:
    for struct in structs:
        names = [f.name for f in struct.fields]
        if names != sorted(names):
            return f"{_NOQA}\n"
    return ""


def _isort(name: str) -> tuple[int, str]:
    """Constants first, then classes: the order that ruff keeps."""
    return (0 if name.isupper() else 1, name)


def _class(struct: StructSpec, parsed: SchemaFile) -> str:
    message = isinstance(struct, MessageSpec)
    lines = [f"class {struct.name}({'Message' if message else 'Struct'}):"]
    if struct.comment:
        lines.append(f'    """{struct.comment[0].upper()}{struct.comment[1:]}."""')
        lines.append("")
    slots = ", ".join(f'"{f.name}"' for f in struct.fields)
    lines.append(f"    __slots__ = ({slots}{',' if len(struct.fields) == 1 else ''})")
    if isinstance(struct, MessageSpec):
        if parsed.key is not None:
            lines.append(f"    API_KEY = {parsed.key}")
        lines.append(f"    VERSIONS = ({struct.low}, {struct.high})")
        if struct.flexible is not None:
            lines.append(f"    FLEXIBLE = {struct.flexible}")
    if struct.fields:
        lines.append("    FIELDS = (")
        lines += [f"        {_field(f)}," for f in struct.fields]
        lines.append("    )")
        lines += ["", "    def __init__(", "        self,"]
        lines += [_argument(f) for f in struct.fields]
        lines.append("    ) -> None:")
        lines += [_assignment(f) for f in struct.fields]
    return "\n".join(lines)


def _field(f: FieldSpec) -> str:
    parts = [f'"{f.name}"', f'"{f.type if f.struct is None else "struct"}"', str(f.low), str(f.high)]
    if f.array:
        parts.append("array=True")
    if f.nullable_from is not None:
        parts.append(f"nullable_from={f.nullable_from}")
    default = _default(f)
    if default != "MISSING":
        parts.append(f"default={default}")
    if f.ignorable:
        parts.append("ignorable=True")
    if f.tag is not None:
        parts.append(f"tag={f.tag}")
    if f.struct is not None:
        parts.append(f"struct={f.struct.name}")
    return f"Field({', '.join(parts)})"


def _default(f: FieldSpec) -> str:
    """The default as Python source; MISSING for a new list or struct."""
    if f.default == "null":
        return "None"
    if f.array or f.struct is not None:
        return "MISSING"
    if f.default is None:
        return _PYTHON.get(f.type, ("int", "0"))[1]
    if f.type == "bool":
        return f.default.capitalize()
    if f.type == "string":
        return f'"{f.default}"'
    return str(int(f.default, 0))


def _annotation(f: FieldSpec) -> str:
    inner = f.struct.name if f.struct is not None else _PYTHON.get(f.type, ("int", ""))[0]
    whole = f"list[{inner}]" if f.array else inner
    return f"{whole} | None" if f.nullable_from is not None else whole


def _argument(f: FieldSpec) -> str:
    text = f"        {f.name}: {_annotation(f)} = {_default(f)},"
    return f"{text}  # {f.comment}" if f.comment else text


def _assignment(f: FieldSpec) -> str:
    if _default(f) != "MISSING":
        return f"        self.{f.name} = {f.name}"
    new = "[]" if f.array else f"{f.struct.name}()" if f.struct is not None else ""
    return f"        self.{f.name}: {_annotation(f)} = {new} if {f.name} is MISSING else {f.name}"


def _package(found: list[tuple[str, SchemaFile]]) -> str:
    imports: list[str] = []
    table: list[str] = []
    rows: list[str] = []
    every: list[str] = []
    for module, parsed in sorted(found):
        names = sorted(s.name for m in parsed.messages for s in (*m.structs.values(), m))
        every += names
        imports.append(f"    from .{module} import (")
        imports += [f"        {name}," for name in names]
        imports.append("    )")
        table.append(f'    "{module}": (')
        table += [f'        "{name}",' for name in names]
        table.append("    ),")
    for module, parsed in sorted(found, key=lambda item: item[1].key or 0):
        if parsed.key is not None:
            m = parsed.messages[0]
            rows.append(f'    {parsed.key}: ("{parsed.api}", "{module}", {m.low}, {m.high}, {m.flexible}),')
    exported = "\n".join(f'    "{name}",' for name in ["APIS", *sorted(every)])
    return _PACKAGE.format(
        note=_NOTE.format(source="schema/"),
        imports="\n".join(imports),
        table="\n".join(table),
        rows="\n".join(rows),
        exported=exported,
    )


_PACKAGE = '''{note}
"""One class for each of Kafka's messages, for all its versions; a module is imported on first use of its names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
{imports}

__all__ = [
{exported}
]

APIS: dict[int, tuple[str, str, int, int, int | None]] = {{
{rows}
}}
"""API key: name, module, first and last version, first flexible version."""

_MODULES: dict[str, tuple[str, ...]] = {{
{table}
}}
_HOME = {{name: module for module, names in _MODULES.items() for name in names}}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
    value = getattr(import_module(f".{{home}}", __name__), name)
    globals()[name] = value
    return value
'''


if __name__ == "__main__":
    main()
