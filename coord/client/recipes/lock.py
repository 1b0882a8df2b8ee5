"""A fair lock: contenders take numbers, the lowest holds it, each waits for the one before it alone."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import trio

from coord.client.client import Client
from coord.client.subtree import child_path
from coord.errors import CoordError, NoNodeError

from .numbers import give_back, in_order, take_number, wait_until_gone

__all__ = ["Lock"]

KIND = "__lock__"
KINDS = (KIND, "-lock-")
"""Ours and kazoo's, and that of the Go client: all three may contend for one lock."""


class Lock:
    """`async with Lock(client, "/locks/a"):`. Held until released, or until the session expires: see `while_certain`.

    identifier: data of our node, to tell others who we are. A lock object serves one task at a time.
    """

    def __init__(self, client: Client, path: str, identifier: bytes = b"") -> None:
        self._client = client
        self._path = path
        self._identifier = identifier
        self._name: str | None = None

    @property
    def node(self) -> str | None:
        """The path of our node while we contend for the lock or hold it."""
        return None if self._name is None else child_path(self._path, self._name)

    async def acquire(self) -> None:
        """Waits for the lock. Cancelled, it takes back its number."""
        await self._enter(wait=True)

    async def try_acquire(self) -> bool:
        """Takes the lock if it is free."""
        return await self._enter(wait=False)

    async def release(self) -> None:
        """Lets the next one have it; also in a cancelled task, for as long as the session may live."""
        node, self._name = self.node, None
        if node is None:
            return
        with trio.move_on_after(self._client.session_timeout, shield=True):
            try:
                await give_back(self._client, node)
            except CoordError:
                pass  # the session is over, and the node with it

    async def contenders(self) -> list[bytes]:
        """The identifiers of the holder and of those who wait, in order."""
        identifiers = []
        for name in in_order(await self._names(), KINDS):
            try:
                data, _ = await self._client.retry(self._client.get, child_path(self._path, name))
                identifiers.append(data)
            except NoNodeError:
                pass
        return identifiers

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

    async def _enter(self, *, wait: bool) -> bool:
        assert self._name is None, "this lock object is in use"
        held = False
        try:
            self._name = await take_number(self._client, self._path, KIND, self._identifier)
            while not held:
                ahead = await self._ahead()
                if ahead is None:
                    held = True
                elif wait:
                    await wait_until_gone(self._client, child_path(self._path, ahead))
                else:
                    break
        finally:
            if not held:
                await self.release()
        return held

    async def _ahead(self) -> str | None:
        """Whom we wait for."""
        names = in_order(await self._names(), KINDS)
        if self._name not in names:
            raise NoNodeError(self.node)  # somebody deleted it: we are not in the queue any more
        place = names.index(self._name)
        return names[place - 1] if place else None

    async def _names(self) -> list[str]:
        try:
            return await self._client.retry(self._client.children, self._path)
        except NoNodeError:
            return []
