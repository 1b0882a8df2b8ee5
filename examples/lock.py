"""A lock across processes with coord.client: four workers add to one number, each inside the lock, so nothing is lost.
Waiting costs nothing: each waiter watches the node just before its own.
The lock is tied to the session: when a holder dies, the next one gets it.

    python examples/lock.py [HOSTS]
"""

import sys

import trio

from coord.client import connect
from coord.client.recipes import Lock

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
NUMBER = "/examples/lock/number"
LOCK = "/examples/lock/lock"
WORKERS, ROUNDS = 4, 10


async def work() -> None:
    async with connect(HOSTS) as client:
        for _ in range(ROUNDS):
            async with Lock(client, LOCK):
                value, _ = await client.get(NUMBER)
                await client.set(NUMBER, str(int(value) + 1).encode())


async def main() -> None:
    async with connect(HOSTS) as client:
        await client.ensure_path(NUMBER)
        await client.set(NUMBER, b"0")
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(work)
        await client.sync(NUMBER)
        value, stat = await client.get(NUMBER)
        print(f"{WORKERS} workers added {WORKERS * ROUNDS} times: the number is {int(value)}, version {stat.version}")
        assert int(value) == WORKERS * ROUNDS


if __name__ == "__main__":
    trio.run(main)
