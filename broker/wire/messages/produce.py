# Written by `python -m broker.wire.generate` from schema/00_produce.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Appends record batches to partitions that the receiver leads.

v0-1 carry messages of format v0, v2 format v1, v3 on one batch of format v2 for each partition; zstd needs v7.
v1 adds throttling, v3 transactions, v5 the log's start, v8 reasons for refused records, v10 tells who leads instead.
With acks 0 there is no response at all.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Records, Struct

__all__ = ["ProduceRequest", "ProduceRequestPartition", "ProduceRequestTopic", "ProduceResponse", "ProduceResponseEndpoint", "ProduceResponseLeader", "ProduceResponsePartition", "ProduceResponseRecordError", "ProduceResponseTopic"]


class ProduceRequestPartition(Struct):
    __slots__ = ("index", "records")
    FIELDS = (
        Field("index", "int32", 0, 11, default=0),
        Field("records", "records", 0, 11, nullable_from=0, default=b""),
    )

    def __init__(
        self,
        index: int = 0,
        records: Records | None = b"",  # one batch of format v2, message sets in v0-2
    ) -> None:
        self.index = index
        self.records = records


class ProduceRequestTopic(Struct):
    __slots__ = ("name", "partition_data")
    FIELDS = (
        Field("name", "string", 0, 11, default=""),
        Field("partition_data", "struct", 0, 11, array=True, struct=ProduceRequestPartition),
    )

    def __init__(
        self,
        name: str = "",
        partition_data: list[ProduceRequestPartition] = MISSING,
    ) -> None:
        self.name = name
        self.partition_data: list[ProduceRequestPartition] = [] if partition_data is MISSING else partition_data


class ProduceRequest(Message):
    __slots__ = ("transactional_id", "acks", "timeout_ms", "topic_data")
    API_KEY = 0
    VERSIONS = (0, 11)
    FLEXIBLE = 9
    FIELDS = (
        Field("transactional_id", "string", 3, 11, nullable_from=3, default=None),
        Field("acks", "int16", 0, 11, default=0),
        Field("timeout_ms", "int32", 0, 11, default=0),
        Field("topic_data", "struct", 0, 11, array=True, struct=ProduceRequestTopic),
    )

    def __init__(
        self,
        transactional_id: str | None = None,  # null outside of a transaction
        acks: int = 0,  # 0: no answer; 1: the leader alone; -1: all in-sync replicas
        timeout_ms: int = 0,  # how long to wait for the replicas
        topic_data: list[ProduceRequestTopic] = MISSING,
    ) -> None:
        self.transactional_id = transactional_id
        self.acks = acks
        self.timeout_ms = timeout_ms
        self.topic_data: list[ProduceRequestTopic] = [] if topic_data is MISSING else topic_data


class ProduceResponseRecordError(Struct):
    """Which records made the batch be refused."""

    __slots__ = ("batch_index", "batch_index_error_message")
    FIELDS = (
        Field("batch_index", "int32", 8, 11, default=0),
        Field("batch_index_error_message", "string", 8, 11, nullable_from=8, default=None),
    )

    def __init__(
        self,
        batch_index: int = 0,  # position in the batch
        batch_index_error_message: str | None = None,
    ) -> None:
        self.batch_index = batch_index
        self.batch_index_error_message = batch_index_error_message


class ProduceResponseLeader(Struct):
    """Where to ask instead."""

    __slots__ = ("leader_id", "leader_epoch")
    FIELDS = (
        Field("leader_id", "int32", 10, 11, default=-1),
        Field("leader_epoch", "int32", 10, 11, default=-1),
    )

    def __init__(
        self,
        leader_id: int = -1,
        leader_epoch: int = -1,  # counts the elections of the partition
    ) -> None:
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch


class ProduceResponsePartition(Struct):
    __slots__ = ("index", "error_code", "base_offset", "log_append_time_ms", "log_start_offset", "record_errors", "error_message", "current_leader")
    FIELDS = (
        Field("index", "int32", 0, 11, default=0),
        Field("error_code", "int16", 0, 11, default=0),
        Field("base_offset", "int64", 0, 11, default=0),
        Field("log_append_time_ms", "int64", 2, 11, default=-1, ignorable=True),
        Field("log_start_offset", "int64", 5, 11, default=-1, ignorable=True),
        Field("record_errors", "struct", 8, 11, array=True, ignorable=True, struct=ProduceResponseRecordError),
        Field("error_message", "string", 8, 11, nullable_from=8, default=None, ignorable=True),
        Field("current_leader", "struct", 10, 11, tag=0, struct=ProduceResponseLeader),
    )

    def __init__(
        self,
        index: int = 0,
        error_code: int = 0,
        base_offset: int = 0,  # offset of the first record
        log_append_time_ms: int = -1,  # -1 where the records keep their own time
        log_start_offset: int = -1,  # first offset that the log still has, -1 for unknown
        record_errors: list[ProduceResponseRecordError] = MISSING,  # which records made the batch be refused
        error_message: str | None = None,
        current_leader: ProduceResponseLeader = MISSING,  # where to ask instead
    ) -> None:
        self.index = index
        self.error_code = error_code
        self.base_offset = base_offset
        self.log_append_time_ms = log_append_time_ms
        self.log_start_offset = log_start_offset
        self.record_errors: list[ProduceResponseRecordError] = [] if record_errors is MISSING else record_errors
        self.error_message = error_message
        self.current_leader: ProduceResponseLeader = ProduceResponseLeader() if current_leader is MISSING else current_leader


class ProduceResponseTopic(Struct):
    __slots__ = ("name", "partition_responses")
    FIELDS = (
        Field("name", "string", 0, 11, default=""),
        Field("partition_responses", "struct", 0, 11, array=True, struct=ProduceResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partition_responses: list[ProduceResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partition_responses: list[ProduceResponsePartition] = [] if partition_responses is MISSING else partition_responses


class ProduceResponseEndpoint(Struct):
    """Addresses of the leaders named above."""

    __slots__ = ("node_id", "host", "port", "rack")
    FIELDS = (
        Field("node_id", "int32", 10, 11, default=0),
        Field("host", "string", 10, 11, default=""),
        Field("port", "int32", 10, 11, default=0),
        Field("rack", "string", 10, 11, nullable_from=10, default=None),
    )

    def __init__(
        self,
        node_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
    ) -> None:
        self.node_id = node_id
        self.host = host
        self.port = port
        self.rack = rack


class ProduceResponse(Message):
    __slots__ = ("responses", "throttle_time_ms", "node_endpoints")
    API_KEY = 0
    VERSIONS = (0, 11)
    FLEXIBLE = 9
    FIELDS = (
        Field("responses", "struct", 0, 11, array=True, struct=ProduceResponseTopic),
        Field("throttle_time_ms", "int32", 1, 11, default=0, ignorable=True),
        Field("node_endpoints", "struct", 10, 11, array=True, tag=0, struct=ProduceResponseEndpoint),
    )

    def __init__(
        self,
        responses: list[ProduceResponseTopic] = MISSING,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        node_endpoints: list[ProduceResponseEndpoint] = MISSING,  # addresses of the leaders named above
    ) -> None:
        self.responses: list[ProduceResponseTopic] = [] if responses is MISSING else responses
        self.throttle_time_ms = throttle_time_ms
        self.node_endpoints: list[ProduceResponseEndpoint] = [] if node_endpoints is MISSING else node_endpoints
