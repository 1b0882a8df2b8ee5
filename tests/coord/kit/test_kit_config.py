"""Typed configuration: good values arrive typed, wrong ones are named, unknown ones collected."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from coord.kit.config import chosen, flag, items, key, load, number, text, whole
from coord.kit.properties import ConfigError, Properties


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    data_dir: str = key("dataDir", text("a folder"))
    tick_ms: int = key("tickTime", whole(1), default=2000)
    port: int = key("port", whole(0, 65535), default=1)
    on: bool = key("on", flag(), default=False)
    words: tuple[str, ...] = key("words", items(), default=("srvr",))
    mode: str = key("mode", chosen("a", "b"), default="a")
    ratio: float = key("ratio", number(0, 1), default=0.5)
    derived: int = 7


def loaded(content: str) -> tuple[Sample, list[str]]:
    return load(Sample, Properties.parse(content.encode(), "zoo.cfg"), known=("server.",))


def test_values_arrive_typed_and_defaults_hold() -> None:
    """Every kind reads its text; white space around a value does not matter."""
    config, unknown = loaded("dataDir=/d\ntickTime= 5 \non=TRUE\nwords=a, b,,c\nmode=b\nratio=0.25")
    assert config == Sample(data_dir="/d", tick_ms=5, on=True, words=("a", "b", "c"), mode="b", ratio=0.25)
    assert unknown == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tickTime=0", "zoo.cfg line 2: tickTime=0: expected a whole number of at least 1"),
        ("tickTime=2s", "zoo.cfg line 2: tickTime=2s: expected a whole number of at least 1"),
        ("port=65536", "zoo.cfg line 2: port=65536: expected a whole number from 0 to 65535"),
        ("on=yes", "zoo.cfg line 2: on=yes: expected true or false"),
        ("mode=c", "zoo.cfg line 2: mode=c: expected one of a, b"),
        ("ratio=nan", "zoo.cfg line 2: ratio=nan: expected a number from 0 to 1"),
        ("dataDir=", "zoo.cfg line 2: dataDir=: expected a folder"),
    ],
)
def test_a_wrong_value_is_named(line: str, message: str) -> None:
    """The error says file, line, key, value and what was expected."""
    with pytest.raises(ConfigError) as caught:
        loaded("dataDir=/d\n" + line)
    assert str(caught.value) == message


def test_a_missing_key_is_named() -> None:
    """A key without a default must be there."""
    with pytest.raises(ConfigError, match=r"zoo\.cfg: dataDir is missing: expected a folder"):
        loaded("")


def test_unknown_keys_are_collected() -> None:
    """What nothing declares is returned in the file's order; declared prefixes are the caller's."""
    assert loaded("zeta=1\ndataDir=/d\nserver.1=x\nalpha=2")[1] == ["zeta", "alpha"]
