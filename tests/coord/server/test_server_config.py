"""zoo.cfg: Apache's files are understood, and what is wrong is said by key and file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from coord.kit.posix import PosixDisk
from coord.kit.properties import ConfigError
from coord.server.config import ServerConfig, client_address, read_config
from coord.server.foreign import left_out

THREE = "server.1=a:1:2\nserver.2=b:1:2:participant;2181\nserver.3=[::1]:1:2:observer;[::1]:2181\n"


def read(tmp_path: Path, content: str, *, myid: str | None = None, definitions: list[tuple[str, str]] | None = None) -> ServerConfig:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    if myid is not None:
        (data / "myid").write_text(myid)
    path = tmp_path / "zoo.cfg"
    path.write_text(content.replace("DATA", str(data)))
    return read_config(PosixDisk(), str(path), definitions or [])


def test_a_standalone_file_and_its_defaults(tmp_path: Path) -> None:
    """Timeouts follow from tickTime, the log lies with the data, only srvr is allowed."""
    config = read(tmp_path, "tickTime=2000\ndataDir=DATA\nclientPort=2181\n")
    assert (config.tick_ms, config.min_timeout_ms, config.max_timeout_ms) == (2000, 4000, 40_000)
    assert config.data_log_dir == config.data_dir
    assert config.words == ("srvr",)
    assert config.ensemble is None
    assert config.frame_max == 1_048_575
    assert client_address(config) == "0.0.0.0:2181"


def test_an_ensemble_with_myid(tmp_path: Path) -> None:
    """Server lines become the ensemble; the own line's client address counts where clientPort is missing."""
    config = read(tmp_path, "dataDir=DATA\n" + THREE, myid="3\n")
    assert config.server_id == 3
    assert config.ensemble is not None
    assert config.ensemble.voters == {1, 2}
    assert client_address(config) == "[::1]:2181"
    assert config.ensemble.text().endswith("version=0")


def test_one_voter_stands_alone_unless_told_otherwise(tmp_path: Path) -> None:
    """As in Apache: standaloneEnabled=false makes an ensemble of one."""
    content = "dataDir=DATA\nserver.1=a:1:2;2181\n"
    assert read(tmp_path, content).ensemble is None
    assert read(tmp_path, content + "standaloneEnabled=false", myid="1").ensemble is not None


def test_definitions_win_and_may_carry_the_prefix(tmp_path: Path) -> None:
    """System properties: with or without `zookeeper.`, over the file's value."""
    content = "dataDir=DATA\nclientPort=1\nsnapCount=5\n4lw.commands.whitelist=ruok, srvr\n"
    config = read(tmp_path, content, definitions=[("zookeeper.snapCount", "7"), ("jute.maxbuffer", "4096")])
    assert (config.snap_count, config.frame_max, config.words) == (7, 4096, ("ruok", "srvr"))


def test_what_is_left_out_is_named_once(tmp_path: Path) -> None:
    """Features of Apache's that are not here, settings of parts that are not, and keys that nobody knows: no error."""
    content = "dataDir=DATA\nclientPort=1\nadmin.serverPort=8080\nfoo=1\nsecureClientPort=2182\nssl.keyStore.location=/k\n"
    config = read(tmp_path, content, definitions=[("bar", "2"), ("zookeeper.preAllocSize", "64"), ("nio.numWorkerThreads", "2")])
    assert config.left_out == (
        "not served here: the admin server (admin.serverPort), TLS (secureClientPort, ssl.keyStore.location); "
        "without effect here: preAllocSize, nio.numWorkerThreads; unknown keys: foo, bar"
    )


def test_what_is_switched_off_is_not_missed(tmp_path: Path) -> None:
    """A file that asks for nothing that is missing has no warning."""
    content = (
        "dataDir=DATA\nclientPort=1\nadmin.enableServer=false\nadmin.serverPort=8080\nsslQuorum=false\nportUnification=false\n"
        "audit.enable=false\nsyncEnabled=true\nmultiAddress.enabled=false\nelectionAlg=3\n"
    )
    assert read(tmp_path, content).left_out == ""
    assert read(tmp_path, content.replace("=false", "=true")).left_out.count("not served here: ") == 1


def test_every_key_of_the_administrators_guide_is_known(tmp_path: Path) -> None:
    """Of ZooKeeper 3.8, but for the words and titles that look like keys there: none is called unknown."""
    keys = (Path(__file__).parents[2] / "golden" / "zookeeper_3.8_keys.txt").read_text().split()
    assert len(keys) > 140
    own = {field.metadata.get("key") for field in dataclasses.fields(ServerConfig)}
    unknown = left_out([key for key in keys if key not in own and not key.startswith(("server.", "group.", "weight."))], {})
    assert "unknown keys: " not in unknown, unknown.partition("unknown keys: ")[2]


def test_system_properties_that_are_honoured(tmp_path: Path) -> None:
    """Each under Apache's name and in Apache's unit; a window of less than 500 transactions is one of 500, as there."""
    content = (
        "dataDir=DATA\nclientPort=1\nforceSync=no\nsnapSizeLimitInKb=64\nsnapshotSizeFactor=-1\ncommitLogCount=9\ndigest.enabled=false\n"
        "fsync.warningthresholdms=20\ndatadir.autocreate=false\nleaderServes=no\nenforceQuota=true\nquorumListenOnAllIPs=true\n"
    )
    config = read(tmp_path, content, definitions=[("zookeeper.snapCount", "10"), ("zookeeper.globalOutstandingLimit", "5")])
    assert (config.force_sync, config.digests, config.leader_serves, config.create_folders) == (False,) * 4
    assert (config.enforce_quota, config.listen_on_all) == (True, True)
    assert (config.snap_size_kb, config.snapshot_size_factor, config.commit_log_count) == (64, -1.0, 500)
    assert (config.slow_sync_ms, config.snap_count, config.outstanding_max) == (20, 10, 5)
    assert read(tmp_path, content.replace("=9", "=900")).commit_log_count == 900


