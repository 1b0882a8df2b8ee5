# Written by `python -m broker.wire.generate` from schema/06_update_metadata.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The controller tells a broker about live brokers and about leaders: what Metadata is answered from.

v1 replaces host and port by endpoints, v2 adds racks, v3 listener names, v4 offline replicas, v5 groups partitions by
topic and fences by broker epoch, v7 adds topic ids, v8 the mark of a KRaft controller.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["UpdateMetadataRequest", "UpdateMetadataRequestBroker", "UpdateMetadataRequestEndpoint", "UpdateMetadataRequestPartition", "UpdateMetadataRequestTopic", "UpdateMetadataResponse"]


class UpdateMetadataRequestPartition(Struct):
    __slots__ = ("topic_name", "partition_index", "controller_epoch", "leader", "leader_epoch", "isr", "zk_version", "replicas", "offline_replicas")
    FIELDS = (
        Field("topic_name", "string", 0, 4, default="", ignorable=True),
        Field("partition_index", "int32", 0, 8, default=0),
        Field("controller_epoch", "int32", 0, 8, default=0),
        Field("leader", "int32", 0, 8, default=0),
        Field("leader_epoch", "int32", 0, 8, default=0),
        Field("isr", "int32", 0, 8, array=True),
        Field("zk_version", "int32", 0, 8, default=0),
        Field("replicas", "int32", 0, 8, array=True),
        Field("offline_replicas", "int32", 4, 8, array=True, ignorable=True),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_index: int = 0,
        controller_epoch: int = 0,  # counts the elections of the controller
        leader: int = 0,  # -1 none, -2 the topic is being deleted
        leader_epoch: int = 0,  # counts the elections of the partition
        isr: list[int] = MISSING,  # in-sync replicas
        zk_version: int = 0,  # version of the state znode
        replicas: list[int] = MISSING,
        offline_replicas: list[int] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index
        self.controller_epoch = controller_epoch
        self.leader = leader
        self.leader_epoch = leader_epoch
        self.isr: list[int] = [] if isr is MISSING else isr
        self.zk_version = zk_version
        self.replicas: list[int] = [] if replicas is MISSING else replicas
        self.offline_replicas: list[int] = [] if offline_replicas is MISSING else offline_replicas


class UpdateMetadataRequestTopic(Struct):
    __slots__ = ("topic_name", "topic_id", "partition_states")
    FIELDS = (
        Field("topic_name", "string", 5, 8, default=""),
        Field("topic_id", "uuid", 7, 8, default=NO_UUID, ignorable=True),
        Field("partition_states", "struct", 5, 8, array=True, struct=UpdateMetadataRequestPartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        topic_id: bytes = NO_UUID,
        partition_states: list[UpdateMetadataRequestPartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.topic_id = topic_id
        self.partition_states: list[UpdateMetadataRequestPartition] = [] if partition_states is MISSING else partition_states


class UpdateMetadataRequestEndpoint(Struct):
    __slots__ = ("port", "host", "listener", "security_protocol")
    FIELDS = (
        Field("port", "int32", 1, 8, default=0),
        Field("host", "string", 1, 8, default=""),
        Field("listener", "string", 3, 8, default="", ignorable=True),
        Field("security_protocol", "int16", 1, 8, default=0),
    )

    def __init__(
        self,
        port: int = 0,
        host: str = "",
        listener: str = "",
        security_protocol: int = 0,  # 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL
    ) -> None:
        self.port = port
        self.host = host
        self.listener = listener
        self.security_protocol = security_protocol


class UpdateMetadataRequestBroker(Struct):
    __slots__ = ("id", "v0_host", "v0_port", "endpoints", "rack")
    FIELDS = (
        Field("id", "int32", 0, 8, default=0),
        Field("v0_host", "string", 0, 0, default="", ignorable=True),
        Field("v0_port", "int32", 0, 0, default=0, ignorable=True),
        Field("endpoints", "struct", 1, 8, array=True, ignorable=True, struct=UpdateMetadataRequestEndpoint),
        Field("rack", "string", 2, 8, nullable_from=2, default="", ignorable=True),
    )

    def __init__(
        self,
        id: int = 0,
        v0_host: str = "",
        v0_port: int = 0,
        endpoints: list[UpdateMetadataRequestEndpoint] = MISSING,
        rack: str | None = "",
    ) -> None:
        self.id = id
        self.v0_host = v0_host
        self.v0_port = v0_port
        self.endpoints: list[UpdateMetadataRequestEndpoint] = [] if endpoints is MISSING else endpoints
        self.rack = rack


class UpdateMetadataRequest(Message):
    __slots__ = ("controller_id", "is_kraft_controller", "type", "controller_epoch", "broker_epoch", "ungrouped_partition_states", "topic_states", "live_brokers")
    API_KEY = 6
    VERSIONS = (0, 8)
    FLEXIBLE = 6
    FIELDS = (
        Field("controller_id", "int32", 0, 8, default=0),
        Field("is_kraft_controller", "bool", 8, 8, default=False),
        Field("type", "int8", 8, 8, default=0, tag=0),
        Field("controller_epoch", "int32", 0, 8, default=0),
        Field("broker_epoch", "int64", 5, 8, default=-1, ignorable=True),
        Field("ungrouped_partition_states", "struct", 0, 4, array=True, struct=UpdateMetadataRequestPartition),
        Field("topic_states", "struct", 5, 8, array=True, struct=UpdateMetadataRequestTopic),
        Field("live_brokers", "struct", 0, 8, array=True, struct=UpdateMetadataRequestBroker),
    )

    def __init__(
        self,
        controller_id: int = 0,
        is_kraft_controller: bool = False,  # never true with ZooKeeper
        type: int = 0,  # 0 unknown, 1 some partitions, 2 all
        controller_epoch: int = 0,  # counts the elections of the controller
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
        ungrouped_partition_states: list[UpdateMetadataRequestPartition] = MISSING,
        topic_states: list[UpdateMetadataRequestTopic] = MISSING,
        live_brokers: list[UpdateMetadataRequestBroker] = MISSING,
    ) -> None:
        self.controller_id = controller_id
        self.is_kraft_controller = is_kraft_controller
        self.type = type
        self.controller_epoch = controller_epoch
        self.broker_epoch = broker_epoch
        self.ungrouped_partition_states: list[UpdateMetadataRequestPartition] = [] if ungrouped_partition_states is MISSING else ungrouped_partition_states
        self.topic_states: list[UpdateMetadataRequestTopic] = [] if topic_states is MISSING else topic_states
        self.live_brokers: list[UpdateMetadataRequestBroker] = [] if live_brokers is MISSING else live_brokers


class UpdateMetadataResponse(Message):
    __slots__ = ("error_code",)
    API_KEY = 6
    VERSIONS = (0, 8)
    FLEXIBLE = 6
    FIELDS = (
        Field("error_code", "int16", 0, 8, default=0),
    )

    def __init__(
        self,
        error_code: int = 0,
    ) -> None:
        self.error_code = error_code
