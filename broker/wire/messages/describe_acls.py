# Written by `python -m broker.wire.generate` from schema/29_describe_acls.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Access control entries that match a filter. v1 adds pattern types."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeAclsRequest", "DescribeAclsResponse", "DescribeAclsResponseAcl", "DescribeAclsResponseResource"]


class DescribeAclsRequest(Message):
    __slots__ = ("resource_type_filter", "resource_name_filter", "pattern_type_filter", "principal_filter", "host_filter", "operation", "permission_type")
    API_KEY = 29
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("resource_type_filter", "int8", 0, 3, default=0),
        Field("resource_name_filter", "string", 0, 3, nullable_from=0, default=""),
        Field("pattern_type_filter", "int8", 1, 3, default=3),
        Field("principal_filter", "string", 0, 3, nullable_from=0, default=""),
        Field("host_filter", "string", 0, 3, nullable_from=0, default=""),
        Field("operation", "int8", 0, 3, default=0),
        Field("permission_type", "int8", 0, 3, default=0),
    )

    def __init__(
        self,
        resource_type_filter: int = 0,  # 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user
        resource_name_filter: str | None = "",
        pattern_type_filter: int = 3,  # 1 any, 2 match, 3 literal, 4 prefixed
        principal_filter: str | None = "",
        host_filter: str | None = "",
        operation: int = 0,  # 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 and 11 configs, 12 idempotent write
        permission_type: int = 0,  # 1 any, 2 deny, 3 allow
    ) -> None:
        self.resource_type_filter = resource_type_filter
        self.resource_name_filter = resource_name_filter
        self.pattern_type_filter = pattern_type_filter
        self.principal_filter = principal_filter
        self.host_filter = host_filter
        self.operation = operation
        self.permission_type = permission_type


class DescribeAclsResponseAcl(Struct):
    __slots__ = ("principal", "host", "operation", "permission_type")
    FIELDS = (
        Field("principal", "string", 0, 3, default=""),
        Field("host", "string", 0, 3, default=""),
        Field("operation", "int8", 0, 3, default=0),
        Field("permission_type", "int8", 0, 3, default=0),
    )

    def __init__(
        self,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
    ) -> None:
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type


class DescribeAclsResponseResource(Struct):
    __slots__ = ("resource_type", "resource_name", "pattern_type", "acls")
    FIELDS = (
        Field("resource_type", "int8", 0, 3, default=0),
        Field("resource_name", "string", 0, 3, default=""),
        Field("pattern_type", "int8", 1, 3, default=3),
        Field("acls", "struct", 0, 3, array=True, struct=DescribeAclsResponseAcl),
    )

    def __init__(
        self,
        resource_type: int = 0,
        resource_name: str = "",
        pattern_type: int = 3,
        acls: list[DescribeAclsResponseAcl] = MISSING,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.pattern_type = pattern_type
        self.acls: list[DescribeAclsResponseAcl] = [] if acls is MISSING else acls


class DescribeAclsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "resources")
    API_KEY = 29
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 3, default=0),
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 0, 3, nullable_from=0, default=""),
        Field("resources", "struct", 0, 3, array=True, struct=DescribeAclsResponseResource),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        resources: list[DescribeAclsResponseResource] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.resources: list[DescribeAclsResponseResource] = [] if resources is MISSING else resources
