"""A copy of a subtree in memory that follows the tree.

Every node is read with its watches in the same request. A watch that fires only marks its node as old; the next step of
the iteration reads all old nodes at once. So a burst of changes costs one round of reads, and no queue grows.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Self

from coord.client.client import Client
from coord.client.operations import Watcher
from coord.client.states import State
from coord.client.subtree import child_path
from coord.client.wakeup import Wakeup
from coord.client.watches import WatchEvent
from coord.errors import NoNodeError, SessionExpiredError
from coord.kit.nurseries import gather
from coord.wire.records import Stat

__all__ = ["TreeCache"]


class TreeCache:
    """`async for changed in TreeCache(client, "/config")`: `nodes` is up to date at each step, `changed` says what changed.

    depth: how far below `path` (1: its children). The first step comes when everything has been read once. Raises
    SessionExpiredError when the session expires; ends when the client is closed. For one task.
    """

    def __init__(self, client: Client, path: str, depth: float = inf) -> None:
        self.nodes: dict[str, tuple[bytes, Stat]] = {}
        """Path to (data, Stat). Missing nodes are not in it; at the greatest depth a Stat's count of children may be old."""
        self._client = client
        self._path = path
        self._depth = depth
        self._watchers: dict[str, Watcher] = {}
        self._children: dict[str, list[str]] = {}
        self._stale: set[str] = {path}
        self._begun = False
        self._changed = Wakeup()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> set[str]:
        """The paths that were added, changed or removed since the step before."""
        try:
            while True:
                while not self._stale:
                    await self._changed.wait()
                first, self._begun = not self._begun, True
                changed = await self._catch_up()
                if changed or first:
                    return changed
        except SessionExpiredError:
            if self._client.state is State.CLOSED:
                raise StopAsyncIteration from None
            raise

    async def _catch_up(self) -> set[str]:
        """Reads what is old, and what turns out to be new on the way."""
        changed: set[str] = set()
        while self._stale:
            stale, self._stale = sorted(self._stale), set()
            try:
                for paths in await gather(self._refresh, stale):
                    changed |= paths
            except BaseException:
                self._stale.update(stale)
                raise
        return changed

    async def _refresh(self, path: str) -> set[str]:
        """Reads one node and its list of children, with watches; children that are new become stale in turn."""
        fired = self._watchers.setdefault(path, partial(self._fired, path))
        client = self._client
        try:
            inner = self._depth_of(path) < self._depth
            names = await client.retry(client.children, path, fired) if inner else []
            node = await client.retry(client.get, path, fired)  # second: its Stat is as new as the list of children
        except NoNodeError:
            if path == self._path and await client.retry(client.exists, path, fired) is not None:
                self._stale.add(path)
            return self._forget(path)
        children = [child_path(path, name) for name in names]
        known = self._children.get(path, [])
        self._children[path] = children
        self._stale.update(set(children) - self.nodes.keys())
        changed = {gone for child in set(known) - set(children) for gone in self._forget(child)}
        if self.nodes.get(path) != node:
            self.nodes[path] = node
            changed.add(path)
        return changed

    def _forget(self, path: str) -> set[str]:
        if path != self._path:
            self._watchers.pop(path, None)
        gone = {path} if self.nodes.pop(path, None) is not None else set()
        for child in self._children.pop(path, []):
            gone |= self._forget(child)
        return gone

    def _fired(self, path: str, _: WatchEvent) -> None:
        self._stale.add(path)
        self._changed.set()

    def _depth_of(self, path: str) -> int:
        return path[len(self._path.rstrip("/")) :].count("/")
