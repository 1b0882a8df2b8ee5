"""SyncGroup (14), versions 0-5: the leader hands in the assignment, every member gets its own.

Behaviour: the answer comes when the leader's request has come.
Version notes: v3 adds static members; v5 has protocol type and name checked and repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.answers import Sync, SyncAnswer
from broker.server.dispatch import PENDING, Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import SyncGroupRequest, SyncGroupResponse

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["sync_group"]


@handles(ApiKey.SYNC_GROUP, versions=(0, 5))
def sync_group(broker: Broker, request: Request, message: SyncGroupRequest) -> Message | Outcome:
    """Parks the request in the membership core."""
    groups = broker.groups

    def answer(answer: SyncAnswer) -> None:
        request.reply(_response(answer))

    def sync() -> Outcome:
        groups.send(groups.membership.sync(_sync(message), answer, groups.now()))
        return PENDING

    return groups.serve(message.group_id, request, sync, _refusal)


def _sync(message: SyncGroupRequest) -> Sync:
    return Sync(
        message.group_id,
        message.generation_id,
        message.member_id,
        message.group_instance_id,
        message.protocol_type,
        message.protocol_name,
        {assignment.member_id: assignment.assignment for assignment in message.assignments},
    )


def _response(answer: SyncAnswer) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=answer.error,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol,
        assignment=answer.assignment,
    )


def _refusal(error: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=error)
