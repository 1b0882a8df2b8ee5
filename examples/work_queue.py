"""A work queue with coord.client: tasks are sequential nodes, and a worker takes one by deleting it.
Only one delete succeeds, so no task is done twice; tasks keep the order in which they were put.
Good for some thousand tasks; for a stream of events use a topic (events_by_key.py).

    python examples/work_queue.py [HOSTS]
"""

import sys

import trio

from coord.client import Client, Create, NoNodeError, connect

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
QUEUE = "/examples/queue"
TASKS = 30


async def take(client: Client) -> bytes | None:
    for name in sorted(await client.children(QUEUE)):
        try:
            task, stat = await client.get(f"{QUEUE}/{name}")
            await client.delete(f"{QUEUE}/{name}", version=stat.version)
            return task
        except NoNodeError:
            continue  # another worker was faster
    return None


async def work(name: str, done: list[bytes]) -> None:
    mine = 0
    async with connect(HOSTS) as client:
        await client.sync(QUEUE)
        while (task := await take(client)) is not None:
            done.append(task)
            mine += 1
    print(f"{name} did {mine} tasks")


async def main() -> None:
    done: list[bytes] = []
    tasks = [f"task {number}".encode() for number in range(TASKS)]
    async with connect(HOSTS) as client:
        await client.ensure_path(QUEUE)
        # all or none, in one round
        await client.multi([Create(f"{QUEUE}/task-", task, sequential=True) for task in tasks])
    async with trio.open_nursery() as nursery:
        for name in ("ann", "bob", "cid"):
            nursery.start_soon(work, name, done)
    assert sorted(done) == sorted(tasks)
    print(f"{len(done)} tasks, each done once")


if __name__ == "__main__":
    trio.run(main)
