"""A queue with priorities: nodes with a number, the lowest name first."""

from __future__ import annotations

from coord.client.client import Client
from coord.client.subtree import child_path
from coord.client.wakeup import Wakeup
from coord.errors import NoNodeError

__all__ = ["Queue"]

PREFIX = "entry"
PRIORITY_MAX = 999


class Queue:
    """Any number of producers and consumers. An entry is handed to one consumer, once.

    A connection lost while an entry is put or taken raises ConnectionLossError: it may or may not have happened.
    """

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    async def put(self, value: bytes, priority: int = 100) -> None:
        """Adds an entry; a lower priority is taken earlier."""
        assert 0 <= priority <= PRIORITY_MAX, f"a priority is 0 to {PRIORITY_MAX}"
        path = child_path(self._path, f"{PREFIX}-{priority:03d}-")
        try:
            await self._client.create(path, value, sequential=True)
        except NoNodeError:
            await self._client.ensure_path(self._path)
            await self._client.create(path, value, sequential=True)

    async def get(self) -> bytes:
        """Takes the first entry, and waits for one if there is none."""
        changed = Wakeup()

        def fired(_: object) -> None:
            changed.set()

        await self._client.retry(self._client.ensure_path, self._path)
        while True:
            names = await self._client.retry(self._client.children, self._path, fired)
            value = await self._take_first(names)
            if value is not None:
                return value
            await changed.wait()

    async def try_get(self) -> bytes | None:
        """Takes the first entry, or returns None."""
        try:
            return await self._take_first(await self._client.retry(self._client.children, self._path))
        except NoNodeError:
            return None

    async def size(self) -> int:
        """How many entries there are."""
        try:
            names = await self._client.retry(self._client.children, self._path)
        except NoNodeError:
            return 0
        return sum(name.startswith(PREFIX) for name in names)

    async def _take_first(self, names: list[str]) -> bytes | None:
        """Whoever deletes an entry has it; one that is gone was another's."""
        for name in sorted(name for name in names if name.startswith(PREFIX)):
            path = child_path(self._path, name)
            try:
                value, stat = await self._client.retry(self._client.get, path)
                await self._client.delete(path, stat.version)
            except NoNodeError:
                continue
            return value
        return None
