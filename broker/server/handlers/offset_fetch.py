"""OffsetFetch (9), versions 0-9: how far groups have read.

Behaviour: a partition without a committed offset answers offset -1 without an error. Leader epochs are not kept: -1.
Version notes: null topics (v2) are all that the group has committed; v2 adds an error for the group; v8 asks for many
groups at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from broker.group.offsets import GroupOffsets, OffsetEntry
from broker.server.dispatch import Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import (
    OffsetFetchRequest,
    OffsetFetchRequestGroupTopic,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponseGroupPartition,
    OffsetFetchResponseGroupTopic,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["offset_fetch"]

GROUP_ERROR_FROM = 2
BATCH_FROM = 8
NO_OFFSET = -1

Topics = Sequence[OffsetFetchRequestTopic] | Sequence[OffsetFetchRequestGroupTopic] | None


@handles(ApiKey.OFFSET_FETCH, versions=(0, 9))
def offset_fetch(broker: Broker, request: Request, message: OffsetFetchRequest) -> Message | Outcome:
    """Answers from memory when all groups are loaded, else by a job that loads them."""
    if request.version >= BATCH_FROM:
        asked: list[tuple[str, Topics]] = [(group.group_id, group.topics) for group in message.groups]
    else:
        asked = [(message.group_id, message.topics)]
    ready = _from_memory(broker, asked)
    if ready is not None:
        return _response(request.version, ready)

    async def load_then_answer() -> Message:
        return _response(
            request.version, [await _loaded(broker, group_id, topics) for group_id, topics in asked]
        )

    return broker.groups.wait(request, load_then_answer)


def _from_memory(broker: Broker, asked: list[tuple[str, Topics]]) -> list[OffsetFetchResponseGroup] | None:
    groups = broker.groups
    found: list[OffsetFetchResponseGroup] = []
    for group_id, topics in asked:
        offsets = groups.offsets.loaded(group_id)
        if offsets is None or not groups.owns(group_id):
            return None
        found.append(_group(group_id, offsets, topics))
    return found


async def _loaded(broker: Broker, group_id: str, topics: Topics) -> OffsetFetchResponseGroup:
    groups = broker.groups
    error = await groups.coordinate(group_id)
    if error is ErrorCode.NONE:
        try:
            return _group(group_id, await groups.offsets.load(group_id), topics)
        except CoordError:
            error = ErrorCode.COORDINATOR_NOT_AVAILABLE
    return OffsetFetchResponseGroup(group_id, _failed(topics, error), error)


def _group(group_id: str, offsets: GroupOffsets, topics: Topics) -> OffsetFetchResponseGroup:
    if topics is None:
        found = [
            OffsetFetchResponseGroupTopic(topic, [_partition(entry.partition, entry) for entry in entries])
            for topic, entries in offsets.by_topic().items()
        ]
    else:
        found = [
            OffsetFetchResponseGroupTopic(
                topic.name,
                [_partition(index, offsets.get(topic.name, index)) for index in topic.partition_indexes],
            )
            for topic in topics
        ]
    return OffsetFetchResponseGroup(group_id, found, ErrorCode.NONE)


def _partition(index: int, entry: OffsetEntry | None) -> OffsetFetchResponseGroupPartition:
    offset, metadata = (NO_OFFSET, "") if entry is None else (entry.offset, entry.metadata)
    return OffsetFetchResponseGroupPartition(index, offset, -1, metadata, ErrorCode.NONE)


def _failed(topics: Topics, error: ErrorCode) -> list[OffsetFetchResponseGroupTopic]:
    return [
        OffsetFetchResponseGroupTopic(
            topic.name,
            [
                OffsetFetchResponseGroupPartition(index, NO_OFFSET, -1, "", error)
                for index in topic.partition_indexes
            ],
        )
        for topic in topics or ()
    ]


def _response(version: int, groups: list[OffsetFetchResponseGroup]) -> OffsetFetchResponse:
    if version >= BATCH_FROM:
        return OffsetFetchResponse(groups=groups)
    group = groups[0]
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                topic.name,
                [
                    OffsetFetchResponsePartition(
                        p.partition_index, p.committed_offset, -1, p.metadata, p.error_code
                    )
                    for p in topic.partitions
                ],
            )
            for topic in group.topics
        ],
        error_code=group.error_code if version >= GROUP_ERROR_FROM else ErrorCode.NONE,
    )
