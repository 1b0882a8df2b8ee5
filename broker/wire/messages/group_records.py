# Written by `python -m broker.wire.generate` from schema/group_records.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Keys and values of __consumer_offsets: commits and groups. Each is preceded by its version as int16.

Key versions tell the kinds apart: 0 and 1 are a commit, 2 is a group. A null value deletes.
"""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["GroupMetadataKey", "GroupMetadataValue", "GroupMetadataValueMember", "OffsetCommitKey", "OffsetCommitValue"]


class OffsetCommitKey(Message):
    __slots__ = ("group", "topic", "partition")
    VERSIONS = (0, 1)
    FIELDS = (
        Field("group", "string", 0, 1, default=""),
        Field("topic", "string", 0, 1, default=""),
        Field("partition", "int32", 0, 1, default=0),
    )

    def __init__(
        self,
        group: str = "",
        topic: str = "",
        partition: int = 0,
    ) -> None:
        self.group = group
        self.topic = topic
        self.partition = partition


class OffsetCommitValue(Message):
    __slots__ = ("offset", "leader_epoch", "metadata", "commit_timestamp", "expire_timestamp")
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("offset", "int64", 0, 4, default=0),
        Field("leader_epoch", "int32", 3, 4, default=-1, ignorable=True),
        Field("metadata", "string", 0, 4, default=""),
        Field("commit_timestamp", "int64", 0, 4, default=0),
        Field("expire_timestamp", "int64", 1, 1, default=-1, ignorable=True),
    )

    def __init__(
        self,
        offset: int = 0,
        leader_epoch: int = -1,  # counts the elections of the partition
        metadata: str = "",
        commit_timestamp: int = 0,  # milliseconds
        expire_timestamp: int = -1,  # milliseconds, -1 for none
    ) -> None:
        self.offset = offset
        self.leader_epoch = leader_epoch
        self.metadata = metadata
        self.commit_timestamp = commit_timestamp
        self.expire_timestamp = expire_timestamp


class GroupMetadataKey(Message):
    __slots__ = ("group",)
    VERSIONS = (2, 2)
    FIELDS = (
        Field("group", "string", 2, 2, default=""),
    )

    def __init__(
        self,
        group: str = "",
    ) -> None:
        self.group = group


class GroupMetadataValueMember(Struct):
    __slots__ = ("member_id", "group_instance_id", "client_id", "client_host", "rebalance_timeout", "session_timeout", "subscription", "assignment")
    FIELDS = (
        Field("member_id", "string", 0, 4, default=""),
        Field("group_instance_id", "string", 3, 4, nullable_from=3, default=None, ignorable=True),
        Field("client_id", "string", 0, 4, default=""),
        Field("client_host", "string", 0, 4, default=""),
        Field("rebalance_timeout", "int32", 1, 4, default=-1, ignorable=True),
        Field("session_timeout", "int32", 0, 4, default=0),
        Field("subscription", "bytes", 0, 4, default=b""),
        Field("assignment", "bytes", 0, 4, default=b""),
    )

    def __init__(
        self,
        member_id: str = "",
        group_instance_id: str | None = None,  # the member's static id
        client_id: str = "",
        client_host: str = "",
        rebalance_timeout: int = -1,  # milliseconds, as are all timeouts here
        session_timeout: int = 0,
        subscription: bytes = b"",
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout = rebalance_timeout
        self.session_timeout = session_timeout
        self.subscription = subscription
        self.assignment = assignment


class GroupMetadataValue(Message):
    __slots__ = ("protocol_type", "generation", "protocol", "leader", "current_state_timestamp", "members")
    VERSIONS = (0, 4)
    FLEXIBLE = 4
    FIELDS = (
        Field("protocol_type", "string", 0, 4, default=""),
        Field("generation", "int32", 0, 4, default=0),
        Field("protocol", "string", 0, 4, nullable_from=0, default=""),
        Field("leader", "string", 0, 4, nullable_from=0, default=""),
        Field("current_state_timestamp", "int64", 2, 4, default=-1, ignorable=True),
        Field("members", "struct", 0, 4, array=True, struct=GroupMetadataValueMember),
    )

    def __init__(
        self,
        protocol_type: str = "",
        generation: int = 0,
        protocol: str | None = "",
        leader: str | None = "",
        current_state_timestamp: int = -1,  # milliseconds; when the group came into its state
        members: list[GroupMetadataValueMember] = MISSING,
    ) -> None:
        self.protocol_type = protocol_type
        self.generation = generation
        self.protocol = protocol
        self.leader = leader
        self.current_state_timestamp = current_state_timestamp
        self.members: list[GroupMetadataValueMember] = [] if members is MISSING else members
