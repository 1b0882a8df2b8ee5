# Written by `python -m broker.wire.generate` from schema/07_controlled_shutdown.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""A broker asks the controller to move leadership off it before it stops.

v0 has no client id in its header; v2 fences by broker epoch.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ControlledShutdownRequest", "ControlledShutdownResponse", "ControlledShutdownResponsePartition"]


class ControlledShutdownRequest(Message):
    __slots__ = ("broker_id", "broker_epoch")
    API_KEY = 7
    VERSIONS = (0, 3)
    FLEXIBLE = 3
    FIELDS = (
        Field("broker_id", "int32", 0, 3, default=0),
        Field("broker_epoch", "int64", 2, 3, default=-1, ignorable=True),
    )

    def __init__(
        self,
        broker_id: int = 0,
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
    ) -> None:
        self.broker_id = broker_id
        self.broker_epoch = broker_epoch


class ControlledShutdownResponsePartition(Struct):
    """Those that the broker still leads: ask again."""

    __slots__ = ("topic_name", "partition_index")
    FIELDS = (
        Field("topic_name", "string", 0, 3, default=""),
        Field("partition_index", "int32", 0, 3, default=0),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_index: int = 0,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index


class ControlledShutdownResponse(Message):
    __slots__ = ("error_code", "remaining_partitions")
    API_KEY = 7
    VERSIONS = (0, 3)
    FLEXIBLE = 3
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("remaining_partitions", "struct", 0, 3, array=True, struct=ControlledShutdownResponsePartition),
    )

    def __init__(
        self,
        error_code: int = 0,
        remaining_partitions: list[ControlledShutdownResponsePartition] = MISSING,  # those that the broker still leads: ask again
    ) -> None:
        self.error_code = error_code
        self.remaining_partitions: list[ControlledShutdownResponsePartition] = [] if remaining_partitions is MISSING else remaining_partitions
