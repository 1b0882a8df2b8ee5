"""What a client's wish for another configuration becomes: the leader checks it and makes the new configuration.

Either a list of servers to add (or to change) and a list of ids to remove, or the whole new configuration. The checks come
in the order in which Apache's leader makes them, because that decides which of two errors a client sees.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from coord.errors import BadArgumentsError, BadVersionError, NewConfigNoQuorumError, ReconfigInProgressError
from coord.wire.requests import ReconfigRequest

from .membership import Membership
from .quorums import Ensemble, Member, check_hosts, checked, parse_ensemble, parse_member, split_host

__all__ = ["reconfigure"]

SID_MAX = 255
ANYWHERE = ("0.0.0.0", "::")
"""Client addresses that say nothing of the machine: two servers may have the same."""


def reconfigure(
    request: ReconfigRequest, membership: Membership, synced: Collection[int], zxid: int, *, voters_min: int
) -> Ensemble:
    """The configuration that the transaction `zxid` carries. Raises a CoordError to refuse.

    synced: the servers whose logs are the leader's; there must be a quorum of the new configuration among them.
    voters_min: 2 where a single server stands alone (`standaloneEnabled`), otherwise 1.
    """
    if membership.in_flight:
        raise ReconfigInProgressError
    current = membership.committed
    if request.config_id not in (-1, current.version):
        raise BadVersionError
    try:
        ensemble = _changed(request, current) if request.new_members is None else _whole(request.new_members)
    except ValueError as error:
        raise BadArgumentsError(str(error)) from error
    if len(ensemble.voters) < voters_min:
        raise BadArgumentsError("the new configuration has too few voters")
    if not ensemble.is_quorum(synced):
        raise NewConfigNoQuorumError
    return replace(ensemble, version=zxid)


def _whole(text: str) -> Ensemble:
    """A whole configuration; commas may stand for line ends."""
    ensemble = parse_ensemble(text.replace(",", "\n"))
    for member in ensemble.members.values():
        _check_sid(member.sid)
        check_hosts(member)
    return ensemble


def _changed(request: ReconfigRequest, current: Ensemble) -> Ensemble:
    """The current configuration without those that leave and with those that join. Raises ValueError."""
    if current.groups:
        raise ValueError("with groups only a whole configuration can be given")
    members = dict(current.members)
    for leaving in _items(request.leaving):
        members.pop(int(leaving), None)
    for joining in _items(request.joining):
        member = _joining(joining)
        for other in members.values():
            if other.sid != member.sid and (both := _addresses(member) & _addresses(other)):
                raise ValueError(f"servers {member.sid} and {other.sid} have the same address {min(both)}")
        members[member.sid] = member
    # weights of servers that are gone go with them
    weights = {sid: weight for sid, weight in current.weights.items() if sid in members}
    return checked(Ensemble(members, weights=weights))


def _items(text: str | None) -> list[str]:
    return [item.strip() for item in (text or "").split(",") if item.strip()]


def _joining(text: str) -> Member:
    """`server.N=host:port:port[:role];[host:]port`; the client's port must be there."""
    key, found, value = text.partition("=")
    sid = key.strip().rpartition(".")[2]
    if not found or not (sid.isascii() and sid.isdigit()):
        raise ValueError(f"server.N=host:quorumPort:electionPort[:role];clientPort wanted, not {text!r}")
    member = parse_member(_check_sid(int(sid)), value.strip())
    check_hosts(member)
    if not member.client:
        raise ValueError(f"server.{sid} has no client port")
    return member


def _check_sid(sid: int) -> int:
    if not 0 <= sid <= SID_MAX:
        raise ValueError(f"server id {sid}: a number from 0 to {SID_MAX} is wanted")
    return sid


def _addresses(member: Member) -> set[tuple[str, str]]:
    """Everything that a server listens on, but for addresses that stand for any."""
    found = {(a.host, str(port)) for a in member.addresses for port in (a.quorum_port, a.election_port)}
    if member.client:
        host, port = split_host(member.client)
        found.add((host, port))
    return {(host, port) for host, port in found if host not in ANYWHERE}
