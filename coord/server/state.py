"""The replicated state on disk and on the wire: snapshots of a run, SNAP bodies out and in, going back.

The tree's owner is the pipeline; this holds the storage it came from. A tree can be frozen once at a time: a learner that
needs a SNAP while a snapshot is being written is asked to wait, and the other way round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import trio

from coord.store.storage import Storage
from coord.store.treestream import SNAP_SIGNATURE, TreeDecoder, encode_tree
from coord.tree.frozen import Frozen
from coord.tree.tree import FUZZY, Tree

__all__ = ["State"]

log = logging.getLogger(__name__)

HOUR_SECONDS = 3600.0


class _Cut:
    """`coord.zab.application.Cut` of a frozen tree."""

    def __init__(self, frozen: Frozen) -> None:
        self.zxid = frozen.last_zxid
        self._frozen = frozen

    def chunks(self) -> Iterator[bytes]:
        yield from encode_tree(self._frozen)
        yield SNAP_SIGNATURE

    def close(self) -> None:
        self._frozen.close()


class _Restoration:
    """`coord.zab.application.Restoration`: a tree that is being received."""

    def __init__(self, state: State, *, extended_types: bool) -> None:
        self.finished = False
        self._state = state
        self._decoder: TreeDecoder | None = TreeDecoder(ending=SNAP_SIGNATURE, extended_types=extended_types)

    def feed(self, data: memoryview) -> int:
        assert self._decoder is not None, "a restoration is fed after its end"
        used = self._decoder.feed(data)
        self.finished = self._decoder.finished
        return used

    def install(self, zxid: int) -> None:
        assert self._decoder is not None
        tree = self._decoder.tree
        # Apache's leader went on applying while it sent this; see `State.delivered` for the end of that
        tree.loaded(zxid, FUZZY)
        self._state.replace(tree)
        self._decoder = None

    def close(self) -> None:
        self._decoder = None


class State:
    """tree: the current one. on_replaced: called with another one, when the leader's or the disk's has taken its place."""

    def __init__(self, storage: Storage, *, extended_types: bool) -> None:
        self.tree = storage.tree
        self.snapshots = 0
        self.on_replaced: Callable[[Tree], None] = lambda tree: None
        self._storage = storage
        self._extended_types = extended_types
        self._frozen: Frozen | None = None
        self._due = trio.Event()
        self._serving = False
        self._writing: trio.CancelScope | None = None

    def freeze(self) -> _Cut | None:
        """See `Application.freeze`, and so on below."""
        frozen = self._freeze()
        return _Cut(frozen) if frozen is not None else None

    def restore(self) -> _Restoration:
        return _Restoration(self, extended_types=self._extended_types)

    def replace(self, tree: Tree) -> None:
        """Another tree takes the place of this one; a cut of the old one that is still being read stays good."""
        self.tree = tree
        self._frozen = None
        self._storage.received(tree.last_zxid)
        self.on_replaced(tree)

    async def save(self) -> None:
        frozen = self._freeze()
        assert frozen is not None, "the new tree was frozen before it was saved"
        await self._storage.install(frozen)
        self.snapshots += 1

    def rewind(self, zxid: int) -> None:
        if self.tree.last_zxid > zxid:
            log.warning("going back from 0x%x to 0x%x, as the leader wants", self.tree.last_zxid, zxid)
            self.tree = self._storage.rewind(zxid)
            self._frozen = None
            self.on_replaced(self.tree)
        else:
            self._storage.log.truncate(zxid)

    def delivered(self) -> None:
        """Transactions were applied: begins a snapshot when enough of them were.

        A leader sends a learner the commit of everything that its snapshot may hold before NEWLEADER, and a learner that
        serves has applied what was committed by then: after the first transactions the state is exact.
        """
        tree = self.tree
        if self._serving and tree.fuzzy_until > tree.last_zxid:
            tree.fuzzy_until = tree.last_zxid
        if self._serving and self._storage.snapshot_due:
            self._due.set()

    def serve(self, serving: bool) -> None:
        """Whether this server serves. While it does not, its leader may take back what a snapshot would hold: one that
        is being written is given up."""
        self._serving = serving
        if not serving and self._writing is not None:
            self._writing.cancel()

    async def write_snapshots(self) -> None:
        """Writes snapshots when they are due. Runs until cancelled. Raises OSError."""
        while True:
            await self._due.wait()
            self._due = trio.Event()
            frozen = self._freeze() if self._serving else None
            if frozen is None:
                continue  # a learner reads a cut perhaps; the next transaction asks again
            started, zxid = trio.current_time(), frozen.last_zxid
            with trio.CancelScope() as self._writing:
                await self._storage.snapshot(frozen)
                self.snapshots += 1
                log.info("wrote snapshot 0x%x of %d nodes in %.1f s", zxid, frozen.size, trio.current_time() - started)
            self._writing = None

    async def purge(self, hours: int, retain: int) -> None:
        """Removes old snapshots and logs every so many hours (0: never), the first time at once. Raises OSError."""
        while hours:
            self._storage.purge(retain)
            await trio.sleep(hours * HOUR_SECONDS)

    def _freeze(self) -> Frozen | None:
        if self._frozen is not None and not self._frozen.closed:
            return None
        self._frozen = self.tree.freeze()
        return self._frozen
