"""Four-letter words: our server's answers beside Apache's, after the same requests, line by line."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.e2e.mixed import APACHE, OURS, Server, needs_apache, serving
from tests.e2e.raw import RawClient, text

pytestmark = pytest.mark.apache

WORLD = b"\0\0\0\1\0\0\0\x1f" + text("world") + text("anyone")
DATE = re.compile(r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}")
NUMBER = re.compile(r"0x[0-9a-f]+|-?\d+(\.\d+)?|/127\.0\.0\.1:\d+")
EPHEMERAL = 1
CREATE, EXISTS, GET_CHILDREN = 1, 3, 8


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """A server of each kind with one client, which owns a node and watches it."""
    needs_apache()
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in (OURS, APACHE)}
    with (
        serving(OURS, folders[OURS]) as ours,
        serving(APACHE, folders[APACHE]) as apache,
        RawClient(ours.port) as one,
        RawClient(apache.port) as other,
    ):
        for client in (one, other):
            assert client.ask(CREATE, text("/e") + text("") + WORLD + struct.pack(">i", EPHEMERAL))[0] == 0
            for number in range(130):
                assert client.ask(CREATE, text(f"/n{number}") + text("") + WORLD + struct.pack(">i", 0))[0] == 0
            assert client.ask(EXISTS, text("/e") + b"\1")[0] == 0
        yield {OURS: ours, APACHE: apache}


def shape(answer: str) -> list[str]:
    """The lines without what differs from run to run."""
    return [NUMBER.sub("#", DATE.sub("DATE", line)) for line in answer.split("\n")]


@pytest.mark.parametrize("word", ["ruok", "isro", "dump", "wchs", "wchc", "wchp", "dirs", "gtmk", "cons", "hash", "crst", "srst"])
def test_the_same_lines(both: dict[str, Server], word: str) -> None:
    """Numbers, addresses and dates apart."""
    ours, apache = (shape(both[kind].word(word)) for kind in (OURS, APACHE))
    if word == "dump":  # when Apache's sets have run empty is a matter of luck
        ours, apache = ([line for line in lines if not line.startswith("# expire")] for lines in (ours, apache))
    if word == "cons":  # in no order, and the asking connection is one of them
        ours, apache = sorted(ours), sorted(apache)
    assert ours == apache


def test_srvr_and_stat(both: dict[str, Server]) -> None:
    """But for the version's own name."""
    for word in ("srvr", "stat"):
        ours, apache = (shape(both[kind].word(word))[1:] for kind in (OURS, APACHE))
        assert sorted(ours) == sorted(apache)


def test_conf_has_apaches_keys(both: dict[str, Server]) -> None:
    """In its order."""
    ours, apache = ([line.partition("=")[0] for line in both[kind].word("conf").splitlines()] for kind in (OURS, APACHE))
    assert ours == apache


def test_every_key_of_ours_in_mntr_is_one_of_apaches(both: dict[str, Server]) -> None:
    """Its many counters of its own inside are not there."""
    ours, apache = (both[kind].words("mntr") for kind in (OURS, APACHE))
    assert ours.keys() - apache.keys() == set()
    for key in ("zk_server_state", "zk_znode_count", "zk_ephemerals_count", "zk_watch_count", "zk_global_sessions"):
        assert ours[key] == apache[key], key


def test_the_trace_mask(both: dict[str, Server]) -> None:
    """stmk takes eight bytes and says what it took; gtmk says it again."""
    for server in both.values():
        before = server.word("gtmk")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(b"stmk" + struct.pack(">q", 77))
            assert connection.recv(100) == b"77"
        assert (before, server.word("gtmk")) == ("306", "77")


def test_hash_has_the_same_zxids(both: dict[str, Server]) -> None:
    """Every 128th; the digests differ, for the times of the nodes do."""
    ours, apache = ([line.partition(": ")[0] for line in both[kind].word("hash").splitlines()] for kind in (OURS, APACHE))
    assert ours == apache == ["80"]
