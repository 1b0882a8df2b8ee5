"""DeleteGroups (42), versions 0-2: removes groups without members, and what they have committed.

Behaviour: NON_EMPTY_GROUP while there are members, GROUP_ID_NOT_FOUND when nothing is known of the group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import DeleteGroupsRequest, DeleteGroupsResponse, DeleteGroupsResponseResult
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["delete_groups"]


@handles(ApiKey.DELETE_GROUPS, versions=(0, 2))
async def delete_groups(
    broker: Broker, request: Request, message: DeleteGroupsRequest
) -> DeleteGroupsResponse:
    """Deletes each group that this broker coordinates."""
    return DeleteGroupsResponse(
        results=[
            DeleteGroupsResponseResult(name, await _delete(broker, name)) for name in message.groups_names
        ]
    )


async def _delete(broker: Broker, group_id: str) -> ErrorCode:
    groups = broker.groups
    error = await groups.coordinate(group_id)
    if error is not ErrorCode.NONE:
        return error
    try:
        committed = len(await groups.offsets.load(group_id))
        error = groups.membership.remove(group_id)
        if error is ErrorCode.NON_EMPTY_GROUP or (error is ErrorCode.GROUP_ID_NOT_FOUND and not committed):
            return error
        await groups.offsets.delete(group_id)
    except CoordError:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.NONE
