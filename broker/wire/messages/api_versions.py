# Written by `python -m broker.wire.generate` from schema/18_api_versions.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""What the receiver speaks: the first request on a connection.

A version that the receiver does not know is answered in v0 with error 35, which is why the response's header is v0 always.
The features of v3 on are for upgrades of a whole cluster.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ApiVersionsRequest", "ApiVersionsResponse", "ApiVersionsResponseApiKey", "ApiVersionsResponseFinalizedFeature", "ApiVersionsResponseSupportedFeature"]


class ApiVersionsRequest(Message):
    __slots__ = ("client_software_name", "client_software_version")
    API_KEY = 18
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("client_software_name", "string", 3, 4, default="", ignorable=True),
        Field("client_software_version", "string", 3, 4, default="", ignorable=True),
    )

    def __init__(
        self,
        client_software_name: str = "",
        client_software_version: str = "",
    ) -> None:
        self.client_software_name = client_software_name
        self.client_software_version = client_software_version


class ApiVersionsResponseApiKey(Struct):
    __slots__ = ("api_key", "min_version", "max_version")
    FIELDS = (
        Field("api_key", "int16", 0, 4, default=0),
        Field("min_version", "int16", 0, 4, default=0),
        Field("max_version", "int16", 0, 4, default=0),
    )

    def __init__(
        self,
        api_key: int = 0,
        min_version: int = 0,
        max_version: int = 0,
    ) -> None:
        self.api_key = api_key
        self.min_version = min_version
        self.max_version = max_version


class ApiVersionsResponseSupportedFeature(Struct):
    """Levels that this broker could use."""

    __slots__ = ("name", "min_version", "max_version")
    FIELDS = (
        Field("name", "string", 3, 4, default=""),
        Field("min_version", "int16", 3, 4, default=0),
        Field("max_version", "int16", 3, 4, default=0),
    )

    def __init__(
        self,
        name: str = "",
        min_version: int = 0,
        max_version: int = 0,
    ) -> None:
        self.name = name
        self.min_version = min_version
        self.max_version = max_version


class ApiVersionsResponseFinalizedFeature(Struct):
    """Levels that the whole cluster uses."""

    __slots__ = ("name", "max_version_level", "min_version_level")
    FIELDS = (
        Field("name", "string", 3, 4, default=""),
        Field("max_version_level", "int16", 3, 4, default=0),
        Field("min_version_level", "int16", 3, 4, default=0),
    )

    def __init__(
        self,
        name: str = "",
        max_version_level: int = 0,
        min_version_level: int = 0,
    ) -> None:
        self.name = name
        self.max_version_level = max_version_level
        self.min_version_level = min_version_level


class ApiVersionsResponse(Message):
    __slots__ = ("error_code", "api_keys", "throttle_time_ms", "supported_features", "finalized_features_epoch", "finalized_features", "zk_migration_ready")
    API_KEY = 18
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("error_code", "int16", 0, 4, default=0),
        Field("api_keys", "struct", 0, 4, array=True, struct=ApiVersionsResponseApiKey),
        Field("throttle_time_ms", "int32", 1, 4, default=0, ignorable=True),
        Field("supported_features", "struct", 3, 4, array=True, ignorable=True, tag=0, struct=ApiVersionsResponseSupportedFeature),
        Field("finalized_features_epoch", "int64", 3, 4, default=-1, ignorable=True, tag=1),
        Field("finalized_features", "struct", 3, 4, array=True, ignorable=True, tag=2, struct=ApiVersionsResponseFinalizedFeature),
        Field("zk_migration_ready", "bool", 3, 4, default=False, ignorable=True, tag=3),
    )

    def __init__(
        self,
        error_code: int = 0,
        api_keys: list[ApiVersionsResponseApiKey] = MISSING,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        supported_features: list[ApiVersionsResponseSupportedFeature] = MISSING,  # levels that this broker could use
        finalized_features_epoch: int = -1,  # -1 for unknown
        finalized_features: list[ApiVersionsResponseFinalizedFeature] = MISSING,  # levels that the whole cluster uses
        zk_migration_ready: bool = False,  # whether the controllers could take over from ZooKeeper
    ) -> None:
        self.error_code = error_code
        self.api_keys: list[ApiVersionsResponseApiKey] = [] if api_keys is MISSING else api_keys
        self.throttle_time_ms = throttle_time_ms
        self.supported_features: list[ApiVersionsResponseSupportedFeature] = [] if supported_features is MISSING else supported_features
        self.finalized_features_epoch = finalized_features_epoch
        self.finalized_features: list[ApiVersionsResponseFinalizedFeature] = [] if finalized_features is MISSING else finalized_features
        self.zk_migration_ready = zk_migration_ready
