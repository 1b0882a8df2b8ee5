"""A barrier: programs that must begin together, and leave together, wait for each other at a folder.
Nobody computes before all have entered, and nobody goes on before all have finished.
Each program's mark is an ephemeral node: one that dies does not hold the others for ever.

    python examples/barrier_kazoo.py [HOSTS]
"""

import sys
import threading
import time

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
BARRIER = "/examples/barrier-kazoo"
PROGRAMS = 3


def run(number: int, entered: list[float], computed: list[float], left: list[float]) -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()
    time.sleep(0.1 * number)  # they come one after the other
    barrier = client.DoubleBarrier(BARRIER, PROGRAMS)
    entered.append(time.monotonic())
    barrier.enter()
    computed.append(time.monotonic())
    barrier.leave()
    left.append(time.monotonic())
    client.stop()
    client.close()


def main() -> None:
    entered: list[float] = []
    computed: list[float] = []
    left: list[float] = []
    programs = [threading.Thread(target=run, args=(number, entered, computed, left)) for number in range(PROGRAMS)]
    for program in programs:
        program.start()
    for program in programs:
        program.join()
    assert max(entered) <= min(computed) and max(computed) <= min(left)
    print(f"the first waited {min(computed) - min(entered):.2f} s for the last; then {PROGRAMS} began together")


if __name__ == "__main__":
    main()
