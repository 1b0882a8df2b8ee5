"""The clock of an ensemble: zoo.cfg's tickTime and the limits counted in ticks."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """tick_ms is tickTime; the limits are numbers of ticks. The others are seconds, reckoned once: deadlines
    are asked for at every message."""

    tick_ms: int = 2000
    init_limit: int = 10
    sync_limit: int = 5
    tick: float = field(init=False)
    """One tick."""
    init_timeout: float = field(init=False)
    """How long each step of joining may take."""
    sync_timeout: float = field(init=False)
    """How long a peer may be silent, or owe an acknowledgement, once it serves."""

    def __post_init__(self) -> None:
        tick = self.tick_ms / 1000
        object.__setattr__(self, "tick", tick)
        object.__setattr__(self, "init_timeout", tick * self.init_limit)
        object.__setattr__(self, "sync_timeout", tick * self.sync_limit)
