"""One classic consumer group: its members, its generation and its protocol. No timers and no requests.

`Membership` moves it from state to state; this class keeps what must hold in every state:

- `leader` is a member, or None when there are none;
- `protocol` is one that every member of the generation supports, and set exactly while a generation has members;
- `votes[p]` counts the members that support `p`, so that candidates are found without walking all members.
"""

from __future__ import annotations

from broker.wire.errors import ErrorCode

from .answers import GroupView, Join, JoinedMember, MemberView
from .states import GroupState, check_transition

__all__ = ["Group", "Member"]


class Member:
    """A member of a group, between its first JoinGroup and its leaving or expiry."""

    __slots__ = (
        "assignment", "client_host", "client_id", "instance_id", "is_new", "join_token", "member_id", "protocols",
        "rebalance_timeout", "session_timeout", "skip_assignment", "sync_token",
    )  # fmt: skip

    def __init__(self, member_id: str, join: Join) -> None:
        self.member_id = member_id
        self.instance_id = join.instance_id
        self.client_id = join.client_id
        self.client_host = join.client_host
        self.assignment = b""
        self.is_new = True
        """It has not yet been told that it is a member, so it cannot heartbeat."""
        self.join_token: object | None = None
        """The parked JoinGroup."""
        self.sync_token: object | None = None
        """The parked SyncGroup."""
        self.update(join)

    def update(self, join: Join) -> None:
        """Takes over what a later JoinGroup says."""
        self.protocols = dict(join.protocols)
        self.session_timeout = join.session_timeout
        self.rebalance_timeout = join.rebalance_timeout
        self.skip_assignment = join.skip_assignment

    def says_the_same(self, join: Join) -> bool:
        """Whether `join` has the protocols and metadata known already, in the same order of preference."""
        return tuple(self.protocols.items()) == join.protocols

    @property
    def size(self) -> int:
        """Bytes of metadata held for this member."""
        return sum(len(name) + len(metadata) for name, metadata in self.protocols.items())


class Group:
    """A group. `generation` grows by one with every completed join phase."""

    __slots__ = (
        "gathering", "gathering_left", "generation", "group_id", "leader", "members", "new_member_added", "pending",
        "pending_sync", "protocol", "protocol_type", "size", "state", "static", "votes",
    )  # fmt: skip

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static: dict[str, str] = {}
        """Instance id -> member id of every static member."""
        self.pending: set[str] = set()
        """Member ids handed out with MEMBER_ID_REQUIRED and not used yet."""
        self.pending_sync: set[str] = set()
        """Members of this generation that have not sent SyncGroup yet."""
        self.votes: dict[str, int] = {}
        self.size = 0
        """Bytes of all members' metadata."""
        self.gathering = False
        """The join phase began in an empty group: it lasts its whole delay, so that members that start together meet."""
        self.gathering_left = 0.0
        """Seconds by which that delay may still be extended."""
        self.new_member_added = False
        """Somebody joined since the delay last began."""

    def become(self, state: GroupState) -> None:
        """Moves to `state`."""
        check_transition(self.group_id, self.state, state)
        self.state = state

    # -- members

    def add(self, member: Member, protocol_type: str) -> None:
        """Adds a member; the first one leads and sets the protocol type."""
        assert member.member_id not in self.members
        if not self.members:
            self.protocol_type = protocol_type
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static[member.instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id
        self._count(member, 1)

    def remove(self, member_id: str) -> Member:
        """Removes a member; another one takes the lead."""
        member = self.members.pop(member_id)
        self._count(member, -1)
        self.pending_sync.discard(member_id)
        if member.instance_id is not None and self.static.get(member.instance_id) == member_id:
            del self.static[member.instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        return member

    def update(self, member: Member, join: Join) -> None:
        """Takes over a member's new JoinGroup."""
        self._count(member, -1)
        member.update(join)
        self._count(member, 1)

    def replace_static(self, old_id: str, new_id: str) -> Member:
        """Gives a static member that came back its new id; lead and assignment stay with it."""
        member = self.members.pop(old_id)
        assert member.instance_id is not None
        member.member_id = new_id
        self.members[new_id] = member
        self.static[member.instance_id] = new_id
        if self.leader == old_id:
            self.leader = new_id
        if old_id in self.pending_sync:
            self.pending_sync.remove(old_id)
            self.pending_sync.add(new_id)
        return member

    def check_member(self, member_id: str, instance_id: str | None) -> ErrorCode:
        """Whether somebody who calls itself so is a member: NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID."""
        if instance_id is not None:
            owner = self.static.get(instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    # -- protocol and generation

    def supports(self, join: Join) -> bool:
        """Whether a member with these protocols could be in one generation with those that are here."""
        if not join.protocol_type or not join.protocols:
            return False
        if not self.members:
            return True
        count = len(self.members)
        return join.protocol_type == self.protocol_type and any(
            self.votes.get(name) == count for name, _ in join.protocols
        )

    def elect_protocol(self) -> str:
        """The protocol that most members prefer among those that all support; the leader's order breaks ties."""
        assert self.leader is not None
        count = len(self.members)
        candidates = [name for name in self.members[self.leader].protocols if self.votes[name] == count]
        assert candidates, f"group {self.group_id!r} has members without a protocol in common"
        ballots = dict.fromkeys(candidates, 0)
        for member in self.members.values():
            ballots[next(name for name in member.protocols if name in ballots)] += 1
        return max(candidates, key=lambda name: ballots[name])

    def next_generation(self) -> None:
        """Begins the generation of the members that are here now."""
        self.generation += 1
        self.pending_sync = set(self.members)
        self.protocol = self.elect_protocol() if self.members else None
        self.become(GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY)

    @property
    def all_joined(self) -> bool:
        """Whether the join phase has nobody left to wait for."""
        return not self.pending and all(member.join_token is not None for member in self.members.values())

    @property
    def waiting(self) -> int:
        """How many members have a JoinGroup parked."""
        return sum(member.join_token is not None for member in self.members.values())

    @property
    def rebalance_timeout(self) -> float:
        """Seconds that the slowest member asks for."""
        return max((member.rebalance_timeout for member in self.members.values()), default=0.0)

    def elect_joined_leader(self) -> bool:
        """Makes sure that the leader is a member that has joined again; False when none has."""
        if self.leader is not None and self.members[self.leader].join_token is not None:
            return True
        for member in self.members.values():
            if member.join_token is not None:
                self.leader = member.member_id
                return True
        return False

    def joined_members(self) -> tuple[JoinedMember, ...]:
        """What the leader is told about the generation."""
        assert self.protocol is not None
        protocol = self.protocol
        return tuple(
            JoinedMember(member.member_id, member.instance_id, member.protocols[protocol])
            for member in self.members.values()
        )

    def view(self) -> GroupView:
        """The group as administrators see it: metadata and assignments of a stable generation only."""
        stable = self.state is GroupState.STABLE
        protocol = self.protocol or ""
        members = tuple(
            MemberView(
                member.member_id,
                member.instance_id,
                member.client_id,
                member.client_host,
                member.protocols.get(protocol, b"") if stable else b"",
                member.assignment if stable else b"",
            )
            for member in self.members.values()
        )
        return GroupView(
            self.group_id, self.state, self.protocol_type or "", protocol if stable else "", members
        )

    def _count(self, member: Member, step: int) -> None:
        self.size += step * member.size
        for name in member.protocols:
            votes = self.votes.get(name, 0) + step
            if votes:
                self.votes[name] = votes
            else:
                self.votes.pop(name, None)
