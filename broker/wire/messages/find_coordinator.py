# Written by `python -m broker.wire.generate` from schema/10_find_coordinator.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Finds the broker that coordinates a group (key type 0) or a transactional id (1).

v0 knows groups only, v4 on asks for several keys at once.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["FindCoordinatorRequest", "FindCoordinatorResponse", "FindCoordinatorResponseCoordinator"]


class FindCoordinatorRequest(Message):
    __slots__ = ("key", "key_type", "coordinator_keys")
    API_KEY = 10
    VERSIONS = (0, 6)
    FLEXIBLE = 3
    FIELDS = (
        Field("key", "string", 0, 3, default=""),
        Field("key_type", "int8", 1, 6, default=0),
        Field("coordinator_keys", "string", 4, 6, array=True),
    )

    def __init__(
        self,
        key: str = "",  # group or transactional id
        key_type: int = 0,  # 0 group, 1 transaction, 2 share group
        coordinator_keys: list[str] = MISSING,  # several keys of the same type
    ) -> None:
        self.key = key
        self.key_type = key_type
        self.coordinator_keys: list[str] = [] if coordinator_keys is MISSING else coordinator_keys


class FindCoordinatorResponseCoordinator(Struct):
    __slots__ = ("key", "node_id", "host", "port", "error_code", "error_message")
    FIELDS = (
        Field("key", "string", 4, 6, default=""),
        Field("node_id", "int32", 4, 6, default=0),
        Field("host", "string", 4, 6, default=""),
        Field("port", "int32", 4, 6, default=0),
        Field("error_code", "int16", 4, 6, default=0),
        Field("error_message", "string", 4, 6, nullable_from=4, default="", ignorable=True),
    )

    def __init__(
        self,
        key: str = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.key = key
        self.node_id = node_id
        self.host = host
        self.port = port
        self.error_code = error_code
        self.error_message = error_message


class FindCoordinatorResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "node_id", "host", "port", "coordinators")
    API_KEY = 10
    VERSIONS = (0, 6)
    FLEXIBLE = 3
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 6, default=0, ignorable=True),
        Field("error_code", "int16", 0, 3, default=0),
        Field("error_message", "string", 1, 3, nullable_from=1, default="", ignorable=True),
        Field("node_id", "int32", 0, 3, default=0),
        Field("host", "string", 0, 3, default=""),
        Field("port", "int32", 0, 3, default=0),
        Field("coordinators", "struct", 4, 6, array=True, struct=FindCoordinatorResponseCoordinator),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        coordinators: list[FindCoordinatorResponseCoordinator] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.node_id = node_id
        self.host = host
        self.port = port
        self.coordinators: list[FindCoordinatorResponseCoordinator] = [] if coordinators is MISSING else coordinators
