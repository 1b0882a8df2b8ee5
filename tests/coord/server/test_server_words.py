"""Four-letter words: Apache's answers, key by key and line by line."""

from __future__ import annotations

import re

import pytest

from coord.server.words import VERSION
from coord.wire.codes import OpCode
from coord.zab.application import Role
from coord.zab.quorums import parse_ensemble
from tests.coord.server.harness import Rig, create, get, on_trio

ENSEMBLE = parse_ensemble("server.1=127.0.0.1:22801:23801\nserver.2=127.0.0.1:22802:23802\nserver.3=127.0.0.1:22803:23803")


def say(rig: Rig, word: str) -> str:
    client = rig.connect()
    client.feed(word.encode() + b"\n")
    assert client.transport.closed
    answer = client.take().decode()
    client.gone()
    return answer


def everything(role: Role = Role.LEADING) -> Rig:
    ensemble = ENSEMBLE if role is not Role.STANDALONE else None
    return Rig(role, words=("*",), ensemble=ensemble, server_id=3 if ensemble else 0, client_port=21803, tick_ms=500)


@on_trio
def test_a_word_needs_to_be_allowed() -> None:
    """Only srvr without a whitelist; the refusal is Apache's; four other bytes are no word."""
    rig = Rig()
    assert say(rig, "srvr").startswith("Zookeeper version: ")
    assert say(rig, "ruok") == "ruok is not executed because it is not in the whitelist.\n"
    assert say(rig, "stmk") == "stmk is not executed because it is not in the whitelist.\n"
    other = rig.connect()
    other.feed(b"quit")
    assert other.take() == b""


@on_trio
def test_a_word_may_come_in_pieces() -> None:
    """The first four bytes decide, whenever they are complete."""
    client = everything().connect()
    client.feed(b"ru")
    assert not client.transport.closed
    client.feed(b"ok")
    assert client.take() == b"imok"


@on_trio
def test_cons_shows_connections_of_any_last_operation() -> None:
    """One that asked for what no server knows lingers until its refusal is read; nobody else must suffer from that."""
    rig = everything()
    rig.client().ask(1, 999)
    assert ",lop=NA," in say(rig, "cons")


@on_trio
def test_srvr_and_stat() -> None:
    """The lines of Apache's, in its order; the proposal sizes are the leader's alone."""
    rig = everything()
    client = rig.client()
    client.ask(1, *create("/a"))
    rig.settle()
    expected = rf"""Zookeeper version: {re.escape(VERSION)}
Latency min/avg/max: 0/0\.0/0
Received: 3
Sent: 2
Connections: 2
Outstanding: 0
Zxid: 0x100000002
Mode: leader
Node count: 6
Proposal sizes last/min/max: \d+/\d+/\d+
"""
    assert re.fullmatch(expected, say(rig, "srvr"))
    stat = say(rig, "stat")
    assert stat.startswith(f"Zookeeper version: {VERSION}\nClients:\n /10.0.0.1:5000[1](queued=0,recved=2,sent=2)\n /10.0.0.1:5000[0](queued=0,recved=1,sent=0)\n\nLatency min")
    for role, mode in ((Role.FOLLOWING, "follower"), (Role.OBSERVING, "observer"), (Role.STANDALONE, "standalone")):
        assert say(everything(role), "srvr").endswith(f"Mode: {mode}\nNode count: 5\n")


@on_trio
def test_mntr_has_the_keys_that_tools_parse() -> None:
    """zk_<key>, a tab, the value; what belongs to a role is there in that role."""
    rig = everything()
    client = rig.client()
    client.ask(1, *create("/a", flags=1))
    client.ask(2, *get("/a", watch=True))
    rig.settle()
    facts = dict(line.split("\t") for line in say(rig, "mntr").splitlines())
    assert {
        "zk_server_state": "leader",
        "zk_peer_state": "leading - broadcast",
        "zk_ephemerals_count": "1",
        "zk_watch_count": "1",
        "zk_znode_count": "6",
        "zk_global_sessions": "1",
        "zk_num_alive_connections": "2",
        "zk_quorum_size": "3",
        "zk_learners": "0",
        "zk_digest_mismatches_count": "0",
    }.items() <= facts.items()
    assert {"zk_version", "zk_avg_latency", "zk_packets_received", "zk_outstanding_requests", "zk_approximate_data_size", "zk_open_file_descriptor_count", "zk_max_file_descriptor_count", "zk_uptime", "zk_synced_followers", "zk_pending_syncs", "zk_leader_uptime", "zk_max_proposal_size"} < facts.keys()
    alone = dict(line.split("\t") for line in say(everything(Role.STANDALONE), "mntr").splitlines())
    assert alone["zk_server_state"] == "standalone"
    assert not {"zk_peer_state", "zk_learners", "zk_quorum_size"} & alone.keys()


