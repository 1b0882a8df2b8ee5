"""The controller's reads and writes of the tree.

Every write is a multi that begins with a check of /controller_epoch's version: a controller that was deposed while it
was away cannot change anything (`DeposedError`). States are written with the version that they replace.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from broker.controller import znodes
from broker.controller.decide import States
from broker.controller.image import Broker, ClusterImage, Partition, PartitionState, Topic
from coord.client import (
    BadVersionError,
    Check,
    Client,
    Create,
    Delete,
    MultiOp,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    SetData,
    Stat,
    Watcher,
)
from coord.kit.nurseries import gather

__all__ = ["ClusterStore", "DeposedError", "read_all", "read_brokers", "read_topics"]

log = logging.getLogger(__name__)

OPS_AT_ONCE = 300
"""In one multi; a state is about 100 bytes, and a request must stay below 1 MB."""

T = TypeVar("T")
Found = dict[str, tuple[bytes, Stat]]


class DeposedError(Exception):
    """Another broker is the controller now."""


async def read_all(client: Client, paths: Iterable[str], watch: Watcher | None = None) -> Found:
    """path -> (data, Stat) of the nodes that exist; many reads travel together. `watch` tells of changes of each."""
    found: Found = {}

    async def read(path: str) -> None:
        try:
            found[path] = await client.get(path, watch)
        except NoNodeError:
            pass

    await gather(read, list(paths))
    return found


async def read_brokers(client: Client, watch: Watcher | None = None) -> dict[int, Broker]:
    """The registered brokers; `watch` tells once of a change of their list."""
    ids = [int(name) for name in await client.children(znodes.BROKER_IDS, watch) if name.isdecimal()]
    paths = {broker_id: znodes.broker_path(broker_id) for broker_id in ids}
    found = await read_all(client, paths.values())
    return {
        broker_id: znodes.decode_broker(path, broker_id, found[path][1].czxid, found[path][0])
        for broker_id, path in sorted(paths.items())
        if path in found
    }


async def read_topics(client: Client, names: Iterable[str], watch: Watcher | None = None) -> dict[str, Topic | None]:
    """The topics of these names that exist; None for one that cannot be read. `watch` tells of changes of each."""
    paths = {name: znodes.topic_path(name) for name in sorted(names)}
    found = await read_all(client, paths.values(), watch)
    return {name: _decoded_topic(path, name, found[path][0]) for name, path in paths.items() if path in found}


def _decoded_topic(path: str, name: str, data: bytes) -> Topic | None:
    try:
        return znodes.decode_topic(path, name, data)
    except znodes.ZnodeError as error:
        log.warning(
            "topic %s is passed over until its znode changes: %s; write what belongs there, or delete %s and what is below it",
            name, error, path,
        )  # fmt: skip
        return None


def _decoded_state(path: str, data: bytes, version: int) -> PartitionState | None:
    try:
        return znodes.decode_partition_state(path, data, version)
    except znodes.ZnodeError as error:
        log.warning("a partition is passed over: %s; delete that znode, and the next controller writes a new one", error)
        return None


class ClusterStore:
    """The tree, as the controller of one epoch may read and write it."""

    def __init__(self, client: Client, epoch_version: int) -> None:
        self._client = client
        self._fence = Check(znodes.CONTROLLER_EPOCH, epoch_version)

    async def read_states(self, topics: Mapping[str, Topic]) -> dict[Partition, PartitionState]:
        """The states of all partitions of these topics, as far as they have one that can be read."""
        paths = {
            znodes.partition_state_path(name, number): (name, number)
            for name, topic in topics.items()
            for number in topic.assignment
        }
        found = await read_all(self._client, paths)
        return {
            partition: state
            for path, partition in paths.items()
            if path in found and (state := _decoded_state(path, found[path][0], found[path][1].version)) is not None
        }

    async def create_states(self, image: ClusterImage, states: States) -> None:
        """Writes first states and puts them into the image. Where some are there already, those are read instead."""
        by_topic: dict[str, States] = {}
        for partition, state in states.items():
            by_topic.setdefault(partition[0], {})[partition] = state
        for name, new in by_topic.items():
            try:
                await self._create(image, name, new)
            except NodeExistsError:
                image.states.update(await self.read_states({name: image.topics[name]}))
                for partition in new.keys() - image.states.keys():
                    try:
                        await self._create(image, name, {partition: new[partition]})
                    except NodeExistsError:
                        pass  # there, and cannot be read: its partition alone has no leader

    async def _create(self, image: ClusterImage, name: str, new: States) -> None:
        there = await self._partitions_there(name)
        ops: list[MultiOp] = [] if there is not None else [Create(znodes.partitions_path(name), b"")]
        for (_, number), state in new.items():
            if str(number) not in (there or ()):
                ops.append(Create(znodes.partition_path(name, number), b""))
            ops.append(Create(znodes.partition_state_path(name, number), znodes.encode_partition_state(state)))
        await self._write(ops)
        image.states.update({partition: replace(state, zk_version=0) for partition, state in new.items()})

    async def change_states(self, image: ClusterImage, states: States) -> None:
        """Writes states over those that the image holds, and updates it. Raises BadVersionError when one has moved."""
        for chunk in _chunks(states.items(), OPS_AT_ONCE):
            await self._write(
                [
                    SetData(znodes.partition_state_path(*partition), znodes.encode_partition_state(state), state.zk_version)
                    for partition, state in chunk
                ]
            )
            for partition, state in chunk:
                image.states[partition] = replace(state, zk_version=state.zk_version + 1)

    async def delete_topic(self, name: str) -> None:
        """Deletes a topic's nodes, deepest first, and the request for it."""
        ops: list[MultiOp] = []
        there = await self._partitions_there(name)
        for number in there or ():
            partition = f"{znodes.partitions_path(name)}/{number}"
            ops += [Delete(f"{partition}/{child}") for child in await self._client.children(partition)]
            ops.append(Delete(partition))
        if there is not None:
            ops.append(Delete(znodes.partitions_path(name)))
        for path in (znodes.topic_path(name), znodes.topic_config_path(name), znodes.delete_topic_path(name)):
            if await self._client.exists(path) is not None:
                ops.append(Delete(path))
        await self._write(ops)

    async def forget_request(self, name: str) -> None:
        """Removes a request to delete a topic that does not exist."""
        try:
            await self._write([Delete(znodes.delete_topic_path(name))])
        except (NoNodeError, NotEmptyError):
            pass

    async def _partitions_there(self, name: str) -> list[str] | None:
        try:
            return await self._client.children(znodes.partitions_path(name))
        except NoNodeError:
            return None

    async def _write(self, ops: Sequence[MultiOp]) -> None:
        for chunk in _chunks(ops, OPS_AT_ONCE):
            try:
                await self._client.multi([self._fence, *chunk])
            except BadVersionError as error:
                if error.path == znodes.CONTROLLER_EPOCH:
                    raise DeposedError("another broker is the controller now") from error
                raise


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk
