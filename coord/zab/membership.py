"""Which configuration is in force, and which one is on its way to be.

A new configuration is a transaction of the log. From the moment a server has logged it until it is committed, every
quorum (of an election, of an epoch, of a commit) must be one of the configuration in force and one of the new too: so no
two leaders can find quorums that do not meet, whichever of the two configurations they know. Its version is its zxid,
and the first configuration of all, which no transaction made, gets the zxid that begins the epoch of its first leader.

Without `reconfigEnabled` the configuration is the file's for ever: what others say of a newer one is not heard.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from coord.wire.codes import OpCode
from coord.wire.jute import JuteError
from coord.wire.txns import SetDataTxn, decode_txn
from coord.wire.zxid import counter_of

from .application import Role, Transaction
from .effects import Effects
from .quorums import NUMBER_MAX, Ensemble, Member, parse_ensemble

__all__ = ["Membership", "config_version", "configurations", "parse_configuration"]

_RECONFIG = OpCode.RECONFIG.to_bytes(4, "big")
_TYPE = slice(28, 32)
"""Where a transaction's header says its type."""


class Membership:
    """The configurations that one server knows. It outlives every role.

    committed: the one in force. last_seen: the newest of all. enabled: whether they may change (`reconfigEnabled`).
    logged: the version of the newest configuration in the log, of those that transactions made. One that was proposed and
    is not in the log counts no more: it was lost in a crash, or a leader cut it away.
    """

    __slots__ = ("committed", "enabled", "in_flight", "known", "last_seen", "voters")

    def __init__(
        self, committed: Ensemble, last_seen: Ensemble | None = None, *, logged: int = 0, enabled: bool = False
    ) -> None:
        self.enabled = enabled
        self.committed = committed
        self.last_seen = committed
        if last_seen is not None and enabled and (last_seen.version == logged or not counter_of(last_seen.version)):
            self.last_seen = last_seen  # a transaction's, or the first one's of all, which needs none
        self.in_flight = False
        """Whether the newest is not in force yet."""
        self.voters: frozenset[int] = committed.voters
        """All that vote in either."""
        self.known: dict[int, Member] = {}
        """Every server that a configuration of this run has named, as the last one did."""
        self._changed()

    def _changed(self) -> None:
        if self.last_seen.version < self.committed.version:
            self.last_seen = self.committed
        self.in_flight = self.last_seen.version > self.committed.version
        self.voters = self.committed.voters | self.last_seen.voters
        self.known.update(self.last_seen.members)
        self.known.update(self.committed.members)

    def is_quorum(self, sids: Collection[int]) -> bool:
        """Whether these servers decide, in both configurations."""
        return self.committed.is_quorum(sids) and (not self.in_flight or self.last_seen.is_quorum(sids))

    def agreed(self, positions: Mapping[int, int]) -> int:
        """The greatest number that a quorum has reached, in both configurations."""
        agreed = self.committed.agreed(positions)
        return min(agreed, self.last_seen.agreed(positions)) if self.in_flight else agreed

    def member(self, sid: int) -> Member | None:
        """A server of either configuration, or one that was there before; what the one in force says comes first."""
        return self.known.get(sid)

    def role(self, sid: int) -> Role:
        """How a server learns. One that is not in the configuration follows without a vote, as long as it is let."""
        member = self.committed.members.get(sid)
        return Role.OBSERVING if member is not None and not member.participant else Role.FOLLOWING

    def designated(self, leader: int, ensemble: Ensemble, acked: Mapping[int, int]) -> int:
        """Who leads in a new configuration: the leader, if it is a voter there at the same address; otherwise the voter
        with the longest log. acked: by server, the last zxid, of those that have the new configuration in their logs."""
        now, then = self.committed.members.get(leader), ensemble.members.get(leader)
        if then is not None and then.participant and (now is None or now.addresses == then.addresses):
            return leader
        candidates = [(zxid, sid) for sid, zxid in acked.items() if sid in ensemble.voters and sid != leader]
        return max(candidates)[1] if candidates else leader

    def see(self, ensemble: Ensemble, out: Effects) -> None:
        """A configuration that is not in force yet: proposed, or what a new leader brings with its epoch, which may take
        back what an earlier one had proposed."""
        if self.enabled and ensemble.version != self.last_seen.version and ensemble.version >= self.committed.version:
            self.last_seen = out.seen = ensemble
            self._changed()

    def see_proposed(self, batch: Iterable[Transaction], out: Effects) -> int:
        """`see` for the new configuration among proposals. Returns its zxid; 0 when there is none."""
        found = 0
        for zxid, ensemble in configurations(batch):
            found = zxid
            if ensemble.version > self.last_seen.version:
                self.see(ensemble, out)
        return found

    def forget_beyond(self, zxid: int) -> None:
        """Forgets a proposed configuration whose transaction is not in the log, which ends with `zxid`: this server has
        acknowledged nothing of the kind, and who counts on that knows nothing of it either."""
        if self.last_seen.version > zxid:
            self.last_seen = self.committed
            self._changed()

    def activate(self, ensemble: Ensemble, out: Effects) -> bool:
        """A configuration is in force. Returns whether it is newer than the one that was."""
        if not self.enabled or ensemble.version <= self.committed.version:
            return False
        self.committed = out.activated = ensemble
        self._changed()
        return True

    def founded(self, zxid: int, out: Effects) -> None:
        """A leader begins an epoch at `zxid`: a configuration that never had a version gets this one."""
        if self.last_seen.version == 0:
            self.see(replace(self.committed, version=zxid), out)


def configurations(batch: Iterable[Transaction]) -> list[tuple[int, Ensemble]]:
    """The new configurations among transactions, with their zxids. Raises JuteError."""
    found = [(zxid, data) for zxid, data in batch if data[_TYPE] == _RECONFIG]
    return [(zxid, _configuration(data)) for zxid, data in found]


def _configuration(data: bytes) -> Ensemble:
    _, body, _ = decode_txn(data)
    assert isinstance(body, SetDataTxn)
    return parse_configuration(body.data or b"")


def parse_configuration(text: bytes) -> Ensemble:
    """A configuration that another server sent. Raises JuteError."""
    try:
        return parse_ensemble(text.decode())
    except ValueError as error:
        raise JuteError(f"a configuration that is none: {error}") from error


def config_version(text: bytes) -> int:
    """The version that a configuration's text ends with; 0 when it says none, or one that no configuration can have."""
    try:
        version = int(text[text.rindex(b"version=") + 8 :], 16)
    except ValueError:
        return 0
    return version if 0 <= version <= NUMBER_MAX else 0
