# Written by `python -m broker.wire.generate` from schema/33_alter_configs.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Replaces the whole configuration of resources; IncrementalAlterConfigs changes single keys."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AlterConfigsRequest", "AlterConfigsRequestConfig", "AlterConfigsRequestResource", "AlterConfigsResponse", "AlterConfigsResponseResource"]


class AlterConfigsRequestConfig(Struct):
    __slots__ = ("name", "value")
    FIELDS = (
        Field("name", "string", 0, 2, default=""),
        Field("value", "string", 0, 2, nullable_from=0, default=""),
    )

    def __init__(
        self,
        name: str = "",
        value: str | None = "",
    ) -> None:
        self.name = name
        self.value = value


class AlterConfigsRequestResource(Struct):
    __slots__ = ("resource_type", "resource_name", "configs")
    FIELDS = (
        Field("resource_type", "int8", 0, 2, default=0),
        Field("resource_name", "string", 0, 2, default=""),
        Field("configs", "struct", 0, 2, array=True, struct=AlterConfigsRequestConfig),
    )

    def __init__(
        self,
        resource_type: int = 0,  # 2 topic, 4 broker, 8 logger, 16 client metrics
        resource_name: str = "",
        configs: list[AlterConfigsRequestConfig] = MISSING,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs: list[AlterConfigsRequestConfig] = [] if configs is MISSING else configs


class AlterConfigsRequest(Message):
    __slots__ = ("resources", "validate_only")
    API_KEY = 33
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("resources", "struct", 0, 2, array=True, struct=AlterConfigsRequestResource),
        Field("validate_only", "bool", 0, 2, default=False),
    )

    def __init__(
        self,
        resources: list[AlterConfigsRequestResource] = MISSING,
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.resources: list[AlterConfigsRequestResource] = [] if resources is MISSING else resources
        self.validate_only = validate_only


class AlterConfigsResponseResource(Struct):
    __slots__ = ("error_code", "error_message", "resource_type", "resource_name")
    FIELDS = (
        Field("error_code", "int16", 0, 2, default=0),
        Field("error_message", "string", 0, 2, nullable_from=0, default=""),
        Field("resource_type", "int8", 0, 2, default=0),
        Field("resource_name", "string", 0, 2, default=""),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name


class AlterConfigsResponse(Message):
    __slots__ = ("throttle_time_ms", "responses")
    API_KEY = 33
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 2, default=0),
        Field("responses", "struct", 0, 2, array=True, struct=AlterConfigsResponseResource),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        responses: list[AlterConfigsResponseResource] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses: list[AlterConfigsResponseResource] = [] if responses is MISSING else responses
