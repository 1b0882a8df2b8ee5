"""What goes into a group's membership and what comes out: plain values, free of wire versions.

A request that may have to wait carries a `token`, any object of the caller's. Its answer comes back as a `Reply` with
the same token, at once or in the result of a later call, exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.wire.errors import ErrorCode

from .states import GroupState

__all__ = [
    "GroupView", "Join", "JoinAnswer", "JoinedMember", "Leaver", "MemberView", "Reply", "Sync", "SyncAnswer",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Join:
    """JoinGroup. Times are seconds."""

    group_id: str
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    protocol_type: str
    protocols: tuple[tuple[str, bytes], ...]
    """(name, the member's metadata), in the member's order of preference."""
    session_timeout: float
    rebalance_timeout: float
    member_id_required: bool = False
    """Version 4 on: a dynamic member without an id gets one and has to join again with it."""
    skip_assignment: bool = False
    """Version 9 on: a static leader that comes back may be told not to assign."""


@dataclass(frozen=True, slots=True)
class JoinedMember:
    """One member in the answer to the leader."""

    member_id: str
    instance_id: str | None
    metadata: bytes


@dataclass(frozen=True, slots=True)
class JoinAnswer:
    """The answer to JoinGroup."""

    error: ErrorCode
    member_id: str
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[JoinedMember, ...] = ()
    skip_assignment: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """SyncGroup. `assignments` is the leader's: member id -> bytes."""

    group_id: str
    generation: int
    member_id: str
    instance_id: str | None
    protocol_type: str | None
    protocol: str | None
    assignments: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """The answer to SyncGroup."""

    error: ErrorCode
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""


@dataclass(frozen=True, slots=True)
class Leaver:
    """One member named by LeaveGroup: by its id, or by its instance id alone."""

    member_id: str
    instance_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the request that brought `token`."""

    token: object
    answer: JoinAnswer | SyncAnswer


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as DescribeGroups shows it; metadata and assignment are empty until the group is stable."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as DescribeGroups and ListGroups show it."""

    group_id: str
    state: GroupState
    protocol_type: str
    protocol: str
    members: tuple[MemberView, ...]
