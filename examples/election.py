"""Master election with coord.client: the lowest ephemeral sequential node is the master, each standby watches the next.
A master that dies hands over at once when it closes its session, or after its session's timeout when it cannot.
The old master comes back with a higher number: as a standby, not as a second master.

    python examples/election.py [HOSTS]
"""

import sys

import trio

from coord.client import Client, connect

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
ROOT = "/examples/election"


async def wait_for_mastership(client: Client, name: str) -> None:
    """Returns when this candidate is the master."""
    await client.ensure_path(ROOT)
    path = await client.create(f"{ROOT}/n-", name.encode(), ephemeral=True, sequential=True)
    mine = path.rpartition("/")[2]
    while True:
        nodes = sorted(await client.children(ROOT))
        place = nodes.index(mine)
        if place == 0:
            print(f"{name} ({mine}) is the master")
            return
        gone = trio.Event()
        if await client.exists(f"{ROOT}/{nodes[place - 1]}", watch=lambda event, gone=gone: gone.set()):
            print(f"{name} ({mine}) stands by, behind {nodes[place - 1]}")
            await gone.wait()


async def candidate(name: str, masters: list[str], dies: trio.Event) -> None:
    async with connect(HOSTS) as client, trio.open_nursery() as nursery:

        async def campaign() -> None:
            await wait_for_mastership(client, name)
            masters.append(name)

        nursery.start_soon(campaign)
        await dies.wait()
        nursery.cancel_scope.cancel()
    print(f"{name} is gone")


async def reaches(masters: list[str], expected: list[str]) -> None:
    with trio.fail_after(20):
        while masters != expected:
            await trio.sleep(0.02)


async def main() -> None:
    masters: list[str] = []
    ends = {name: trio.Event() for name in ("one", "two", "one again")}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(candidate, "one", masters, ends["one"])
        await reaches(masters, ["one"])
        nursery.start_soon(candidate, "two", masters, ends["two"])
        await trio.sleep(0.3)
        ends["one"].set()
        await reaches(masters, ["one", "two"])
        nursery.start_soon(candidate, "one again", masters, ends["one again"])
        await trio.sleep(0.3)
        assert masters == ["one", "two"], "the old master must stand by"
        ends["two"].set()
        await reaches(masters, ["one", "two", "one again"])
        ends["one again"].set()


if __name__ == "__main__":
    trio.run(main)
