# Written by `python -m broker.wire.generate` from schema/05_stop_replica.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The controller tells a broker to stop following, and to delete, replicas.

v0 lists partitions one by one, v1 groups them by topic and adds the broker epoch, v3 decides deletion for each partition
and adds the leader epoch (-2 when the topic is being deleted), v4 the mark of a KRaft controller.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["StopReplicaRequest", "StopReplicaRequestPartition", "StopReplicaRequestPartitionV0", "StopReplicaRequestTopic", "StopReplicaRequestTopicV1", "StopReplicaResponse", "StopReplicaResponsePartition"]


class StopReplicaRequestPartitionV0(Struct):
    __slots__ = ("topic_name", "partition_index")
    FIELDS = (
        Field("topic_name", "string", 0, 0, default=""),
        Field("partition_index", "int32", 0, 0, default=0),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_index: int = 0,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index


class StopReplicaRequestTopicV1(Struct):
    __slots__ = ("name", "partition_indexes")
    FIELDS = (
        Field("name", "string", 1, 2, default=""),
        Field("partition_indexes", "int32", 1, 2, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partition_indexes: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partition_indexes: list[int] = [] if partition_indexes is MISSING else partition_indexes


class StopReplicaRequestPartition(Struct):
    __slots__ = ("partition_index", "leader_epoch", "delete_partition")
    FIELDS = (
        Field("partition_index", "int32", 3, 4, default=0),
        Field("leader_epoch", "int32", 3, 4, default=-1),
        Field("delete_partition", "bool", 3, 4, default=False),
    )

    def __init__(
        self,
        partition_index: int = 0,
        leader_epoch: int = -1,  # -2 deletes whatever epoch the replica has
        delete_partition: bool = False,  # whether to delete the log too
    ) -> None:
        self.partition_index = partition_index
        self.leader_epoch = leader_epoch
        self.delete_partition = delete_partition


class StopReplicaRequestTopic(Struct):
    __slots__ = ("topic_name", "partition_states")
    FIELDS = (
        Field("topic_name", "string", 3, 4, default=""),
        Field("partition_states", "struct", 3, 4, array=True, struct=StopReplicaRequestPartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_states: list[StopReplicaRequestPartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.partition_states: list[StopReplicaRequestPartition] = [] if partition_states is MISSING else partition_states


class StopReplicaRequest(Message):
    __slots__ = ("controller_id", "is_kraft_controller", "controller_epoch", "broker_epoch", "delete_partitions", "ungrouped_partitions", "topics", "topic_states")
    API_KEY = 5
    VERSIONS = (0, 4)
    FLEXIBLE = 2
    FIELDS = (
        Field("controller_id", "int32", 0, 4, default=0),
        Field("is_kraft_controller", "bool", 4, 4, default=False),
        Field("controller_epoch", "int32", 0, 4, default=0),
        Field("broker_epoch", "int64", 1, 4, default=-1, ignorable=True),
        Field("delete_partitions", "bool", 0, 2, default=False),
        Field("ungrouped_partitions", "struct", 0, 0, array=True, struct=StopReplicaRequestPartitionV0),
        Field("topics", "struct", 1, 2, array=True, struct=StopReplicaRequestTopicV1),
        Field("topic_states", "struct", 3, 4, array=True, struct=StopReplicaRequestTopic),
    )

    def __init__(
        self,
        controller_id: int = 0,
        is_kraft_controller: bool = False,  # never true with ZooKeeper
        controller_epoch: int = 0,  # counts the elections of the controller
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
        delete_partitions: bool = False,  # whether to delete the logs too
        ungrouped_partitions: list[StopReplicaRequestPartitionV0] = MISSING,
        topics: list[StopReplicaRequestTopicV1] = MISSING,
        topic_states: list[StopReplicaRequestTopic] = MISSING,
    ) -> None:
        self.controller_id = controller_id
        self.is_kraft_controller = is_kraft_controller
        self.controller_epoch = controller_epoch
        self.broker_epoch = broker_epoch
        self.delete_partitions = delete_partitions
        self.ungrouped_partitions: list[StopReplicaRequestPartitionV0] = [] if ungrouped_partitions is MISSING else ungrouped_partitions
        self.topics: list[StopReplicaRequestTopicV1] = [] if topics is MISSING else topics
        self.topic_states: list[StopReplicaRequestTopic] = [] if topic_states is MISSING else topic_states


class StopReplicaResponsePartition(Struct):
    __slots__ = ("topic_name", "partition_index", "error_code")
    FIELDS = (
        Field("topic_name", "string", 0, 4, default=""),
        Field("partition_index", "int32", 0, 4, default=0),
        Field("error_code", "int16", 0, 4, default=0),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index
        self.error_code = error_code


class StopReplicaResponse(Message):
    __slots__ = ("error_code", "partition_errors")
    API_KEY = 5
    VERSIONS = (0, 4)
    FLEXIBLE = 2
    FIELDS = (
        Field("error_code", "int16", 0, 4, default=0),
        Field("partition_errors", "struct", 0, 4, array=True, struct=StopReplicaResponsePartition),
    )

    def __init__(
        self,
        error_code: int = 0,
        partition_errors: list[StopReplicaResponsePartition] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.partition_errors: list[StopReplicaResponsePartition] = [] if partition_errors is MISSING else partition_errors
