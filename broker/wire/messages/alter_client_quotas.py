# Written by `python -m broker.wire.generate` from schema/49_alter_client_quotas.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Sets and removes quotas of users, client ids and addresses."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AlterClientQuotasRequest", "AlterClientQuotasRequestEntity", "AlterClientQuotasRequestEntry", "AlterClientQuotasRequestOp", "AlterClientQuotasResponse", "AlterClientQuotasResponseEntity", "AlterClientQuotasResponseEntry"]


class AlterClientQuotasRequestEntity(Struct):
    __slots__ = ("entity_type", "entity_name")
    FIELDS = (
        Field("entity_type", "string", 0, 1, default=""),
        Field("entity_name", "string", 0, 1, nullable_from=0, default=""),
    )

    def __init__(
        self,
        entity_type: str = "",
        entity_name: str | None = "",  # null for the default
    ) -> None:
        self.entity_type = entity_type
        self.entity_name = entity_name


class AlterClientQuotasRequestOp(Struct):
    __slots__ = ("key", "value", "remove")
    FIELDS = (
        Field("key", "string", 0, 1, default=""),
        Field("value", "float64", 0, 1, default=0.0),
        Field("remove", "bool", 0, 1, default=False),
    )

    def __init__(
        self,
        key: str = "",
        value: float = 0.0,
        remove: bool = False,  # remove the key instead of setting it
    ) -> None:
        self.key = key
        self.value = value
        self.remove = remove


class AlterClientQuotasRequestEntry(Struct):
    __slots__ = ("entity", "ops")
    FIELDS = (
        Field("entity", "struct", 0, 1, array=True, struct=AlterClientQuotasRequestEntity),
        Field("ops", "struct", 0, 1, array=True, struct=AlterClientQuotasRequestOp),
    )

    def __init__(
        self,
        entity: list[AlterClientQuotasRequestEntity] = MISSING,
        ops: list[AlterClientQuotasRequestOp] = MISSING,
    ) -> None:
        self.entity: list[AlterClientQuotasRequestEntity] = [] if entity is MISSING else entity
        self.ops: list[AlterClientQuotasRequestOp] = [] if ops is MISSING else ops


class AlterClientQuotasRequest(Message):
    __slots__ = ("entries", "validate_only")
    API_KEY = 49
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("entries", "struct", 0, 1, array=True, struct=AlterClientQuotasRequestEntry),
        Field("validate_only", "bool", 0, 1, default=False),
    )

    def __init__(
        self,
        entries: list[AlterClientQuotasRequestEntry] = MISSING,
        validate_only: bool = False,  # check, and change nothing
    ) -> None:
        self.entries: list[AlterClientQuotasRequestEntry] = [] if entries is MISSING else entries
        self.validate_only = validate_only


class AlterClientQuotasResponseEntity(Struct):
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


class AlterClientQuotasResponseEntry(Struct):
    __slots__ = ("error_code", "error_message", "entity")
    FIELDS = (
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=""),
        Field("entity", "struct", 0, 1, array=True, struct=AlterClientQuotasResponseEntity),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        entity: list[AlterClientQuotasResponseEntity] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.entity: list[AlterClientQuotasResponseEntity] = [] if entity is MISSING else entity


class AlterClientQuotasResponse(Message):
    __slots__ = ("throttle_time_ms", "entries")
    API_KEY = 49
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("entries", "struct", 0, 1, array=True, struct=AlterClientQuotasResponseEntry),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        entries: list[AlterClientQuotasResponseEntry] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.entries: list[AlterClientQuotasResponseEntry] = [] if entries is MISSING else entries
