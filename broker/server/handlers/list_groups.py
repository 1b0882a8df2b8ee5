"""ListGroups (16), versions 0-5: the groups that this broker coordinates.

Behaviour: groups with members come from memory, those that have only committed offsets from the tree, as Empty. A
client asks every broker and puts the lists together.
Version notes: v4 filters by state, v5 by type; all groups are of type classic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.group.states import GroupState
from broker.server.dispatch import Request, handles
from broker.server.offset_paths import group_id_of
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import ListGroupsRequest, ListGroupsResponse, ListGroupsResponseGroup
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["list_groups"]

CLASSIC = "classic"


@handles(ApiKey.LIST_GROUPS, versions=(0, 5))
async def list_groups(broker: Broker, request: Request, message: ListGroupsRequest) -> ListGroupsResponse:
    """Lists memory, then the tree."""
    groups = broker.groups
    found = {
        view.group_id: ListGroupsResponseGroup(view.group_id, view.protocol_type, view.state.value, CLASSIC)
        for view in groups.membership.views()
    }
    coordinators: dict[int, int] = {}
    try:
        for name in await groups.offsets.groups():
            group_id = group_id_of(name)
            slot = groups.slot_of(group_id)
            if slot not in coordinators:
                coordinators[slot] = (await groups.claims.find(slot))[1]
            if group_id not in found and coordinators[slot] == broker.config.broker_id:
                found[group_id] = ListGroupsResponseGroup(group_id, "", GroupState.EMPTY.value, CLASSIC)
    except CoordError:
        return ListGroupsResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    states = {state.lower() for state in message.states_filter}
    types = {kind.lower() for kind in message.types_filter}
    return ListGroupsResponse(
        groups=[
            group
            for group in found.values()
            if (not states or group.group_state.lower() in states) and (not types or CLASSIC in types)
        ]
    )
