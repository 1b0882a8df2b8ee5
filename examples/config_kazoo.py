"""A configuration pushed to running programs: each program reads one znode and leaves a watch on it.
A change reaches all of them at once, without a restart and without polling.
The version in the node's Stat guards the writer: a change based on an old reading is refused.

    python examples/config_kazoo.py [HOSTS]
"""

import json
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError
from kazoo.protocol.states import ZnodeStat

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
CONFIG = "/examples/config-kazoo"


class Program:
    def __init__(self, name: str) -> None:
        self.name = name
        self.settings: dict[str, int] = {}
        self.changed = threading.Condition()
        self.client = KazooClient(hosts=HOSTS)
        self.client.start()
        self.client.DataWatch(CONFIG, self.on_change)

    def on_change(self, data: bytes | None, stat: ZnodeStat | None) -> None:
        if data is None or stat is None:
            return
        with self.changed:
            self.settings = json.loads(data)
            print(f"{self.name} now runs with {self.settings} (version {stat.version})")
            self.changed.notify_all()

    def runs_with(self, level: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.settings.get("level") == level, timeout=10)


def main() -> None:
    admin = KazooClient(hosts=HOSTS)
    admin.start()
    admin.ensure_path(CONFIG)
    admin.set(CONFIG, json.dumps({"level": 1}).encode())

    programs = [Program("web"), Program("mail"), Program("search")]
    assert all(program.runs_with(1) for program in programs)

    _, stat = admin.get(CONFIG)
    admin.set(CONFIG, json.dumps({"level": 2}).encode(), version=stat.version)
    assert all(program.runs_with(2) for program in programs)

    try:
        admin.set(CONFIG, b"{}", version=stat.version)
        raise SystemExit("a change based on an old reading was accepted")
    except BadVersionError:
        print("a second change based on the old version was refused")

    for client in [admin, *(program.client for program in programs)]:
        client.stop()
        client.close()


if __name__ == "__main__":
    main()
