"""A barrier with coord.client: programs that must begin together, and leave together, wait for each other at a folder.
Nobody computes before all have entered, and nobody goes on before all have finished.
Each program's mark is an ephemeral node: one that dies does not hold the others for ever.

    python examples/barrier.py [HOSTS]
"""

import sys

import trio

from coord.client import connect
from coord.client.recipes import DoubleBarrier

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
BARRIER = "/examples/barrier"
PROGRAMS = 3


async def run(number: int, times: dict[str, list[float]]) -> None:
    async with connect(HOSTS) as client:
        await trio.sleep(0.1 * number)  # they come one after the other
        times["came"].append(trio.current_time())
        barrier = DoubleBarrier(client, BARRIER, PROGRAMS)
        await barrier.enter()
        times["began"].append(trio.current_time())
        await barrier.leave()
        times["left"].append(trio.current_time())


async def main() -> None:
    times: dict[str, list[float]] = {"came": [], "began": [], "left": []}
    async with trio.open_nursery() as nursery:
        for number in range(PROGRAMS):
            nursery.start_soon(run, number, times)
    assert max(times["came"]) <= min(times["began"])
    assert max(times["began"]) <= min(times["left"])
    print(f"the first waited {min(times['began']) - min(times['came']):.2f} s for the last; then {PROGRAMS} began together")


if __name__ == "__main__":
    trio.run(main)
