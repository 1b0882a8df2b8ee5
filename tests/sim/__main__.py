"""`python -m tests.sim --seed N`: repeats one simulated world, or runs many.

Exit codes: 0 all good, 127 a crash of ours, 128 no progress after the repair, 129 a property violated.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter

from tests.sim.checkers.zab import Violation
from tests.sim.core_world import NotConverged, simulate


def main(arguments: list[str] | None = None) -> int:
    """Runs the worlds and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="consensus in a simulated world")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, one after the other")
    parser.add_argument("--nodes", type=int, help="voters; without it the seed decides")
    parser.add_argument("--minutes", type=float, help="simulated minutes of faults; without it a few seconds")
    options = parser.parse_args(arguments)
    shape: dict[str, object] = {}
    if options.nodes:
        shape["voters"] = options.nodes
    if options.minutes:
        shape["seconds"] = options.minutes * 60
    ways: Counter[str] = Counter()
    events = writes = 0
    for seed in range(options.seed, options.seed + options.count):
        try:
            world = simulate(seed, **shape)
        except Exception as failure:
            traceback.print_exception(failure)
            print(f"\nrepeat it: python -m tests.sim --seed {seed}", file=sys.stderr)
            return 129 if isinstance(failure, Violation) else 128 if isinstance(failure, NotConverged) else 127
        ways += world.ways
        events += world.events
        writes += len(world.acknowledged_writes)
    learners = ", ".join(f"{count} by {way}" for way, count in sorted(ways.items()))
    print(f"{options.count} worlds, {events} events, {writes} acknowledged writes; learners joined: {learners}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
