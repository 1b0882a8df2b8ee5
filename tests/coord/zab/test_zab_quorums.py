"""Configurations: Apache's text, what is wrong with a line, and quorums beside a deliberately dumb count."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.zab.quorums import Address, Ensemble, Member, majority, parse_ensemble, parse_member

TEXT = """server.1=127.0.0.1:22801:23801:participant
server.2=127.0.0.1:22802:23802:participant;0.0.0.0:2181
server.3=[::1]:22803:23803:observer;[::]:2183
version=100000000"""


def test_the_text_of_a_configuration_comes_back() -> None:
    """What the configuration node holds, read and written again."""
    ensemble = parse_ensemble(TEXT)

    assert ensemble.text() == TEXT
    assert ensemble.version == 0x100000000
    assert ensemble.voters == {1, 2}
    assert ensemble.members[3] == Member(3, (Address("::1", 22803, 23803),), False, "[::]:2183")


def test_short_forms_are_written_out() -> None:
    """Without a role a server votes; a client port alone listens everywhere; several addresses stay in order."""
    assert str(parse_member(1, "a:1:2")) == "a:1:2:participant"
    assert str(parse_member(1, "a:1:2;3")) == "a:1:2:participant;0.0.0.0:3"
    assert str(parse_member(1, "a:1:2|b:3:4:OBSERVER")) == "a:1:2|b:3:4:observer"


def test_groups_and_weights_are_part_of_the_text() -> None:
    """Where groups are configured their lines come before the version."""
    text = "server.1=a:1:2\nserver.2=b:1:2\ngroup.7=1:2\nweight.2=3\n"

    assert parse_ensemble(text).text().splitlines()[2:] == ["group.7=1:2", "weight.1=1", "weight.2=3", "version=0"]


@pytest.mark.parametrize(
    "line",
    [
        "server.1=a:1", "server.1=a:1:2:3:4", "server.1=a:1:x", "server.1=a:0:1", "server.1=a:1:65536", "server.1=:1:2",
        "server.x=a:1:2", "server.1=a:1:2:voter", "server.1=a:1:2;b:c:d", "server.1=[::1:1:2", "group.1=2",
        "server.2=a:1:2:observer", "weight.9=1", "peer.1=a:1:2", "version=zz", "",
        "server.1=a:1:2\nversion=8000000000000000", "server.1=a:1:2\nversion=-1", f"server.{2**63}=a:1:2",
        "server.1=a:1:2\nweight.1=-1",
    ],
)  # fmt: skip
def test_a_wrong_line_is_an_error_that_says_so(line: str) -> None:
    """Lines that make no configuration; numbers beyond 63 bits could be neither sent nor kept."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_ensemble(line)


def test_voters_outside_all_groups_are_an_error() -> None:
    """With groups, whoever votes is in one."""
    with pytest.raises(ValueError, match="in no group"):
        parse_ensemble("server.1=a:1:2\nserver.2=a:3:4\ngroup.1=1")
    with pytest.raises(ValueError, match="more than one group"):
        parse_ensemble("server.1=a:1:2\ngroup.1=1\ngroup.2=1")


def test_a_majority_counts_voters_only() -> None:
    """Observers and strangers do not help."""
    ensemble = parse_ensemble("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\nserver.4=d:1:2:observer")

    assert not ensemble.is_quorum([1, 4, 99])
    assert ensemble.is_quorum([1, 3])
    assert not majority([1, 2, 3, 4]).is_quorum([1, 2])


def test_weighted_groups() -> None:
    """A majority of the groups, each by more than half its weight; a group without weight does not exist."""
    members = {sid: Member(sid, (Address("", 0, 0),)) for sid in range(1, 10)}
    groups = {1: frozenset((1, 2, 3)), 2: frozenset((4, 5, 6)), 3: frozenset((7, 8, 9))}
    plain = Ensemble(members, groups=groups)
    heavy = Ensemble(members, groups=groups, weights={1: 5, 7: 0, 8: 0, 9: 0})

    assert plain.is_quorum([1, 2, 4, 5])
    assert not plain.is_quorum([1, 2, 4, 7])
    assert heavy.is_quorum([1, 4, 5])
    assert not heavy.is_quorum([1, 7, 8, 9])


def dumb_agreed(ensemble: Ensemble, positions: Mapping[int, int]) -> int:
    """Tries every set of servers."""
    best = -1
    for size in range(len(positions) + 1):
        for sids in combinations(positions, size):
            if sids and ensemble.is_quorum(sids):
                best = max(best, min(positions[sid] for sid in sids))
    return best


@given(st.dictionaries(st.integers(1, 5), st.integers(0, 9)), st.integers(1, 5), st.booleans())
def test_agreed_is_what_a_quorum_has_reached(positions: dict[int, int], size: int, grouped: bool) -> None:
    """The fast count equals the dumb one, for majorities and for groups."""
    members = majority(range(1, size + 1)).members
    groups = {sid % 2: frozenset(other for other in members if other % 2 == sid % 2) for sid in members}
    ensemble = Ensemble(members, groups=groups if grouped else {})

    assert ensemble.agreed(positions) == dumb_agreed(ensemble, positions)
