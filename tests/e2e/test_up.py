"""`quorate up` as a user meets it: ready quickly, clear about ports and folders, gone when told."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

from kazoo.client import KazooClient

from tests.e2e.local import Local, free_ports, is_free, local

STOP_S = 3.0


def up(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "broker.cli.up", "up", *options], capture_output=True, text=True, timeout=30, check=False
    )


def test_it_starts_stops_and_keeps_the_data(tmp_path: Path) -> None:
    """Ctrl-C stops everything within 3 s; the next start finds what was written."""
    with local(tmp_path / "data", brokers=1) as cluster:
        client = KazooClient(hosts=cluster.ensemble)
        client.start(15)
        client.create("/kept", b"1")
        assert client.get_children("/brokers/ids") == ["1"]
        client.stop()
        client.close()
        assert cluster.stop() < STOP_S
    assert "the data is kept" in cluster.said()

    again = Local(tmp_path / "data", brokers=1)
    again.start()
    client = KazooClient(hosts=again.ensemble)
    client.start(15)
    assert client.get("/kept")[0] == b"1"
    client.stop()
    client.close()
    again.stop()

    fresh = Local(tmp_path / "data", brokers=1)
    fresh.start("--fresh")
    client = KazooClient(hosts=fresh.ensemble)
    client.start(15)
    assert client.exists("/kept") is None
    client.stop()
    client.close()
    fresh.stop()


def test_a_killed_node_comes_back(tmp_path: Path) -> None:
    """A node that is killed is started again by the same command."""
    with local(tmp_path / "data", brokers=0) as cluster:
        killed = cluster.leader()
        old = cluster.pid(killed)
        os.kill(old, 9)
        deadline = time.monotonic() + 15
        while True:
            assert time.monotonic() < deadline, f"{killed} did not come back\n{cluster.said()}"
            time.sleep(0.2)
            try:
                if cluster.pid(killed) != old and cluster.leader():
                    break
            except AssertionError:
                continue


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """One line: which port, whose it is, how to choose another."""
    base = free_ports(20)
    with socket.create_server(("127.0.0.1", base + 1)):
        result = up("--data", str(tmp_path / "data"), "--coord-port", str(base), "--broker-port", str(base + 10))
    assert result.returncode == 2
    assert result.stderr.strip().splitlines() == [
        f"quorate: port {base + 1} (clients of coord-2) is taken: choose another first port with --coord-port PORT"
    ]


def test_fresh_empties_nothing_foreign(tmp_path: Path) -> None:
    """--fresh on a folder with other things in it refuses."""
    (tmp_path / "letter.txt").write_text("dear")
    base = free_ports(20)
    ports = ("--coord-port", str(base), "--quorum-port", str(base + 3), "--election-port", str(base + 6))
    result = up("--data", str(tmp_path), "--fresh", *ports, "--broker-port", str(base + 9))
    assert result.returncode == 2
    assert "letter.txt" in result.stderr
    assert (tmp_path / "letter.txt").exists()


def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    """A data folder that cannot be made is named."""
    (tmp_path / "file").write_text("")
    base = free_ports(20)
    ports = ("--coord-port", str(base), "--quorum-port", str(base + 3), "--election-port", str(base + 6))
    result = up("--data", str(tmp_path / "file" / "data"), *ports, "--broker-port", str(base + 9))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--data DIR" in result.stderr


def test_bad_flags_exit_2(tmp_path: Path) -> None:
    """A wrong number and an unknown flag are usage errors."""
    assert up("--coord", "0").returncode == 2
    assert up("--colour").returncode == 2


def test_output_that_fails_stops_it_without_a_traceback(tmp_path: Path) -> None:
    """A reader that goes away: quietly, as SIGPIPE ends a program. A full disk: one line."""
    base = free_ports(3)
    ports = ("--coord-port", str(base), "--broker-port", str(base + 1))
    command = [sys.executable, "-m", "broker.cli.up", "up", "--coord", "1", "--brokers", "1", "--data", str(tmp_path / "data"), *ports]
    for output, code, said in (("| head -1", 141, ""), ("> /dev/full", 1, "quorate: standard output: No space left on device\n")):
        line = f"{shlex.join(command)} {output}; exit ${{PIPESTATUS[0]}}"
        result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        assert (result.returncode, result.stderr) == (code, said)
        assert result.stdout == (f"coord-1 127.0.0.1:{base} starting\n" if code == 141 else "")
        assert is_free(base)
        assert is_free(base + 1)
