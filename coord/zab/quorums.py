"""Who belongs to the ensemble, and which sets of servers decide.

An `Ensemble` is one configuration: members, weights, groups, version. Its text is the one that notifications, NEWLEADER
and the node /zookeeper/config carry: a line for each server, for each group and weight, and `version=<hex>` last.

Two kinds of quorum: a majority of the voters, or, where groups are configured, a majority of the groups in each of which
the weights that answered are more than half. A group of total weight 0 does not count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["CONFIG_BYTES_MAX", "NUMBER_MAX", "Address", "Ensemble", "Member", "parse_ensemble", "parse_member"]

CONFIG_BYTES_MAX = 512 * 1024
"""A configuration text beyond this is refused; the election port's own limit for a message."""
MEMBERS_MAX = 1024
PORT_MAX = 65535
NUMBER_MAX = 2**63 - 1
"""Ids, weights and versions travel and are kept as signed longs; none is negative."""


class Address(NamedTuple):
    """Where one member listens for its peers."""

    host: str
    quorum_port: int
    election_port: int

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.quorum_port}:{self.election_port}"


@dataclass(frozen=True, slots=True)
class Member:
    """One server of the configuration. client is its client address, "host:port", where the configuration names one."""

    sid: int
    addresses: tuple[Address, ...]
    participant: bool = True
    client: str = ""

    @property
    def address(self) -> Address:
        """The first address, which is the only one unless multi-address is in use."""
        return self.addresses[0]

    def __str__(self) -> str:
        role = "participant" if self.participant else "observer"
        client = f";{self.client}" if self.client else ""
        return "|".join(map(str, self.addresses)) + f":{role}{client}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One configuration of the ensemble; values, never changed in place."""

    members: Mapping[int, Member]
    version: int = 0
    groups: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """Group id to server ids; empty: majority of the voters."""
    weights: Mapping[int, int] = field(default_factory=dict)
    """Server id to weight; 1 where it is not named."""
    voters: frozenset[int] = field(init=False)
    """The members that take part in elections and in commits."""

    def __post_init__(self) -> None:
        voters = frozenset(sid for sid, member in self.members.items() if member.participant)
        object.__setattr__(self, "voters", voters)

    def weight(self, sid: int) -> int:
        """How much a voter counts; a server of weight 0 is never elected."""
        return self.weights.get(sid, 1)

    def is_quorum(self, sids: Collection[int]) -> bool:
        """Whether these servers decide. Those that do not vote are not counted."""
        if not self.groups:
            return len(self.voters.intersection(sids)) * 2 > len(self.voters)
        heavy = [group for group in self.groups.values() if sum(map(self.weight, group)) > 0]
        won = sum(1 for group in heavy if self._group_agrees(group, sids))
        return won * 2 > len(heavy)

    def _group_agrees(self, group: frozenset[int], sids: Collection[int]) -> bool:
        return sum(map(self.weight, group.intersection(sids))) * 2 > sum(map(self.weight, group))

    def agreed(self, positions: Mapping[int, int]) -> int:
        """The greatest number that a quorum has reached, given what each voter has reached; -1 when none."""
        if not self.groups:
            reached_by = sorted([reached for sid, reached in positions.items() if sid in self.voters], reverse=True)
            middle = len(self.voters) // 2
            return reached_by[middle] if middle < len(reached_by) else -1
        for position in sorted(set(positions.values()), reverse=True):
            if self.is_quorum([sid for sid, reached in positions.items() if reached >= position]):
                return position
        return -1

    def text(self) -> str:
        """The configuration as ZooKeeper writes it into notifications and /zookeeper/config."""
        lines = [f"server.{sid}={self.members[sid]}" for sid in sorted(self.members)]
        lines += [f"group.{gid}=" + ":".join(map(str, sorted(self.groups[gid]))) for gid in sorted(self.groups)]
        if self.groups:
            weighed = self.voters.union(self.weights)
            lines += [f"weight.{sid}={self.weight(sid)}" for sid in sorted(weighed)]
        lines.append(f"version={self.version:x}")
        return "\n".join(lines)


def parse_ensemble(text: str) -> Ensemble:
    """The configuration in `text`. Raises ValueError, which names the line."""
    if len(text) > CONFIG_BYTES_MAX:
        raise ValueError(f"a configuration of {len(text)} characters, more than {CONFIG_BYTES_MAX}")
    members: dict[int, Member] = {}
    groups: dict[int, frozenset[int]] = {}
    weights: dict[int, int] = {}
    version = 0
    for line in filter(None, map(str.strip, text.splitlines())):
        key, _, value = (part.strip() for part in line.partition("="))
        kind, _, number = key.partition(".")
        if key == "version":
            version = _number(value, line, base=16)
        elif kind == "server":
            member = parse_member(_number(number, line), value)
            members[member.sid] = member
        elif kind == "group":
            groups[_number(number, line)] = frozenset(_number(sid, line) for sid in value.split(":"))
        elif kind == "weight":
            weights[_number(number, line)] = _number(value, line)
        else:
            raise ValueError(f"no such key in a configuration: {line!r}")
    return checked(Ensemble(members, version, groups, weights))


