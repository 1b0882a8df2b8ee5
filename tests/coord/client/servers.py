"""Our own server for the client's tests, as a process, by the command a user would type."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 90


@contextmanager
def coord_server(folder: Path) -> Iterator[str]:
    """A standalone server; yields its connect string."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    config = folder / "zoo.cfg"
    config.write_text(
        f"tickTime=2000\ndataDir={folder}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
    )
    (folder / "data").mkdir()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coord", "server", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        _wait_until_it_listens(process, port, folder / "server.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(START_SECONDS * 20):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the server does not listen: {log.read_text()}")
