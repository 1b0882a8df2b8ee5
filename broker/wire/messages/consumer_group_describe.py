# Written by `python -m broker.wire.generate` from schema/69_consumer_group_describe.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Groups of the new protocol (KIP-848), with their members and target assignments."""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["ConsumerGroupDescribeRequest", "ConsumerGroupDescribeResponse", "ConsumerGroupDescribeResponseAssignment", "ConsumerGroupDescribeResponseGroup", "ConsumerGroupDescribeResponseMember", "ConsumerGroupDescribeResponseTopic"]


class ConsumerGroupDescribeRequest(Message):
    __slots__ = ("group_ids", "include_authorized_operations")
    API_KEY = 69
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("group_ids", "string", 0, 0, array=True),
        Field("include_authorized_operations", "bool", 0, 0, default=False),
    )

    def __init__(
        self,
        group_ids: list[str] = MISSING,
        include_authorized_operations: bool = False,  # whether to work out what the client may do
    ) -> None:
        self.group_ids: list[str] = [] if group_ids is MISSING else group_ids
        self.include_authorized_operations = include_authorized_operations


class ConsumerGroupDescribeResponseTopic(Struct):
    __slots__ = ("topic_id", "topic_name", "partitions")
    FIELDS = (
        Field("topic_id", "uuid", 0, 0, default=NO_UUID),
        Field("topic_name", "string", 0, 0, default=""),
        Field("partitions", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        topic_id: bytes = NO_UUID,
        topic_name: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic_id = topic_id
        self.topic_name = topic_name
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ConsumerGroupDescribeResponseAssignment(Struct):
    __slots__ = ("topic_partitions",)
    FIELDS = (
        Field("topic_partitions", "struct", 0, 0, array=True, struct=ConsumerGroupDescribeResponseTopic),
    )

    def __init__(
        self,
        topic_partitions: list[ConsumerGroupDescribeResponseTopic] = MISSING,
    ) -> None:
        self.topic_partitions: list[ConsumerGroupDescribeResponseTopic] = [] if topic_partitions is MISSING else topic_partitions


class ConsumerGroupDescribeResponseMember(Struct):
    __slots__ = ("member_id", "instance_id", "rack_id", "member_epoch", "client_id", "client_host", "subscribed_topic_names", "subscribed_topic_regex", "assignment", "target_assignment")
    FIELDS = (
        Field("member_id", "string", 0, 0, default=""),
        Field("instance_id", "string", 0, 0, nullable_from=0, default=None),
        Field("rack_id", "string", 0, 0, nullable_from=0, default=None),
        Field("member_epoch", "int32", 0, 0, default=0),
        Field("client_id", "string", 0, 0, default=""),
        Field("client_host", "string", 0, 0, default=""),
        Field("subscribed_topic_names", "string", 0, 0, array=True),
        Field("subscribed_topic_regex", "string", 0, 0, nullable_from=0, default=None),
        Field("assignment", "struct", 0, 0, struct=ConsumerGroupDescribeResponseAssignment),
        Field("target_assignment", "struct", 0, 0, struct=ConsumerGroupDescribeResponseAssignment),
    )

    def __init__(
        self,
        member_id: str = "",
        instance_id: str | None = None,
        rack_id: str | None = None,
        member_epoch: int = 0,
        client_id: str = "",
        client_host: str = "",
        subscribed_topic_names: list[str] = MISSING,
        subscribed_topic_regex: str | None = None,
        assignment: ConsumerGroupDescribeResponseAssignment = MISSING,
        target_assignment: ConsumerGroupDescribeResponseAssignment = MISSING,  # what the member will own
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.rack_id = rack_id
        self.member_epoch = member_epoch
        self.client_id = client_id
        self.client_host = client_host
        self.subscribed_topic_names: list[str] = [] if subscribed_topic_names is MISSING else subscribed_topic_names
        self.subscribed_topic_regex = subscribed_topic_regex
        self.assignment: ConsumerGroupDescribeResponseAssignment = ConsumerGroupDescribeResponseAssignment() if assignment is MISSING else assignment
        self.target_assignment: ConsumerGroupDescribeResponseAssignment = ConsumerGroupDescribeResponseAssignment() if target_assignment is MISSING else target_assignment


class ConsumerGroupDescribeResponseGroup(Struct):
    __slots__ = ("error_code", "error_message", "group_id", "group_state", "group_epoch", "assignment_epoch", "assignor_name", "members", "authorized_operations")
    FIELDS = (
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=None),
        Field("group_id", "string", 0, 0, default=""),
        Field("group_state", "string", 0, 0, default=""),
        Field("group_epoch", "int32", 0, 0, default=0),
        Field("assignment_epoch", "int32", 0, 0, default=0),
        Field("assignor_name", "string", 0, 0, default=""),
        Field("members", "struct", 0, 0, array=True, struct=ConsumerGroupDescribeResponseMember),
        Field("authorized_operations", "int32", 0, 0, default=-2147483648),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = None,
        group_id: str = "",
        group_state: str = "",
        group_epoch: int = 0,
        assignment_epoch: int = 0,
        assignor_name: str = "",
        members: list[ConsumerGroupDescribeResponseMember] = MISSING,
        authorized_operations: int = -2147483648,  # bits by operation; the default says that nobody asked
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.group_id = group_id
        self.group_state = group_state
        self.group_epoch = group_epoch
        self.assignment_epoch = assignment_epoch
        self.assignor_name = assignor_name
        self.members: list[ConsumerGroupDescribeResponseMember] = [] if members is MISSING else members
        self.authorized_operations = authorized_operations


class ConsumerGroupDescribeResponse(Message):
    __slots__ = ("throttle_time_ms", "groups")
    API_KEY = 69
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("groups", "struct", 0, 0, array=True, struct=ConsumerGroupDescribeResponseGroup),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        groups: list[ConsumerGroupDescribeResponseGroup] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.groups: list[ConsumerGroupDescribeResponseGroup] = [] if groups is MISSING else groups
