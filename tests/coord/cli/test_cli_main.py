"""The command `coord` as a process: its version, and how it ends when its reader has had enough."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from subprocess import PIPE, run

from tests.coord.store.samples import GOLDEN

COORD = [sys.executable, "-m", "coord"]


def test_version() -> None:
    """As our other commands print it."""
    done = run([*COORD, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"coord, version {version('quorate')}\n"


def test_a_dump_ends_quietly_when_nobody_reads_on() -> None:
    """`coord dump FILE | head -1`."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = run([*COORD, "dump", str(GOLDEN / "zookeeper_log.100000001")], stdout=write, stderr=PIPE, timeout=60, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
