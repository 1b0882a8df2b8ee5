"""Kafka's partitioner for keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as their_murmur2

from broker.client.partitioner import murmur2, partition_of_key


@given(st.binary(max_size=40))
def test_keys_hash_as_in_other_clients(key: bytes) -> None:
    """Byte for byte kafka-python's murmur2, which is Java's."""
    assert murmur2(key) == their_murmur2(key) & 0xFFFFFFFF


def test_known_hashes() -> None:
    """The values of Java's own test."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    for key, value in known.items():
        assert murmur2(key) == value & 0xFFFFFFFF


def test_a_partition_is_in_range() -> None:
    """Also where the hash is negative in Java."""
    assert {partition_of_key(b"%d" % number, 7) for number in range(200)} == set(range(7))
