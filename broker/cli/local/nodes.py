"""The processes of a local cluster: start, watch, restart, stop.

Each node is a process of its own in a session of its own, so that Ctrl-C reaches `quorate up` alone and the order of
stopping is ours: brokers first (they say goodbye to the ensemble), then the ensemble. The kernel ends the nodes when
`quorate up` itself is killed.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from .layout import Node

__all__ = ["Process", "run_node", "stop_nodes"]

LAST_WORDS_MAX = 4096
"""How much of the end of a log is read for its last line."""
LOG_PREFIX = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+ [A-Z]+ +\S+ ")
"""Time, level and node of a line in a node's log: who reads its last words knows all three."""
RESTART_PAUSE_S = 3.0
STOP_GRACE_S = 1.2
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Process:
    """A node and its process, as the screen shows them."""

    node: Node
    popen: subprocess.Popen[bytes] | None = None
    starts: int = 0
    exit_code: int | None = None
    returns_at: float | None = None
    stopping: bool = field(default=False)
    log_began: int = 0
    """Where in the log the words of its last start begin."""

    @property
    def pid(self) -> int | None:
        return self.popen.pid if self.popen is not None and self.popen.returncode is None else None

    def start(self) -> None:
        with open(self.node.log, "ab") as log:
            self.log_began = log.tell()
            self.popen = subprocess.Popen(
                self.node.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has no other threads
            )
        self.starts += 1
        self.returns_at = None

    def last_words(self) -> str:
        """The last line that the node said since its last start, as one line that can be shown; empty if there is none."""
        try:
            with open(self.node.log, "rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self.log_began, end - LAST_WORDS_MAX))
                lines = log.read(LAST_WORDS_MAX).decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        if not lines:
            return ""
        line = LOG_PREFIX.sub("", lines[-1]).removeprefix(f"{self.node.kind} server: ")
        return "".join(letter if letter.isprintable() else " " for letter in line)


def _end_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def run_node(process: Process, answers: Callable[[], bool], *, restart: bool) -> None:
    """Watches one started node for ever, and starts it again after a pause when it ends by itself.

    answers: whether the node's port answers; then somebody started it by hand, and it is left alone.
    """
    while True:
        assert process.popen is not None
        while process.popen.poll() is None:
            await trio.sleep(0.1)
        process.exit_code = process.popen.returncode
        if process.stopping or not restart:
            return
        process.returns_at = trio.current_time() + RESTART_PAUSE_S
        await trio.sleep(RESTART_PAUSE_S)
        while answers():
            await trio.sleep(RESTART_PAUSE_S)
        process.start()


async def stop_nodes(processes: list[Process]) -> None:
    """Stops brokers, then coordination servers; what does not stop in time is killed. Under 3 s in all."""
    for process in processes:
        process.stopping = True
    for kind in ("broker", "coord"):
        group = [p for p in processes if p.node.kind == kind and p.pid is not None]
        for process in group:
            _signal(process, signal.SIGTERM)
        with trio.move_on_after(STOP_GRACE_S):
            while any(_running(p) for p in group):
                await trio.sleep(0.01)
        for process in group:
            if _running(process):
                _signal(process, signal.SIGKILL)
                assert process.popen is not None
                process.popen.wait()


def _running(process: Process) -> bool:
    return process.popen is not None and process.popen.poll() is None


def _signal(process: Process, number: int) -> None:
    if process.popen is not None and process.popen.poll() is None:
        process.popen.send_signal(number)
