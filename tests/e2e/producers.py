"""Four ways to produce the same lines, each by a different program: every one is acknowledged or the run fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable

from tests.e2e.stdlib_text import Line

Produce = Callable[[str, str, Iterable[Line]], int]
"""(brokers, topic, lines) -> how many were acknowledged."""


def with_confluent(brokers: str, topic: str, lines: Iterable[Line]) -> int:
    from confluent_kafka import Producer

    failures: list[object] = []
    acknowledged = 0

    def delivered(error: object, _message: object) -> None:
        nonlocal acknowledged
        if error is not None:
            failures.append(error)
        else:
            acknowledged += 1

    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
    for count, (key, value) in enumerate(lines):
        while True:
            try:
                producer.produce(topic, key=key, value=value, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        if count % 1000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0, "records without an answer after 120 s"
    assert not failures, f"{len(failures)} records failed, the first: {failures[0]}"
    return acknowledged


def with_kafka_python(brokers: str, topic: str, lines: Iterable[Line]) -> int:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=brokers.split(","), linger_ms=5, compression_type="gzip", delivery_timeout_ms=120000)
    acknowledged = 0
    waiting = []
    for key, value in lines:
        waiting.append(producer.send(topic, key=key, value=value))
        if len(waiting) == 20000:
            acknowledged += sum(future.get(timeout=120) is not None for future in waiting)
            waiting.clear()
    producer.flush()
    acknowledged += sum(future.get(timeout=120) is not None for future in waiting)
    producer.close()
    return acknowledged


def with_kcat(brokers: str, topic: str, lines: Iterable[Line]) -> int:
    # -E: goes on when it thinks for a moment that no broker is left
    command = ["kcat", "-P", "-E", "-b", brokers, "-t", topic, "-K", "\t", "-X", "enable.idempotence=true", "-z", "snappy", "-q"]
    return _piped(command, lines)


def with_broker_produce(brokers: str, topic: str, lines: Iterable[Line]) -> int:
    command = [
        sys.executable, "-m", "broker", "produce", "--bootstrap-server", brokers, "--topic", topic,
        "--property", "parse.key=true", "--compression-codec", "zstd",
    ]  # fmt: skip
    return _piped(command, lines)


def _piped(command: list[str], lines: Iterable[Line]) -> int:
    """key TAB line on standard input; the program's exit code says whether all were acknowledged."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    count = 0
    for key, value in lines:
        process.stdin.write(key + b"\t" + value + b"\n")
        count += 1
    process.stdin.close()
    assert process.wait(timeout=300) == 0, f"{command[0]} ended with {process.returncode}"
    return count


PRODUCERS: dict[str, Produce] = {
    "confluent-kafka": with_confluent,
    "kafka-python": with_kafka_python,
    "kcat": with_kcat,
    "broker-produce": with_broker_produce,
}
