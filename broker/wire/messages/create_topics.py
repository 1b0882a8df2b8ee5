# Written by `python -m broker.wire.generate` from schema/19_create_topics.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Creates topics, at the controller.

v1 can validate only and tells reasons, v4 allows -1 for the broker's defaults, v5 returns what was created, v7 its id.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["CreateTopicsRequest", "CreateTopicsRequestAssignment", "CreateTopicsRequestConfig", "CreateTopicsRequestTopic", "CreateTopicsResponse", "CreateTopicsResponseConfig", "CreateTopicsResponseTopic"]


class CreateTopicsRequestAssignment(Struct):
    """Replicas chosen by hand."""

    __slots__ = ("partition_index", "broker_ids")
    FIELDS = (
        Field("partition_index", "int32", 0, 7, default=0),
        Field("broker_ids", "int32", 0, 7, array=True),
    )

    def __init__(
        self,
        partition_index: int = 0,
        broker_ids: list[int] = MISSING,  # the preferred leader first
    ) -> None:
        self.partition_index = partition_index
        self.broker_ids: list[int] = [] if broker_ids is MISSING else broker_ids


class CreateTopicsRequestConfig(Struct):
    __slots__ = ("name", "value")
    FIELDS = (
        Field("name", "string", 0, 7, default=""),
        Field("value", "string", 0, 7, nullable_from=0, default=""),
    )

    def __init__(
        self,
        name: str = "",
        value: str | None = "",
    ) -> None:
        self.name = name
        self.value = value


class CreateTopicsRequestTopic(Struct):
    __slots__ = ("name", "num_partitions", "replication_factor", "assignments", "configs")
    FIELDS = (
        Field("name", "string", 0, 7, default=""),
        Field("num_partitions", "int32", 0, 7, default=0),
        Field("replication_factor", "int16", 0, 7, default=0),
        Field("assignments", "struct", 0, 7, array=True, struct=CreateTopicsRequestAssignment),
        Field("configs", "struct", 0, 7, array=True, struct=CreateTopicsRequestConfig),
    )

    def __init__(
        self,
        name: str = "",
        num_partitions: int = 0,  # -1 with assignments, or for the broker's default
        replication_factor: int = 0,  # -1 with assignments, or for the broker's default
        assignments: list[CreateTopicsRequestAssignment] = MISSING,  # replicas chosen by hand
        configs: list[CreateTopicsRequestConfig] = MISSING,
    ) -> None:
        self.name = name
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.assignments: list[CreateTopicsRequestAssignment] = [] if assignments is MISSING else assignments
        self.configs: list[CreateTopicsRequestConfig] = [] if configs is MISSING else configs


class CreateTopicsRequest(Message):
    __slots__ = ("topics", "timeout_ms", "validate_only")
    API_KEY = 19
    VERSIONS = (0, 7)
    FLEXIBLE = 5
    FIELDS = (
        Field("topics", "struct", 0, 7, array=True, struct=CreateTopicsRequestTopic),
        Field("timeout_ms", "int32", 0, 7, default=60000),
        Field("validate_only", "bool", 1, 7, default=False),
    )

    def __init__(
        self,
        topics: list[CreateTopicsRequestTopic] = MISSING,
        timeout_ms: int = 60000,  # how long to wait for the topic to be there
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.topics: list[CreateTopicsRequestTopic] = [] if topics is MISSING else topics
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only


class CreateTopicsResponseConfig(Struct):
    __slots__ = ("name", "value", "read_only", "config_source", "is_sensitive")
    FIELDS = (
        Field("name", "string", 5, 7, default=""),
        Field("value", "string", 5, 7, nullable_from=5, default=""),
        Field("read_only", "bool", 5, 7, default=False),
        Field("config_source", "int8", 5, 7, default=-1, ignorable=True),
        Field("is_sensitive", "bool", 5, 7, default=False),
    )

    def __init__(
        self,
        name: str = "",
        value: str | None = "",
        read_only: bool = False,
        config_source: int = -1,
        is_sensitive: bool = False,
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.config_source = config_source
        self.is_sensitive = is_sensitive


class CreateTopicsResponseTopic(Struct):
    __slots__ = ("name", "topic_id", "error_code", "error_message", "topic_config_error_code", "num_partitions", "replication_factor", "configs")
    FIELDS = (
        Field("name", "string", 0, 7, default=""),
        Field("topic_id", "uuid", 7, 7, default=NO_UUID, ignorable=True),
        Field("error_code", "int16", 0, 7, default=0),
        Field("error_message", "string", 1, 7, nullable_from=1, default="", ignorable=True),
        Field("topic_config_error_code", "int16", 5, 7, default=0, ignorable=True, tag=0),
        Field("num_partitions", "int32", 5, 7, default=-1, ignorable=True),
        Field("replication_factor", "int16", 5, 7, default=-1, ignorable=True),
        Field("configs", "struct", 5, 7, array=True, nullable_from=5, ignorable=True, struct=CreateTopicsResponseConfig),
    )

    def __init__(
        self,
        name: str = "",
        topic_id: bytes = NO_UUID,
        error_code: int = 0,
        error_message: str | None = "",
        topic_config_error_code: int = 0,  # why configs are null
        num_partitions: int = -1,  # -1 when the client may not see it
        replication_factor: int = -1,
        configs: list[CreateTopicsResponseConfig] | None = MISSING,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message
        self.topic_config_error_code = topic_config_error_code
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.configs: list[CreateTopicsResponseConfig] | None = [] if configs is MISSING else configs


class CreateTopicsResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 19
    VERSIONS = (0, 7)
    FLEXIBLE = 5
    FIELDS = (
        Field("throttle_time_ms", "int32", 2, 7, default=0, ignorable=True),
        Field("topics", "struct", 0, 7, array=True, struct=CreateTopicsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[CreateTopicsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[CreateTopicsResponseTopic] = [] if topics is MISSING else topics
