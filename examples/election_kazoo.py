"""Master election: each candidate makes an ephemeral sequential node, and the lowest number is the master.
A standby watches only the node just below its own, so a master's end wakes one candidate and not the herd.
The old master comes back with a higher number: as a standby, not as a second master.

    python examples/election_kazoo.py [HOSTS]
"""

import sys
import threading

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
ROOT = "/examples/election-kazoo"


class Candidate:
    def __init__(self, name: str) -> None:
        self.name = name
        self.is_master = threading.Event()
        self.client = KazooClient(hosts=HOSTS)
        self.client.start()
        self.client.ensure_path(ROOT)
        self.mine = self.client.create(f"{ROOT}/n-", name.encode(), ephemeral=True, sequence=True).rsplit("/", 1)[1]
        self.look()

    def look(self, event: object = None) -> None:
        nodes = sorted(self.client.get_children(ROOT))
        place = nodes.index(self.mine)
        if place == 0:
            print(f"{self.name} ({self.mine}) is the master")
            self.is_master.set()
            return
        below = nodes[place - 1]
        # the node below may have gone since the list was read: then look again at once
        if self.client.exists(f"{ROOT}/{below}", watch=self.wake) is None:
            self.look()
        else:
            print(f"{self.name} ({self.mine}) stands by, behind {below}")

    def wake(self, event: object) -> None:
        # a callback runs on kazoo's event thread, which must not wait for replies
        threading.Thread(target=self.look).start()

    def die(self) -> None:
        self.client.stop()
        self.client.close()


def main() -> None:
    one, two, three = Candidate("one"), Candidate("two"), Candidate("three")
    assert one.is_master.wait(10)

    print("one dies")
    one.die()
    assert two.is_master.wait(10), "two should have taken over"
    assert not three.is_master.is_set()

    one = Candidate("one")
    assert not one.is_master.is_set(), "the old master must stand by"
    for candidate in (one, three, two):  # the last in line first, so that nobody wakes up
        candidate.die()


if __name__ == "__main__":
    main()
