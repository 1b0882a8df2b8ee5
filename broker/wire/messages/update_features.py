# Written by `python -m broker.wire.generate` from schema/57_update_features.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Finalises feature levels of the whole cluster."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["UpdateFeaturesRequest", "UpdateFeaturesRequestFeature", "UpdateFeaturesResponse", "UpdateFeaturesResponseResult"]


class UpdateFeaturesRequestFeature(Struct):
    __slots__ = ("feature", "max_version_level", "allow_downgrade", "upgrade_type")
    FIELDS = (
        Field("feature", "string", 0, 1, default=""),
        Field("max_version_level", "int16", 0, 1, default=0),
        Field("allow_downgrade", "bool", 0, 0, default=False),
        Field("upgrade_type", "int8", 1, 1, default=1),
    )

    def __init__(
        self,
        feature: str = "",
        max_version_level: int = 0,
        allow_downgrade: bool = False,
        upgrade_type: int = 1,  # 1 upgrade only, 2 safe downgrade, 3 unsafe downgrade
    ) -> None:
        self.feature = feature
        self.max_version_level = max_version_level
        self.allow_downgrade = allow_downgrade
        self.upgrade_type = upgrade_type


class UpdateFeaturesRequest(Message):
    __slots__ = ("timeout_ms", "feature_updates", "validate_only")
    API_KEY = 57
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("timeout_ms", "int32", 0, 1, default=60000),
        Field("feature_updates", "struct", 0, 1, array=True, struct=UpdateFeaturesRequestFeature),
        Field("validate_only", "bool", 1, 1, default=False),
    )

    def __init__(
        self,
        timeout_ms: int = 60000,
        feature_updates: list[UpdateFeaturesRequestFeature] = MISSING,
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.timeout_ms = timeout_ms
        self.feature_updates: list[UpdateFeaturesRequestFeature] = [] if feature_updates is MISSING else feature_updates
        self.validate_only = validate_only


class UpdateFeaturesResponseResult(Struct):
    __slots__ = ("feature", "error_code", "error_message")
    FIELDS = (
        Field("feature", "string", 0, 1, default=""),
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=""),
    )

    def __init__(
        self,
        feature: str = "",
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.feature = feature
        self.error_code = error_code
        self.error_message = error_message


class UpdateFeaturesResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "results")
    API_KEY = 57
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=""),
        Field("results", "struct", 0, 1, array=True, struct=UpdateFeaturesResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        results: list[UpdateFeaturesResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.results: list[UpdateFeaturesResponseResult] = [] if results is MISSING else results
