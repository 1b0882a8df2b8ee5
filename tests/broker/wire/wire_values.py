"""Values for every message of the wire, for tests: random ones for parity, Hypothesis' for the compiled codec."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from broker.wire import messages
from broker.wire.fields import Field, Message, Struct

INTEGERS = {"int8": (-128, 127), "int16": (-32768, 32767), "uint16": (0, 65535), "int32": (-(2**31), 2**31 - 1),
            "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1)}  # fmt: skip

_NAMES = [name for name in messages.__all__ if name != "APIS"]
CLASSES: list[type[Message]] = [
    cls for cls in (getattr(messages, name) for name in _NAMES) if issubclass(cls, Message)
]
"""Every request, response and data message."""


@st.composite
def message_and_version(draw: st.DrawFn, cls: type[Message]) -> tuple[Message, int]:
    """A message with fields of one of its versions set, and that version."""
    version = draw(st.integers(*cls.VERSIONS))
    return draw(structs(cls, version)), version


@st.composite
def structs(draw: st.DrawFn, cls: type[Struct], version: int) -> Any:
    return cls(**{f.name: draw(values(f, version)) for f in cls.FIELDS if f.in_version(version)})


def values(f: Field, version: int) -> st.SearchStrategy[Any]:
    """Values of one field, null among them where the version allows it."""
    if f.array:
        element = values(f._replace(array=False, nullable_from=None), version)
        found: st.SearchStrategy[Any] = st.lists(element, max_size=3)
    elif f.struct is not None:
        found = structs(f.struct, version)
    else:
        found = _primitive(f.kind)
    return st.none() | found if f.nullable_in(version) else found


def _primitive(kind: str) -> st.SearchStrategy[Any]:
    if kind in INTEGERS:
        return st.integers(*INTEGERS[kind])
    return {
        "bool": st.booleans(),
        "string": st.text(max_size=20) | st.just("x" * 300),
        "bytes": st.binary(max_size=20),
        "records": st.binary(max_size=20) | st.just(b"r" * 2000),
        "uuid": st.binary(min_size=16, max_size=16),
        "float64": st.floats(allow_nan=False),
    }[kind]


def sample(cls: type[Struct], version: int, random: Random) -> Any:
    """A message with tame values, which other libraries can hold in their richer types (times, enums)."""
    return cls(**{f.name: _tame(f, version, random) for f in cls.FIELDS if f.in_version(version)})


def _tame(f: Field, version: int, random: Random) -> Any:
    if f.array:
        element = f._replace(array=False, nullable_from=None)
        return [_tame(element, version, random) for _ in range(random.randint(0, 2))]
    if f.nullable_in(version) and f.kind != "records" and random.random() < 0.2:
        return None
    if f.struct is not None:
        return sample(f.struct, version, random)
    if f.kind in INTEGERS:
        return random.randint(0, 100)
    if f.kind == "bool":
        return random.random() < 0.5
    if f.kind == "float64":
        return random.random()
    if f.kind == "uuid":
        return random.randbytes(16)
    text = "".join(random.choices("abcdefgh", k=random.randint(1, 12)))
    return text if f.kind == "string" else text.encode()
