"""Who is here: every member has an ephemeral node, so whoever dies leaves by himself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Self

from coord.client.client import Client
from coord.client.subtree import child_path
from coord.errors import NodeExistsError, NoNodeError
from coord.kit.nurseries import gather

from .numbers import give_back

__all__ = ["Party"]

KIND = "__party__"


class Party:
    """`async with Party(client, "/party", b"me") as party: await party.members()`."""

    def __init__(self, client: Client, path: str, identifier: bytes = b"") -> None:
        self._client = client
        self._path = path
        self._identifier = identifier
        self._node = child_path(path, client.token() + KIND)

    async def join(self) -> None:
        """Becomes a member until `leave` or the session's end."""
        while True:
            try:
                await self._client.retry(self._create)
                return
            except NoNodeError:
                await self._client.retry(self._client.ensure_path, self._path)

    async def leave(self) -> None:
        """Is no member any more."""
        await give_back(self._client, self._node)

    async def members(self) -> list[bytes]:
        """The members' identifiers, sorted."""
        try:
            names = await self._client.retry(self._client.children, self._path)
        except NoNodeError:
            return []
        return await self._identifiers(names)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """`async with party.watch() as changes: async for members in changes`: now and after each change."""
        async with aclosing(self._changes()) as changes:
            yield changes

    async def _changes(self) -> AsyncGenerator[list[bytes], None]:
        async for names in self._client.watch_children(self._path):
            yield await self._identifiers(names or [])

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def _identifiers(self, names: list[str]) -> list[bytes]:
        found = await gather(self._identify, [name for name in names if KIND in name])
        return sorted(each for each in found if each is not None)

    async def _identify(self, name: str) -> bytes | None:
        try:
            return (await self._client.retry(self._client.get, child_path(self._path, name)))[0]
        except NoNodeError:
            return None

    async def _create(self) -> None:
        try:
            await self._client.create(self._node, self._identifier, ephemeral=True)
        except NodeExistsError:
            pass  # the answer to our own creation was lost
