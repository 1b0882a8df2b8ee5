# Written by `python -m broker.wire.generate` from schema/16_list_groups.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Groups whose coordinator is the receiver. v4 filters by state, v5 by type."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ListGroupsRequest", "ListGroupsResponse", "ListGroupsResponseGroup"]


class ListGroupsRequest(Message):
    __slots__ = ("states_filter", "types_filter")
    API_KEY = 16
    VERSIONS = (0, 5)
    FLEXIBLE = 3
    FIELDS = (
        Field("states_filter", "string", 4, 5, array=True),
        Field("types_filter", "string", 5, 5, array=True),
    )

    def __init__(
        self,
        states_filter: list[str] = MISSING,  # none for all states
        types_filter: list[str] = MISSING,  # none for all types
    ) -> None:
        self.states_filter: list[str] = [] if states_filter is MISSING else states_filter
        self.types_filter: list[str] = [] if types_filter is MISSING else types_filter


class ListGroupsResponseGroup(Struct):
    __slots__ = ("group_id", "protocol_type", "group_state", "group_type")
    FIELDS = (
        Field("group_id", "string", 0, 5, default=""),
        Field("protocol_type", "string", 0, 5, default=""),
        Field("group_state", "string", 4, 5, default="", ignorable=True),
        Field("group_type", "string", 5, 5, default="", ignorable=True),
    )

    def __init__(
        self,
        group_id: str = "",
        protocol_type: str = "",
        group_state: str = "",
        group_type: str = "",
    ) -> None:
        self.group_id = group_id
        self.protocol_type = protocol_type
        self.group_state = group_state
        self.group_type = group_type


class ListGroupsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "groups")
    API_KEY = 16
    VERSIONS = (0, 5)
    FLEXIBLE = 3
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 5, default=0, ignorable=True),
        Field("error_code", "int16", 0, 5, default=0),
        Field("groups", "struct", 0, 5, array=True, struct=ListGroupsResponseGroup),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        groups: list[ListGroupsResponseGroup] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.groups: list[ListGroupsResponseGroup] = [] if groups is MISSING else groups
