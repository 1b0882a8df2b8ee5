"""docs/known-bugs.md and the tests agree: each number there is what the docstring of the test beside it opens with."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "known-bugs.md"
OPENING = re.compile(r"ZOOKEEPER-\d+(?:, ZOOKEEPER-\d+)*(?=[:,])")


def named_by_tests() -> dict[str, set[str]]:
    """Number -> the tests whose docstrings open with it."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "tests" / "coord").rglob("test_*.py")) + sorted((ROOT / "tests" / "sim").glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and (match := OPENING.match(ast.get_docstring(node) or "")):
                for number in match[0].split(", "):
                    found[number].add(node.name)
    return dict(found)


def listed() -> dict[str, set[str]]:
    """Number -> the tests that the page lists beside it."""
    rows = re.findall(r"^\| (ZOOKEEPER-\d+) \| [^|]+ \| ([^|]+) \|$", PAGE.read_text(), re.M)
    assert len(rows) == len({number for number, _ in rows}), "a number is listed twice"
    return {number: set(re.findall(r"`(test_\w+)`", tests)) for number, tests in rows}


def test_every_known_bug_is_a_named_test() -> None:
    """Neither a row without its tests, nor such a test without its row."""
    assert listed() == named_by_tests()


def test_every_row_of_the_page_is_read() -> None:
    """A row that is written otherwise would be checked by nobody."""
    assert len(listed()) == len(re.findall(r"^\| ZOOKEEPER", PAGE.read_text(), re.M)) > 0
