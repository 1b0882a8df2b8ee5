"""Committed offsets in the tree, and their copy in this coordinator's memory.

A group's offsets are read from the tree when it is first asked for, and served from memory as long as this broker
claims the group's slot. One task writes: each of its multis holds all commits that have arrived meanwhile, with the
check of every slot concerned. When a multi is refused its commits are tried one by one, so that one group's trouble
(a slot that was lost, znodes that somebody removed by hand) is its own.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from broker.group.offsets import BATCH_OFFSETS_MAX, Commit, CommitQueue, GroupOffsets, OffsetEntry
from broker.wire.errors import ErrorCode
from coord.client import (
    BadVersionError,
    CoordError,
    Create,
    Delete,
    GetChildren,
    GetData,
    MultiOp,
    NodeExistsError,
    NoNodeError,
    ReadOp,
    Result,
    SetData,
)

from .coordinators import Claims
from .offset_paths import BASE, group_dir, metadata_path, offset_path, parents
from .session import CoordSession

__all__ = ["LOADED_MAX", "OffsetStore"]

log = logging.getLogger(__name__)

LOADED_MAX = 20_000
"""Groups whose offsets are kept in memory; beyond, those that were loaded first are read again when asked for."""


@dataclass(slots=True)
class _Loaded:
    """A group's offsets, and the znodes that are known to exist below its folder, itself included."""

    offsets: GroupOffsets
    nodes: set[str] = field(default_factory=set)


