"""Barriers: one that somebody lifts, and a double one that a group enters together and leaves together."""

from __future__ import annotations

from coord.client.client import Client
from coord.client.subtree import child_path
from coord.client.wakeup import Wakeup
from coord.errors import NodeExistsError, NoNodeError

from .numbers import give_back, wait_until_gone

__all__ = ["Barrier", "DoubleBarrier"]

READY = "ready"


class Barrier:
    """A node: while it is there, everybody waits."""

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path

    async def create(self) -> None:
        """Puts the barrier up."""
        await self._client.retry(self._client.ensure_path, self._path)

    async def remove(self) -> bool:
        """Lifts it; returns whether it was up."""
        try:
            await self._client.delete(self._path)
        except NoNodeError:
            return False
        return True

    async def wait(self) -> None:
        """Returns when it is not up."""
        await wait_until_gone(self._client, self._path)


class DoubleBarrier:
    """`count` participants begin together (`enter`) and end together (`leave`)."""

    def __init__(self, client: Client, path: str, count: int, identifier: bytes = b"") -> None:
        self._client = client
        self._path = path
        self._count = count
        self._identifier = identifier
        self._name = client.token()

    async def enter(self) -> None:
        """Returns when all participants have entered."""
        client, ready = self._client, child_path(self._path, READY)
        opened = Wakeup()
        await client.retry(client.ensure_path, self._path)
        there = await client.retry(client.exists, ready, lambda _: opened.set())
        await client.retry(self._create, child_path(self._path, self._name), True)
        if len(await self._participants()) >= self._count:
            await client.retry(self._create, ready, False)
            return
        while there is None:
            await opened.wait()
            there = await client.retry(client.exists, ready, lambda _: opened.set())

    async def leave(self) -> None:
        """Returns when all participants have left.

        The lowest waits for the highest, all others leave and wait for the lowest: no departure wakes more than one.
        """
        mine = self._name
        while names := await self._participants():
            lowest, highest = names[0], names[-1]
            if names == [mine]:
                await self._depart()
            elif mine == lowest:
                await wait_until_gone(self._client, child_path(self._path, highest))
            else:
                await self._depart()
                await wait_until_gone(self._client, child_path(self._path, lowest))
        await give_back(self._client, child_path(self._path, READY))

    async def _depart(self) -> None:
        await give_back(self._client, child_path(self._path, self._name))

    async def _participants(self) -> list[str]:
        names = await self._client.retry(self._client.children, self._path)
        return sorted(name for name in names if name != READY)

    async def _create(self, path: str, ephemeral: bool) -> None:
        try:
            await self._client.create(path, self._identifier, ephemeral=ephemeral)
        except NodeExistsError:
            pass  # another was as quick, or the answer to our own was lost
