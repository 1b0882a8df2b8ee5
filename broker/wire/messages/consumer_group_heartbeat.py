# Written by `python -m broker.wire.generate` from schema/68_consumer_group_heartbeat.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The one request of the new group protocol (KIP-848): join, report, and receive an assignment."""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["ConsumerGroupHeartbeatRequest", "ConsumerGroupHeartbeatRequestTopic", "ConsumerGroupHeartbeatResponse", "ConsumerGroupHeartbeatResponseAssignment", "ConsumerGroupHeartbeatResponseTopic"]


class ConsumerGroupHeartbeatRequestTopic(Struct):
    """What the member owns; null when nothing has changed."""

    __slots__ = ("topic_id", "partitions")
    FIELDS = (
        Field("topic_id", "uuid", 0, 0, default=NO_UUID),
        Field("partitions", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        topic_id: bytes = NO_UUID,
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic_id = topic_id
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ConsumerGroupHeartbeatRequest(Message):
    __slots__ = ("group_id", "member_id", "member_epoch", "instance_id", "rack_id", "rebalance_timeout_ms", "subscribed_topic_names", "server_assignor", "topic_partitions")
    API_KEY = 68
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("group_id", "string", 0, 0, default=""),
        Field("member_id", "string", 0, 0, default=""),
        Field("member_epoch", "int32", 0, 0, default=0),
        Field("instance_id", "string", 0, 0, nullable_from=0, default=None),
        Field("rack_id", "string", 0, 0, nullable_from=0, default=None),
        Field("rebalance_timeout_ms", "int32", 0, 0, default=-1),
        Field("subscribed_topic_names", "string", 0, 0, array=True, nullable_from=0, default=None),
        Field("server_assignor", "string", 0, 0, nullable_from=0, default=None),
        Field("topic_partitions", "struct", 0, 0, array=True, nullable_from=0, default=None, struct=ConsumerGroupHeartbeatRequestTopic),
    )

    def __init__(
        self,
        group_id: str = "",
        member_id: str = "",
        member_epoch: int = 0,  # 0 joins, -1 leaves, -2 leaves for a while (static)
        instance_id: str | None = None,
        rack_id: str | None = None,
        rebalance_timeout_ms: int = -1,
        subscribed_topic_names: list[str] | None = None,  # null when nothing has changed
        server_assignor: str | None = None,  # null for the coordinator's choice
        topic_partitions: list[ConsumerGroupHeartbeatRequestTopic] | None = None,  # what the member owns; null when nothing has changed
    ) -> None:
        self.group_id = group_id
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.instance_id = instance_id
        self.rack_id = rack_id
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.subscribed_topic_names = subscribed_topic_names
        self.server_assignor = server_assignor
        self.topic_partitions = topic_partitions


class ConsumerGroupHeartbeatResponseTopic(Struct):
    __slots__ = ("topic_id", "partitions")
    FIELDS = (
        Field("topic_id", "uuid", 0, 0, default=NO_UUID),
        Field("partitions", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        topic_id: bytes = NO_UUID,
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic_id = topic_id
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ConsumerGroupHeartbeatResponseAssignment(Struct):
    """Null when nothing has changed."""

    __slots__ = ("topic_partitions",)
    FIELDS = (
        Field("topic_partitions", "struct", 0, 0, array=True, struct=ConsumerGroupHeartbeatResponseTopic),
    )

    def __init__(
        self,
        topic_partitions: list[ConsumerGroupHeartbeatResponseTopic] = MISSING,
    ) -> None:
        self.topic_partitions: list[ConsumerGroupHeartbeatResponseTopic] = [] if topic_partitions is MISSING else topic_partitions


class ConsumerGroupHeartbeatResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "member_id", "member_epoch", "heartbeat_interval_ms", "assignment")
    API_KEY = 68
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=None),
        Field("member_id", "string", 0, 0, nullable_from=0, default=None),
        Field("member_epoch", "int32", 0, 0, default=0),
        Field("heartbeat_interval_ms", "int32", 0, 0, default=0),
        Field("assignment", "struct", 0, 0, nullable_from=0, default=None, struct=ConsumerGroupHeartbeatResponseAssignment),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = None,
        member_id: str | None = None,
        member_epoch: int = 0,
        heartbeat_interval_ms: int = 0,
        assignment: ConsumerGroupHeartbeatResponseAssignment | None = None,  # null when nothing has changed
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.member_id = member_id
        self.member_epoch = member_epoch
        self.heartbeat_interval_ms = heartbeat_interval_ms
        self.assignment = assignment
