"""A folder belongs to one process at a time, as the kernel sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coord.kit.posix import PosixDisk

OTHER = """
import sys
from coord.kit.posix import PosixDisk
try:
    PosixDisk().lock(sys.argv[1])
except BlockingIOError as error:
    print(error)
else:
    print("taken", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_refused_until_the_owner_lets_go(tmp_path: Path) -> None:
    """While it is held, and again after it was let go of."""
    path = str(tmp_path / ".lock")
    let_go = PosixDisk().lock(path)
    command = [sys.executable, "-c", OTHER, path]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    assert "another process uses this folder" in refused.stdout
    let_go()
    taken = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    assert taken.stdout == "taken\n"


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """kill -9 of the owner leaves nothing that keeps the next one out."""
    path = str(tmp_path / ".lock")
    owner = subprocess.Popen([sys.executable, "-c", OTHER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "taken\n"
    with pytest.raises(BlockingIOError):
        PosixDisk().lock(path)
    owner.kill()
    owner.communicate()
    PosixDisk().lock(path)()
