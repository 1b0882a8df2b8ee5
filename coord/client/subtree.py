"""A node and everything below it: listed from the top, deleted from the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.errors import NoNodeError, NotEmptyError
from coord.kit.nurseries import gather

if TYPE_CHECKING:
    from .client import Client

__all__ = ["child_path", "delete_subtree", "list_subtree"]


def child_path(path: str, name: str) -> str:
    """The path of a child."""
    return f"/{name}" if path == "/" else f"{path}/{name}"


async def list_subtree(client: Client, path: str) -> list[list[str]]:
    """The paths at and below `path`, one list for each depth. Nodes that vanish meanwhile are left out.

    Raises NoNodeError when `path` itself is missing. It is no snapshot: every node is listed at its own moment.
    """

    async def children(parent: str) -> list[str]:
        try:
            return [child_path(parent, name) for name in sorted(await client.children(parent))]
        except NoNodeError:
            if parent == path:
                raise
            return []

    levels: list[list[str]] = [[path]]
    while below := [child for group in await gather(children, levels[-1]) for child in group]:
        levels.append(below)
    return levels


async def delete_subtree(client: Client, path: str) -> None:
    """Deletes `path` and all below it; again, as long as others add to it. A node that is gone already is no error."""

    async def delete(each: str) -> bool:
        try:
            await client.delete(each)
        except NoNodeError:
            pass
        except NotEmptyError:
            return False
        return True

    while True:
        try:
            levels = await list_subtree(client, path)
        except NoNodeError:
            return
        emptied = [all(await gather(delete, level)) for level in reversed(levels)]
        if all(emptied):
            return
