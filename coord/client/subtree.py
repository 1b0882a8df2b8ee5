"""A node and everything below it: listed from the top, deleted from the bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.errors import NoAuthError, NoNodeError, NotEmptyError
from coord.kit.nurseries import gather

if TYPE_CHECKING:
    from .client import Client
    from .operations import Watcher

__all__ = ["child_path", "children_below", "delete_subtree", "list_subtree"]


def child_path(path: str, name: str) -> str:
    """The path of a child."""
    return f"/{name}" if path == "/" else f"{path}/{name}"


async def list_subtree(client: Client, path: str) -> list[list[str]]:
    """The paths at and below `path`, one list for each depth. Nodes that vanish meanwhile are left out.

    Raises NoNodeError when `path` itself is missing, NoAuthError where a node must not be read. It is no snapshot: every
    node is listed at its own moment.
    """

    lists: dict[str, list[str]] = {}
    for parent, children in (await children_below(client, path)).items():
        if isinstance(children, NoAuthError):
            raise children
        lists[parent] = children
    levels: list[list[str]] = [[path]]
    while below := [child for parent in levels[-1] for child in lists[parent]]:
        levels.append(below)
    return levels


async def children_below(
    client: Client, path: str, watch: Watcher | None = None
) -> dict[str, list[str] | NoAuthError]:
    """The sorted paths of the children of `path` and of each node below it, by the node's path; the error where they
    must not be read. watch: set on each node whose children are read.

    Raises NoNodeError or NoAuthError for `path` itself. As `list_subtree`, it is no snapshot.
    """

    async def children(parent: str) -> list[str] | NoAuthError:
        try:
            names = await client.children(parent, watch)
        except (NoNodeError, NoAuthError) as error:
            if parent == path:
                raise
            return error if isinstance(error, NoAuthError) else []
        return [child_path(parent, name) for name in sorted(names)]

    found: dict[str, list[str] | NoAuthError] = {}
    level = [path]
    while level:
        answers = await gather(children, level)
        found.update(zip(level, answers, strict=True))
        level = [child for each in answers if isinstance(each, list) for child in each]
    return found


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
