"""`coord status` and the words of zkServer.sh."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coord.cli.main import main, zk_server
from tests.coord.client.servers import coord_server


def status(path: Path) -> Result:
    return CliRunner().invoke(main, ["status", str(path)], catch_exceptions=False)


def config(folder: Path, port: int) -> Path:
    path = folder / "zoo.cfg"
    path.write_text(f"dataDir={folder}\nclientPort={port}\nclientPortAddress=127.0.0.1\n")
    return path


def test_a_server_that_serves(tmp_path: Path) -> None:
    """The line that scripts look for, and exit code 0."""
    with coord_server(tmp_path) as hosts:
        port = int(hosts.rpartition(":")[2])
        result = status(config(tmp_path, port))
    assert result.stdout == f"Client port found: {port}. Client address: 127.0.0.1. Client SSL: false.\nMode: standalone\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "It is probably not running."),
        (b"This ZooKeeper instance is not currently serving requests\n", "It runs, but serves no clients: there is no quorum."),
        (b"srvr is not executed because it is not in the whitelist.\n", "It answers, but 4lw.commands.whitelist does not allow srvr."),
    ],
)
def test_a_server_that_does_not(tmp_path: Path, answer: bytes | None, reason: str) -> None:
    """Why, as far as that can be told, and exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        path = config(tmp_path, listening.getsockname()[1])
        if answer is None:
            listening.close()
            result = status(path)
        else:
            thread = threading.Thread(target=_answer_once, args=(listening, answer))
            thread.start()
            result = status(path)
            thread.join()
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, f"Error contacting service. {reason}")


def test_a_host_that_can_be_no_name(tmp_path: Path) -> None:
    """A dynamic file may have one; it is named, and nobody answers there."""
    (tmp_path / "dynamic").write_text("server.1=a:1:2;a..b:2181\n")
    path = tmp_path / "zoo.cfg"
    path.write_text(f"dataDir={tmp_path}\ndynamicConfigFile={tmp_path}/dynamic\n")
    result = status(path)
    assert "Client address: a..b." in result.stdout
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (1, "Error contacting service. It is probably not running.")


def _answer_once(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        assert connection.recv(4) == b"srvr"
        connection.sendall(answer)


def test_a_file_that_is_wrong(tmp_path: Path) -> None:
    """One line, and exit code 2."""
    path = tmp_path / "zoo.cfg"
    path.write_text("clientPort=1\n")
    result = status(path)
    assert (result.exit_code, result.stdout) == (2, "")


def test_words_of_zkserver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`status` is ours; `stop` says how a server is stopped here."""
    monkeypatch.setattr(sys, "argv", ["zkServer", "stop"])
    with pytest.raises(SystemExit) as ended:
        zk_server()
    assert (ended.value.code, "SIGTERM stops it" in capsys.readouterr().err) == (2, True)
    monkeypatch.setattr(sys, "argv", ["zkServer", "status", str(config(tmp_path, 1))])
    with pytest.raises(SystemExit) as ended:
        zk_server()
    assert (ended.value.code, "probably not running" in capsys.readouterr().err) == (1, True)
