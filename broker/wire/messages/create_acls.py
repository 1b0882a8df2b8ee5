# Written by `python -m broker.wire.generate` from schema/30_create_acls.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Adds access control entries. v1 adds pattern types."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["CreateAclsRequest", "CreateAclsRequestCreation", "CreateAclsResponse", "CreateAclsResponseResult"]


class CreateAclsRequestCreation(Struct):
    __slots__ = ("resource_type", "resource_name", "resource_pattern_type", "principal", "host", "operation", "permission_type")
    FIELDS = (
        Field("resource_type", "int8", 0, 3, default=0),
        Field("resource_name", "string", 0, 3, default=""),
        Field("resource_pattern_type", "int8", 1, 3, default=3),
        Field("principal", "string", 0, 3, default=""),
        Field("host", "string", 0, 3, default=""),
        Field("operation", "int8", 0, 3, default=0),
        Field("permission_type", "int8", 0, 3, default=0),
    )

    def __init__(
        self,
        resource_type: int = 0,  # numbers as in DescribeAcls
        resource_name: str = "",
        resource_pattern_type: int = 3,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.resource_pattern_type = resource_pattern_type
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type


class CreateAclsRequest(Message):
    __slots__ = ("creations",)
    API_KEY = 30
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("creations", "struct", 0, 3, array=True, struct=CreateAclsRequestCreation),
    )

    def __init__(
        self,
        creations: list[CreateAclsRequestCreation] = MISSING,
    ) -> None:
        self.creations: list[CreateAclsRequestCreation] = [] if creations is MISSING else creations


class CreateAclsResponseResult(Struct):
    __slots__ = ("error_code", "error_message")
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 0, 3, nullable_from=0, default=""),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message


class CreateAclsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 30
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 3, default=0),
        Field("results", "struct", 0, 3, array=True, struct=CreateAclsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[CreateAclsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[CreateAclsResponseResult] = [] if results is MISSING else results
