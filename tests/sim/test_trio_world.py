"""Whole nodes and clients keep their promises in many simulated worlds, and a world repeats by its seed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from coord.server.pipeline import Pipeline
from tests.sim.__main__ import main
from tests.sim.checkers.zab import Violation
from tests.sim.search import Task, search, summary
from tests.sim.trio_world import simulate

ROOT = Path(__file__).parents[2]


SEEDS = 50


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_promises_hold_in_many_worlds() -> None:
    """Always the same seeds, on all processors. A failure prints the story and the command that repeats it."""
    figures: Counter[str] = Counter()
    for found, failure in search(Task("trio", 0, SEEDS, {}), os.cpu_count() or 1):
        assert failure is None, failure.text
        figures += found

    print(summary(figures))
    assert figures["worlds"] == SEEDS
    assert figures["sync-reads"] > 5 * SEEDS
    assert figures["watch events"] > 5 * SEEDS


def test_a_seed_repeats_its_world() -> None:
    """Same seed, same story, to the last line."""
    assert simulate(6).digest == simulate(6).digest


def test_a_seed_repeats_its_world_in_another_process() -> None:
    """Whatever the order of sets may be there."""
    program = "from tests.sim.trio_world import simulate; print(simulate(23, seconds=4.0).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip

    assert len(digests) == 1


def test_the_checkers_see_a_watch_event_behind_the_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers first and tells watchers afterwards is caught."""
    notify, deliver = Pipeline._notify, Pipeline.deliver
    late: list[object] = []
    monkeypatch.setattr(Pipeline, "_notify", lambda self, applied: late.append(applied))

    def deliver_and_tell(self: Pipeline, batch: list[tuple[int, bytes]]) -> None:
        deliver(self, batch)
        while late:
            notify(self, late.pop(0))  # type: ignore[arg-type]

    monkeypatch.setattr(Pipeline, "deliver", deliver_and_tell)

    with pytest.raises(Violation, match="WatchBeforeNewData"):
        simulate(0, voters=1, faults=("reset",))


def test_the_command_repeats_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.sim --world trio` runs and says what it saw."""
    assert main(["--world", "trio", "--seed", "6", "--nodes", "1", "--seconds", "3"]) == 0
    assert "acknowledged creates" in capsys.readouterr().out
