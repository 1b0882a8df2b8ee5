# Written by `python -m broker.wire.generate` from schema/42_delete_groups.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Deletes empty groups with their offsets."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DeleteGroupsRequest", "DeleteGroupsResponse", "DeleteGroupsResponseResult"]


class DeleteGroupsRequest(Message):
    __slots__ = ("groups_names",)
    API_KEY = 42
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("groups_names", "string", 0, 2, array=True),
    )

    def __init__(
        self,
        groups_names: list[str] = MISSING,
    ) -> None:
        self.groups_names: list[str] = [] if groups_names is MISSING else groups_names


class DeleteGroupsResponseResult(Struct):
    __slots__ = ("group_id", "error_code")
    FIELDS = (
        Field("group_id", "string", 0, 2, default=""),
        Field("error_code", "int16", 0, 2, default=0),
    )

    def __init__(
        self,
        group_id: str = "",
        error_code: int = 0,
    ) -> None:
        self.group_id = group_id
        self.error_code = error_code


class DeleteGroupsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 42
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 2, default=0),
        Field("results", "struct", 0, 2, array=True, struct=DeleteGroupsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[DeleteGroupsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[DeleteGroupsResponseResult] = [] if results is MISSING else results
