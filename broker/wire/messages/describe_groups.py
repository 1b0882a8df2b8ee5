# Written by `python -m broker.wire.generate` from schema/15_describe_groups.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""State and members of groups. v3 adds allowed operations, v4 static membership."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeGroupsRequest", "DescribeGroupsResponse", "DescribeGroupsResponseGroup", "DescribeGroupsResponseMember"]


class DescribeGroupsRequest(Message):
    __slots__ = ("groups", "include_authorized_operations")
    API_KEY = 15
    VERSIONS = (0, 5)
    FLEXIBLE = 5
    FIELDS = (
        Field("groups", "string", 0, 5, array=True),
        Field("include_authorized_operations", "bool", 3, 5, default=False),
    )

    def __init__(
        self,
        groups: list[str] = MISSING,
        include_authorized_operations: bool = False,  # whether to work out what the client may do
    ) -> None:
        self.groups: list[str] = [] if groups is MISSING else groups
        self.include_authorized_operations = include_authorized_operations


class DescribeGroupsResponseMember(Struct):
    __slots__ = ("member_id", "group_instance_id", "client_id", "client_host", "member_metadata", "member_assignment")
    FIELDS = (
        Field("member_id", "string", 0, 5, default=""),
        Field("group_instance_id", "string", 4, 5, nullable_from=4, default=None, ignorable=True),
        Field("client_id", "string", 0, 5, default=""),
        Field("client_host", "string", 0, 5, default=""),
        Field("member_metadata", "bytes", 0, 5, default=b""),
        Field("member_assignment", "bytes", 0, 5, default=b""),
    )

    def __init__(
        self,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
        client_id: str = "",
        client_host: str = "",
        member_metadata: bytes = b"",  # the member's subscription
        member_assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.member_metadata = member_metadata
        self.member_assignment = member_assignment


class DescribeGroupsResponseGroup(Struct):
    __slots__ = ("error_code", "group_id", "group_state", "protocol_type", "protocol_data", "members", "authorized_operations")
    FIELDS = (
        Field("error_code", "int16", 0, 5, default=0),
        Field("group_id", "string", 0, 5, default=""),
        Field("group_state", "string", 0, 5, default=""),
        Field("protocol_type", "string", 0, 5, default=""),
        Field("protocol_data", "string", 0, 5, default=""),
        Field("members", "struct", 0, 5, array=True, struct=DescribeGroupsResponseMember),
        Field("authorized_operations", "int32", 3, 5, default=-2147483648),
    )

    def __init__(
        self,
        error_code: int = 0,
        group_id: str = "",
        group_state: str = "",  # Empty, PreparingRebalance, CompletingRebalance, Stable, Dead
        protocol_type: str = "",
        protocol_data: str = "",  # the way to assign that was chosen
        members: list[DescribeGroupsResponseMember] = MISSING,
        authorized_operations: int = -2147483648,  # bits by operation; the default says that nobody asked
    ) -> None:
        self.error_code = error_code
        self.group_id = group_id
        self.group_state = group_state
        self.protocol_type = protocol_type
        self.protocol_data = protocol_data
        self.members: list[DescribeGroupsResponseMember] = [] if members is MISSING else members
        self.authorized_operations = authorized_operations


class DescribeGroupsResponse(Message):
    __slots__ = ("throttle_time_ms", "groups")
    API_KEY = 15
    VERSIONS = (0, 5)
    FLEXIBLE = 5
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 5, default=0, ignorable=True),
        Field("groups", "struct", 0, 5, array=True, struct=DescribeGroupsResponseGroup),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        groups: list[DescribeGroupsResponseGroup] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.groups: list[DescribeGroupsResponseGroup] = [] if groups is MISSING else groups
