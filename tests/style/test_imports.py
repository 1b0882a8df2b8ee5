"""The layering of docs/architecture.md, held as data: who may import whom, and which packages do no I/O.

Parsed with `ast`, so an import inside a function or under TYPE_CHECKING counts too: neither is a way around a layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# package -> the packages of ours it may import (itself is always allowed)
COORD_LAYERS: dict[str, set[str]] = {
    "coord.kit": set(),
    "coord.errors": set(),
    "coord.wire": {"coord.kit", "coord.errors"},
    "coord.tree": {"coord.kit", "coord.wire", "coord.errors"},
    "coord.zab": {"coord.kit", "coord.wire", "coord.errors"},
    "coord.store": {"coord.kit", "coord.wire", "coord.tree", "coord.errors"},
    "coord.server": {"coord.kit", "coord.wire", "coord.tree", "coord.zab", "coord.store", "coord.errors"},
    "coord.client": {"coord.kit", "coord.wire", "coord.errors"},
    "coord.cli": {"coord.kit", "coord.wire", "coord.tree", "coord.store", "coord.server", "coord.client", "coord.errors"},
}
BROKER_LAYERS: dict[str, set[str]] = {
    "broker.wire": {"coord.kit"},
    "broker.log": {"coord.kit", "broker.wire"},
    "broker.replica": {"coord.kit", "broker.wire"},
    "broker.group": {"coord.kit", "broker.wire"},
    "broker.controller": {"coord.kit", "broker.wire"},
    "broker.server": {
        "coord.kit", "coord.client", "broker.wire", "broker.log", "broker.replica", "broker.group", "broker.controller",
    },
    "broker.client": {"coord.kit", "broker.wire"},
    "broker.cli": {"coord.kit", "broker.wire", "broker.log", "broker.server", "broker.client"},
}  # fmt: skip
LAYERS = COORD_LAYERS | BROKER_LAYERS

# `coord` and `broker` themselves: the public front and `python -m`
FRONTS = {"coord", "broker", "coord.__main__", "broker.__main__"}

PURE = {"coord.wire", "coord.tree", "coord.zab", "broker.wire", "broker.replica", "broker.group", "broker.controller"}
PURE_MODULES = {"coord.client.protocol", "broker.client.protocol", "coord.kit.framing"}
BANNED_IN_CORES = {"trio", "socket", "select", "os", "time", "random", "threading", "logging", "asyncio", "subprocess"}
# the build-time generator of broker/wire reads and writes source files; it is no part of the running core
GENERATORS = {"broker.wire.generate", "broker.wire.__main__"}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("coord", "broker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def layer_of(module: str) -> str:
    matches = [name for name in LAYERS if module == name or module.startswith(name + ".")]
    return max(matches, key=len, default=module)


def imports_of(module: str, path: Path) -> Iterator[tuple[str, int]]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1])
                target = f"{base}.{node.module}" if node.module else base
            else:
                target = node.module or ""
            if target in ("coord", "broker") or (node.level and not node.module):
                for alias in node.names:
                    yield f"{target}.{alias.name}", node.lineno
            else:
                yield target, node.lineno


MODULES = list(modules())


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_point_one_way(module: str, path: Path) -> None:
    """A module imports only from its own layer and from the layers below it."""
    if module in FRONTS:
        return
    layer = layer_of(module)
    assert layer in LAYERS, f"{module} belongs to no layer: add it to LAYERS or move it"
    for target, line in imports_of(module, path):
        if target.split(".")[0] not in ("coord", "broker"):
            assert target.split(".")[0] != "tests", f"{module}:{line} imports the tests"
            continue
        below = layer_of(target)
        assert below == layer or below in LAYERS[layer], f"{module}:{line} imports {target}: {layer} may not import {below}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_cores_do_no_io(module: str, path: Path) -> None:
    """A core imports nothing that waits, reads a clock or draws a random number, and has no `async def`."""
    if module in GENERATORS or (layer_of(module) not in PURE and module not in PURE_MODULES):
        return
    for target, line in imports_of(module, path):
        top = target.split(".")[0]
        if top == "random" and "Random" in path.read_text().splitlines()[line - 1]:
            continue  # the type of an injected generator
        assert top not in BANNED_IN_CORES, f"{module}:{line} imports {target}: a core does no I/O"
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef), f"{module}:{node.lineno} has an async def: a core does not wait"
