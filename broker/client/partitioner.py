"""Which partition a record goes to, as Kafka's Java clients choose it: murmur2 of the key, or one partition at a time.

Records with equal keys meet in one partition, whichever client wrote them, as long as all of them hash alike.
"""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

__all__ = ["murmur2", "partition_of_key"]

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_MASK = 0xFFFFFFFF
_KEYS_REMEMBERED = 65536


def murmur2(data: bytes) -> int:
    """The 32-bit hash of `data`, unsigned."""
    length = len(data)
    found = _SEED ^ length
    for word in unpack_from(f"<{length // 4}I", data):
        word = word * _MULTIPLIER & _MASK
        word ^= word >> 24
        found = (found * _MULTIPLIER & _MASK) ^ (word * _MULTIPLIER & _MASK)
    tail = data[length & ~3 :]
    if tail:
        found ^= int.from_bytes(tail, "little")
        found = found * _MULTIPLIER & _MASK
    found ^= found >> 13
    found = found * _MULTIPLIER & _MASK
    return found ^ found >> 15


@lru_cache(maxsize=_KEYS_REMEMBERED)
def partition_of_key(key: bytes, count: int) -> int:
    """The partition of `key` in a topic of `count` partitions; keys repeat, so the last ones are remembered."""
    return (murmur2(key) & 0x7FFFFFFF) % count
