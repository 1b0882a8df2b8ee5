"""Many seeds: one after the other, or by several processes at once. Which seeds ran and what they showed is the same either
way; of several that fail the first is told, with the command that repeats it."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice

from tests.sim import core_world, trio_world
from tests.sim.checkers.zab import Violation
from tests.sim.core_world import NotConverged

__all__ = ["Failure", "Task", "run", "search", "summary"]

Shape = dict[str, object]
PARTS = {"core": 10, "trio": 1}
"""How many seeds a process takes at a time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """code: 127 a crash of ours, 128 no progress after the repair, 129 a property violated. text: the whole report."""

    seed: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Task:
    """Seeds of one world. shape: what the seed does not decide. words: of the command, for that shape."""

    world: str
    first: int
    count: int
    shape: Shape
    words: str = ""

    def command(self, seed: int) -> str:
        """What repeats one seed."""
        return " ".join(filter(None, (f"python -m tests.sim --world {self.world} --seed {seed}", self.words)))


def run(task: Task) -> tuple[Counter[str], Failure | None]:
    """The task's seeds, up to the first that fails; figures of those that passed."""
    figures: Counter[str] = Counter()
    for seed in range(task.first, task.first + task.count):
        began = time.process_time()
        try:
            figures += _WORLDS[task.world](seed, task.shape)
        except Exception as failure:
            code = 129 if isinstance(failure, Violation) else 128 if isinstance(failure, NotConverged) else 127
            text = "".join(traceback.format_exception(failure))
            return figures, Failure(seed, code, f"{text}\nrepeat it: {task.command(seed)}")
        figures += Counter({"worlds": 1, "processor ms": round(1000 * (time.process_time() - began))})
    return figures, None


def search(task: Task, jobs: int) -> Iterator[tuple[Counter[str], Failure | None]]:
    """What `run` says of one part of the task after the other, in order of the seeds, and nothing beyond a failure."""
    if jobs == 1:
        results = map(run, _parts(task))
    else:
        results = _pooled(task, jobs)
    for figures, failure in results:
        yield figures, failure
        if failure is not None:
            return


def _pooled(task: Task, jobs: int) -> Iterator[tuple[Counter[str], Failure | None]]:
    parts = _parts(task)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = deque(pool.submit(run, part) for part in islice(parts, 3 * jobs))
        try:
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(run, part) for part in islice(parts, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _parts(task: Task) -> Iterator[Task]:
    size = PARTS[task.world]
    end = task.first + task.count
    for first in range(task.first, end, size):
        yield Task(task.world, first, min(size, end - first), task.shape, task.words)


def summary(figures: Counter[str]) -> str:
    """One line: how many worlds, how fast, and what happened in them."""
    seconds = max(figures["processor ms"], 1) / 1000
    rest = {name: count for name, count in sorted(figures.items()) if name not in ("worlds", "events", "processor ms")}
    words = [f"{figures['events'] / seconds:,.0f} events/s on one core", *(f"{count} {name}" for name, count in rest.items())]
    return f"{figures['worlds']} worlds: {figures['events']} events, " + ", ".join(words)


def _core(seed: int, shape: Shape) -> Counter[str]:
    world = core_world.simulate(seed, **shape)
    joined = {f"learners joined by {way}": count for way, count in world.ways.items()}
    return Counter({"events": world.events, "acknowledged writes": len(world.acknowledged_writes), **joined})


def _trio(seed: int, shape: Shape) -> Counter[str]:
    return trio_world.simulate(seed, **shape).noted


_WORLDS: dict[str, Callable[[int, Shape], Counter[str]]] = {"core": _core, "trio": _trio}
