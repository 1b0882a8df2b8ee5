"""LeaveGroup (13), versions 0-5: members go, and the group rebalances without them.

Version notes: up to v2 one member, whose error is the response's; from v3 on any number, by member id or by the
instance id of a static member, each with its own error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.answers import Leaver
from broker.server.dispatch import Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import LeaveGroupRequest, LeaveGroupResponse, LeaveGroupResponseMember

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["leave_group"]

BATCH_FROM = 3


@handles(ApiKey.LEAVE_GROUP, versions=(0, 5))
def leave_group(broker: Broker, request: Request, message: LeaveGroupRequest) -> Message | Outcome:
    """Passes the leavers to the membership core."""
    groups = broker.groups

    def leave() -> LeaveGroupResponse:
        if request.version < BATCH_FROM:
            leavers = [Leaver(message.member_id)]
        else:
            leavers = [Leaver(member.member_id, member.group_instance_id) for member in message.members]
        errors, replies = groups.membership.leave(message.group_id, leavers, groups.now())
        groups.send(replies)
        if request.version < BATCH_FROM:
            return LeaveGroupResponse(error_code=errors[0])
        return LeaveGroupResponse(
            members=[
                LeaveGroupResponseMember(leaver.member_id, leaver.instance_id, error)
                for leaver, error in zip(leavers, errors, strict=True)
            ]
        )

    return groups.serve(message.group_id, request, leave, _refusal)


def _refusal(error: ErrorCode) -> LeaveGroupResponse:
    return LeaveGroupResponse(error_code=error)
