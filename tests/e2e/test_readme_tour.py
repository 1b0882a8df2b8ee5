"""The README's tour: every command, run as it is written, against `quorate up` on its own ports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.local import Local, is_free

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    line
    for block in re.findall(r"<!-- tour -->\s*```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    for line in block.strip().splitlines()
]
PORTS = [2181, 2182, 2183, 2888, 2889, 2890, 3888, 3889, 3890, 9092, 9093, 9094]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        pytest.skip(f"port {taken[0]} is taken: stop what listens there")
    running = Local(tmp_path_factory.mktemp("tour") / "quorate-data")
    running.start_on_default_ports()
    yield
    running.stop()


def test_the_tour_runs_as_written(cluster: None) -> None:
    """Exit code 0 and something on the screen, from the first command to the last."""
    assert len(COMMANDS) > 8
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        result = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PATH": path}
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        if "produce" not in command and " set " not in command:
            assert result.stdout.strip(), command
