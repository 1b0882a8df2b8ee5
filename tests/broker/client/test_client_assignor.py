"""The range assignor and what members tell each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.client.assignor import (
    pack_assignment,
    pack_subscription,
    range_assignment,
    topics_of,
    unpack_assignment,
)
from broker.wire.fields import WireError


@given(
    members=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.sampled_from(["t", "u", "v"]), unique=True), min_size=1),
    counts=st.dictionaries(st.sampled_from(["t", "u", "v"]), st.integers(1, 7)),
)
def test_every_partition_has_one_reader(members: dict[str, list[str]], counts: dict[str, int]) -> None:
    """Each partition of a topic that somebody reads goes to one of its readers, evenly."""
    shares = range_assignment(members, counts)

    given_out = [partition for share in shares.values() for partition in share]
    assert len(given_out) == len(set(given_out))
    for topic, count in counts.items():
        sizes = [len([p for p in shares[member] if p[0] == topic]) for member in members if topic in members[member]]
        assert sum(sizes) == (count if sizes else 0)
        assert not sizes or max(sizes) - min(sizes) <= 1
    for member, share in shares.items():
        assert all(topic in members[member] for topic, _ in share)


def test_the_first_members_take_one_more() -> None:
    """Consecutive partitions, in the order of member ids."""
    shares = range_assignment({"b": ["t"], "a": ["t"], "c": ["t"]}, {"t": 5})
    assert shares == {"a": [("t", 0), ("t", 1)], "b": [("t", 2), ("t", 3)], "c": [("t", 4)]}


def test_metadata_round_trips() -> None:
    """Subscriptions and assignments, and those of later versions as far as they are known."""
    assert topics_of(pack_subscription(["b", "a"])) == ["a", "b"]
    assert unpack_assignment(pack_assignment([("t", 0), ("t", 2), ("u", 1)])) == [("t", 0), ("t", 2), ("u", 1)]
    assert unpack_assignment(b"") == []
    later = b"\0\x09" + pack_subscription(["a"])[2:] + b"\xff" * 20
    assert topics_of(later) == ["a"]
    for broken in (b"", b"\0", b"\0\0\0\0\0\5"):
        with pytest.raises(WireError):
            topics_of(broken)
