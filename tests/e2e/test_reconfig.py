"""Ensembles that change while they run, of our servers and of Apache's, by kazoo, by our shell and by zkCli."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    ConnectionLoss,
    NewConfigNoQuorumError,
    NoAuthError,
    ReconfigInProcessError,
)

from coord.cli.shell import shell_command
from tests.e2e.flexible import SUPER, Flexible
from tests.e2e.mixed import APACHE, JARS, NAMES, OURS, needs_apache

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

apache = pytest.mark.apache
SHAPES = [
    pytest.param((OURS, OURS, OURS), OURS, id="ours"),
    pytest.param((APACHE, APACHE, APACHE), OURS, id="ours joins Apache's", marks=apache),
    pytest.param((APACHE, APACHE, OURS), APACHE, id="ours leads Apache's", marks=apache),
    pytest.param((OURS, OURS, APACHE), APACHE, id="Apache's leads ours", marks=apache),
]


def reconfigure(client: KazooClient, joining: str | None = None, leaving: str | None = None, members: str | None = None) -> str:
    """Asks until it is done. A server that changes its leader with the configuration may take the reply with it."""
    try:
        return client.retry(client.reconfig, joining=joining, leaving=leaving, new_members=members)[0].decode()
    except ConnectionLoss:
        return ""


def needed(*kinds: str) -> None:
    if APACHE in kinds:
        needs_apache()


@pytest.mark.parametrize(("kinds", "joiner"), SHAPES)
def test_servers_come_and_go(tmp_path: Path, kinds: tuple[str, ...], joiner: str) -> None:
    """One joins, the leader leaves, roles change, everybody is restarted on the files that this left."""
    needed(*kinds, joiner)
    ensemble = Flexible(tmp_path)
    try:
        ensemble.start(kinds)
        assert ensemble.leader().number == 3
        client = ensemble.client(*ensemble.servers[:2])
        client.create("/before", b"1")
        ensemble.join(4, joiner)
        text = reconfigure(client, joining=ensemble.line(4))
        assert text.splitlines()[:-1] == [ensemble.line(n) for n in (1, 2, 3, 4)]
        ensemble.agrees(*(ensemble.line(n) for n in (1, 2, 3, 4)))
        ensemble.await_serving()
        reconfigure(client, leaving="3")
        ensemble.agrees(*(ensemble.line(n) for n in (1, 2, 4)))
        ensemble.eventually(lambda: ensemble.servers[2].mode == "follower", 20, "the old leader still leads")
        ensemble.await_serving()
        client.retry(client.create, "/between", b"2")
        reconfigure(client, members=",".join([ensemble.line(1), ensemble.line(2), *(ensemble.line(n, "observer") for n in (3, 4))]))
        final = [ensemble.line(1), ensemble.line(2), ensemble.line(3, "observer"), ensemble.line(4, "observer")]
        ensemble.agrees(*final)
        ensemble.eventually(lambda: {s.mode for s in ensemble.servers[2:]} == {"observer"}, 20, "no observers")
        ensemble.assert_digests_agree()
        for server in ensemble.servers:
            kind = server.kind
            server.stop()
            server.start(kind)
            ensemble.await_serving()
        ensemble.agrees(*final)
        client.retry(client.create, "/after", b"3")
        assert set(client.get_children("/")) >= {"before", "between", "after"}
        client.stop()
        client.close()
        _check_files(ensemble, final)
    finally:
        ensemble.close()


def _check_files(ensemble: Flexible, lines: list[str]) -> None:
    """The static file names the dynamic one, whose name is the version; either kind of server leaves the same."""
    for server in ensemble.servers:
        pointer = next(line for line in server.config.read_text().splitlines() if line.startswith("dynamicConfigFile="))
        dynamic = Path(pointer.partition("=")[2])
        assert dynamic.read_text().splitlines() == sorted(lines)
        assert ensemble.config(server).endswith("version=" + dynamic.name.rpartition(".")[2])
        assert not any(line.startswith(("server.", "clientPort")) for line in server.config.read_text().splitlines())
        assert not (server.folder / "zoo.cfg.dynamic.next").exists()


@pytest.mark.parametrize("kind", [OURS, pytest.param(APACHE, marks=apache)])
def test_what_is_refused(tmp_path: Path, kind: str) -> None:
    """The same errors from either kind of leader; nothing changes."""
    needed(kind)
    ensemble = Flexible(tmp_path, spare=4)
    try:
        ensemble.start((kind, kind, kind))
        client, stranger = ensemble.client(ensemble.servers[0]), ensemble.client(ensemble.servers[0], auth=False)
        before = ensemble.config(ensemble.servers[0])
        with pytest.raises(NoAuthError):
            stranger.reconfig(joining=None, leaving="3", new_members=None)
        refused = [
            (BadVersionError, {"leaving": "3", "from_config": 77}),
            (BadArgumentsError, {"joining": "server.4=127.0.0.1:1:2"}),
            (BadArgumentsError, {"leaving": "2,3"}),
            (NewConfigNoQuorumError, {"joining": ",".join(ensemble.line(n) for n in (4, 5, 6, 7)), "leaving": "1"}),
        ]
        if kind == OURS:  # Apache's, of this version, lets two servers have one address
            refused.append((BadArgumentsError, {"joining": ensemble.line(1).replace("server.1", "server.4")}))
        for error, arguments in refused:
            with pytest.raises(error):
                client.reconfig(**{"joining": None, "leaving": None, "new_members": None, **arguments})
        assert ensemble.config(ensemble.servers[0]) == before
        version = int(before.rpartition("=")[2], 16)
        assert client.reconfig(joining=None, leaving="1", new_members=None, from_config=version)
        for each in (client, stranger):
            each.stop()
            each.close()
    finally:
        ensemble.close()


def test_two_at_once(tmp_path: Path) -> None:
    """The second one hears that the first is under way, or comes after it."""
    ensemble = Flexible(tmp_path)
    try:
        ensemble.start((OURS, OURS, OURS))
        client = ensemble.client(ensemble.servers[2])
        asked = [client.reconfig_async(ensemble.line(n, "observer"), None, None, -1) for n in (1, 2)]
        assert asked[0].get(10)
        with pytest.raises((ReconfigInProcessError, BadArgumentsError)):
            asked[1].get(10)
        client.stop()
        client.close()
    finally:
        ensemble.close()


def test_addresses_change(tmp_path: Path) -> None:
    """A follower's client port, then its quorum and election ports; then the leader's, which costs it the lead."""
    ensemble = Flexible(tmp_path, spare=3)
    try:
        ensemble.start((OURS, OURS, OURS))
        client = ensemble.client(*ensemble.servers[1:])
        lines = {n: ensemble.line(n) for n in (1, 2, 3)}
        first = ensemble.servers[0]
        lines[1] = ensemble.line(1, client=ensemble.everybody[3].port)
        reconfigure(client, joining=lines[1])
        first.port = ensemble.everybody[3].port
        ensemble.eventually(lambda: first.mode == "follower", 10, "nobody at the new client port")
        for number, at in ((1, 5), (3, 6)):
            moved = ensemble.line(at).replace(f"server.{at}", f"server.{number}")
            lines[number] = moved.partition(";")[0] + ";" + lines[number].partition(";")[2]
            reconfigure(client, joining=lines[number])
            ensemble.agrees(*lines.values())
            ensemble.await_serving()
            client.retry(client.create, f"/moved-{number}", b"")
        assert ensemble.leader().number != 3
        leader = ensemble.leader()
        leader.stop()
        ensemble.await_serving()
        client.retry(client.create, "/elected-at-new-addresses", b"")
        client.stop()
        client.close()
    finally:
        ensemble.close()


@pytest.mark.parametrize("kind", [OURS, pytest.param(APACHE, marks=apache)])
def test_our_shell(tmp_path: Path, kind: str) -> None:
    """reconfig and config, with either kind of server."""
    needed(kind)
    ensemble = Flexible(tmp_path)
    try:
        ensemble.start((kind, kind, kind))
        ensemble.join(4, OURS)
        hosts = ensemble.hosts

        def shell(*lines: str) -> str:
            text = "\n".join([f"addauth {SUPER[0]} {SUPER[1]}", *lines]) + "\n"
            return CliRunner().invoke(shell_command, ["-s", hosts], input=text, catch_exceptions=False).output

        added = shell(f"reconfig -s -add {ensemble.line(4)}")
        assert "Committed new configuration:" in added
        assert ensemble.line(4) in added
        assert "dataVersion = -1" in added
        file = tmp_path / "members"
        file.write_text("\n".join([ensemble.line(1), ensemble.line(2), ensemble.line(3)]))
        assert "Committed" in shell(f"reconfig -file {file}")
        assert "Committed" in shell(f"reconfig -members {ensemble.line(1)},{ensemble.line(3)}")
        assert "Committed" not in shell("reconfig -v 5 -remove 1")
        connect = shell("config -c").splitlines()[-1].split(" ")[-1]
        assert connect == ",".join(ensemble.servers[n].address for n in (0, 2))
    finally:
        ensemble.close()


@apache
def test_apaches_shell(tmp_path: Path) -> None:
    """zkCli's reconfig and config on our servers."""
    needs_apache()
    ensemble = Flexible(tmp_path)
    try:
        ensemble.start((OURS, OURS, OURS))
        ensemble.join(4, OURS)
        (tmp_path / "log4j.properties").write_text("log4j.rootLogger=OFF\n")
        names = ("zookeeper-jute", "commons-cli", "slf4j-api", *NAMES)
        path = ":".join([str(tmp_path), *(str(JARS / f"{name}.jar") for name in names)])
        command = ["java", "-cp", path, "org.apache.zookeeper.ZooKeeperMain", "-server", ensemble.servers[0].address]
        lines = [
            f"addauth {SUPER[0]} {SUPER[1]}", f"reconfig -add {ensemble.line(4)}", "reconfig -remove 4", "config -c", "quit",
        ]  # fmt: skip
        output = subprocess.run(
            command, input="\n".join(lines) + "\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
        ).stdout
        assert output.count("Committed new configuration:") == 2, output
        assert all(server.address in output for server in ensemble.servers[:3])
    finally:
        ensemble.close()


