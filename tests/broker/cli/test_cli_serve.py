"""`broker server`: what is wrong with a configuration or a machine is one line, and exit code 2."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from tests.broker.server.harness import Cluster, in_cluster

TIMEOUT_S = 60


def serve(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "broker", "server", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def properties(folder: Path, *lines: str) -> str:
    path = folder / "server.properties"
    least = [
        "broker.id=1",
        "zookeeper.connect=127.0.0.1:1",
        "zookeeper.connection.timeout.ms=200",
        f"log.dirs={folder / 'logs'}",
        "listeners=PLAINTEXT://127.0.0.1:0",
    ]
    path.write_text("\n".join([*least, *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("lines", "words", "says"),
    [
        (["broker.id=one"], [], "broker.id=one: expected a whole number"),
        (["log.retention.ms=long"], [], "log.retention.ms"),
        ([], ["--override", "num.partitions=0"], "--override: num.partitions=0: expected a whole number"),
        ([], ["--override", "nonsense"], "--override nonsense: expected KEY=VALUE"),
        ([], [], "{file} line 2: zookeeper.connect=127.0.0.1:1: no server"),
        (["zookeeper.connect=foo:bar"], [], "{file} line 6: zookeeper.connect=foo:bar: 'bar' in 'foo:bar' is not a port"),
        (["offsets.topic.replication.factor=0"], [], "{file} line 6: offsets.topic.replication.factor=0: expected"),
    ],
    ids=["value", "log value", "override", "no override", "no coordination service", "no port", "no replica"],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, lines: list[str], words: list[str], says: str) -> None:
    """It names the key; no traceback."""
    path = properties(tmp_path, *lines)
    done = serve(path, *words)
    assert done.returncode == 2
    said = done.stderr.splitlines()[-1]
    assert said.startswith("broker server: ")
    assert says.format(file=path) in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("folder", "why"),
    [("/proc/x", "No such file or directory"), ("{here}/file", "it is a file"), ("{here}/file/x", "Not a directory")],
    ids=["not possible", "file", "below a file"],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, folder: str, why: str) -> None:
    """It is the only line, and waits for nobody: there is no coordination service."""
    (tmp_path / "file").touch()
    folder = folder.format(here=tmp_path)
    path = properties(tmp_path, f"log.dirs={folder}")
    done = serve(path)
    says = f"broker server: {path} line 6: log.dirs: {folder} cannot be used: {why}\n"
    assert (done.returncode, done.stderr) == (2, says)


def test_a_taken_port(tmp_path: Path) -> None:
    """The same, with the key and the line of the file."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listener = f"PLAINTEXT://127.0.0.1:{taken.getsockname()[1]}"
        path = properties(tmp_path, f"listeners={listener}")
        done = serve(path)
    says = f"broker server: {path} line 6: listeners={listener}: Address already in use\n"
    assert (done.returncode, done.stderr) == (2, says)


def test_more_replicas_than_there_will_be(tmp_path: Path) -> None:
    """Topics that nobody gives a number would all be refused: said at the start. Where offsets lie changes nothing here."""
    factors = ["default.replication.factor=2", "offsets.topic.replication.factor=3"]
    path = properties(tmp_path, *factors)
    warnings = [line for line in serve(path).stderr.splitlines() if "WARNING" in line and "replication" in line]
    assert len(warnings) == 1
    assert f"{path} line 6: default.replication.factor=2: " in warnings[0]
    assert warnings[0].endswith("; set it to 1")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With its path."""
    done = serve(str(tmp_path / "none.properties"))
    assert done.returncode == 2
    assert "none.properties" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_on_a_running_ensemble(tmp_path: Path) -> None:
    """A taken port and a folder of another broker are named; unknown keys are warned about; SIGTERM ends it with 0."""

    async def test(cluster: Cluster) -> None:
        connect = f"zookeeper.connect={cluster.coord}"
        mine = tmp_path / "mine"
        mine.mkdir()
        path = properties(mine, "broker.id=2", connect, "zookeeper.connection.timeout.ms=5000")

        def taken() -> None:
            port = cluster.ports[1]
            done = serve(path, "--override", f"listeners=PLAINTEXT://127.0.0.1:{port}")
            assert (done.returncode, done.stderr.splitlines()[-1]) == (
                2,
                f"broker server: --override: listeners=PLAINTEXT://127.0.0.1:{port}: Address already in use",
            )
            folder = tmp_path / "broker-1"
            another = properties(tmp_path, connect, f"log.dirs={folder}")
            done = serve(another)
            says = f"log.dirs: {folder} is used by another process: two brokers cannot share it"
            assert (done.returncode, done.stderr) == (2, f"broker server: {another} line 7: {says}\n")

        def stops() -> float:
            command = [sys.executable, "-m", "broker", "server", path, "--override", "nonsense.key=1"]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                lines = []
                for line in process.stderr:
                    lines.append(line)
                    if "is ready" in line:
                        break
                began = time.monotonic()
                os.kill(process.pid, signal.SIGTERM)
                rest = process.stderr.read()
                assert process.wait(TIMEOUT_S) == 0, rest
                took = time.monotonic() - began
            assert any("nonsense.key" in line and "WARNING" in line for line in lines)
            return took

        await trio.to_thread.run_sync(taken, abandon_on_cancel=True)
        for _ in range(4):  # once is enough: the machine may have had something else to do
            took = await trio.to_thread.run_sync(stops, abandon_on_cancel=True)
            if took < 3:
                break
        assert took < 3

    in_cluster(test, tmp_path)