def checked(ensemble: Ensemble) -> Ensemble:
    """The same configuration. Raises ValueError when it can decide nothing or contradicts itself."""
    members = ensemble.members
    if len(members) > MEMBERS_MAX:
        raise ValueError(f"{len(members)} servers, more than {MEMBERS_MAX}")
    if not ensemble.voters:
        raise ValueError("no server of the configuration votes")
    grouped = [sid for group in ensemble.groups.values() for sid in group]
    if len(grouped) != len(set(grouped)):
        raise ValueError("a server is in more than one group")
    if unknown := sorted({*grouped, *ensemble.weights} - set(members)):
        raise ValueError(f"groups or weights name servers that are not there: {unknown}")
    if ensemble.groups and (missing := sorted(ensemble.voters.difference(grouped))):
        raise ValueError(f"servers that vote are in no group: {missing}")
    return ensemble


def parse_member(sid: int, value: str) -> Member:
    """What follows `server.N=`: host:quorumPort:electionPort[:role][;[clientHost:]clientPort], several addresses joined
    by `|`. Raises ValueError."""
    servers, _, client = value.partition(";")
    *others, last = servers.split("|")
    pieces = split_host(last)
    role = pieces.pop().lower() if len(pieces) == 4 else "participant"
    if role not in ("participant", "observer"):
        raise ValueError(f"server.{sid}={value}: the role is participant or observer, not {role!r}")
    addresses = tuple(_address(sid, value, piece) for piece in (*map(split_host, others), pieces))
    return Member(sid, addresses, role == "participant", _client(sid, value, client))


def _address(sid: int, value: str, pieces: list[str]) -> Address:
    if len(pieces) != 3 or not pieces[0]:
        raise ValueError(f"server.{sid}={value}: host:quorumPort:electionPort wanted")
    return Address(pieces[0], _port(sid, value, pieces[1]), _port(sid, value, pieces[2]))


def _client(sid: int, value: str, text: str) -> str:
    if not text:
        return ""
    pieces = split_host(text)
    if len(pieces) == 1:
        pieces.insert(0, "0.0.0.0")
    if len(pieces) != 2:
        raise ValueError(f"server.{sid}={value}: [host:]port wanted after the semicolon")
    return f"{bracketed(pieces[0])}:{_port(sid, value, pieces[1])}"


def split_host(text: str) -> list[str]:
    """host:a:b:… in pieces; an IPv6 address stands in square brackets, which are taken off."""
    if text.startswith("["):
        host, found, rest = text[1:].partition("]")
        if not found or (rest and not rest.startswith(":")):
            raise ValueError(f"a square bracket is not closed in {text!r}")
        return [host, *rest[1:].split(":")] if rest else [host]
    return text.split(":")


def bracketed(host: str) -> str:
    """The host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host


def check_hosts(member: Member) -> None:
    """For what an operator or a client asks for. Raises ValueError when a host can be no name, such as a..b.

    What the ensemble has agreed on is not checked: Apache's servers take such a host, as one that is not found."""
    for host in (*(address.host for address in member.addresses), *split_host(member.client)[: bool(member.client)]):
        if not can_be_host(host):
            raise ValueError(f"server.{member.sid}={member}: {host!r} can be no host's name")


def can_be_host(host: str) -> bool:
    """Whether a name can be looked up at all: no label is empty, none is longer than 63 bytes."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _port(sid: int, value: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= PORT_MAX):
        raise ValueError(f"server.{sid}={value}: {text!r} is no port")
    return int(text)


def _number(text: str, line: str, base: int = 10) -> int:
    try:
        found = int(text, base)
    except ValueError:
        raise ValueError(f"{text!r} is no number in the configuration's line {line!r}") from None
    if not 0 <= found <= NUMBER_MAX:
        raise ValueError(f"{text!r} is not from 0 to 2^63-1 in the configuration's line {line!r}")
    return found


def majority(sids: Iterable[int]) -> Ensemble:
    """An ensemble of voters that have no addresses: what the cores need of one."""
    return Ensemble({sid: Member(sid, (Address("", 0, 0),)) for sid in sids})
