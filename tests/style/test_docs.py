"""The documentation names things that exist: files, links, and the README's two commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is a file of the repository."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target} is not there"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_paths_exist(page: Path) -> None:
    """Every path of ours in backticks is there."""
    for path in re.findall(r"`((?:coord|broker|tests|examples|docs|\.ci)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), f"{page}: {path} is not there"


def test_the_readme_has_its_two_commands() -> None:
    """The gate runs them as they stand there."""
    commands = re.findall(r"<!-- command: (\w+) -->\s*```sh\n(.+)\n```", (ROOT / "README.md").read_text())
    assert [name for name, _ in commands] == ["start", "test"]


def test_each_page_has_one_title() -> None:
    """One idea, one title."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        assert len(re.findall(r"^# ", text, re.M)) == 1, page
