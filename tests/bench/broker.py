"""One broker of ours beside one of Apache Kafka's: records produced and consumed by librdkafka, and the processor time.

- Processor time is what the broker's process used, user and system: with a JVM's compiler and collector (it is warmed up
  first), without the kernel's own threads that write to the disk.
- A virtual machine may give free memory back to its host; the first touch of each page then costs ten times what writing it
  does, and who grows a file pays it (2.5 s/GB on ours, for either broker). So memory is touched just before each turn.
- A consumer's rate counts from its first record: librdkafka takes half a second to begin, whoever the broker is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.bench.common import Pair, compiled, launcher
from tests.e2e.local import Local, free_ports, local

PARTITIONS = "12"
SIZES = {200: 3_000_000, 1000: 1_000_000}
SETTINGS = ["acks=all", "linger.ms=5"]
MEMORY_BYTES = 3 << 30
"""What a turn needs (the page cache, the producer, the consumer), and what the host takes back meanwhile."""


def run(load: Path, brokers: str, topic: str, *arguments: str) -> dict[str, float]:
    result = subprocess.run([str(load), brokers, topic, *arguments], capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr
    found: dict[str, float] = json.loads(result.stdout)
    return found


def touch_memory(size: int) -> None:
    """Sees to it that so many bytes of free memory are really there."""
    subprocess.run([sys.executable, "-c", f"bytearray(b'x') * {size}"], check=True)


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def create(brokers: str, topic: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, num_partitions=int(PARTITIONS), replication_factor=1)])[topic].result(30)


def one(load: Path, brokers: str, pid: int, topic: str, size: int, count: int) -> tuple[float, float, float]:
    """(records/s produced, processor seconds per GB produced, records/s consumed)"""
    create(brokers, topic)
    touch_memory(MEMORY_BYTES)
    before = cpu_s(pid)
    produced = run(load, brokers, topic, "produce", str(count), str(size), *SETTINGS)
    used = cpu_s(pid) - before
    consumed = run(load, brokers, topic, "consume", str(count), f"partitions={PARTITIONS}")
    consumed_s = consumed["seconds"] - consumed["first_s"]
    return produced["msg_s"], used / (count * size / 1e9), consumed["messages"] / consumed_s


def measure(rounds: int) -> list[Pair]:
    load = compiled("kload", "-lrdkafka")
    pairs: list[Pair] = []
    with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "ours", coords=1, brokers=1) as cluster:
        zookeeper_port, kafka_port = free_ports(10), free_ports(10) + 5
        zookeeper = launcher("apache-zookeeper", "start", f"{folder}/zk", "1", str(zookeeper_port))
        try:
            theirs = launcher("apache-kafka", "start", f"{folder}/kafka", zookeeper, "1", str(kafka_port))
            their_pid = int(launcher("apache-kafka", "pid", f"{folder}/kafka", "1"))
            one(load, theirs, their_pid, "warm-up", 200, 1_000_000)
            one(load, cluster.bootstrap, cluster.pid("broker-1"), "warm-up", 200, 200_000)
            for size, count in SIZES.items():
                pairs += compare(load, cluster, theirs, their_pid, size, count, rounds)
        finally:
            launcher("apache-kafka", "stop", f"{folder}/kafka")
            launcher("apache-zookeeper", "stop", f"{folder}/zk")
    return pairs


def compare(load: Path, cluster: Local, theirs: str, their_pid: int, size: int, count: int, rounds: int) -> list[Pair]:
    produced = Pair(f"produce, {size} bytes, acks=all, linger 5 ms", "records/s")
    used = Pair(f"processor seconds per GB, {size} bytes", "s/GB")
    consumed = Pair(f"consume, {size} bytes", "records/s")
    for number in range(rounds):
        topic = f"load-{size}-{number}"
        for side, brokers, pid in (("ours", cluster.bootstrap, cluster.pid("broker-1")), ("theirs", theirs, their_pid)):
            for pair, value in zip((produced, used, consumed), one(load, brokers, pid, topic, size, count), strict=True):
                getattr(pair, side).append(value)
    return [produced, used, consumed]