@apache
@pytest.mark.parametrize("kinds", [(OURS, APACHE, OURS), (APACHE, OURS, APACHE)], ids=["ours leads", "Apache's leads"])
def test_weights_and_groups_beside_apache(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """Server 1 has 3 of the 4 votes and decides alone; server 3 has none and never leads, for all its number."""
    needs_apache()
    weights = ("group.1=1:2:3", "weight.1=3", "weight.2=1", "weight.3=0")
    ensemble = Flexible(tmp_path, settings=weights)
    try:
        ensemble.start(kinds)
        assert ensemble.leader().number != 3
        assert ensemble.config(ensemble.servers[0]).splitlines()[3:7] == list(weights)
        client = ensemble.client(ensemble.servers[0])
        client.create("/with-all", b"")
        for server in ensemble.servers[1:]:
            server.stop()
        ensemble.eventually(lambda: ensemble.servers[0].mode == "leader", 20, "3 of 4 are a majority, and 1 has them alone")
        client.retry(client.create, "/with-the-heavy-one", b"")
        client.stop()
        client.close()
    finally:
        ensemble.close()


@pytest.mark.parametrize(
    ("kind", "joiner"),
    [(OURS, OURS), pytest.param(OURS, APACHE, marks=apache), pytest.param(APACHE, OURS, marks=apache)],
    ids=["ours", "Apache's joins ours", "ours joins Apache's"],
)
def test_from_one_server_to_three_and_back(tmp_path: Path, kind: str, joiner: str) -> None:
    """standaloneEnabled=false: the others join knowing nobody but server 1 and themselves, one as an observer first."""
    needed(kind, joiner)
    ensemble = Flexible(tmp_path, size=1, spare=2, settings=("standaloneEnabled=false",))
    try:
        ensemble.start((kind,))
        client = ensemble.client(ensemble.servers[0])
        client.create("/alone", b"1")
        ensemble.join(2, joiner, knows=(1,))
        ensemble.join(3, kind, "observer", knows=(1,))
        reconfigure(client, joining=f"{ensemble.line(2)},{ensemble.line(3, 'observer')}")
        ensemble.agrees(ensemble.line(1), ensemble.line(2), ensemble.line(3, "observer"))
        ensemble.await_serving()
        reconfigure(client, joining=ensemble.line(3))
        ensemble.agrees(*(ensemble.line(n) for n in (1, 2, 3)))
        ensemble.await_serving()
        assert ensemble.client(ensemble.servers[2]).get("/alone")[0] == b"1"
        reconfigure(client, leaving="1,3")
        ensemble.eventually(lambda: ensemble.servers[1].mode == "leader", 20, "2 does not lead")
        ensemble.agrees(ensemble.line(2))
        client.retry(client.create, "/in-the-end", b"1")
        client.stop()
        client.close()
    finally:
        ensemble.close()


def test_a_leader_dies_with_a_proposal(tmp_path: Path) -> None:
    """kill -9 right behind the request: the configuration is the old one or the new one, and writes go on."""
    ensemble = Flexible(tmp_path)
    try:
        ensemble.start((OURS, OURS, OURS))
        client = ensemble.client(*ensemble.servers[:2])
        ensemble.join(4, OURS)
        for role in ("participant", "observer", "participant"):
            leader = ensemble.leader()
            asked = client.reconfig_async(ensemble.line(4, role), None, None, -1)
            leader.stop(9)
            asked.wait(10)
            ensemble.await_serving()
            client.retry(client.create, "/after-", b"", sequence=True)
            leader.start(OURS)
            ensemble.await_serving()
            ensemble.eventually(lambda: len({ensemble.config(s) for s in ensemble.servers}) == 1, 20, "no agreement")
        client.stop()
        client.close()
    finally:
        ensemble.close()
