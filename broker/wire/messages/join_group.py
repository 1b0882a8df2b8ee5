# Written by `python -m broker.wire.generate` from schema/11_join_group.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Joins a consumer group, and learns its generation and, as the leader, its members.

v1 adds the rebalance timeout, v4 makes a new member join twice (first to be given its id), v5 adds static membership, v7
the protocol type in the response, v8 a reason, v9 lets a returning leader skip the assignment.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["JoinGroupRequest", "JoinGroupRequestProtocol", "JoinGroupResponse", "JoinGroupResponseMember"]


class JoinGroupRequestProtocol(Struct):
    """Ways to assign that the member supports, best first."""

    __slots__ = ("name", "metadata")
    FIELDS = (
        Field("name", "string", 0, 9, default=""),
        Field("metadata", "bytes", 0, 9, default=b""),
    )

    def __init__(
        self,
        name: str = "",
        metadata: bytes = b"",  # the member's subscription, opaque to the broker
    ) -> None:
        self.name = name
        self.metadata = metadata


class JoinGroupRequest(Message):
    __slots__ = ("group_id", "session_timeout_ms", "rebalance_timeout_ms", "member_id", "group_instance_id", "protocol_type", "protocols", "reason")
    API_KEY = 11
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("group_id", "string", 0, 9, default=""),
        Field("session_timeout_ms", "int32", 0, 9, default=0),
        Field("rebalance_timeout_ms", "int32", 1, 9, default=-1, ignorable=True),
        Field("member_id", "string", 0, 9, default=""),
        Field("group_instance_id", "string", 5, 9, nullable_from=5, default=None),
        Field("protocol_type", "string", 0, 9, default=""),
        Field("protocols", "struct", 0, 9, array=True, struct=JoinGroupRequestProtocol),
        Field("reason", "string", 8, 9, nullable_from=8, default=None, ignorable=True),
    )

    def __init__(
        self,
        group_id: str = "",
        session_timeout_ms: int = 0,  # without a heartbeat for this long the member is out
        rebalance_timeout_ms: int = -1,  # how long members have to rejoin; -1: the session timeout
        member_id: str = "",  # empty for a new member
        group_instance_id: str | None = None,  # the member's static id
        protocol_type: str = "",  # `consumer`, `connect`
        protocols: list[JoinGroupRequestProtocol] = MISSING,  # ways to assign that the member supports, best first
        reason: str | None = None,  # why it joins, for the log
    ) -> None:
        self.group_id = group_id
        self.session_timeout_ms = session_timeout_ms
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.protocol_type = protocol_type
        self.protocols: list[JoinGroupRequestProtocol] = [] if protocols is MISSING else protocols
        self.reason = reason


class JoinGroupResponseMember(Struct):
    """For the leader only."""

    __slots__ = ("member_id", "group_instance_id", "metadata")
    FIELDS = (
        Field("member_id", "string", 0, 9, default=""),
        Field("group_instance_id", "string", 5, 9, nullable_from=5, default=None, ignorable=True),
        Field("metadata", "bytes", 0, 9, default=b""),
    )

    def __init__(
        self,
        member_id: str = "",  # the member's own id, given here when it is new
        group_instance_id: str | None = None,  # the member's static id
        metadata: bytes = b"",  # the member's subscription
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.metadata = metadata


class JoinGroupResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "generation_id", "protocol_type", "protocol_name", "leader", "skip_assignment", "member_id", "members")
    API_KEY = 11
    VERSIONS = (0, 9)
    FLEXIBLE = 6
    FIELDS = (
        Field("throttle_time_ms", "int32", 2, 9, default=0, ignorable=True),
        Field("error_code", "int16", 0, 9, default=0),
        Field("generation_id", "int32", 0, 9, default=-1),
        Field("protocol_type", "string", 7, 9, nullable_from=7, default=None, ignorable=True),
        Field("protocol_name", "string", 0, 9, nullable_from=7, default=""),
        Field("leader", "string", 0, 9, default=""),
        Field("skip_assignment", "bool", 9, 9, default=False),
        Field("member_id", "string", 0, 9, default=""),
        Field("members", "struct", 0, 9, array=True, struct=JoinGroupResponseMember),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        generation_id: int = -1,
        protocol_type: str | None = None,
        protocol_name: str | None = "",  # the way to assign that was chosen
        leader: str = "",  # member id of the leader
        skip_assignment: bool = False,  # the assignment stands: the leader need not make one
        member_id: str = "",  # the member's own id, given here when it is new
        members: list[JoinGroupResponseMember] = MISSING,  # for the leader only
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.generation_id = generation_id
        self.protocol_type = protocol_type
        self.protocol_name = protocol_name
        self.leader = leader
        self.skip_assignment = skip_assignment
        self.member_id = member_id
        self.members: list[JoinGroupResponseMember] = [] if members is MISSING else members
