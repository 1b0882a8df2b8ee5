"""Which slot a group falls into: the number of its partition of `__consumer_offsets`, as every Kafka client computes it."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["java_hash", "preferred_broker", "slot_of"]

_INT_BITS = 0xFFFFFFFF


def java_hash(text: str) -> int:
    """Java's String.hashCode: over UTF-16 code units, a signed 32-bit number."""
    value = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for high, low in zip(units[::2], units[1::2], strict=True):
        value = (value * 31 + (high << 8 | low)) & _INT_BITS
    return value - (1 << 32) if value >> 31 else value


def slot_of(group_id: str, slots: int) -> int:
    """abs(hash) % slots, where abs of the smallest int is 0 (Kafka's Utils.abs, not a mask of the sign bit)."""
    value = java_hash(group_id)
    return 0 if value == -(1 << 31) else abs(value) % slots


def preferred_broker(slot: int, live: Iterable[int]) -> int | None:
    """The live broker with the highest hash of (slot, broker): when a broker goes, only its own slots move."""
    return max(live, key=lambda broker: (_weight(slot, broker), broker), default=None)


def _weight(slot: int, broker: int) -> bytes:
    return blake2b(b"%d/%d" % (slot, broker), digest_size=8).digest()
