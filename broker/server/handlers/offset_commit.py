"""OffsetCommit (8), versions 0-9: a group notes how far it has read.

Behaviour: the answer comes when the offsets are in the tree. Partitions that do not exist, or whose metadata is too
long, fail alone; a member or generation that is not the group's fails all.
Version notes: v1 adds member and generation; v2-4 carry a retention that is ignored; v6 adds the leader epoch, which is
not kept; v7 adds static members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.offsets import GroupOffsets, OffsetEntry
from broker.server.dispatch import PENDING, Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["offset_commit"]

Errors = dict[tuple[str, int], ErrorCode]


@handles(ApiKey.OFFSET_COMMIT, versions=(0, 9))
def offset_commit(broker: Broker, request: Request, message: OffsetCommitRequest) -> Message | Outcome:
    """Checks the member, then each partition, then writes what is good."""
    groups = broker.groups

    def refuse(error: ErrorCode) -> OffsetCommitResponse:
        return _response(message, {}, error)

    def commit() -> Message | Outcome:
        error = groups.membership.check_commit(
            message.group_id,
            message.generation_id_or_member_epoch,
            message.member_id,
            message.group_instance_id,
            groups.now(),
        )
        if error is not ErrorCode.NONE:
            return refuse(error)
        offsets = groups.offsets.loaded(message.group_id)
        if offsets is None:
            return groups.wait(request, load_then_write)
        return write(offsets)

    async def load_then_write() -> Message | Outcome:
        try:
            offsets = await groups.offsets.load(message.group_id)
        except CoordError:
            return refuse(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return write(offsets)

    def write(offsets: GroupOffsets) -> Message | Outcome:
        entries, errors = _checked(broker, offsets, message)
        if not entries:
            return _response(message, errors, ErrorCode.NONE)
        groups.offsets.commit(
            message.group_id, entries, lambda error: request.reply(_response(message, errors, error))
        )
        return PENDING

    return groups.serve(message.group_id, request, commit, refuse, any_name=True)


def _checked(
    broker: Broker, offsets: GroupOffsets, message: OffsetCommitRequest
) -> tuple[list[OffsetEntry], Errors]:
    """The offsets that may be written, and what is wrong with the others."""
    image = broker.metadata.image
    now_ms = broker.host.wall.now_ms()
    entries: list[OffsetEntry] = []
    errors: Errors = {}
    for topic in message.topics:
        known = image.topics.get(topic.name)
        for partition in topic.partitions:
            index = partition.partition_index
            entry = OffsetEntry(
                topic.name, index, partition.committed_offset, partition.committed_metadata or "", now_ms
            )
            if known is None or index not in known.partitions:
                error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                error = offsets.check(entry)
            if error is ErrorCode.NONE:
                entries.append(entry)
            else:
                errors[topic.name, index] = error
    return entries, errors


def _response(message: OffsetCommitRequest, errors: Errors, otherwise: ErrorCode) -> OffsetCommitResponse:
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                topic.name,
                [
                    OffsetCommitResponsePartition(
                        partition.partition_index,
                        errors.get((topic.name, partition.partition_index), otherwise),
                    )
                    for partition in topic.partitions
                ],
            )
            for topic in message.topics
        ]
    )