class OffsetStore:
    """Reads and writes committed offsets for the groups that this broker coordinates."""

    def __init__(
        self,
        session: CoordSession,
        claims: Claims,
        slot_of: Callable[[str], int],
        after: Callable[[], None],
        *,
        metadata_max: int,
        timeout: float,
    ) -> None:
        """`after` runs behind each batch; `metadata_max` is offset.metadata.max.bytes; `timeout` seconds for a write."""
        self._session = session
        self._claims = claims
        self._slot_of = slot_of
        self._after = after
        self._metadata_max = metadata_max
        self._timeout = timeout
        self._loaded: dict[str, _Loaded] = {}
        self._busy: dict[str, trio.Event] = {}
        """Groups that are being read or deleted; others wait for the event."""
        self._overtaken: set[str] = set()
        """Groups that were written while they were being read."""
        self._queue = CommitQueue()
        self._arrived = trio.Event()

    # -- for handlers

    def loaded(self, group_id: str) -> GroupOffsets | None:
        """The group's offsets if they are in memory."""
        found = self._loaded.get(group_id)
        return None if found is None else found.offsets

    async def load(self, group_id: str) -> GroupOffsets:
        """The group's offsets, read from the tree if need be. Raises CoordError."""
        return (await self._load(group_id)).offsets

    def commit(self, group_id: str, entries: list[OffsetEntry], done: Callable[[ErrorCode], None]) -> None:
        """Writes offsets; `done` is called once, when they are in the tree or cannot be written."""
        if self._queue.add(Commit(group_id, entries, done)):
            self._arrived.set()
        else:
            done(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)

    async def delete(self, group_id: str) -> None:
        """Removes a group and all that it committed. Raises CoordError.

        Who asks for its offsets meanwhile waits: what is read from half a deleted folder would stay in memory.
        """
        async with self._alone(group_id):
            self.forget([group_id])
            await self._session.client.delete_all(group_dir(group_id))

    async def groups(self) -> list[str]:
        """The folders of all groups in the tree, by name. Raises CoordError."""
        try:
            return await self._session.client.children(BASE)
        except NoNodeError:
            return []

    def forget(self, group_ids: Iterable[str]) -> None:
        """Drops groups from memory: another broker may write them now."""
        for group_id in list(group_ids):
            self._loaded.pop(group_id, None)

    def group_ids(self) -> list[str]:
        """The groups in memory."""
        return list(self._loaded)

    async def run(self) -> None:
        """Writes commits until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            while batch := self._queue.take():
                await self._write(batch)
                self._after()

    # -- writing

    async def _write(self, batch: list[Commit]) -> None:
        error = await self._attempt(batch)
        if error is None:
            self._finish(batch, ErrorCode.NONE)
            return
        self.forget(
            commit.group_id for commit in batch
        )  # what is known of their znodes has run ahead of the tree
        for commit in batch:
            self._finish([commit], await self._write_alone(commit))

    async def _write_alone(self, commit: Commit) -> ErrorCode:
        """One commit, twice if the first failure may be cured by reading the group again."""
        for _ in range(2):
            error = await self._attempt([commit])
            if error is None:
                return ErrorCode.NONE
            self.forget([commit.group_id])
            if isinstance(error, BadVersionError) or not self._claims.owns(self._slot_of(commit.group_id)):
                self._claims.give_up([self._slot_of(commit.group_id)])
                return ErrorCode.NOT_COORDINATOR
            if not isinstance(error, NoNodeError | NodeExistsError):
                break
        log.warning("offsets of group %r were not written: %s", commit.group_id, error)
        return ErrorCode.COORDINATOR_NOT_AVAILABLE

    async def _attempt(self, batch: list[Commit]) -> Exception | None:
        """Writes a batch as one multi, or as several when it is one large commit."""
        with trio.move_on_after(self._timeout):
            try:
                for commit in batch:
                    await self._load(commit.group_id)
                fences = [
                    self._claims.fence(slot) for slot in {self._slot_of(commit.group_id) for commit in batch}
                ]
                plans = [(commit, self._plan(commit)) for commit in batch]
                ops = [op for _, plan in plans for op in plan]
                for start in range(0, len(ops), 2 * BATCH_OFFSETS_MAX):
                    await self._session.client.multi([*fences, *ops[start : start + 2 * BATCH_OFFSETS_MAX]])
            except (CoordError, KeyError) as error:
                return error
            return None
        return TimeoutError(f"not written within {self._timeout:g} s")

    def _plan(self, commit: Commit) -> list[MultiOp]:
        """The operations of a commit; znodes that they make count as known for the commits behind it."""
        nodes = self._loaded[commit.group_id].nodes
        ops: list[MultiOp] = []
        for entry in commit.entries:
            path = offset_path(commit.group_id, entry.topic, entry.partition)
            note = metadata_path(commit.group_id, entry.topic, entry.partition)
            if entry.removed:
                self._remove(ops, nodes, path)
            else:
                self._put(ops, nodes, path, b"%d" % entry.offset)
            if entry.metadata:
                self._put(ops, nodes, note, entry.metadata.encode("utf-8", "surrogatepass"))
            else:
                self._remove(ops, nodes, note)
        return ops

    def _remove(self, ops: list[MultiOp], nodes: set[str], path: str) -> None:
        if path in nodes:
            nodes.discard(path)
            ops.append(Delete(path))

    def _put(self, ops: list[MultiOp], nodes: set[str], path: str, data: bytes) -> None:
        if path in nodes:
            ops.append(SetData(path, data))
            return
        for parent in parents(path):
            if parent not in nodes:
                nodes.add(parent)
                ops.append(Create(parent, b""))
        nodes.add(path)
        ops.append(Create(path, data))

    def _finish(self, batch: list[Commit], error: ErrorCode) -> None:
        for commit in batch:
            loaded = self._loaded.get(commit.group_id)
            if commit.group_id in self._busy:
                self._overtaken.add(commit.group_id)
            elif loaded is not None and error is ErrorCode.NONE:
                loaded.offsets.apply(commit.entries)
            done = commit.token
            assert callable(done)
            done(error)

    # -- reading

    async def _load(self, group_id: str) -> _Loaded:
        while (found := self._loaded.get(group_id)) is None:
            async with self._alone(group_id):
                if group_id not in self._loaded:
                    loaded = await self._read(group_id)
                    if group_id not in self._overtaken:
                        self._loaded[group_id] = loaded
            self._make_room()
        return found

    @asynccontextmanager
    async def _alone(self, group_id: str) -> AsyncIterator[None]:
        """One task at a time reads a group's folder, or deletes it."""
        while (under_way := self._busy.get(group_id)) is not None:
            await under_way.wait()
        self._busy[group_id] = trio.Event()
        try:
            yield
        finally:
            self._overtaken.discard(group_id)
            self._busy.pop(group_id).set()

    def _make_room(self) -> None:
        while len(self._loaded) > LOADED_MAX:
            del self._loaded[next(iter(self._loaded))]

    async def _read(self, group_id: str) -> _Loaded:
        base = group_dir(group_id)
        loaded = _Loaded(GroupOffsets(self._metadata_max))
        offsets = await self._read_tree(f"{base}/offsets", loaded.nodes)
        notes = await self._read_tree(f"{base}/metadata", loaded.nodes)
        loaded.nodes.add(base)
        if not offsets and await self._session.client.exists(base) is None:
            loaded.nodes.discard(base)
        for (topic, partition), (data, time_ms) in offsets.items():
            try:
                offset = int(data)
            except ValueError:
                log.warning(
                    "%s/offsets/%s/%d holds %r, which is no offset; passed over",
                    base,
                    topic,
                    partition,
                    data[:40],
                )
                continue
            metadata = notes.get((topic, partition), (b"", 0))[0].decode("utf-8", "replace")
            loaded.offsets.apply([OffsetEntry(topic, partition, offset, metadata, time_ms)])
        return loaded

    async def _read_tree(self, path: str, nodes: set[str]) -> dict[tuple[str, int], tuple[bytes, int]]:
        """Data and time of all `path`/topic/partition."""
        client = self._session.client
        try:
            topics = await client.children(path)
        except NoNodeError:
            return {}
        nodes.add(path)
        found: dict[tuple[str, int], tuple[bytes, int]] = {}
        lists = await self._multi_read([GetChildren(f"{path}/{topic}") for topic in topics])
        for topic, names in zip(topics, lists, strict=True):
            if not isinstance(names, list):
                continue
            nodes.add(f"{path}/{topic}")
            partitions = [name for name in names if name.isascii() and name.isdigit()]
            contents = await self._multi_read([GetData(f"{path}/{topic}/{name}") for name in partitions])
            for name, result in zip(partitions, contents, strict=True):
                if isinstance(result, tuple) and isinstance(result[0], bytes):
                    nodes.add(f"{path}/{topic}/{name}")
                    found[topic, int(name)] = result[0], result[1].mtime
        return found

    async def _multi_read(self, ops: list[ReadOp]) -> list[Result]:
        results: list[Result] = []
        for start in range(0, len(ops), BATCH_OFFSETS_MAX):
            results += await self._session.client.multi_read(ops[start : start + BATCH_OFFSETS_MAX])
        return results
