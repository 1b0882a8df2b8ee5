"""Naming and a service registry: a service is a folder, and each running instance is an ephemeral node in it.
Who looks for the service lists the folder and keeps a watch: instances that come and go are seen at once.
An instance that dies without a word leaves the group when its session ends.

    python examples/registry_kazoo.py [HOSTS]
"""

import sys
import threading

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
SERVICE = "/examples/registry-kazoo/payments"


class Directory:
    """Keeps the addresses of one service up to date."""

    def __init__(self, client: KazooClient) -> None:
        self.client = client
        self.addresses: dict[str, str] = {}
        self.changed = threading.Condition()
        client.ensure_path(SERVICE)
        client.ChildrenWatch(SERVICE, self.on_change)

    def on_change(self, names: list[str]) -> None:
        addresses = {name: self.client.get(f"{SERVICE}/{name}")[0].decode() for name in names}
        with self.changed:
            self.addresses = addresses
            print(f"payments: {sorted(addresses.items())}")
            self.changed.notify_all()

    def becomes(self, names: set[str]) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: set(self.addresses) == names, timeout=20)


def register(name: str, address: str) -> KazooClient:
    client = KazooClient(hosts=HOSTS, timeout=4.0)
    client.start()
    client.create(f"{SERVICE}/{name}", address.encode(), ephemeral=True)
    return client


def main() -> None:
    looker = KazooClient(hosts=HOSTS)
    looker.start()
    directory = Directory(looker)

    red = register("red", "127.0.0.1:7001")
    blue = register("blue", "127.0.0.1:7002")
    assert directory.becomes({"red", "blue"})

    print("blue says goodbye")
    blue.stop()
    blue.close()
    assert directory.becomes({"red"})

    red.stop()
    red.close()
    assert directory.becomes(set())
    looker.stop()
    looker.close()


if __name__ == "__main__":
    main()
