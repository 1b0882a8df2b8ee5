# Written by `python -m broker.wire.generate` from schema/56_alter_partition.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""A leader asks the controller to change its in-sync replicas.

v1 adds recovery after an unclean election, v2 addresses topics by id, v3 adds the epochs of the replicas' brokers.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["AlterPartitionRequest", "AlterPartitionRequestBrokerState", "AlterPartitionRequestPartition", "AlterPartitionRequestTopic", "AlterPartitionResponse", "AlterPartitionResponsePartition", "AlterPartitionResponseTopic"]


class AlterPartitionRequestBrokerState(Struct):
    """In-sync replicas wanted, with the epochs of their brokers."""

    __slots__ = ("broker_id", "broker_epoch")
    FIELDS = (
        Field("broker_id", "int32", 3, 3, default=0),
        Field("broker_epoch", "int64", 3, 3, default=-1),
    )

    def __init__(
        self,
        broker_id: int = 0,
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
    ) -> None:
        self.broker_id = broker_id
        self.broker_epoch = broker_epoch


class AlterPartitionRequestPartition(Struct):
    __slots__ = ("partition_index", "leader_epoch", "new_isr", "new_isr_with_epochs", "leader_recovery_state", "partition_epoch")
    FIELDS = (
        Field("partition_index", "int32", 0, 3, default=0),
        Field("leader_epoch", "int32", 0, 3, default=0),
        Field("new_isr", "int32", 0, 2, array=True),
        Field("new_isr_with_epochs", "struct", 3, 3, array=True, struct=AlterPartitionRequestBrokerState),
        Field("leader_recovery_state", "int8", 1, 3, default=0),
        Field("partition_epoch", "int32", 0, 3, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        leader_epoch: int = 0,  # counts the elections of the partition
        new_isr: list[int] = MISSING,  # in-sync replicas wanted, v0-2
        new_isr_with_epochs: list[AlterPartitionRequestBrokerState] = MISSING,  # in-sync replicas wanted, with the epochs of their brokers
        leader_recovery_state: int = 0,  # 0 recovered, 1 recovering from an unclean election
        partition_epoch: int = 0,  # version of the state znode that the leader knows
    ) -> None:
        self.partition_index = partition_index
        self.leader_epoch = leader_epoch
        self.new_isr: list[int] = [] if new_isr is MISSING else new_isr
        self.new_isr_with_epochs: list[AlterPartitionRequestBrokerState] = [] if new_isr_with_epochs is MISSING else new_isr_with_epochs
        self.leader_recovery_state = leader_recovery_state
        self.partition_epoch = partition_epoch


class AlterPartitionRequestTopic(Struct):
    __slots__ = ("topic_name", "topic_id", "partitions")
    FIELDS = (
        Field("topic_name", "string", 0, 1, default="", ignorable=True),
        Field("topic_id", "uuid", 2, 3, default=NO_UUID, ignorable=True),
        Field("partitions", "struct", 0, 3, array=True, struct=AlterPartitionRequestPartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        topic_id: bytes = NO_UUID,
        partitions: list[AlterPartitionRequestPartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.topic_id = topic_id
        self.partitions: list[AlterPartitionRequestPartition] = [] if partitions is MISSING else partitions


class AlterPartitionRequest(Message):
    __slots__ = ("broker_id", "broker_epoch", "topics")
    API_KEY = 56
    VERSIONS = (0, 3)
    FLEXIBLE = 0
    FIELDS = (
        Field("broker_id", "int32", 0, 3, default=0),
        Field("broker_epoch", "int64", 0, 3, default=-1),
        Field("topics", "struct", 0, 3, array=True, struct=AlterPartitionRequestTopic),
    )

    def __init__(
        self,
        broker_id: int = 0,
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
        topics: list[AlterPartitionRequestTopic] = MISSING,
    ) -> None:
        self.broker_id = broker_id
        self.broker_epoch = broker_epoch
        self.topics: list[AlterPartitionRequestTopic] = [] if topics is MISSING else topics


class AlterPartitionResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code", "leader_id", "leader_epoch", "isr", "leader_recovery_state", "partition_epoch")
    FIELDS = (
        Field("partition_index", "int32", 0, 3, default=0),
        Field("error_code", "int16", 0, 3, default=0),
        Field("leader_id", "int32", 0, 3, default=0),
        Field("leader_epoch", "int32", 0, 3, default=0),
        Field("isr", "int32", 0, 3, array=True),
        Field("leader_recovery_state", "int8", 1, 3, default=0, ignorable=True),
        Field("partition_epoch", "int32", 0, 3, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
        leader_id: int = 0,
        leader_epoch: int = 0,  # counts the elections of the partition
        isr: list[int] = MISSING,  # in-sync replicas
        leader_recovery_state: int = 0,  # 0 recovered, 1 recovering from an unclean election
        partition_epoch: int = 0,  # version of the state znode
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code
        self.leader_id = leader_id
        self.leader_epoch = leader_epoch
        self.isr: list[int] = [] if isr is MISSING else isr
        self.leader_recovery_state = leader_recovery_state
        self.partition_epoch = partition_epoch


class AlterPartitionResponseTopic(Struct):
    __slots__ = ("topic_name", "topic_id", "partitions")
    FIELDS = (
        Field("topic_name", "string", 0, 1, default="", ignorable=True),
        Field("topic_id", "uuid", 2, 3, default=NO_UUID, ignorable=True),
        Field("partitions", "struct", 0, 3, array=True, struct=AlterPartitionResponsePartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        topic_id: bytes = NO_UUID,
        partitions: list[AlterPartitionResponsePartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.topic_id = topic_id
        self.partitions: list[AlterPartitionResponsePartition] = [] if partitions is MISSING else partitions


class AlterPartitionResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "topics")
    API_KEY = 56
    VERSIONS = (0, 3)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 3, default=0),
        Field("error_code", "int16", 0, 3, default=0),
        Field("topics", "struct", 0, 3, array=True, struct=AlterPartitionResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        topics: list[AlterPartitionResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.topics: list[AlterPartitionResponseTopic] = [] if topics is MISSING else topics
