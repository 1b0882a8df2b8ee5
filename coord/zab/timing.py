"""The clock of an ensemble: zoo.cfg's tickTime and the limits counted in ticks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True)
class Timing:
    """tick_ms is tickTime; the limits are numbers of ticks. The properties are seconds."""

    tick_ms: int = 2000
    init_limit: int = 10
    sync_limit: int = 5

    @property
    def tick(self) -> float:
        """One tick."""
        return self.tick_ms / 1000

    @property
    def init_timeout(self) -> float:
        """How long each step of joining may take."""
        return self.tick * self.init_limit

    @property
    def sync_timeout(self) -> float:
        """How long a peer may be silent, or owe an acknowledgement, once it serves."""
        return self.tick * self.sync_limit
