"""A configuration pushed to running programs with coord.client: `async for` over a znode's data, now and at each change.
What comes is always the newest state: changes in quick succession may show as one.
The version in the node's Stat guards the writer: a change based on an old reading is refused.

    python examples/config.py [HOSTS]
"""

import json
import sys

import trio

from coord.client import BadVersionError, connect

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"
CONFIG = "/examples/config"
PROGRAMS = ["web", "mail", "search"]


async def program(name: str, levels: dict[str, int]) -> None:
    async with connect(HOSTS) as client:
        async for state in client.watch_data(CONFIG):
            if state is not None:
                data, stat = state
                levels[name] = json.loads(data)["level"]
                print(f"{name} now runs at level {levels[name]} (version {stat.version})")


async def all_at(levels: dict[str, int], level: int) -> None:
    with trio.fail_after(20):
        while levels != dict.fromkeys(PROGRAMS, level):
            await trio.sleep(0.02)


async def main() -> None:
    levels: dict[str, int] = {}
    async with connect(HOSTS) as admin, trio.open_nursery() as nursery:
        await admin.ensure_path(CONFIG)
        stat = await admin.set(CONFIG, json.dumps({"level": 1}).encode())
        for name in PROGRAMS:
            nursery.start_soon(program, name, levels)
        await all_at(levels, 1)

        await admin.set(CONFIG, json.dumps({"level": 2}).encode(), version=stat.version)
        await all_at(levels, 2)
        try:
            await admin.set(CONFIG, b"{}", version=stat.version)
            raise SystemExit("a change based on an old reading was accepted")
        except BadVersionError:
            print("a second change based on the old version was refused")
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
