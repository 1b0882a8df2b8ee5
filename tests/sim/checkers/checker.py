"""What a checker of the core world is: it is told what servers do and raises `Violation` at the first thing that must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coord.wire.quorum import Packet
from coord.zab.application import Role, Transaction

if TYPE_CHECKING:
    from tests.sim.core_machine import Server
    from tests.sim.core_world import World

__all__ = ["HEARD", "Checker", "Violation"]

HEARD = ("asked", "broadcast", "became", "delivered", "entered", "sent", "received", "voted", "synced", "finished")
"""The methods of a checker that are told what happens."""


class Violation(AssertionError):
    """A property does not hold."""


class Checker:
    """Hears everything; overrides what matters to it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def require(self, holds: bool, message: str) -> None:
        """Raises unless it holds. Where it is asked often, the message is made only when it does not."""
        if not holds:
            raise Violation(f"{type(self).__name__}: {message}")

    def asked(self, body: bytes) -> None:
        """A client asks for a write."""

    def broadcast(self, server: Server, entry: Transaction) -> None:
        """A server that leads gives a transaction its zxid and proposes it."""

    def became(self, server: Server, role: Role, epoch: int) -> None:
        """A server serves in a role, or serves no more."""

    def delivered(self, server: Server, entry: Transaction) -> None:
        """A server applied a transaction."""

    def entered(self, server: Server, entry: Transaction, before: int) -> None:
        """A transaction enters the history that all share, behind `before`, as a serving server is the first to have it."""

    def sent(self, server: Server, link: int, data: bytes) -> None:
        """A server sends packets on a link."""

    def received(self, server: Server, link: int, sender: int, packet: Packet) -> None:
        """A packet that is a step of a learner's way to its leader arrives at a server."""

    def voted(self, source: int, target: int) -> None:
        """A server sends a vote to another."""

    def synced(self, server: Server, zxid: int) -> None:
        """A sync ended that was asked when `zxid` was the last acknowledged, in whatever epoch."""

    def finished(self) -> None:
        """The run is over, all servers are up and agree."""
