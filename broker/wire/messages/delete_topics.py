# Written by `python -m broker.wire.generate` from schema/20_delete_topics.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Deletes topics, at the controller. v5 tells reasons, v6 deletes by id as well."""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["DeleteTopicsRequest", "DeleteTopicsRequestTopic", "DeleteTopicsResponse", "DeleteTopicsResponseTopic"]


class DeleteTopicsRequestTopic(Struct):
    """By name or id."""

    __slots__ = ("name", "topic_id")
    FIELDS = (
        Field("name", "string", 6, 6, nullable_from=6, default=None),
        Field("topic_id", "uuid", 6, 6, default=NO_UUID),
    )

    def __init__(
        self,
        name: str | None = None,
        topic_id: bytes = NO_UUID,
    ) -> None:
        self.name = name
        self.topic_id = topic_id


class DeleteTopicsRequest(Message):
    __slots__ = ("topics", "topic_names", "timeout_ms")
    API_KEY = 20
    VERSIONS = (0, 6)
    FLEXIBLE = 4
    FIELDS = (
        Field("topics", "struct", 6, 6, array=True, struct=DeleteTopicsRequestTopic),
        Field("topic_names", "string", 0, 5, array=True, ignorable=True),
        Field("timeout_ms", "int32", 0, 6, default=0),
    )

    def __init__(
        self,
        topics: list[DeleteTopicsRequestTopic] = MISSING,  # by name or id
        topic_names: list[str] = MISSING,  # by name
        timeout_ms: int = 0,
    ) -> None:
        self.topics: list[DeleteTopicsRequestTopic] = [] if topics is MISSING else topics
        self.topic_names: list[str] = [] if topic_names is MISSING else topic_names
        self.timeout_ms = timeout_ms


class DeleteTopicsResponseTopic(Struct):
    __slots__ = ("name", "topic_id", "error_code", "error_message")
    FIELDS = (
        Field("name", "string", 0, 6, nullable_from=6, default=""),
        Field("topic_id", "uuid", 6, 6, default=NO_UUID, ignorable=True),
        Field("error_code", "int16", 0, 6, default=0),
        Field("error_message", "string", 5, 6, nullable_from=5, default=None, ignorable=True),
    )

    def __init__(
        self,
        name: str | None = "",
        topic_id: bytes = NO_UUID,
        error_code: int = 0,
        error_message: str | None = None,
    ) -> None:
        self.name = name
        self.topic_id = topic_id
        self.error_code = error_code
        self.error_message = error_message


class DeleteTopicsResponse(Message):
    __slots__ = ("throttle_time_ms", "responses")
    API_KEY = 20
    VERSIONS = (0, 6)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 6, default=0, ignorable=True),
        Field("responses", "struct", 0, 6, array=True, struct=DeleteTopicsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        responses: list[DeleteTopicsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses: list[DeleteTopicsResponseTopic] = [] if responses is MISSING else responses
