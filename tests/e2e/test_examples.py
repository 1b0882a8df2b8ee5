"""Every program under examples/ runs against `quorate up` as its own words say, and ends well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.local import Local, local

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    data: Path = tmp_path_factory.mktemp("examples") / "data"
    with local(data) as running:
        yield running


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_it_runs_as_written(cluster: Local, example: Path) -> None:
    """Exit code 0, something on the screen, no traceback."""
    text = example.read_text()
    hosts = cluster.bootstrap if "[BROKERS]" in text else cluster.ensemble
    result = subprocess.run([sys.executable, str(example), hosts], capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip()
    assert "Traceback" not in result.stderr, result.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_it_is_short_and_says_what_it_shows(example: Path) -> None:
    """At most 80 lines; its first three lines say what it shows."""
    lines = example.read_text().splitlines()
    assert len(lines) <= 80, f"{len(lines)} lines"
    assert lines[0].startswith('"""')
    assert all(lines[:3]), "three lines on what it shows"