def test_a_dynamic_file_gives_the_server_lines_and_the_version(tmp_path: Path) -> None:
    """dynamicConfigFile holds the lines, its name the version in hexadecimal."""
    dynamic = tmp_path / "zoo.cfg.dynamic.1f"
    dynamic.write_text(THREE)
    config = read(tmp_path, f"dataDir=DATA\nclientPort=2181\ndynamicConfigFile={dynamic}", myid="1")
    assert config.ensemble is not None
    assert config.ensemble.version == 0x1F
    content = f"dataDir=DATA\nclientPort=2181\ndynamicConfigFile={dynamic.rename(tmp_path / 'zoo.cfg.dynamic.ffffffffffffffff')}"
    with pytest.raises(ConfigError, match=r"zoo\.cfg line 3: dynamicConfigFile=.*version of at most 63 bits"):
        read(tmp_path, content, myid="1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("clientPort=1", "zoo.cfg: dataDir is missing"),
        ("dataDir=DATA", "zoo.cfg: clientPort is missing"),
        ("dataDir=DATA\nclientPort=70000", "zoo.cfg line 2: clientPort=70000: expected a whole number from 0 to 65535"),
        ("dataDir=DATA\nclientPort=1\ntickTime=-1", "zoo.cfg line 3: tickTime=-1: expected"),
        ("dataDir=DATA\nclientPort=1\nserver.x=a:1:2", "zoo.cfg line 3: server.x=a:1:2: expected a number after server."),
        ("dataDir=DATA\nclientPort=1\nserver.1=a:1", "zoo.cfg line 3: server.1=a:1: expected host:quorumPort:electionPort"),
        ("dataDir=DATA\nclientPort=1\nserver.300=a:1:2", "zoo.cfg line 3: server.300=a:1:2: expected a server id from 0 to 255"),
        ("dataDir=DATA\nclientPort=1\nserver.1=a:1:2:observer", "no server of the configuration votes"),
        ("dataDir=DATA\nclientPort=1\ndynamicConfigFile=/none", "/none: cannot read the server lines: No such file"),
        ("dataDir=DATA\nclientPort=1\nelectionAlg=1", "zoo.cfg line 3: electionAlg=1: expected a whole number from 3 to 3"),
        ("dataDir=DATA\nclientPort=1\nskipACL=maybe", "zoo.cfg line 3: skipACL=maybe: expected yes or no"),
        ("dataDir=DATA\0\nclientPort=1", "\\x00': expected a folder"),
        ("dataDir=DATA\nclientPort=1\nclientPortAddress=a..b", "zoo.cfg line 3: clientPortAddress=a..b: expected a host or an address"),
        ("dataDir=DATA\nclientPort=1\nserver.1=a..b:1:2", "zoo.cfg line 3: server.1=a..b:1:2:participant: 'a..b' can be no host's name"),
        (f"dataDir=DATA\nclientPort=1\nserver.1=a:1:2;{'h' * 64}:3", f"'{'h' * 64}' can be no host's name"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: str, message: str) -> None:
    """Key, value, file and line."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("myid", "message"),
    [
        (None, "data/myid: this server's id is missing; write the number of this server's line server.N into it, such as: echo 1 > "),
        ("", "data/myid: myid=: expected a number from 0 to 255"),
        ("one", "data/myid: myid=one: expected a number from 0 to 255"),
        ("9", "data/myid: myid=9: "),
    ],
)
def test_a_missing_or_wrong_myid_is_named(tmp_path: Path, myid: str | None, message: str) -> None:
    """The error names the file that should hold the id."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "dataDir=DATA\nclientPort=2181\n" + THREE, myid=myid)
    assert message in str(caught.value)


def test_a_server_that_the_ensemble_goes_on_without_is_told_how_to_come_back(tmp_path: Path) -> None:
    """It was removed, and the file that it kept has no line for it. Apache's ends there too."""
    dynamic = tmp_path / "zoo.cfg.dynamic.10000001b"
    dynamic.write_text(THREE)
    with pytest.raises(ConfigError, match=r"myid=4: .*dynamic\.10000001b has no line server\.4.*reconfig -add server\.4="):
        read(tmp_path, f"dataDir=DATA\nclientPort=2181\ndynamicConfigFile={dynamic}", myid="4")


def test_a_dynamic_file_may_name_a_host_that_is_none(tmp_path: Path) -> None:
    """The ensemble has agreed on it: this server must start, and does not find that host."""
    dynamic = tmp_path / "dynamic"
    dynamic.write_text(THREE.replace("server.2=b", "server.2=a..b"))
    config = read(tmp_path, f"dataDir=DATA\nclientPort=2181\ndynamicConfigFile={dynamic}", myid="1")
    assert config.ensemble is not None


def test_relative_folders_are_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Apache; from here on they are absolute, so that each has a parent whose entry for it can be synced."""
    monkeypatch.chdir(tmp_path)
    config = read(tmp_path, "dataDir=data\ndataLogDir=../logs\nclientPort=2181\n" + THREE, myid="1")
    assert (config.data_dir, config.data_log_dir) == (f"{tmp_path}/data", f"{tmp_path}/../logs")
    config = read(tmp_path, "dataDir=data/\nclientPort=2181\n")
    assert config.data_dir == config.data_log_dir == f"{tmp_path}/data/"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """No traceback for a path that is not there."""
    with pytest.raises(ConfigError, match=r"nowhere\.cfg: cannot read the configuration: No such file"):
        read_config(PosixDisk(), str(tmp_path / "nowhere.cfg"))
