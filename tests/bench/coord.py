"""Three coordination servers of ours beside three of Apache ZooKeeper's: gets and sets, deep and one at a time."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.bench.common import Pair, compiled, launcher
from tests.e2e.local import free_ports, local

CASES = [
    ("get, 24 connections, depth 16", ["--op", "get", "--conns", "24", "--depth", "16"]),
    ("set, 24 connections, depth 16", ["--op", "set", "--conns", "24", "--depth", "16"]),
    ("get, 1 connection, depth 1", ["--op", "get", "--conns", "1", "--depth", "1"]),
    ("set, 1 connection, depth 1", ["--op", "set", "--conns", "1", "--depth", "1"]),
]


def rate(load: Path, hosts: str, options: list[str], seconds: float) -> float:
    command = [str(load), hosts, *options, "--bytes", "100", "--seconds", str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60 + 3 * seconds, check=True)
    values = dict(part.split("=", 1) for part in result.stdout.split())
    assert values["errors"] == "0", result.stdout
    return float(values["ops_per_s"])


def measure(rounds: int, seconds: float) -> list[Pair]:
    load = compiled("zkload")
    with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "ours", brokers=0) as cluster:
        base = free_ports(400)
        theirs = launcher("apache-zookeeper", "start", f"{folder}/theirs", "3", str(base))
        try:
            pairs = [Pair(title, "op/s") for title, _ in CASES]
            rate(load, theirs, CASES[1][1], seconds)  # the Java machine compiles what is hot
            for _ in range(rounds):
                for pair, (_, options) in zip(pairs, CASES, strict=True):
                    pair.ours.append(rate(load, cluster.ensemble, options, seconds))
                    pair.theirs.append(rate(load, theirs, options, seconds))
        finally:
            launcher("apache-zookeeper", "stop", f"{folder}/theirs")
    return pairs
