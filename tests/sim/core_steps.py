"""The fault `step` of `core_world`: servers fail in the middle of a learner's way to its leader.

Each packet of that way is a step: LEADERINFO, ACKEPOCH, DIFF, TRUNC or SNAP, NEWLEADER, its ACK, UPTODATE. As one leaves, or
as it arrives, before or after it is handled, one of the two servers dies, or the connection is torn or cut in one direction.
What died starts again soon, and what was cut is repaired soon, each by itself: the states that matter here are those between
two steps, with whoever comes first from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.wire.quorum import Packet, PacketType

if TYPE_CHECKING:
    from tests.sim.core_machine import Server
    from tests.sim.core_world import World

__all__ = ["STEPS", "Steps", "is_step"]

STEPS = frozenset(
    map(
        int,
        (
            PacketType.LEADERINFO, PacketType.ACKEPOCH, PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP,
            PacketType.NEWLEADER, PacketType.ACK, PacketType.UPTODATE,
        ),
    )
)  # fmt: skip
GREETINGS = frozenset(map(int, (PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO)))
"""Heard of by the checkers, and no step: nothing hangs on them yet."""
_ACK = int(PacketType.ACK)
_BEGINS_EPOCH = b"\0\0\0\0"


def is_step(data: bytes) -> bool:
    """Whether what is sent begins with a step. The ACK of NEWLEADER names the beginning of an epoch, others a transaction."""
    return data[3] in STEPS and (data[3] != _ACK or data[8:12] == _BEGINS_EPOCH)


class Steps:
    """Strikes at a step, with the probability that the world's options give."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random

    def strikes(self) -> bool:
        """Whether something happens at this step."""
        options = self.world.options
        return "step" in options.faults and self.random.random() < options.step_share

    def arrived(self, server: Server, link: int, packet: Packet) -> bool:
        """A packet is here: tells the checkers, and whether something happens at it."""
        if packet.type not in STEPS and packet.type not in GREETINGS:
            return False
        self.world.checkers.received(server, link, self.world.network.sid_at[link], packet)
        if packet.type == _ACK:
            self.world.joined()
        return packet.type in STEPS and self.strikes()

    def strike(self, server: Server, link: int, text: str) -> None:
        """One of both ends dies, or the connection is torn or cut in one direction."""
        other = self.world.network.other_end(server, link)
        if other is None:
            return
        kind = self.random.choice(("this end", "other end", "torn", "cut"))
        self.world.trace(f"{text} at {server.sid}, link to {other.sid}: {kind}")
        if kind == "torn":
            self.world.network.tear(server, link)
        elif kind == "cut":
            pair = self.random.choice(((server.sid, other.sid), (other.sid, server.sid)))
            self.world.network.blocked.add(pair)
            self.world.after(self._soon(), lambda: self._repair(pair))
        else:
            victim = server if kind == "this end" else other
            if victim.alive:
                self.world.kill(victim.sid)
                self.world.after(self._soon(), lambda: self._restart(victim.sid))

    def _soon(self) -> float:
        return self.random.uniform(0.0, 6 * self.world.options.timing.tick)

    def _restart(self, sid: int) -> None:
        if sid not in self.world.servers:
            self.world.start(sid)

    def _repair(self, pair: tuple[int, int]) -> None:
        self.world.network.blocked.discard(pair)
        self.world.network.repaired()
