"""Leader election: whoever holds the lock leads, and stops leading before anybody else can."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from coord.client.client import Client

from .certainty import while_certain
from .lock import Lock

__all__ = ["Election"]


class Election:
    """`await Election(client, "/election", b"me").run(lead)`."""

    def __init__(self, client: Client, path: str, identifier: bytes = b"") -> None:
        self._client = client
        self._lock = Lock(client, path, identifier)

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Runs `lead` whenever we are elected, until it returns by itself.

        It is cancelled when the leadership is in doubt; then we stand for election again. Raises the session's end.
        """
        while True:
            async with self._lock, while_certain(self._client) as term:
                await lead()
            if not term.cancelled_caught:
                return
            await self._client.wait_connected()

    async def contenders(self) -> list[bytes]:
        """The identifiers of the leader and of those who would follow, in order."""
        return await self._lock.contenders()
