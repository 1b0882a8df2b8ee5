# Written by `python -m broker.wire.generate` from schema/04_leader_and_isr.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The controller tells a broker which replicas it leads or follows.

v0-1 name the topic in each partition, v2 on groups partitions by topic and fences by broker epoch; v3 adds the
replicas that come and go in a reassignment, v5 topic ids and whether the list is complete, v6 recovery after an unclean
election, v7 the mark of a KRaft controller.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, NO_UUID, Field, Message, Struct

__all__ = ["LeaderAndIsrRequest", "LeaderAndIsrRequestLiveLeader", "LeaderAndIsrRequestPartition", "LeaderAndIsrRequestTopic", "LeaderAndIsrResponse", "LeaderAndIsrResponsePartition", "LeaderAndIsrResponseTopic"]


class LeaderAndIsrRequestPartition(Struct):
    __slots__ = ("topic_name", "partition_index", "controller_epoch", "leader", "leader_epoch", "isr", "partition_epoch", "replicas", "adding_replicas", "removing_replicas", "is_new", "leader_recovery_state")
    FIELDS = (
        Field("topic_name", "string", 0, 1, default="", ignorable=True),
        Field("partition_index", "int32", 0, 7, default=0),
        Field("controller_epoch", "int32", 0, 7, default=0),
        Field("leader", "int32", 0, 7, default=0),
        Field("leader_epoch", "int32", 0, 7, default=0),
        Field("isr", "int32", 0, 7, array=True),
        Field("partition_epoch", "int32", 0, 7, default=0),
        Field("replicas", "int32", 0, 7, array=True),
        Field("adding_replicas", "int32", 3, 7, array=True, ignorable=True),
        Field("removing_replicas", "int32", 3, 7, array=True, ignorable=True),
        Field("is_new", "bool", 1, 7, default=False, ignorable=True),
        Field("leader_recovery_state", "int8", 6, 7, default=0),
    )

    def __init__(
        self,
        topic_name: str = "",
        partition_index: int = 0,
        controller_epoch: int = 0,  # counts the elections of the controller
        leader: int = 0,  # -1 none, -2 the topic is being deleted
        leader_epoch: int = 0,  # counts the elections of the partition
        isr: list[int] = MISSING,  # in-sync replicas
        partition_epoch: int = 0,  # version of the state znode
        replicas: list[int] = MISSING,
        adding_replicas: list[int] = MISSING,  # those that a reassignment adds
        removing_replicas: list[int] = MISSING,  # those that it removes
        is_new: bool = False,  # the replica does not exist yet
        leader_recovery_state: int = 0,  # 0 recovered, 1 recovering from an unclean election
    ) -> None:
        self.topic_name = topic_name
        self.partition_index = partition_index
        self.controller_epoch = controller_epoch
        self.leader = leader
        self.leader_epoch = leader_epoch
        self.isr: list[int] = [] if isr is MISSING else isr
        self.partition_epoch = partition_epoch
        self.replicas: list[int] = [] if replicas is MISSING else replicas
        self.adding_replicas: list[int] = [] if adding_replicas is MISSING else adding_replicas
        self.removing_replicas: list[int] = [] if removing_replicas is MISSING else removing_replicas
        self.is_new = is_new
        self.leader_recovery_state = leader_recovery_state


class LeaderAndIsrRequestTopic(Struct):
    __slots__ = ("topic_name", "topic_id", "partition_states")
    FIELDS = (
        Field("topic_name", "string", 2, 7, default=""),
        Field("topic_id", "uuid", 5, 7, default=NO_UUID, ignorable=True),
        Field("partition_states", "struct", 2, 7, array=True, struct=LeaderAndIsrRequestPartition),
    )

    def __init__(
        self,
        topic_name: str = "",
        topic_id: bytes = NO_UUID,
        partition_states: list[LeaderAndIsrRequestPartition] = MISSING,
    ) -> None:
        self.topic_name = topic_name
        self.topic_id = topic_id
        self.partition_states: list[LeaderAndIsrRequestPartition] = [] if partition_states is MISSING else partition_states


class LeaderAndIsrRequestLiveLeader(Struct):
    """Addresses of all leaders named."""

    __slots__ = ("broker_id", "host_name", "port")
    FIELDS = (
        Field("broker_id", "int32", 0, 7, default=0),
        Field("host_name", "string", 0, 7, default=""),
        Field("port", "int32", 0, 7, default=0),
    )

    def __init__(
        self,
        broker_id: int = 0,
        host_name: str = "",
        port: int = 0,
    ) -> None:
        self.broker_id = broker_id
        self.host_name = host_name
        self.port = port


