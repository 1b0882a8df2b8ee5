"""The consensus cores keep their properties in many simulated worlds, and the world itself repeats by its seed."""

from __future__ import annotations

import os
import re
from collections import Counter

import pytest

from coord.wire.quorum import Proposals, encode_acks
from coord.zab import learner as learner_module
from coord.zab.application import Transaction
from coord.zab.broadcast import Broadcast
from coord.zab.effects import Effects
from coord.zab.learner import Learner, Phase
from tests.sim.__main__ import main
from tests.sim.checkers.zab import Violation
from tests.sim.core_world import Options, World, simulate
from tests.sim.search import Task, search, summary

SEEDS = 2_000
EVENTS_PER_SECOND_MIN = 20_000
"""On one core."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_properties_hold_in_many_worlds() -> None:
    """Always the same seeds, on all processors. A failure prints the story and the command that repeats it."""
    figures: Counter[str] = Counter()
    for found, failure in search(Task("core", 0, SEEDS, {"seconds": 2.0}, "--seconds 2.0"), os.cpu_count() or 1):
        assert failure is None, failure.text
        figures += found

    print(summary(figures))
    assert figures["worlds"] == SEEDS
    assert figures["events"] / (figures["processor ms"] / 1000) >= EVENTS_PER_SECOND_MIN


def test_five_servers_under_frequent_faults() -> None:
    """The shape that users of five servers run."""
    simulate(7, voters=5, observers=1, fault_every=0.15, faults=("crash", "cut"), seconds=10.0)


def test_a_seed_repeats_its_world() -> None:
    """Same seed, same story, to the last event."""
    first, second = simulate(11), simulate(11)

    assert (first.events, list(first.traces), first.acknowledged_writes) == (
        second.events,
        list(second.traces),
        second.acknowledged_writes,
    )


def test_worlds_reach_every_way_of_synchronisation() -> None:
    """DIFF, TRUNC and SNAP all happen in the worlds that the tests run, or they would prove little."""
    ways = set()
    for seed in (1, 2, 5, 9):
        ways |= set(simulate(seed).ways)

    assert ways == {"DIFF", "TRUNC", "SNAP"}


def test_the_checkers_see_an_early_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner that acknowledges before its disk does is caught at once."""

    def too_early(self: Learner, message: Proposals, now: float, out: Effects) -> None:
        Learner._proposals(self, message, now, out)
        if self.phase is Phase.SERVING:
            out.send.append((self.link, encode_acks(zxid for zxid, _ in message.entries)))

    monkeypatch.setitem(learner_module._TAKE, Proposals, too_early)

    with pytest.raises(Violation, match="PromisesAreDurable"):
        World(0, Options()).run()


def test_the_checkers_see_a_leader_that_needs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit without a quorum is caught at once."""
    monkeypatch.setattr("coord.zab.quorums.Ensemble.agreed", lambda self, positions: max(positions.values()))

    with pytest.raises(Violation, match="DurableOnQuorum"):
        World(0, Options()).run()


def test_the_checkers_see_an_invented_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody asked for is caught, also where all servers have it."""
    propose = Broadcast.propose

    def inventing(self: Broadcast, batch: list[Transaction], out: Effects) -> bool:
        return propose(self, [(zxid, data if zxid % 7 else b"invented") for zxid, data in batch], out)

    monkeypatch.setattr(Broadcast, "propose", inventing)

    with pytest.raises(Violation, match=r"Integrity: .* b'invented'; broadcast was b'w"):
        World(0, Options()).run()


def test_failures_between_steps_leave_epochs_behind() -> None:
    """Epochs are promised that never come to be, or the worlds would not show what the promises are for."""
    world = simulate(3, voters=3, faults=("step",), step_share=0.15)

    assert max(disk.accepted for disk in world.disks.values()) > len(world.checkers.all[0].leaders) + 3  # type: ignore[attr-defined]


def test_the_command_repeats_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tests.sim` runs and says what it saw."""
    assert main(["--seed", "3", "--nodes", "3"]) == 0
    said = capsys.readouterr().out
    assert "acknowledged writes" in said
    assert "events/s on one core" in said


@pytest.mark.parametrize(("world", "known"), [("core", "crash, cut, reset"), ("trio", "slow disk")])
def test_an_unknown_fault_is_refused(world: str, known: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the pen is no crash of ours: one line says which kinds there are."""
    with pytest.raises(SystemExit) as refused:
        main(["--world", world, "--faults", "crash,bogus"])
    assert refused.value.code == 2
    error = capsys.readouterr().err
    assert f"the {world} world knows no 'bogus'; it knows " in error
    assert known in error


def test_a_failure_is_told_with_its_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first seed that fails ends the search; its story, and what repeats it."""
    monkeypatch.setattr("coord.zab.quorums.Ensemble.agreed", lambda self, positions: max(positions.values()))

    assert main(["--seed", "40", "--count", "50", "--nodes", "5", "--faults", "crash,cut"]) == 129
    error = capsys.readouterr().err
    assert "DurableOnQuorum" in error
    assert re.search(r"repeat it: python -m tests.sim --world core --seed 4\d --nodes 5 --faults 'crash,cut'\n$", error)
