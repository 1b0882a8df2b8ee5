"""A lock across processes: four workers add to one number that is read, changed and written without a transaction.
Only the holder of the lock touches the number, so no addition is lost.
A worker that dies while holding the lock loses its session, and the next one gets it.

    python examples/lock_kazoo.py [HOSTS]
"""

import sys
import threading

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
NUMBER = "/examples/lock-kazoo/number"
LOCK = "/examples/lock-kazoo/lock"
WORKERS, ROUNDS = 4, 10


def work() -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()
    lock = client.Lock(LOCK)
    for _ in range(ROUNDS):
        with lock:
            value, _ = client.get(NUMBER)
            client.set(NUMBER, str(int(value) + 1).encode())
    client.stop()
    client.close()


def main() -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()
    client.ensure_path(NUMBER)
    client.set(NUMBER, b"0")

    workers = [threading.Thread(target=work) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    value, stat = client.get(NUMBER)
    print(f"{WORKERS} workers added {WORKERS * ROUNDS} times: the number is {int(value)}, version {stat.version}")
    assert int(value) == WORKERS * ROUNDS
    client.stop()
    client.close()


if __name__ == "__main__":
    main()
