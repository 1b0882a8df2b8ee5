"""JoinGroup (11), versions 0-9: a member enters a group, or enters its next generation.

Behaviour: the answer comes when the group's join phase is over; the leader's names all members.
Version notes: v1 adds the rebalance timeout (before, it is the session timeout); v4 makes a dynamic member join twice
(MEMBER_ID_REQUIRED); v5 adds static members; v7 names the protocol type; v8 the reason; v9 may tell a static leader
that comes back to skip the assignment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.answers import Join, JoinAnswer
from broker.server.dispatch import PENDING, Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["join_group"]

MEMBER_ID_REQUIRED_FROM = 4
PROTOCOL_NAME_NULLABLE_FROM = 7
SKIP_ASSIGNMENT_FROM = 9


@handles(ApiKey.JOIN_GROUP, versions=(0, 9))
def join_group(broker: Broker, request: Request, message: JoinGroupRequest) -> Message | Outcome:
    """Parks the request in the membership core."""
    groups = broker.groups

    def refuse(error: ErrorCode) -> JoinGroupResponse:
        return _response(JoinAnswer(error, message.member_id), request.version)

    def answer(answer: JoinAnswer) -> None:
        request.reply(_response(answer, request.version))

    def join() -> Outcome:
        groups.send(groups.membership.join(_join(request, message), answer, groups.now()))
        return PENDING

    return groups.serve(message.group_id, request, join, refuse)


def _join(request: Request, message: JoinGroupRequest) -> Join:
    session_timeout = message.session_timeout_ms / 1000
    return Join(
        message.group_id,
        message.member_id,
        message.group_instance_id,
        request.client_id or "",
        f"/{request.origin.host}",
        message.protocol_type,
        tuple((protocol.name, protocol.metadata) for protocol in message.protocols),
        session_timeout,
        message.rebalance_timeout_ms / 1000 if request.version >= 1 else session_timeout,
        member_id_required=request.version >= MEMBER_ID_REQUIRED_FROM,
        skip_assignment=request.version >= SKIP_ASSIGNMENT_FROM,
    )


def _response(answer: JoinAnswer, version: int) -> JoinGroupResponse:
    protocol = answer.protocol
    if protocol is None and version < PROTOCOL_NAME_NULLABLE_FROM:
        protocol = ""
    return JoinGroupResponse(
        error_code=answer.error,
        generation_id=answer.generation,
        protocol_type=answer.protocol_type,
        protocol_name=protocol,
        leader=answer.leader,
        skip_assignment=answer.skip_assignment,
        member_id=answer.member_id,
        members=[
            JoinGroupResponseMember(member.member_id, member.instance_id, member.metadata)
            for member in answer.members
        ],
    )
