# Written by `python -m broker.wire.generate` from schema/31_delete_acls.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Removes the access control entries that match filters. v1 adds pattern types."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DeleteAclsRequest", "DeleteAclsRequestFilter", "DeleteAclsResponse", "DeleteAclsResponseFilterResult", "DeleteAclsResponseMatchingAcl"]


class DeleteAclsRequestFilter(Struct):
    __slots__ = ("resource_type_filter", "resource_name_filter", "pattern_type_filter", "principal_filter", "host_filter", "operation", "permission_type")
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
        resource_type_filter: int = 0,  # numbers as in DescribeAcls
        resource_name_filter: str | None = "",
        pattern_type_filter: int = 3,
        principal_filter: str | None = "",
        host_filter: str | None = "",
        operation: int = 0,
        permission_type: int = 0,
    ) -> None:
        self.resource_type_filter = resource_type_filter
        self.resource_name_filter = resource_name_filter
        self.pattern_type_filter = pattern_type_filter
        self.principal_filter = principal_filter
        self.host_filter = host_filter
        self.operation = operation
        self.permission_type = permission_type


class DeleteAclsRequest(Message):
    __slots__ = ("filters",)
    API_KEY = 31
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("filters", "struct", 0, 3, array=True, struct=DeleteAclsRequestFilter),
    )

    def __init__(
        self,
        filters: list[DeleteAclsRequestFilter] = MISSING,
    ) -> None:
        self.filters: list[DeleteAclsRequestFilter] = [] if filters is MISSING else filters


class DeleteAclsResponseMatchingAcl(Struct):
    __slots__ = ("error_code", "error_message", "resource_type", "resource_name", "pattern_type", "principal", "host", "operation", "permission_type")
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 0, 3, nullable_from=0, default=""),
        Field("resource_type", "int8", 0, 3, default=0),
        Field("resource_name", "string", 0, 3, default=""),
        Field("pattern_type", "int8", 1, 3, default=3),
        Field("principal", "string", 0, 3, default=""),
        Field("host", "string", 0, 3, default=""),
        Field("operation", "int8", 0, 3, default=0),
        Field("permission_type", "int8", 0, 3, default=0),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        pattern_type: int = 3,
        principal: str = "",
        host: str = "",
        operation: int = 0,
        permission_type: int = 0,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.pattern_type = pattern_type
        self.principal = principal
        self.host = host
        self.operation = operation
        self.permission_type = permission_type


class DeleteAclsResponseFilterResult(Struct):
    __slots__ = ("error_code", "error_message", "matching_acls")
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 0, 3, nullable_from=0, default=""),
        Field("matching_acls", "struct", 0, 3, array=True, struct=DeleteAclsResponseMatchingAcl),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        matching_acls: list[DeleteAclsResponseMatchingAcl] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.matching_acls: list[DeleteAclsResponseMatchingAcl] = [] if matching_acls is MISSING else matching_acls


class DeleteAclsResponse(Message):
    __slots__ = ("throttle_time_ms", "filter_results")
    API_KEY = 31
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 3, default=0),
        Field("filter_results", "struct", 0, 3, array=True, struct=DeleteAclsResponseFilterResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        filter_results: list[DeleteAclsResponseFilterResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.filter_results: list[DeleteAclsResponseFilterResult] = [] if filter_results is MISSING else filter_results
