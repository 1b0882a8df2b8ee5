"""`python -m tests.sim --seed N`: repeats one simulated world, or runs many.

Two worlds: `core`, the consensus cores alone, and `trio`, whole nodes and clients.
Exit codes: 0 all good, 2 a command that makes no sense, 127 a crash of ours, 128 no progress after the repair, 129 a property violated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from math import inf

from tests.sim import core_world, trio_world
from tests.sim.search import Task, search, summary

__all__ = ["main"]


SEEDS_MAX = 1 << 40
"""More than any number of minutes can hold."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the worlds and returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    known = core_world.KINDS if options.world == "core" else trio_world.KINDS
    if unknown := [kind for kind in _faults(options) if kind not in known]:
        parser.exit(2, f"--faults: the {options.world} world knows no {', '.join(map(repr, unknown))}; it knows {', '.join(known)}\n")
    count = SEEDS_MAX if options.minutes else options.count
    task = Task(options.world, options.seed, count, _shape(options), _words(options))
    end = time.monotonic() + options.minutes * 60 if options.minutes else inf
    figures: Counter[str] = Counter()
    told = 0
    for found, failure in search(task, options.jobs):
        figures += found
        if failure is not None:
            print(summary(figures))
            print(failure.text, file=sys.stderr)
            return failure.code
        if options.progress and figures["worlds"] // options.progress > told:
            told = figures["worlds"] // options.progress
            print(f"up to seed {options.seed + figures['worlds'] - 1}: {summary(figures)}", flush=True)
        if time.monotonic() > end:
            break
    print(summary(figures))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="an ensemble in a simulated world")
    parser.add_argument("--world", choices=("core", "trio"), default="core", help="the cores alone, or whole nodes")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--minutes", type=float, help="seeds one after the other for as long as this")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes at once")
    parser.add_argument("--nodes", type=int, help="voters; without it the seed decides")
    parser.add_argument("--seconds", type=float, help="simulated seconds of faults; without it the seed decides")
    kinds = "core: " + ", ".join(core_world.KINDS) + "; trio: " + ", ".join(trio_world.KINDS)
    parser.add_argument("--faults", help=f"kinds of faults, separated by commas; {kinds}")
    parser.add_argument("--progress", type=int, default=0, help="a line after so many worlds")
    return parser


def _shape(options: argparse.Namespace) -> dict[str, object]:
    shape: dict[str, object] = {}
    if options.nodes:
        shape["voters"] = options.nodes
    if options.seconds:
        shape["seconds"] = options.seconds
    if options.faults is not None:
        shape["faults"] = _faults(options)
    return shape


def _faults(options: argparse.Namespace) -> tuple[str, ...]:
    """The kinds of faults that the command names."""
    return () if options.faults is None else tuple(options.faults.replace("_", " ").split(","))


def _words(options: argparse.Namespace) -> str:
    words = []
    for name in ("nodes", "seconds", "faults"):
        if (value := getattr(options, name)) is not None:
            words.append(f"--{name} '{value}'" if name == "faults" else f"--{name} {value}")
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
