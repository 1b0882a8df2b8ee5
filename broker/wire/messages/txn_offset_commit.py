# Written by `python -m broker.wire.generate` from schema/28_txn_offset_commit.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Stores a group's offsets as part of a transaction. v2 adds leader epochs, v3 the group's membership."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["TxnOffsetCommitRequest", "TxnOffsetCommitRequestPartition", "TxnOffsetCommitRequestTopic", "TxnOffsetCommitResponse", "TxnOffsetCommitResponsePartition", "TxnOffsetCommitResponseTopic"]


class TxnOffsetCommitRequestPartition(Struct):
    __slots__ = ("partition_index", "committed_offset", "committed_leader_epoch", "committed_metadata")
    FIELDS = (
        Field("partition_index", "int32", 0, 4, default=0),
        Field("committed_offset", "int64", 0, 4, default=0),
        Field("committed_leader_epoch", "int32", 2, 4, default=-1, ignorable=True),
        Field("committed_metadata", "string", 0, 4, nullable_from=0, default=""),
    )

    def __init__(
        self,
        partition_index: int = 0,
        committed_offset: int = 0,
        committed_leader_epoch: int = -1,
        committed_metadata: str | None = "",
    ) -> None:
        self.partition_index = partition_index
        self.committed_offset = committed_offset
        self.committed_leader_epoch = committed_leader_epoch
        self.committed_metadata = committed_metadata


class TxnOffsetCommitRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 4, default=""),
        Field("partitions", "struct", 0, 4, array=True, struct=TxnOffsetCommitRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[TxnOffsetCommitRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[TxnOffsetCommitRequestPartition] = [] if partitions is MISSING else partitions


class TxnOffsetCommitRequest(Message):
    __slots__ = ("transactional_id", "group_id", "producer_id", "producer_epoch", "generation_id", "member_id", "group_instance_id", "topics")
    API_KEY = 28
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("transactional_id", "string", 0, 4, default=""),
        Field("group_id", "string", 0, 4, default=""),
        Field("producer_id", "int64", 0, 4, default=0),
        Field("producer_epoch", "int16", 0, 4, default=0),
        Field("generation_id", "int32", 3, 4, default=-1),
        Field("member_id", "string", 3, 4, default=""),
        Field("group_instance_id", "string", 3, 4, nullable_from=3, default=None),
        Field("topics", "struct", 0, 4, array=True, struct=TxnOffsetCommitRequestTopic),
    )

    def __init__(
        self,
        transactional_id: str = "",
        group_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        generation_id: int = -1,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
        topics: list[TxnOffsetCommitRequestTopic] = MISSING,
    ) -> None:
        self.transactional_id = transactional_id
        self.group_id = group_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.generation_id = generation_id
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.topics: list[TxnOffsetCommitRequestTopic] = [] if topics is MISSING else topics


class TxnOffsetCommitResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 4, default=0),
        Field("error_code", "int16", 0, 4, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code


class TxnOffsetCommitResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 4, default=""),
        Field("partitions", "struct", 0, 4, array=True, struct=TxnOffsetCommitResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[TxnOffsetCommitResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[TxnOffsetCommitResponsePartition] = [] if partitions is MISSING else partitions


class TxnOffsetCommitResponse(Message):
    __slots__ = ("throttle_time_ms", "topics")
    API_KEY = 28
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 4, default=0),
        Field("topics", "struct", 0, 4, array=True, struct=TxnOffsetCommitResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        topics: list[TxnOffsetCommitResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.topics: list[TxnOffsetCommitResponseTopic] = [] if topics is MISSING else topics
