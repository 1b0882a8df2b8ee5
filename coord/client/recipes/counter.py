"""A shared number: decimal text in a node, changed by compare and set."""

from __future__ import annotations

from coord.client.client import Client
from coord.errors import BadVersionError, NodeExistsError, NoNodeError

__all__ = ["Counter"]


class Counter:
    """`await Counter(client, "/hits").add(1)`. A missing node counts as `start`."""

    def __init__(self, client: Client, path: str, start: int = 0) -> None:
        self._client = client
        self._path = path
        self._start = start

    async def value(self) -> int:
        """The number now."""
        return (await self._read())[0]

    async def add(self, amount: int = 1) -> int:
        """Adds and returns the new number. Raises ConnectionLossError when it is not known whether it was added."""
        while True:
            value, version = await self._read()
            data = b"%d" % (value + amount)
            try:
                if version is None:
                    await self._create(data)
                else:
                    await self._client.set(self._path, data, version)
            except (BadVersionError, NodeExistsError):
                continue  # another was quicker: on top of its number
            return value + amount

    async def _read(self) -> tuple[int, int | None]:
        try:
            data, stat = await self._client.retry(self._client.get, self._path)
        except NoNodeError:
            return self._start, None
        try:
            return int(data or b"%d" % self._start), stat.version
        except ValueError:
            raise ValueError(f"{self._path} holds {data[:40]!r}, which is not a number") from None

    async def _create(self, data: bytes) -> None:
        try:
            await self._client.create(self._path, data)
        except NoNodeError:
            await self._client.ensure_path(self._path.rpartition("/")[0])
            await self._client.create(self._path, data)