@on_trio
def test_isro_and_ruok_without_a_quorum() -> None:
    """ruok says that the process lives; everything else says that it does not serve."""
    rig = everything()
    assert (say(rig, "isro"), say(rig, "ruok")) == ("rw", "imok")
    rig.replication.become(Role.LOOKING)
    assert (say(rig, "isro"), say(rig, "ruok")) == ("null", "imok")
    for word in ("srvr", "stat", "mntr", "conf", "cons", "wchs"):
        assert say(rig, word) == "This ZooKeeper instance is not currently serving requests\n"


@on_trio
def test_conf() -> None:
    """A standalone server's lines, and those of an ensemble behind them."""
    text = say(everything(), "conf")
    assert text.startswith("clientPort=21803\nsecureClientPort=-1\ndataDir=/data/version-2\ndataDirSize=")
    assert text.endswith(
        "initLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=23803\nquorumPort=22803\npeerType=0\nmembership: \n" + ENSEMBLE.text()
    )
    assert "serverId=3\n" in text
    assert "membership" not in say(everything(Role.STANDALONE), "conf")


@on_trio
@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("cons", r" /10\.0\.0\.1:5000\[1\]\(queued=0,recved=2,sent=2,sid=0x[0-9a-f]+,lop=GETD,est=\d+,to=10000,lcxid=0x5,lzxid=0x100000001,lresp=\d+,llat=0,minlat=0,avglat=0,maxlat=0\)\n /10.*\n\n"),
        ("wchs", r"1 connections watching 1 paths\nTotal watches:1\n"),
        ("wchc", r"0x[0-9a-f]+\n\t/\n\n"),
        ("wchp", r"/\n\t0x[0-9a-f]+\n\n"),
        ("srst", r"Server stats reset\.\n"),
        ("crst", r"Connection stats reset\.\n"),
        ("gtmk", r"306"),
        ("dirs", r"datadir_size: \d+\nlogdir_size: \d+\n"),
        ("envi", r"Environment:\nzookeeper\.version=3\.8\.0-(?s:.*)user\.dir=.*\n"),
    ],
)
def test_the_smaller_words(word: str, pattern: str) -> None:
    """Each in Apache's form."""
    rig = everything()
    client = rig.client()
    client.ask(5, *get("/", watch=True))
    answer = say(rig, word)
    assert re.fullmatch(pattern, answer), answer


@on_trio
def test_dump() -> None:
    """Sessions by when they expire (the leader knows), ephemeral nodes by session, connections by when they are closed."""
    rig = everything()
    client = rig.client()
    client.ask(1, *create("/e", flags=1))
    rig.settle()
    session = f"{client.session_id & (1 << 64) - 1:#x}"
    date = r"\w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}"
    expected = (
        rf"SessionTracker dump:\nSession Sets \(1\)/\(1\):\n1 expire at {date}:\n\t{session}\n"
        rf"ephemeral nodes dump:\nSessions with Ephemerals \(1\):\n{session}:\n\t/e\n"
        rf"Connections dump:\nConnections Sets \(1\)/\(2\):\n2 expire at {date}:\n"
        rf"\tip: /10\.0\.0\.1:5000 sessionId: {session}\n\tip: /10\.0\.0\.1:5000 sessionId: 0x0\n"
    )
    assert re.fullmatch(expected, say(rig, "dump"))


@on_trio
def test_dump_on_a_follower_and_with_local_sessions() -> None:
    """A follower does not know when a session expires, but for its own."""
    follower = everything(Role.FOLLOWING)
    follower.pipeline.tree.sessions[7] = 4000
    assert say(follower, "dump").startswith("SessionTracker dump:\nGlobal Sessions(1):\n0x7\t4000ms\nephemeral nodes dump:\n")
    leader = Rig(words=("dump",), local_sessions=True)
    leader.client()
    lines = say(leader, "dump").splitlines()
    assert (lines[1], lines[4]) == ("Local Session Sets (1)/(1):", "Global Session Sets (0)/(0):")


@on_trio
def test_the_trace_mask_may_come_in_pieces() -> None:
    """Eight bytes follow the word; the answer is what they say. Nothing is answered before they are there."""
    rig = everything()
    client = rig.connect()
    for piece in (b"stmk", b"\0\0\0\0\0\0\0"):
        client.feed(piece)
        assert not client.transport.closed
    client.feed(b"\x4d")
    assert client.take() == b"77"
    assert say(rig, "gtmk") == "77"


@on_trio
def test_hash_tells_a_digest_now_and_then() -> None:
    """Of every 128th zxid, as a signed number, as Java prints it."""
    rig = everything()
    client = rig.client()
    digests = {}
    for number in range(300):
        client.ask(number, *create(f"/n{number}"))
        rig.settle()
        digests[rig.pipeline.tree.last_zxid] = rig.pipeline.tree.digest
    signed = [int.from_bytes(digests[1 << 32 | low].to_bytes(8, "big"), "big", signed=True) for low in (128, 256)]
    assert say(rig, "hash") == f"100000080: {signed[0]}\n100000100: {signed[1]}\n"


@on_trio
def test_srst_forgets_what_was_counted() -> None:
    """Counters and latencies start again."""
    rig = everything()
    rig.client().ask(1, OpCode.PING)
    say(rig, "srst")
    assert "Received: 1\nSent: 0\n" in say(rig, "srvr")
