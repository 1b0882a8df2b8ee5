"""What a server counts, for the four-letter words: requests, replies, how long they took, how large proposals were."""

from __future__ import annotations

__all__ = ["Latency", "Sizes", "Statistics"]


class Sizes:
    """Last, least and greatest of some size in bytes; -1 before the first, as Apache shows it."""

    __slots__ = ("greatest", "last", "least")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forgets everything."""
        self.last = self.least = self.greatest = -1

    def note(self, size: int) -> None:
        """One more."""
        self.last = size
        if size > self.greatest:
            self.greatest = size
        if size < self.least or self.least < 0:
            self.least = size


class Latency:
    """How long one client waited for its replies, in whole milliseconds; -1 for the least before the first."""

    __slots__ = ("count", "greatest", "last", "least", "total")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """What `crst` does."""
        self.last = self.greatest = self.total = self.count = 0
        self.least = -1

    def note(self, milliseconds: int, count: int) -> None:
        """`count` replies left after so long."""
        self.last = milliseconds
        self.count += count
        self.total += milliseconds * count
        if milliseconds > self.greatest:
            self.greatest = milliseconds
        if milliseconds < self.least or self.least < 0:
            self.least = milliseconds

    @property
    def average(self) -> int:
        """Rounded down, as Apache prints it."""
        return self.total // self.count if self.count else 0


class Statistics:
    """Counted since the start, or since `srst`. Latencies are in whole milliseconds, from arrival to reply."""

    __slots__ = (
        "auth_failures", "connections_refused", "latency_count", "latency_greatest", "latency_least", "latency_sum",
        "proposals", "received", "sent", "snapshots",
    )  # fmt: skip

    def __init__(self) -> None:
        self.proposals = Sizes()
        self.connections_refused = 0
        self.auth_failures = 0
        self.snapshots = 0
        self.clear()

    def clear(self) -> None:
        """What `srst` does."""
        self.received = 0
        """Requests, pings and handshakes included."""
        self.sent = 0
        """Replies and watch events."""
        self.latency_least = -1
        self.latency_greatest = 0
        self.latency_sum = 0
        self.latency_count = 0
        self.proposals.clear()

    def replied(self, milliseconds: int, count: int = 1) -> None:
        """`count` replies left after `milliseconds`."""
        self.sent += count
        self.latency_count += count
        self.latency_sum += milliseconds * count
        if milliseconds > self.latency_greatest:
            self.latency_greatest = milliseconds
        if milliseconds < self.latency_least or self.latency_least < 0:
            self.latency_least = milliseconds

    @property
    def latency_average(self) -> float:
        """With at most four decimals, as Apache prints it."""
        return round(self.latency_sum / self.latency_count, 4) if self.latency_count else 0.0
