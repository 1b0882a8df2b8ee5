# Written by `python -m broker.wire.generate` from schema/14_sync_group.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The group's leader hands out assignments, and every member receives its own."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["SyncGroupRequest", "SyncGroupRequestAssignment", "SyncGroupResponse"]


class SyncGroupRequestAssignment(Struct):
    """From the leader only."""

    __slots__ = ("member_id", "assignment")
    FIELDS = (
        Field("member_id", "string", 0, 5, default=""),
        Field("assignment", "bytes", 0, 5, default=b""),
    )

    def __init__(
        self,
        member_id: str = "",
        assignment: bytes = b"",  # opaque to the broker
    ) -> None:
        self.member_id = member_id
        self.assignment = assignment


class SyncGroupRequest(Message):
    __slots__ = ("group_id", "generation_id", "member_id", "group_instance_id", "protocol_type", "protocol_name", "assignments")
    API_KEY = 14
    VERSIONS = (0, 5)
    FLEXIBLE = 4
    FIELDS = (
        Field("group_id", "string", 0, 5, default=""),
        Field("generation_id", "int32", 0, 5, default=0),
        Field("member_id", "string", 0, 5, default=""),
        Field("group_instance_id", "string", 3, 5, nullable_from=3, default=None),
        Field("protocol_type", "string", 5, 5, nullable_from=5, default=None, ignorable=True),
        Field("protocol_name", "string", 5, 5, nullable_from=5, default=None, ignorable=True),
        Field("assignments", "struct", 0, 5, array=True, struct=SyncGroupRequestAssignment),
    )

    def __init__(
        self,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignments: list[SyncGroupRequestAssignment] = MISSING,  # from the leader only
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignments: list[SyncGroupRequestAssignment] = [] if assignments is MISSING else assignments


class SyncGroupResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "protocol_type", "protocol_name", "assignment")
    API_KEY = 14
    VERSIONS = (0, 5)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 5, default=0, ignorable=True),
        Field("error_code", "int16", 0, 5, default=0),
        Field("protocol_type", "string", 5, 5, nullable_from=5, default=None, ignorable=True),
        Field("protocol_name", "string", 5, 5, nullable_from=5, default=None, ignorable=True),
        Field("assignment", "bytes", 0, 5, default=b""),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
        assignment: bytes = b"",  # the member's own, opaque to the broker
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.assignment = assignment
