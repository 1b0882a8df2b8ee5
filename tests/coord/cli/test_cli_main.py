"""The command `coord` as a process: its version, and how it ends when its reader or its user has had enough."""

from __future__ import annotations

import os
import signal
import sys
from importlib.metadata import version
from subprocess import PIPE, Popen, run

from tests.coord.store.samples import GOLDEN

COORD = [sys.executable, "-m", "coord"]


def test_version() -> None:
    """As our other commands print it."""
    done = run([*COORD, "--version"], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == f"coord, version {version('quorate')}\n"


def test_a_dump_ends_quietly_when_nobody_reads_on() -> None:
    """`coord dump FILE | head -1`."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = run([*COORD, "dump", str(GOLDEN / "zookeeper_log.100000001")], stdout=write, stderr=PIPE, timeout=20, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_interrupted_shell_ends_as_shells_have_it(server: str) -> None:
    """Waiting for commands on a pipe: 128 plus the signal's number, and nothing printed."""
    with Popen([*COORD, "shell", "-s", server], stdin=PIPE, stdout=PIPE, stderr=PIPE) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        assert shell.stderr is not None
        shell.stdin.write(b"ls /\n")
        shell.stdin.flush()
        assert b"zookeeper" in shell.stdout.readline()
        shell.send_signal(signal.SIGINT)
        assert shell.wait(10) == 128 + signal.SIGINT
        assert shell.stderr.read() == b""
