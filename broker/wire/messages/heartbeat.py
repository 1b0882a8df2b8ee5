# Written by `python -m broker.wire.generate` from schema/12_heartbeat.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Keeps a member in its group, and tells it when the group rebalances."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["HeartbeatRequest", "HeartbeatResponse"]


class HeartbeatRequest(Message):
    __slots__ = ("group_id", "generation_id", "member_id", "group_instance_id")
    API_KEY = 12
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("group_id", "string", 0, 4, default=""),
        Field("generation_id", "int32", 0, 4, default=0),
        Field("member_id", "string", 0, 4, default=""),
        Field("group_instance_id", "string", 3, 4, nullable_from=3, default=None),
    )

    def __init__(
        self,
        group_id: str = "",
        generation_id: int = 0,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
    ) -> None:
        self.group_id = group_id
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id


class HeartbeatResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code")
    API_KEY = 12
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 4, default=0, ignorable=True),
        Field("error_code", "int16", 0, 4, default=0),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
