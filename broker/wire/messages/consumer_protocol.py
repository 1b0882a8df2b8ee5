# Written by `python -m broker.wire.generate` from schema/consumer_protocol.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""What consumers say to each other inside JoinGroup and SyncGroup; the broker passes it through.

Each is preceded by its version as int16.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ConsumerProtocolAssignment", "ConsumerProtocolAssignmentAssigned", "ConsumerProtocolSubscription", "ConsumerProtocolSubscriptionOwned"]


class ConsumerProtocolSubscriptionOwned(Struct):
    """What the member has at present, for cooperative assignors."""

    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 1, 3, default=""),
        Field("partitions", "int32", 1, 3, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ConsumerProtocolSubscription(Message):
    __slots__ = ("topics", "user_data", "owned_partitions", "generation_id", "rack_id")
    VERSIONS = (0, 3)
    FIELDS = (
        Field("topics", "string", 0, 3, array=True),
        Field("user_data", "bytes", 0, 3, nullable_from=0, default=None),
        Field("owned_partitions", "struct", 1, 3, array=True, ignorable=True, struct=ConsumerProtocolSubscriptionOwned),
        Field("generation_id", "int32", 2, 3, default=-1, ignorable=True),
        Field("rack_id", "string", 3, 3, nullable_from=3, default=None, ignorable=True),
    )

    def __init__(
        self,
        topics: list[str] = MISSING,
        user_data: bytes | None = None,  # the assignor's own
        owned_partitions: list[ConsumerProtocolSubscriptionOwned] = MISSING,  # what the member has at present, for cooperative assignors
        generation_id: int = -1,  # generation in which it owned them
        rack_id: str | None = None,
    ) -> None:
        self.topics: list[str] = [] if topics is MISSING else topics
        self.user_data = user_data
        self.owned_partitions: list[ConsumerProtocolSubscriptionOwned] = [] if owned_partitions is MISSING else owned_partitions
        self.generation_id = generation_id
        self.rack_id = rack_id


class ConsumerProtocolAssignmentAssigned(Struct):
    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 3, default=""),
        Field("partitions", "int32", 0, 3, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class ConsumerProtocolAssignment(Message):
    __slots__ = ("assigned_partitions", "user_data")
    VERSIONS = (0, 3)
    FIELDS = (
        Field("assigned_partitions", "struct", 0, 3, array=True, struct=ConsumerProtocolAssignmentAssigned),
        Field("user_data", "bytes", 0, 3, nullable_from=0, default=None),
    )

    def __init__(
        self,
        assigned_partitions: list[ConsumerProtocolAssignmentAssigned] = MISSING,
        user_data: bytes | None = None,  # the assignor's own
    ) -> None:
        self.assigned_partitions: list[ConsumerProtocolAssignmentAssigned] = [] if assigned_partitions is MISSING else assigned_partitions
        self.user_data = user_data
