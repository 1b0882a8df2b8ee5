"""Command lines end with one line and the exit code that belongs to it; a node in the foreground ends on a signal."""

from __future__ import annotations

import logging
import os
import signal

import pytest
import trio

from coord.kit.cliutil import StartError, definitions, fail
from coord.kit.logs import set_up_logging
from coord.kit.properties import ConfigError
from coord.kit.serve import serve_until_stopped


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("a.cfg line 1: x"), 2), (StartError("port 1 is in use"), 2), ("it broke", 1), (OSError("no disk"), 1)],
)
def test_a_failure_is_one_line_and_a_code(error: Exception | str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked for wrongly exits with 2, what did not succeed with 1."""
    with pytest.raises(SystemExit) as caught:
        fail("coord", error)
    assert caught.value.code == code
    assert capsys.readouterr().err == f"coord: {error}\n"


def test_definitions_are_pairs() -> None:
    """-Dkey=value, the value may hold `=`; a key alone is true."""
    assert definitions(["a=b=c", "x", "y="]) == [("a", "b=c"), ("x", "true"), ("y", "")]
    with pytest.raises(ConfigError):
        definitions(["=1"])


def test_a_log_record_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, node, sentence; a line break in the sentence does not make a second line."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        set_up_logging("coord-1", "info")
        logging.getLogger("x").info("peer said %s", "a\nb")
        logging.getLogger("x").debug("not shown")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
    line = capsys.readouterr().err
    assert line.endswith(" INFO    coord-1 peer said a\\nb\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cancels_the_node(number: signal.Signals) -> None:
    """The node's own `finally` runs, and the call returns."""
    steps: list[str] = []

    async def node() -> None:
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            steps.append("cleaned")

    trio.run(serve_until_stopped, node)
    assert steps == ["cleaned"]


def test_a_node_that_returns_ends_the_wait() -> None:
    """No signal is needed."""

    async def node() -> None:
        await trio.sleep(0)

    trio.run(serve_until_stopped, node)
