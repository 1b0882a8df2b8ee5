"""Taking a number, as at a counter: a sequential ephemeral node that a lost connection does not make two of.

The answer to a create can be lost while the node is there. Its name begins with a token nobody else has, so after a lost
connection it is looked for before it is made again.
"""

from __future__ import annotations

from coord.client.client import Client
from coord.client.subtree import child_path
from coord.client.wakeup import Wakeup
from coord.errors import ConnectionLossError, NoNodeError

__all__ = ["SEQUENCE_DIGITS", "give_back", "in_order", "take_number", "wait_until_gone"]

SEQUENCE_DIGITS = 10


async def take_number(client: Client, path: str, kind: str, data: bytes) -> str:
    """Creates `path/<token><kind><number>` and returns its name; `path` is made if it is missing."""
    token = client.token()
    while True:
        try:
            full = await client.create(
                child_path(path, token + kind), data, ephemeral=True, sequential=True
            )
            return full.rpartition("/")[2]
        except NoNodeError:
            await client.retry(client.ensure_path, path)
        except ConnectionLossError:
            name = await _find(client, path, token)
            if name is not None:
                return name


async def _find(client: Client, path: str, token: str) -> str | None:
    """Our node, if it was made after all. Without the sync a server that lags could hide it for a moment."""
    try:
        await client.retry(client.sync, path)
        names = await client.retry(client.children, path)
    except NoNodeError:
        return None
    return next((name for name in names if name.startswith(token)), None)


async def give_back(client: Client, path: str) -> None:
    """Deletes the node; that it is gone already is no error."""
    try:
        await client.retry(client.delete, path)
    except NoNodeError:
        pass


def in_order(names: list[str], kinds: tuple[str, ...]) -> list[str]:
    """The names that hold a number of one of these kinds, lowest number first."""
    numbered = [name for name in names if any(kind in name for kind in kinds)]
    return sorted(numbered, key=lambda name: name[-SEQUENCE_DIGITS:])


async def wait_until_gone(client: Client, path: str) -> None:
    """Returns when the node is not there. Raises the session's end."""
    changed = Wakeup()

    def fired(_: object) -> None:
        changed.set()

    while await client.retry(client.exists, path, fired) is not None:
        await changed.wait()
