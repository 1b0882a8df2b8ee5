"""Who leads a partition: the published rules of Kafka's controller, each a function of the replicas alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["leader_on_shutdown", "leader_when_offline"]


def leader_when_offline(
    replicas: Sequence[int], isr: Collection[int], live: Collection[int], *, unclean: bool = False
) -> tuple[int, tuple[int, ...]] | None:
    """(leader, new ISR) for a partition without a live leader, or None when nobody may lead.

    The first replica that is live and in sync leads. With unclean election, and only then, the first live one may
    lead alone: what only the others hold is lost.
    """
    for replica in replicas:
        if replica in live and replica in isr:
            return replica, tuple(r for r in isr if r in live)
    if unclean:
        for replica in replicas:
            if replica in live:
                return replica, (replica,)
    return None


def leader_on_shutdown(
    replicas: Sequence[int], isr: Collection[int], live: Collection[int], leaving: int
) -> tuple[int, tuple[int, ...]] | None:
    """(leader, new ISR) when a broker says that it will stop, or None when no other replica is in sync."""
    for replica in replicas:
        if replica != leaving and replica in live and replica in isr:
            return replica, tuple(r for r in isr if r != leaving)
    return None
