"""Heartbeat (12), versions 0-4: a member says that it lives, and hears whether it should join again.

Behaviour: NOT_COORDINATOR, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION or REBALANCE_IN_PROGRESS say what
the member has to do.
Version notes: v3 adds the instance id of static members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Outcome, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import HeartbeatRequest, HeartbeatResponse

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["heartbeat"]


@handles(ApiKey.HEARTBEAT, versions=(0, 4))
def heartbeat(broker: Broker, request: Request, message: HeartbeatRequest) -> Message | Outcome:
    """Passes the heartbeat to the membership core."""
    groups = broker.groups

    def beat() -> HeartbeatResponse:
        error = groups.membership.heartbeat(
            message.group_id,
            message.generation_id,
            message.member_id,
            message.group_instance_id,
            groups.now(),
        )
        return HeartbeatResponse(error_code=error)

    return groups.serve(message.group_id, request, beat, _refusal)


def _refusal(error: ErrorCode) -> HeartbeatResponse:
    return HeartbeatResponse(error_code=error)
