"""House rules a reader would otherwise have to remember: size of files and functions, docstrings, banned leftovers."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
GENERATED = {"broker/wire/messages"}  # written by broker/wire/generate.py, checked by its own test

SOURCES = [
    path
    for package in ("coord", "broker")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not any(str(path.relative_to(ROOT)).startswith(name) for name in GENERATED)
]
IDS = [str(path.relative_to(ROOT)) for path in SOURCES]


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_a_file_is_one_idea(path: Path) -> None:
    """A file that outgrows the limit holds a second idea."""
    count = len(path.read_text().splitlines())
    assert count <= FILE_LINES_MAX, f"{path} has {count} lines; the limit is {FILE_LINES_MAX}: split it"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    """A function reads top to bottom on one screen."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            size = node.end_lineno - node.lineno + 1
            assert size <= FUNCTION_LINES_MAX, f"{path}:{node.lineno} {node.name} has {size} lines"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_a_module_says_what_it_is(path: Path) -> None:
    """Every module opens with a docstring."""
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_nothing_is_left_for_later_in_the_code(path: Path) -> None:
    """Open work lives in the tracker, not in a comment."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line), f"{path}:{number} {line.strip()}"
