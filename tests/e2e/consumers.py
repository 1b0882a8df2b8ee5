"""Ways to consume a topic by a group of three members, each by a different program.

A member may read a record again after a rebalance, so records are kept by (partition, offset): a second reading must be
the same record. Where the group's coordinator was killed near the end the members are joining again when the last record
has come; they go on until all is committed, as any consumer would.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from kafka import KafkaConsumer
from kafka.errors import KafkaError

MEMBERS = 3
ATTEMPT_POLL_S = 0.5
COMMIT_S = 30.0
COMMIT_EVERY_MS = 500


class Collector:
    """What a group read, by partition and offset; `complete` is set when there are as many as expected, `done` when the
    members may leave."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.records: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        self.conflicts: list[tuple[int, int]] = []
        self.readers: set[int] = set()
        self.complete = threading.Event()
        self.done = threading.Event()
        self._lock = threading.Lock()

    def add(self, reader: int, partition: int, offset: int, key: bytes, value: bytes) -> None:
        with self._lock:
            before = self.records.setdefault((partition, offset), (key, value))
            if before != (key, value):
                self.conflicts.append((partition, offset))
            self.readers.add(reader)
            if len(self.records) >= self.expected:
                self.complete.set()

    def ends(self) -> dict[int, int]:
        """What a group that has read all this commits, by partition."""
        ends: dict[int, int] = defaultdict(int)
        with self._lock:
            for partition, offset in self.records:
                ends[partition] = max(ends[partition], offset + 1)
        return dict(ends)


Member = Callable[[int, str, str, str, Collector], None]
"""(number, brokers, topic, group, collector): reads until the collector is done, then commits and leaves."""


def confluent_member(number: int, brokers: str, topic: str, group: str, collector: Collector) -> None:
    from confluent_kafka import Consumer

    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": COMMIT_EVERY_MS,
    })  # fmt: skip
    consumer.subscribe([topic])
    while not collector.done.is_set():
        for message in consumer.consume(5000, timeout=ATTEMPT_POLL_S):
            if message.error() is None:
                collector.add(number, message.partition(), message.offset(), message.key(), message.value())
    consumer.close()


def kafka_python_member(number: int, brokers: str, topic: str, group: str, collector: Collector) -> None:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=brokers.split(","), group_id=group, auto_offset_reset="earliest", max_poll_records=5000,
        auto_commit_interval_ms=COMMIT_EVERY_MS,
    )  # fmt: skip
    while not collector.done.is_set():
        for records in consumer.poll(timeout_ms=int(ATTEMPT_POLL_S * 1000)).values():
            for record in records:
                collector.add(number, record.partition, record.offset, record.key, record.value)
    _commit_at_last(consumer)
    consumer.close()


def _commit_at_last(consumer: KafkaConsumer) -> None:
    """close() tries once, and the coordinator may just be on its way from one broker to another."""
    deadline = time.monotonic() + COMMIT_S
    while True:
        try:
            consumer.commit(timeout_ms=5000)
        except KafkaError:
            assert time.monotonic() < deadline, "no commit was accepted"
            consumer.poll(timeout_ms=200)  # joins the group again, if that is what is wanted
        else:
            return


def aiokafka_member(number: int, brokers: str, topic: str, group: str, collector: Collector) -> None:
    from aiokafka import AIOKafkaConsumer

    async def run() -> None:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=brokers, group_id=group, auto_offset_reset="earliest",
            auto_commit_interval_ms=COMMIT_EVERY_MS,
        )  # fmt: skip
        await consumer.start()
        try:
            while not collector.done.is_set():
                for records in (await consumer.getmany(timeout_ms=int(ATTEMPT_POLL_S * 1000))).values():
                    for record in records:
                        collector.add(number, record.partition, record.offset, record.key, record.value)
        finally:
            await consumer.stop()

    asyncio.run(run())


def kcat_member(number: int, brokers: str, topic: str, group: str, collector: Collector) -> None:
    command = [
        "kcat", "-q", "-E", "-b", brokers, "-u", "-f", "%p\t%o\t%k\t%s\n", "-X", "auto.offset.reset=earliest",
        "-X", f"auto.commit.interval.ms={COMMIT_EVERY_MS}", "-G", group, topic,
    ]  # fmt: skip
    _reading(command, number, collector, _kcat_line)


def broker_consume_member(number: int, brokers: str, topic: str, group: str, collector: Collector) -> None:
    command = [
        sys.executable, "-m", "broker", "consume", "--bootstrap-server", brokers, "--topic", topic, "--group", group,
        "--from-beginning", "--property", "print.partition=true", "--property", "print.offset=true",
        "--property", "print.key=true",
    ]  # fmt: skip
    _reading(command, number, collector, _broker_line)


Fields = tuple[int, int, bytes, bytes]


def _kcat_line(line: bytes) -> Fields:
    partition, offset, key, value = line.split(b"\t", 3)
    return int(partition), int(offset), key, value


def _broker_line(line: bytes) -> Fields:
    partition, offset, key, value = line.split(b"\t", 3)
    return int(partition.removeprefix(b"Partition:")), int(offset.removeprefix(b"Offset:")), key, value


def _reading(command: list[str], number: int, collector: Collector, parse: Callable[[bytes], Fields]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20)
    assert process.stdout is not None

    def stop_when_done() -> None:
        collector.done.wait()
        process.terminate()

    threading.Thread(target=stop_when_done, daemon=True).start()
    for line in process.stdout:
        if line.endswith(b"\n"):
            collector.add(number, *parse(line[:-1]))
    process.wait(timeout=30)


MEMBER_KINDS: dict[str, Member] = {
    "confluent-kafka": confluent_member,
    "kafka-python": kafka_python_member,
    "aiokafka": aiokafka_member,
    "kcat": kcat_member,
    "broker-consume": broker_consume_member,
}


def consume(
    kind: str, brokers: str, topic: str, group: str, collector: Collector, timeout_s: float, committed: Callable[[], bool]
) -> None:
    """Runs a group of three members until they have read and committed everything; fails after `timeout_s`.

    committed: whether they have committed; waited for in vain for a while, it is left to the caller's own check.
    """
    members = [
        threading.Thread(target=MEMBER_KINDS[kind], args=(number, brokers, topic, group, collector), daemon=True)
        for number in range(MEMBERS)
    ]
    for member in members:
        member.start()
    finished = collector.complete.wait(timeout_s)
    deadline = time.monotonic() + COMMIT_S
    while finished and not committed() and time.monotonic() < deadline:
        time.sleep(0.1)
    collector.done.set()
    for member in members:
        member.join(60)
    assert finished, f"{len(collector.records)} of {collector.expected} records after {timeout_s:.0f} s"
