# Written by `python -m broker.wire.generate` from schema/32_describe_configs.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Configuration of topics, brokers and loggers. v1 adds synonyms and where values come from, v3 types and texts."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeConfigsRequest", "DescribeConfigsRequestResource", "DescribeConfigsResponse", "DescribeConfigsResponseConfig", "DescribeConfigsResponseResult", "DescribeConfigsResponseSynonym"]


class DescribeConfigsRequestResource(Struct):
    __slots__ = ("resource_type", "resource_name", "configuration_keys")
    FIELDS = (
        Field("resource_type", "int8", 0, 4, default=0),
        Field("resource_name", "string", 0, 4, default=""),
        Field("configuration_keys", "string", 0, 4, array=True, nullable_from=0),
    )

    def __init__(
        self,
        resource_type: int = 0,  # 2 topic, 4 broker, 8 logger, 16 client metrics
        resource_name: str = "",
        configuration_keys: list[str] | None = MISSING,  # null for all
    ) -> None:
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configuration_keys: list[str] | None = [] if configuration_keys is MISSING else configuration_keys


class DescribeConfigsRequest(Message):
    __slots__ = ("resources", "include_synonyms", "include_documentation")
    API_KEY = 32
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("resources", "struct", 0, 4, array=True, struct=DescribeConfigsRequestResource),
        Field("include_synonyms", "bool", 1, 4, default=False),
        Field("include_documentation", "bool", 3, 4, default=False),
    )

    def __init__(
        self,
        resources: list[DescribeConfigsRequestResource] = MISSING,
        include_synonyms: bool = False,
        include_documentation: bool = False,
    ) -> None:
        self.resources: list[DescribeConfigsRequestResource] = [] if resources is MISSING else resources
        self.include_synonyms = include_synonyms
        self.include_documentation = include_documentation


class DescribeConfigsResponseSynonym(Struct):
    """Where else the value could come from, strongest first."""

    __slots__ = ("name", "value", "source")
    FIELDS = (
        Field("name", "string", 1, 4, default=""),
        Field("value", "string", 1, 4, nullable_from=1, default=""),
        Field("source", "int8", 1, 4, default=0),
    )

    def __init__(
        self,
        name: str = "",
        value: str | None = "",
        source: int = 0,
    ) -> None:
        self.name = name
        self.value = value
        self.source = source


class DescribeConfigsResponseConfig(Struct):
    __slots__ = ("name", "value", "read_only", "is_default", "config_source", "is_sensitive", "synonyms", "config_type", "documentation")
    FIELDS = (
        Field("name", "string", 0, 4, default=""),
        Field("value", "string", 0, 4, nullable_from=0, default=""),
        Field("read_only", "bool", 0, 4, default=False),
        Field("is_default", "bool", 0, 0, default=False),
        Field("config_source", "int8", 1, 4, default=-1, ignorable=True),
        Field("is_sensitive", "bool", 0, 4, default=False),
        Field("synonyms", "struct", 1, 4, array=True, ignorable=True, struct=DescribeConfigsResponseSynonym),
        Field("config_type", "int8", 3, 4, default=0, ignorable=True),
        Field("documentation", "string", 3, 4, nullable_from=3, default="", ignorable=True),
    )

    def __init__(
        self,
        name: str = "",
        value: str | None = "",  # null for secrets
        read_only: bool = False,
        is_default: bool = False,  # v0 only: v1 on tells the source
        config_source: int = -1,  # 1 topic, 2 dynamic broker, 3 dynamic default broker, 4 static broker, 5 default, 6 dynamic logger
        is_sensitive: bool = False,
        synonyms: list[DescribeConfigsResponseSynonym] = MISSING,  # where else the value could come from, strongest first
        config_type: int = 0,  # 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password
        documentation: str | None = "",
    ) -> None:
        self.name = name
        self.value = value
        self.read_only = read_only
        self.is_default = is_default
        self.config_source = config_source
        self.is_sensitive = is_sensitive
        self.synonyms: list[DescribeConfigsResponseSynonym] = [] if synonyms is MISSING else synonyms
        self.config_type = config_type
        self.documentation = documentation


class DescribeConfigsResponseResult(Struct):
    __slots__ = ("error_code", "error_message", "resource_type", "resource_name", "configs")
    FIELDS = (
        Field("error_code", "int16", 0, 4, default=0),
        Field("error_message", "string", 0, 4, nullable_from=0, default=""),
        Field("resource_type", "int8", 0, 4, default=0),
        Field("resource_name", "string", 0, 4, default=""),
        Field("configs", "struct", 0, 4, array=True, struct=DescribeConfigsResponseConfig),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        resource_type: int = 0,
        resource_name: str = "",
        configs: list[DescribeConfigsResponseConfig] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.resource_type = resource_type
        self.resource_name = resource_name
        self.configs: list[DescribeConfigsResponseConfig] = [] if configs is MISSING else configs


class DescribeConfigsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 32
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 4, default=0),
        Field("results", "struct", 0, 4, array=True, struct=DescribeConfigsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[DescribeConfigsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[DescribeConfigsResponseResult] = [] if results is MISSING else results
