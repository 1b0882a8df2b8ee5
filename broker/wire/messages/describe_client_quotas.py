# Written by `python -m broker.wire.generate` from schema/48_describe_client_quotas.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Quotas of users, client ids and addresses."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeClientQuotasRequest", "DescribeClientQuotasRequestComponent", "DescribeClientQuotasResponse", "DescribeClientQuotasResponseEntity", "DescribeClientQuotasResponseEntry", "DescribeClientQuotasResponseValue"]


class DescribeClientQuotasRequestComponent(Struct):
    __slots__ = ("entity_type", "match_type", "match")
    FIELDS = (
        Field("entity_type", "string", 0, 1, default=""),
        Field("match_type", "int8", 0, 1, default=0),
        Field("match", "string", 0, 1, nullable_from=0, default=""),
    )

    def __init__(
        self,
        entity_type: str = "",  # `user`, `client-id` or `ip`
        match_type: int = 0,  # 0 this name, 1 the default, 2 any name
        match: str | None = "",
    ) -> None:
        self.entity_type = entity_type
        self.match_type = match_type
        self.match = match


class DescribeClientQuotasRequest(Message):
    __slots__ = ("components", "strict")
    API_KEY = 48
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("components", "struct", 0, 1, array=True, struct=DescribeClientQuotasRequestComponent),
        Field("strict", "bool", 0, 1, default=False),
    )

    def __init__(
        self,
        components: list[DescribeClientQuotasRequestComponent] = MISSING,
        strict: bool = False,  # leave out entries with more entity types than named
    ) -> None:
        self.components: list[DescribeClientQuotasRequestComponent] = [] if components is MISSING else components
        self.strict = strict


class DescribeClientQuotasResponseEntity(Struct):
    __slots__ = ("entity_type", "entity_name")
    FIELDS = (
        Field("entity_type", "string", 0, 1, default=""),
        Field("entity_name", "string", 0, 1, nullable_from=0, default=""),
    )

    def __init__(
        self,
        entity_type: str = "",
        entity_name: str | None = "",
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name


class DescribeClientQuotasResponseValue(Struct):
    __slots__ = ("key", "value")
    FIELDS = (
        Field("key", "string", 0, 1, default=""),
        Field("value", "float64", 0, 1, default=0.0),
    )

    def __init__(
        self,
        key: str = "",
        value: float = 0.0,
    ) -> None:
        self.key = key
        self.value = value


class DescribeClientQuotasResponseEntry(Struct):
    __slots__ = ("entity", "values")
    FIELDS = (
        Field("entity", "struct", 0, 1, array=True, struct=DescribeClientQuotasResponseEntity),
        Field("values", "struct", 0, 1, array=True, struct=DescribeClientQuotasResponseValue),
    )

    def __init__(
        self,
        entity: list[DescribeClientQuotasResponseEntity] = MISSING,
        values: list[DescribeClientQuotasResponseValue] = MISSING,
    ) -> None:
        self.entity: list[DescribeClientQuotasResponseEntity] = [] if entity is MISSING else entity
        self.values: list[DescribeClientQuotasResponseValue] = [] if values is MISSING else values


class DescribeClientQuotasResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "entries")
    API_KEY = 48
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=""),
        Field("entries", "struct", 0, 1, array=True, nullable_from=0, struct=DescribeClientQuotasResponseEntry),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        entries: list[DescribeClientQuotasResponseEntry] | None = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.entries: list[DescribeClientQuotasResponseEntry] | None = [] if entries is MISSING else entries
