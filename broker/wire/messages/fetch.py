# Written by `python -m broker.wire.generate` from schema/01_fetch.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Reads record batches from partitions; followers replicate with it too.

v3 bounds the whole response, v4 adds isolation levels and format v2, v7 sessions, v9 fencing by leader epoch, v10
allows zstd, v11 names the reader's rack, v12 detects divergence by the last fetched epoch, v13 addresses topics by id,
v15 moves the replica's identity into a tagged struct, v16 tells who leads instead, v17 names the replica's directory.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Records, Struct

__all__ = ["FetchRequest", "FetchRequestForgottenTopic", "FetchRequestPartition", "FetchRequestReplicaState", "FetchRequestTopic", "FetchResponse", "FetchResponseAbortedTransaction", "FetchResponseEndpoint", "FetchResponseEpochEndOffset", "FetchResponseLeader", "FetchResponsePartition", "FetchResponseSnapshotId", "FetchResponseTopic"]


class FetchRequestReplicaState(Struct):
    """The follower, from v15 on here."""

    __slots__ = ("replica_id", "replica_epoch")
    FIELDS = (
        Field("replica_id", "int32", 15, 17, default=-1),
        Field("replica_epoch", "int64", 15, 17, default=-1),
    )

    def __init__(
        self,
        replica_id: int = -1,  # broker id, -1 for consumers
        replica_epoch: int = -1,  # the follower's broker epoch
    ) -> None:
        self.replica_id = replica_id
        self.replica_epoch = replica_epoch


class FetchRequestPartition(Struct):
    __slots__ = ("partition", "current_leader_epoch", "fetch_offset", "last_fetched_epoch", "log_start_offset", "partition_max_bytes", "replica_directory_id")
    FIELDS = (
        Field("partition", "int32", 0, 17, default=0),
        Field("current_leader_epoch", "int32", 9, 17, default=-1, ignorable=True),
        Field("fetch_offset", "int64", 0, 17, default=0),
        Field("last_fetched_epoch", "int32", 12, 17, default=-1),
        Field("log_start_offset", "int64", 5, 17, default=-1, ignorable=True),
        Field("partition_max_bytes", "int32", 0, 17, default=0),
        Field("replica_directory_id", "uuid", 17, 17, default=NO_UUID, ignorable=True, tag=0),
    )

    def __init__(
        self,
        partition: int = 0,
        current_leader_epoch: int = -1,  # the epoch that the sender knows, to be fenced by; -1 for none
        fetch_offset: int = 0,
        last_fetched_epoch: int = -1,  # epoch of the follower's last record, to find where it diverges
        log_start_offset: int = -1,  # the follower's own log start
        partition_max_bytes: int = 0,  # the first batch may exceed it
        replica_directory_id: bytes = NO_UUID,  # log directory of the follower
    ) -> None:
        self.partition = partition
        self.current_leader_epoch = current_leader_epoch
        self.fetch_offset = fetch_offset
        self.last_fetched_epoch = last_fetched_epoch
        self.log_start_offset = log_start_offset
        self.partition_max_bytes = partition_max_bytes
        self.replica_directory_id = replica_directory_id


