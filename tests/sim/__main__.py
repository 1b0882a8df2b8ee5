"""`python -m tests.sim --seed N`: repeats one simulated world, or runs many.

Two worlds: `core`, the consensus cores alone, and `trio`, whole nodes and clients.
Exit codes: 0 all good, 127 a crash of ours, 128 no progress after the repair, 129 a property violated.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator

from tests.sim import core_world, trio_world
from tests.sim.checkers.zab import Violation
from tests.sim.core_world import NotConverged

Run = Callable[[int, dict[str, object]], Counter[str]]
"""Runs one seed with a shape; returns figures for the summary."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the worlds and returns the exit code."""
    options = _parser().parse_args(arguments)
    shape: dict[str, object] = {}
    if options.nodes:
        shape["voters"] = options.nodes
    if options.seconds:
        shape["seconds"] = options.seconds
    if options.faults is not None:
        shape["faults"] = tuple(options.faults.replace("_", " ").split(","))
    run = _trio if options.world == "trio" else _core
    figures: Counter[str] = Counter()
    worlds = 0
    for seed in _seeds(options.seed, options.count, options.minutes):
        try:
            figures += run(seed, shape)
        except Exception as failure:
            traceback.print_exception(failure)
            print(f"\nrepeat it: python -m tests.sim {_words(options, seed)}", file=sys.stderr)
            return 129 if isinstance(failure, Violation) else 128 if isinstance(failure, NotConverged) else 127
        worlds += 1
        if options.progress and worlds % options.progress == 0:
            print(f"{worlds} worlds, up to seed {seed}", flush=True)
    print(f"{worlds} worlds: " + ", ".join(f"{count} {name}" for name, count in sorted(figures.items())))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="an ensemble in a simulated world")
    parser.add_argument("--world", choices=("core", "trio"), default="core", help="the cores alone, or whole nodes")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--minutes", type=float, help="seeds one after the other for as long as this")
    parser.add_argument("--nodes", type=int, help="voters; without it the seed decides")
    parser.add_argument("--seconds", type=float, help="simulated seconds of faults; without it the seed decides")
    kinds = ", ".join(trio_world.KINDS)
    parser.add_argument("--faults", help=f"kinds of faults in the trio world, separated by commas, of: {kinds}")
    parser.add_argument("--progress", type=int, default=0, help="a line after so many worlds")
    return parser


def _seeds(first: int, count: int, minutes: float | None) -> Iterator[int]:
    end = time.monotonic() + minutes * 60 if minutes else 0.0
    seed = first
    while time.monotonic() < end if minutes else seed < first + count:
        yield seed
        seed += 1


def _words(options: argparse.Namespace, seed: int) -> str:
    words = [f"--seed {seed}"]
    for name in ("nodes", "seconds", "faults"):
        if (value := getattr(options, name)) is not None:
            words.append(f"--{name} '{value}'" if name == "faults" else f"--{name} {value}")
    return " ".join([f"--world {options.world}", *words])


def _core(seed: int, shape: dict[str, object]) -> Counter[str]:
    world = core_world.simulate(seed, **shape)
    joined = {f"learners joined by {way}": count for way, count in world.ways.items()}
    return Counter({"events": world.events, "acknowledged writes": len(world.acknowledged_writes), **joined})


def _trio(seed: int, shape: dict[str, object]) -> Counter[str]:
    return trio_world.simulate(seed, **shape).noted


if __name__ == "__main__":
    sys.exit(main())
