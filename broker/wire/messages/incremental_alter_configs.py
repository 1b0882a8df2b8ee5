# Written by `python -m broker.wire.generate` from schema/44_incremental_alter_configs.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Changes single configuration keys: set (0), delete (1), append to (2) or subtract from (3) a list."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["IncrementalAlterConfigsRequest", "IncrementalAlterConfigsRequestConfig", "IncrementalAlterConfigsRequestResource", "IncrementalAlterConfigsResponse", "IncrementalAlterConfigsResponseResource"]


class IncrementalAlterConfigsRequestConfig(Struct):
    __slots__ = ("name", "config_operation", "value")
    FIELDS = (
        Field("name", "string", 0, 1, default=""),
        Field("config_operation", "int8", 0, 1, default=0),
        Field("value", "string", 0, 1, nullable_from=0, default=""),
    )

    def __init__(
        self,
        name: str = "",
        config_operation: int = 0,  # 0 set, 1 delete, 2 append, 3 subtract
        value: str | None = "",
    ) -> None:
        self.name = name
        self.config_operation = config_operation
        self.value = value


class IncrementalAlterConfigsRequestResource(Struct):
    __slots__ = ("resource_type", "resource_name", "configs")
    FIELDS = (
        Field("resource_type", "int8", 0, 1, default=0),
        Field("resource_name", "string", 0, 1, default=""),
        Field("configs", "struct", 0, 1, array=True, struct=IncrementalAlterConfigsRequestConfig),
    )

    def __init__(
        self,
        resource_type: int = 0,  # 2 topic, 4 broker, 8 logger, 16 client metrics
        resource_name: str = "",
        configs: list[IncrementalAlterConfigsRequestConfig] = MISSING,
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs: list[IncrementalAlterConfigsRequestConfig] = [] if configs is MISSING else configs


class IncrementalAlterConfigsRequest(Message):
    __slots__ = ("resources", "validate_only")
    API_KEY = 44
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("resources", "struct", 0, 1, array=True, struct=IncrementalAlterConfigsRequestResource),
        Field("validate_only", "bool", 0, 1, default=False),
    )

    def __init__(
        self,
        resources: list[IncrementalAlterConfigsRequestResource] = MISSING,
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.resources: list[IncrementalAlterConfigsRequestResource] = [] if resources is MISSING else resources
        self.validate_only = validate_only


class IncrementalAlterConfigsResponseResource(Struct):
    __slots__ = ("error_code", "error_message", "resource_type", "resource_name")
    FIELDS = (
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=""),
        Field("resource_type", "int8", 0, 1, default=0),
        Field("resource_name", "string", 0, 1, default=""),
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


class IncrementalAlterConfigsResponse(Message):
    __slots__ = ("throttle_time_ms", "responses")
    API_KEY = 44
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("responses", "struct", 0, 1, array=True, struct=IncrementalAlterConfigsResponseResource),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        responses: list[IncrementalAlterConfigsResponseResource] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.responses: list[IncrementalAlterConfigsResponseResource] = [] if responses is MISSING else responses
