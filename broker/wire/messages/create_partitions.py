# Written by `python -m broker.wire.generate` from schema/37_create_partitions.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Adds partitions to topics, at the controller."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["CreatePartitionsRequest", "CreatePartitionsRequestAssignment", "CreatePartitionsRequestTopic", "CreatePartitionsResponse", "CreatePartitionsResponseTopic"]


class CreatePartitionsRequestAssignment(Struct):
    """Of the new partitions only; null leaves it to the broker."""

    __slots__ = ("broker_ids",)
    FIELDS = (
        Field("broker_ids", "int32", 0, 3, array=True),
    )

    def __init__(
        self,
        broker_ids: list[int] = MISSING,
    ) -> None:
        self.broker_ids: list[int] = [] if broker_ids is MISSING else broker_ids


class CreatePartitionsRequestTopic(Struct):
    __slots__ = ("name", "count", "assignments")
    FIELDS = (
        Field("name", "string", 0, 3, default=""),
        Field("count", "int32", 0, 3, default=0),
        Field("assignments", "struct", 0, 3, array=True, nullable_from=0, struct=CreatePartitionsRequestAssignment),
    )

    def __init__(
        self,
        name: str = "",
        count: int = 0,  # partitions afterwards, not in addition
        assignments: list[CreatePartitionsRequestAssignment] | None = MISSING,  # of the new partitions only; null leaves it to the broker
    ) -> None:
        self.name = name
        self.count = count
        self.assignments: list[CreatePartitionsRequestAssignment] | None = [] if assignments is MISSING else assignments


class CreatePartitionsRequest(Message):
    __slots__ = ("topics", "timeout_ms", "validate_only")
    API_KEY = 37
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("topics", "struct", 0, 3, array=True, struct=CreatePartitionsRequestTopic),
        Field("timeout_ms", "int32", 0, 3, default=0),
        Field("validate_only", "bool", 0, 3, default=False),
    )

    def __init__(
        self,
        topics: list[CreatePartitionsRequestTopic] = MISSING,
        timeout_ms: int = 0,
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.topics: list[CreatePartitionsRequestTopic] = [] if topics is MISSING else topics
        self.timeout_ms = timeout_ms
        self.validate_only = validate_only


class CreatePartitionsResponseTopic(Struct):
    __slots__ = ("name", "error_code", "error_message")
    FIELDS = (
        Field("name", "string", 0, 3, default=""),
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 0, 3, nullable_from=0, default=None),
    )

    def __init__(
        self,
        name: str = "",
        error_code: int = 0,
        error_message: str | None = None,
    ) -> None:
        self.name = name
        self.error_code = error_code
        self.error_message = error_message


class CreatePartitionsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 37
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 3, default=0),
        Field("results", "struct", 0, 3, array=True, struct=CreatePartitionsResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[CreatePartitionsResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[CreatePartitionsResponseTopic] = [] if results is MISSING else results
