"""Naming and a service registry with coord.client: a service is a folder, each running instance an ephemeral node in it.
Who looks for the service watches the folder with `async for`, and sees instances come and go.
An instance that dies without a word leaves the group when its session ends.

    python examples/registry.py [HOSTS]
"""

import sys

import trio

from coord.client import NoNodeError, connect

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
SERVICE = "/examples/registry/payments"


async def instance(name: str, address: str, stop: trio.Event) -> None:
    async with connect(HOSTS) as client:
        await client.ensure_path(SERVICE)
        await client.create(f"{SERVICE}/{name}", address.encode(), ephemeral=True)
        await stop.wait()


async def directory(found: dict[str, str]) -> None:
    """Keeps `found` (name -> address) as the registry is."""
    async with connect(HOSTS) as client:
        await client.ensure_path(SERVICE)
        async for names in client.watch_children(SERVICE):
            now = {}
            for name in names or ():
                try:
                    now[name] = (await client.get(f"{SERVICE}/{name}"))[0].decode()
                except NoNodeError:
                    continue  # gone since the list was made; the next list is on its way
            found.clear()
            found.update(now)
            print(f"payments: {sorted(found.items())}")


async def becomes(found: dict[str, str], names: set[str]) -> None:
    with trio.fail_after(20):
        while set(found) != names:
            await trio.sleep(0.02)


async def main() -> None:
    found: dict[str, str] = {}
    red, blue = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(directory, found)
        nursery.start_soon(instance, "red", "127.0.0.1:7001", red)
        nursery.start_soon(instance, "blue", "127.0.0.1:7002", blue)
        await becomes(found, {"red", "blue"})
        print("blue says goodbye")
        blue.set()
        await becomes(found, {"red"})
        red.set()
        await becomes(found, set())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
