"""A work queue: tasks are sequential nodes, so they keep the order in which they were put.
A worker takes a task by deleting its node; only one delete succeeds, so no task is done twice.
Good for some thousand tasks; for a stream of events use a topic (events_by_key.py).

    python examples/work_queue_kazoo.py [HOSTS]
"""

import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
QUEUE = "/examples/queue-kazoo"
TASKS = 30


def take(client: KazooClient) -> bytes | None:
    for name in sorted(client.get_children(QUEUE)):
        try:
            task, stat = client.get(f"{QUEUE}/{name}")
            client.delete(f"{QUEUE}/{name}", version=stat.version)
            return bytes(task)
        except NoNodeError:
            continue  # another worker was faster
    return None


def work(name: str, done: list[bytes]) -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()
    mine = 0
    while (task := take(client)) is not None:
        done.append(task)
        mine += 1
    print(f"{name} did {mine} tasks")
    client.stop()
    client.close()


def main() -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()
    client.ensure_path(QUEUE)
    for number in range(TASKS):
        client.create(f"{QUEUE}/task-", f"task {number}".encode(), sequence=True)

    done: list[bytes] = []
    workers = [threading.Thread(target=work, args=(name, done)) for name in ("ann", "bob", "cid")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(done) == sorted(f"task {number}".encode() for number in range(TASKS))
    print(f"{len(done)} tasks, each done once")
    client.stop()
    client.close()


if __name__ == "__main__":
    main()
