"""Connect strings, chroots, the order of servers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.client.hosts import Address, Chroot, Rota, parse_connect_string
from coord.errors import BadArgumentsError


@pytest.mark.parametrize(
    ("text", "addresses", "prefix"),
    [
        ("a", [Address("a", 2181)], ""),
        (" a:1 , b:2,", [Address("a", 1), Address("b", 2)], ""),
        ("a:1/x/y/", [Address("a", 1)], "/x/y"),
        ("a/", [Address("a", 2181)], ""),
        ("[::1]:99,[fe80::1]/z", [Address("::1", 99), Address("fe80::1", 2181)], "/z"),
    ],
)
def test_connect_strings(text: str, addresses: list[Address], prefix: str) -> None:
    """Hosts with or without ports, IPv6 in brackets, a chroot behind the last."""
    parsed, chroot = parse_connect_string(text)
    assert (parsed, chroot.prefix) == (addresses, prefix)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no server is named"),
        ("/x", "no server is named"),
        ("a:0", "'0' in 'a:0' is not a port"),
        ("a:65536", "not a port"),
        ("a:1:2", "not a port"),
        ("a:²", "not a port"),
        (":1", "names no host"),
        ("[::1", "is not \\[address\\]:port"),
        ("[::1]x", "is not \\[address\\]:port"),
        ("a//x", "the chroot in 'a//x' is not a path"),
        ("a/x/../y", "is not a path"),
    ],
)
def test_connect_strings_refused(text: str, message: str) -> None:
    """The error quotes what is wrong."""
    with pytest.raises(ValueError, match=message):
        parse_connect_string(text)


names = st.text("abc.é", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(paths, st.sampled_from(["", "/r", "/r/s"]))
def test_chroot_and_back(path: str, prefix: str) -> None:
    """What goes in comes out; what lies outside the chroot is left alone."""
    chroot = Chroot(prefix)
    assert chroot.local(chroot.full(path)) == path
    if prefix:
        assert chroot.full(path).startswith(prefix)
        assert chroot.local("/rest") == "/rest"


@pytest.mark.parametrize(
    "path", ["", "a", "/a/", "//", "/.", "/..", "/a/./b", "/a/../b", "/\0", "/\x1f", "/\x7f", "/\x9f", "/\uf000", "/\uffff"]
)
def test_no_paths(path: str) -> None:
    """ZooKeeper's rules for paths."""
    with pytest.raises(BadArgumentsError):
        Chroot("/r").full(path)
    assert Chroot("/r").full("/...") == "/r/..."
    assert Chroot("/r").full("/.a") == "/r/.a"


def test_sequential_paths() -> None:
    """A path the server completes may end in a slash."""
    assert Chroot("").full_sequential("/q/") == "/q/"
    assert Chroot("/r").full_sequential("/") == "/r/"
    with pytest.raises(BadArgumentsError):
        Chroot("").full_sequential("/q//")


def test_rota() -> None:
    """Each server once a round; the next round begins where the last one was left; another seed, another order."""
    addresses = [Address("h", port) for port in range(1, 8)]
    rota = Rota(addresses, Random(1))
    first = list(rota.one_round())
    assert sorted(first, key=lambda a: a.port) == addresses
    assert list(rota.one_round()) == first
    rounds = rota.one_round()
    next(rounds)
    assert next(rota.one_round()) == first[1]
    assert list(Rota(addresses, Random(2)).one_round()) != first
    assert str(Rota([Address("b", 2), Address("::1", 3)], Random(1))) == "[::1]:3,b:2"
