"""DescribeGroups (15), versions 0-5: state and members of groups.

Behaviour: a group that nobody knows is Dead, without an error; one that has only committed offsets is Empty. Metadata
and assignments are shown while the group is stable.
Version notes: v4 adds instance ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.answers import GroupView
from broker.group.states import GroupState
from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    DescribeGroupsResponseGroup,
    DescribeGroupsResponseMember,
)
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["describe_groups"]


@handles(ApiKey.DESCRIBE_GROUPS, versions=(0, 5))
async def describe_groups(
    broker: Broker, request: Request, message: DescribeGroupsRequest
) -> DescribeGroupsResponse:
    """Describes each group that this broker coordinates."""
    return DescribeGroupsResponse(groups=[await _describe(broker, group_id) for group_id in message.groups])


async def _describe(broker: Broker, group_id: str) -> DescribeGroupsResponseGroup:
    groups = broker.groups
    error = await groups.coordinate(group_id)
    view = groups.membership.view(group_id)
    if error is ErrorCode.NONE and view is None:
        try:
            state = GroupState.EMPTY if len(await groups.offsets.load(group_id)) else GroupState.DEAD
            view = GroupView(group_id, state, "", "", ())
        except CoordError:
            error = ErrorCode.COORDINATOR_NOT_AVAILABLE
    if view is None:
        return DescribeGroupsResponseGroup(error, group_id)
    return DescribeGroupsResponseGroup(
        error,
        group_id,
        view.state.value,
        view.protocol_type,
        view.protocol,
        [
            DescribeGroupsResponseMember(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.client_host,
                member.metadata,
                member.assignment,
            )
            for member in view.members
        ],
    )
