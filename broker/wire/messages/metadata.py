# Written by `python -m broker.wire.generate` from schema/03_metadata.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Brokers, topics and partitions of the cluster, as far as the receiver knows them.

v0 says all topics with an empty list, later versions with null; v4 can forbid creation of topics that are missing, v10
adds topic ids, v12 allows to ask by id. From v11 on the cluster's own operations are asked of DescribeCluster.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["MetadataRequest", "MetadataRequestTopic", "MetadataResponse", "MetadataResponseBroker", "MetadataResponsePartition", "MetadataResponseTopic"]


class MetadataRequestTopic(Struct):
    """Null for all."""

    __slots__ = ("topic_id", "name")
    FIELDS = (
        Field("topic_id", "uuid", 10, 12, default=NO_UUID, ignorable=True),
        Field("name", "string", 0, 12, nullable_from=10, default=""),
    )

    def __init__(
        self,
        topic_id: bytes = NO_UUID,  # zero to ask by name
        name: str | None = "",  # null to ask by id
    ) -> None:
        self.topic_id = topic_id
        self.name = name


class MetadataRequest(Message):
    __slots__ = ("topics", "allow_auto_topic_creation", "include_cluster_authorized_operations", "include_topic_authorized_operations")
    API_KEY = 3
    VERSIONS = (0, 12)
    FLEXIBLE = 9
    FIELDS = (
        Field("topics", "struct", 0, 12, array=True, nullable_from=1, struct=MetadataRequestTopic),
        Field("allow_auto_topic_creation", "bool", 4, 12, default=True),
        Field("include_cluster_authorized_operations", "bool", 8, 10, default=False),
        Field("include_topic_authorized_operations", "bool", 8, 12, default=False),
    )

    def __init__(
        self,
        topics: list[MetadataRequestTopic] | None = MISSING,  # null for all
        allow_auto_topic_creation: bool = True,  # if the broker's auto.create.topics.enable agrees
        include_cluster_authorized_operations: bool = False,
        include_topic_authorized_operations: bool = False,
    ) -> None:
        self.topics: list[MetadataRequestTopic] | None = [] if topics is MISSING else topics
        self.allow_auto_topic_creation = allow_auto_topic_creation
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.include_topic_authorized_operations = include_topic_authorized_operations


class MetadataResponseBroker(Struct):
    __slots__ = ("node_id", "host", "port", "rack")
    FIELDS = (
        Field("node_id", "int32", 0, 12, default=0),
        Field("host", "string", 0, 12, default=""),
        Field("port", "int32", 0, 12, default=0),
        Field("rack", "string", 1, 12, nullable_from=1, default=None, ignorable=True),
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


class MetadataResponsePartition(Struct):
    __slots__ = ("error_code", "partition_index", "leader_id", "leader_epoch", "replica_nodes", "isr_nodes", "offline_replicas")
    FIELDS = (
        Field("error_code", "int16", 0, 12, default=0),
        Field("partition_index", "int32", 0, 12, default=0),
        Field("leader_id", "int32", 0, 12, default=0),
        Field("leader_epoch", "int32", 7, 12, default=-1, ignorable=True),
        Field("replica_nodes", "int32", 0, 12, array=True),
        Field("isr_nodes", "int32", 0, 12, array=True),
        Field("offline_replicas", "int32", 5, 12, array=True, ignorable=True),
    )

    def __init__(
        self,
        error_code: int = 0,
        partition_index: int = 0,
        leader_id: int = 0,  # -1 for none
        leader_epoch: int = -1,  # counts the elections of the partition
        replica_nodes: list[int] = MISSING,  # the preferred leader first
        isr_nodes: list[int] = MISSING,  # in-sync replicas
        offline_replicas: list[int] = MISSING,  # on brokers that are down
    ) -> None:
        self.error_code = error_code
        self.partition_index = partition_index
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.replica_nodes: list[int] = [] if replica_nodes is MISSING else replica_nodes
        self.isr_nodes: list[int] = [] if isr_nodes is MISSING else isr_nodes
        self.offline_replicas: list[int] = [] if offline_replicas is MISSING else offline_replicas


class MetadataResponseTopic(Struct):
    __slots__ = ("error_code", "name", "topic_id", "is_internal", "partitions", "topic_authorized_operations")
    FIELDS = (
        Field("error_code", "int16", 0, 12, default=0),
        Field("name", "string", 0, 12, nullable_from=12, default=""),
        Field("topic_id", "uuid", 10, 12, default=NO_UUID, ignorable=True),
        Field("is_internal", "bool", 1, 12, default=False, ignorable=True),
        Field("partitions", "struct", 0, 12, array=True, struct=MetadataResponsePartition),
        Field("topic_authorized_operations", "int32", 8, 12, default=-2147483648),
    )

    def __init__(
        self,
        error_code: int = 0,
        name: str | None = "",
        topic_id: bytes = NO_UUID,
        is_internal: bool = False,  # __consumer_offsets and its like
        partitions: list[MetadataResponsePartition] = MISSING,
        topic_authorized_operations: int = -2147483648,  # bits by operation; the default says that nobody asked
    ) -> None:
        self.error_code = error_code
        self.name = name
        self.topic_id = topic_id
        self.is_internal = is_internal
        self.partitions: list[MetadataResponsePartition] = [] if partitions is MISSING else partitions
        self.topic_authorized_operations = topic_authorized_operations


class MetadataResponse(Message):
    __slots__ = ("throttle_time_ms", "brokers", "cluster_id", "controller_id", "topics", "cluster_authorized_operations")
    API_KEY = 3
    VERSIONS = (0, 12)
    FLEXIBLE = 9
    FIELDS = (
        Field("throttle_time_ms", "int32", 3, 12, default=0, ignorable=True),
        Field("brokers", "struct", 0, 12, array=True, struct=MetadataResponseBroker),
        Field("cluster_id", "string", 2, 12, nullable_from=2, default=None, ignorable=True),
        Field("controller_id", "int32", 1, 12, default=-1, ignorable=True),
        Field("topics", "struct", 0, 12, array=True, struct=MetadataResponseTopic),
        Field("cluster_authorized_operations", "int32", 8, 10, default=-2147483648),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        brokers: list[MetadataResponseBroker] = MISSING,
        cluster_id: str | None = None,
        controller_id: int = -1,  # -1 for none
        topics: list[MetadataResponseTopic] = MISSING,
        cluster_authorized_operations: int = -2147483648,  # bits by operation; the default says that nobody asked
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.brokers: list[MetadataResponseBroker] = [] if brokers is MISSING else brokers
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.topics: list[MetadataResponseTopic] = [] if topics is MISSING else topics
        self.cluster_authorized_operations = cluster_authorized_operations