class LeaderAndIsrRequest(Message):
    __slots__ = ("controller_id", "is_kraft_controller", "controller_epoch", "broker_epoch", "type", "ungrouped_partition_states", "topic_states", "live_leaders")
    API_KEY = 4
    VERSIONS = (0, 7)
    FLEXIBLE = 4
    FIELDS = (
        Field("controller_id", "int32", 0, 7, default=0),
        Field("is_kraft_controller", "bool", 7, 7, default=False),
        Field("controller_epoch", "int32", 0, 7, default=0),
        Field("broker_epoch", "int64", 2, 7, default=-1, ignorable=True),
        Field("type", "int8", 5, 7, default=0),
        Field("ungrouped_partition_states", "struct", 0, 1, array=True, struct=LeaderAndIsrRequestPartition),
        Field("topic_states", "struct", 2, 7, array=True, struct=LeaderAndIsrRequestTopic),
        Field("live_leaders", "struct", 0, 7, array=True, struct=LeaderAndIsrRequestLiveLeader),
    )

    def __init__(
        self,
        controller_id: int = 0,
        is_kraft_controller: bool = False,  # never true with ZooKeeper
        controller_epoch: int = 0,  # counts the elections of the controller
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
        type: int = 0,  # 0 unknown, 1 some partitions, 2 all that the broker has
        ungrouped_partition_states: list[LeaderAndIsrRequestPartition] = MISSING,
        topic_states: list[LeaderAndIsrRequestTopic] = MISSING,
        live_leaders: list[LeaderAndIsrRequestLiveLeader] = MISSING,  # addresses of all leaders named
    ) -> None:
        self.controller_id = controller_id
        self.is_kraft_controller = is_kraft_controller
        self.controller_epoch = controller_epoch
        self.broker_epoch = broker_epoch
        self.type = type
        self.ungrouped_partition_states: list[LeaderAndIsrRequestPartition] = [] if ungrouped_partition_states is MISSING else ungrouped_partition_states
        self.topic_states: list[LeaderAndIsrRequestTopic] = [] if topic_states is MISSING else topic_states
        self.live_leaders: list[LeaderAndIsrRequestLiveLeader] = [] if live_leaders is MISSING else live_leaders


class LeaderAndIsrResponsePartition(Struct):
    __slots__ = ("topic_name", "partition_index", "error_code")
    FIELDS = (
        Field("topic_name", "string", 0, 4, default="", ignorable=True),
        Field("partition_index", "int32", 0, 7, default=0),
        Field("error_code", "int16", 0, 7, default=0),
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


class LeaderAndIsrResponseTopic(Struct):
    __slots__ = ("topic_id", "partition_errors")
    FIELDS = (
        Field("topic_id", "uuid", 5, 7, default=NO_UUID),
        Field("partition_errors", "struct", 5, 7, array=True, struct=LeaderAndIsrResponsePartition),
    )

    def __init__(
        self,
        topic_id: bytes = NO_UUID,
        partition_errors: list[LeaderAndIsrResponsePartition] = MISSING,
    ) -> None:
        self.topic_id = topic_id
        self.partition_errors: list[LeaderAndIsrResponsePartition] = [] if partition_errors is MISSING else partition_errors


class LeaderAndIsrResponse(Message):
    __slots__ = ("error_code", "partition_errors", "topics")
    API_KEY = 4
    VERSIONS = (0, 7)
    FLEXIBLE = 4
    FIELDS = (
        Field("error_code", "int16", 0, 7, default=0),
        Field("partition_errors", "struct", 0, 4, array=True, struct=LeaderAndIsrResponsePartition),
        Field("topics", "struct", 5, 7, array=True, struct=LeaderAndIsrResponseTopic),
    )

    def __init__(
        self,
        error_code: int = 0,
        partition_errors: list[LeaderAndIsrResponsePartition] = MISSING,
        topics: list[LeaderAndIsrResponseTopic] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.partition_errors: list[LeaderAndIsrResponsePartition] = [] if partition_errors is MISSING else partition_errors
        self.topics: list[LeaderAndIsrResponseTopic] = [] if topics is MISSING else topics
