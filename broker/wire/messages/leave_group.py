# Written by `python -m broker.wire.generate` from schema/13_leave_group.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Takes members out of a group at once.

v0-2 take out one, v3 on several, also by their static id; v5 adds a reason.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["LeaveGroupRequest", "LeaveGroupRequestMember", "LeaveGroupResponse", "LeaveGroupResponseMember"]


class LeaveGroupRequestMember(Struct):
    __slots__ = ("member_id", "group_instance_id", "reason")
    FIELDS = (
        Field("member_id", "string", 3, 5, default=""),
        Field("group_instance_id", "string", 3, 5, nullable_from=3, default=None),
        Field("reason", "string", 5, 5, nullable_from=5, default=None, ignorable=True),
    )

    def __init__(
        self,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
        reason: str | None = None,  # why it leaves, for the log
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.reason = reason


class LeaveGroupRequest(Message):
    __slots__ = ("group_id", "member_id", "members")
    API_KEY = 13
    VERSIONS = (0, 5)
    FLEXIBLE = 4
    FIELDS = (
        Field("group_id", "string", 0, 5, default=""),
        Field("member_id", "string", 0, 2, default=""),
        Field("members", "struct", 3, 5, array=True, struct=LeaveGroupRequestMember),
    )

    def __init__(
        self,
        group_id: str = "",
        member_id: str = "",
        members: list[LeaveGroupRequestMember] = MISSING,
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.members: list[LeaveGroupRequestMember] = [] if members is MISSING else members


class LeaveGroupResponseMember(Struct):
    __slots__ = ("member_id", "group_instance_id", "error_code")
    FIELDS = (
        Field("member_id", "string", 3, 5, default=""),
        Field("group_instance_id", "string", 3, 5, nullable_from=3, default=""),
        Field("error_code", "int16", 3, 5, default=0),
    )

    def __init__(
        self,
        member_id: str = "",
        group_instance_id: str | None = "",  # the member's static id
        error_code: int = 0,
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.error_code = error_code


class LeaveGroupResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "members")
    API_KEY = 13
    VERSIONS = (0, 5)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 5, default=0, ignorable=True),
        Field("error_code", "int16", 0, 5, default=0),
        Field("members", "struct", 3, 5, array=True, struct=LeaveGroupResponseMember),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        members: list[LeaveGroupResponseMember] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.members: list[LeaveGroupResponseMember] = [] if members is MISSING else members