class FetchRequestTopic(Struct):
    __slots__ = ("topic", "topic_id", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 12, default="", ignorable=True),
        Field("topic_id", "uuid", 13, 17, default=NO_UUID, ignorable=True),
        Field("partitions", "struct", 0, 17, array=True, struct=FetchRequestPartition),
    )

    def __init__(
        self,
        topic: str = "",
        topic_id: bytes = NO_UUID,
        partitions: list[FetchRequestPartition] = MISSING,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions: list[FetchRequestPartition] = [] if partitions is MISSING else partitions


class FetchRequestForgottenTopic(Struct):
    """What to take out of the session."""

    __slots__ = ("topic", "topic_id", "partitions")
    FIELDS = (
        Field("topic", "string", 7, 12, default="", ignorable=True),
        Field("topic_id", "uuid", 13, 17, default=NO_UUID, ignorable=True),
        Field("partitions", "int32", 7, 17, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        topic_id: bytes = NO_UUID,
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class FetchRequest(Message):
    __slots__ = ("cluster_id", "replica_id", "replica_state", "max_wait_ms", "min_bytes", "max_bytes", "isolation_level", "session_id", "session_epoch", "topics", "forgotten_topics_data", "rack_id")
    API_KEY = 1
    VERSIONS = (0, 17)
    FLEXIBLE = 12
    FIELDS = (
        Field("cluster_id", "string", 12, 17, nullable_from=12, default=None, ignorable=True, tag=0),
        Field("replica_id", "int32", 0, 14, default=-1),
        Field("replica_state", "struct", 15, 17, tag=1, struct=FetchRequestReplicaState),
        Field("max_wait_ms", "int32", 0, 17, default=0),
        Field("min_bytes", "int32", 0, 17, default=0),
        Field("max_bytes", "int32", 3, 17, default=2147483647, ignorable=True),
        Field("isolation_level", "int8", 4, 17, default=0, ignorable=True),
        Field("session_id", "int32", 7, 17, default=0, ignorable=True),
        Field("session_epoch", "int32", 7, 17, default=-1, ignorable=True),
        Field("topics", "struct", 0, 17, array=True, struct=FetchRequestTopic),
        Field("forgotten_topics_data", "struct", 7, 17, array=True, struct=FetchRequestForgottenTopic),
        Field("rack_id", "string", 11, 17, default="", ignorable=True),
    )

    def __init__(
        self,
        cluster_id: str | None = None,  # to be refused by another cluster
        replica_id: int = -1,  # the follower's broker id, -1 for consumers
        replica_state: FetchRequestReplicaState = MISSING,  # the follower, from v15 on here
        max_wait_ms: int = 0,  # how long to wait for min_bytes
        min_bytes: int = 0,
        max_bytes: int = 2147483647,  # of the whole response; the first batch may exceed it
        isolation_level: int = 0,  # 0 reads everything, 1 committed transactions only
        session_id: int = 0,  # 0 for none or a new one
        session_epoch: int = -1,  # 0 opens a session, -1 closes it or does without
        topics: list[FetchRequestTopic] = MISSING,
        forgotten_topics_data: list[FetchRequestForgottenTopic] = MISSING,  # what to take out of the session
        rack_id: str = "",  # the consumer's rack, to read from a near replica
    ) -> None:
        self.cluster_id = cluster_id
        self.replica_id = replica_id
        self.replica_state: FetchRequestReplicaState = FetchRequestReplicaState() if replica_state is MISSING else replica_state
        self.max_wait_ms = max_wait_ms
        self.min_bytes = min_bytes
        self.max_bytes = max_bytes
        self.isolation_level = isolation_level
        self.session_id = session_id
        self.session_epoch = session_epoch
        self.topics: list[FetchRequestTopic] = [] if topics is MISSING else topics
        self.forgotten_topics_data: list[FetchRequestForgottenTopic] = [] if forgotten_topics_data is MISSING else forgotten_topics_data
        self.rack_id = rack_id


class FetchResponseEpochEndOffset(Struct):
    """Where the follower has to truncate."""

    __slots__ = ("epoch", "end_offset")
    FIELDS = (
        Field("epoch", "int32", 12, 17, default=-1),
        Field("end_offset", "int64", 12, 17, default=-1),
    )

    def __init__(
        self,
        epoch: int = -1,
        end_offset: int = -1,
    ) -> None:
        self.epoch = epoch
        self.end_offset = end_offset


class FetchResponseLeader(Struct):
    """Where to ask instead."""

    __slots__ = ("leader_id", "leader_epoch")
    FIELDS = (
        Field("leader_id", "int32", 12, 17, default=-1),
        Field("leader_epoch", "int32", 12, 17, default=-1),
    )

    def __init__(
        self,
        leader_id: int = -1,
        leader_epoch: int = -1,  # counts the elections of the partition
    ) -> None:
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch


class FetchResponseSnapshotId(Struct):
    """KRaft only."""

    __slots__ = ("end_offset", "epoch")
    FIELDS = (
        Field("end_offset", "int64", 12, 17, default=-1),
        Field("epoch", "int32", 12, 17, default=-1),
    )

    def __init__(
        self,
        end_offset: int = -1,
        epoch: int = -1,
    ) -> None:
        self.end_offset = end_offset
        self.epoch = epoch


class FetchResponseAbortedTransaction(Struct):
    """Null unless only committed records are read."""

    __slots__ = ("producer_id", "first_offset")
    FIELDS = (
        Field("producer_id", "int64", 4, 17, default=0),
        Field("first_offset", "int64", 4, 17, default=0),
    )

    def __init__(
        self,
        producer_id: int = 0,
        first_offset: int = 0,
    ) -> None:
        self.producer_id = producer_id
        self.first_offset = first_offset


class FetchResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code", "high_watermark", "last_stable_offset", "log_start_offset", "diverging_epoch", "current_leader", "snapshot_id", "aborted_transactions", "preferred_read_replica", "records")
    FIELDS = (
        Field("partition_index", "int32", 0, 17, default=0),
        Field("error_code", "int16", 0, 17, default=0),
        Field("high_watermark", "int64", 0, 17, default=0),
        Field("last_stable_offset", "int64", 4, 17, default=-1, ignorable=True),
        Field("log_start_offset", "int64", 5, 17, default=-1, ignorable=True),
        Field("diverging_epoch", "struct", 12, 17, tag=0, struct=FetchResponseEpochEndOffset),
        Field("current_leader", "struct", 12, 17, tag=1, struct=FetchResponseLeader),
        Field("snapshot_id", "struct", 12, 17, tag=2, struct=FetchResponseSnapshotId),
        Field("aborted_transactions", "struct", 4, 17, array=True, nullable_from=4, ignorable=True, struct=FetchResponseAbortedTransaction),
        Field("preferred_read_replica", "int32", 11, 17, default=-1),
        Field("records", "records", 0, 17, nullable_from=0, default=b""),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
        high_watermark: int = 0,  # end of what all in-sync replicas have
        last_stable_offset: int = -1,  # end of what belongs to no open transaction
        log_start_offset: int = -1,  # first offset that the log still has, -1 for unknown
        diverging_epoch: FetchResponseEpochEndOffset = MISSING,  # where the follower has to truncate
        current_leader: FetchResponseLeader = MISSING,  # where to ask instead
        snapshot_id: FetchResponseSnapshotId = MISSING,  # KRaft only
        aborted_transactions: list[FetchResponseAbortedTransaction] | None = MISSING,  # null unless only committed records are read
        preferred_read_replica: int = -1,  # a nearer replica to fetch from, -1 for none
        records: Records | None = b"",  # whole batches as they lie in the log; the last may be cut short
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.high_watermark = high_watermark
        self.last_stable_offset = last_stable_offset
        self.log_start_offset = log_start_offset
        self.diverging_epoch: FetchResponseEpochEndOffset = FetchResponseEpochEndOffset() if diverging_epoch is MISSING else diverging_epoch
        self.current_leader: FetchResponseLeader = FetchResponseLeader() if current_leader is MISSING else current_leader
        self.snapshot_id: FetchResponseSnapshotId = FetchResponseSnapshotId() if snapshot_id is MISSING else snapshot_id
        self.aborted_transactions: list[FetchResponseAbortedTransaction] | None = [] if aborted_transactions is MISSING else aborted_transactions
        self.preferred_read_replica = preferred_read_replica
        self.records = records


class FetchResponseTopic(Struct):
    __slots__ = ("topic", "topic_id", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 12, default="", ignorable=True),
        Field("topic_id", "uuid", 13, 17, default=NO_UUID, ignorable=True),
        Field("partitions", "struct", 0, 17, array=True, struct=FetchResponsePartition),
    )

    def __init__(
        self,
        topic: str = "",
        topic_id: bytes = NO_UUID,
        partitions: list[FetchResponsePartition] = MISSING,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.partitions: list[FetchResponsePartition] = [] if partitions is MISSING else partitions


class FetchResponseEndpoint(Struct):
    """Addresses of the leaders named above."""

    __slots__ = ("node_id", "host", "port", "rack")
    FIELDS = (
        Field("node_id", "int32", 16, 17, default=0),
        Field("host", "string", 16, 17, default=""),
        Field("port", "int32", 16, 17, default=0),
        Field("rack", "string", 16, 17, nullable_from=16, default=None),
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


class FetchResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "session_id", "responses", "node_endpoints")
    API_KEY = 1
    VERSIONS = (0, 17)
    FLEXIBLE = 12
    FIELDS = (
        Field("throttle_time_ms", "int32", 1, 17, default=0, ignorable=True),
        Field("error_code", "int16", 7, 17, default=0, ignorable=True),
        Field("session_id", "int32", 7, 17, default=0),
        Field("responses", "struct", 0, 17, array=True, struct=FetchResponseTopic),
        Field("node_endpoints", "struct", 16, 17, array=True, tag=0, struct=FetchResponseEndpoint),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        session_id: int = 0,  # 0 for no session
        responses: list[FetchResponseTopic] = MISSING,
        node_endpoints: list[FetchResponseEndpoint] = MISSING,  # addresses of the leaders named above
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.session_id = session_id
        self.responses: list[FetchResponseTopic] = [] if responses is MISSING else responses
        self.node_endpoints: list[FetchResponseEndpoint] = [] if node_endpoints is MISSING else node_endpoints
