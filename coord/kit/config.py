"""Typed configuration: a frozen dataclass whose fields say which key they come from and what a good value is.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class ServerConfig:
        tick_time_ms: int = key("tickTime", whole(1), default=2000)

    config, unknown = load(ServerConfig, properties)

A wrong value is a ConfigError that names key, value, file, line and what was expected; keys that nothing declares are
returned, for one warning that names them all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .properties import ConfigError, Entry, Properties

__all__ = ["Kind", "chosen", "flag", "items", "key", "load", "number", "read", "text", "whole"]

T = TypeVar("T")
C = TypeVar("C")

INT_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How a value is read. `parse` raises ValueError when the text is not what `expected` says."""

    expected: str
    parse: Callable[[str], T]


def whole(least: int = 0, most: int = INT_MAX) -> Kind[int]:
    """A whole number within bounds, both included."""

    def parse(value: str) -> int:
        found = int(value)
        if not least <= found <= most:
            raise ValueError
        return found

    bounds = f"of at least {least}" if most == INT_MAX else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", parse)


def number(least: float, most: float) -> Kind[float]:
    """A decimal number within bounds, both included."""

    def parse(value: str) -> float:
        found = float(value)
        if not least <= found <= most:
            raise ValueError
        return found

    return Kind(f"a number from {least:g} to {most:g}", parse)


def flag() -> Kind[bool]:
    """true or false."""

    def parse(value: str) -> bool:
        return {"true": True, "false": False}[value.lower()]

    return Kind("true or false", parse)


def text(expected: str = "a text that is not empty") -> Kind[str]:
    """Any text but the empty one. No path and no name that the system takes has a NUL byte."""

    def parse(value: str) -> str:
        if not value or "\0" in value:
            raise ValueError
        return value

    return Kind(expected, parse)


def chosen(*choices: str) -> Kind[str]:
    """One of a few words."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError
        return value

    return Kind("one of " + ", ".join(choices), parse)


def items() -> Kind[tuple[str, ...]]:
    """Words between commas; none is allowed."""
    return Kind("words between commas", lambda value: tuple(item for item in (part.strip() for part in value.split(",")) if item))


def key(name: str, kind: Kind[Any], *, default: Any = dataclasses.MISSING) -> Any:
    """A dataclass field that is read from the key `name`; without a default the key must be there."""
    return dataclasses.field(default=default, metadata={"key": name, "kind": kind})


def load(cls: type[C], properties: Properties, *, known: Iterable[str] = ()) -> tuple[C, list[str]]:
    """Builds `cls` from `properties`. Returns it and the keys that nothing declares.

    known: prefixes of keys that the caller reads itself, such as `server.`. Fields without a key keep their defaults.
    Raises ConfigError.
    """
    values: dict[str, object] = {}
    declared: set[str] = set()
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = field.metadata.get("key")
        if name is None:
            continue
        declared.add(name)
        entry = properties.get(name)
        if entry is not None:
            values[field.name] = read(entry, field.metadata["kind"])
        elif field.default is dataclasses.MISSING:
            raise ConfigError(f"{properties.path}: {name} is missing: expected {field.metadata['kind'].expected}")
    prefixes = tuple(known)
    unknown = [name for name in properties if name not in declared and not name.startswith(prefixes)]
    return cls(**values), unknown


def read(entry: Entry, kind: Kind[T]) -> T:
    """The typed value of one entry. Raises ConfigError."""
    try:
        return kind.parse(entry.value.strip())
    except (ValueError, KeyError):
        raise entry.wrong(kind.expected) from None
