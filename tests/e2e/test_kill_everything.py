"""kill -9 of all six processes under load, and a start on the same data: what was acknowledged is there, once, in order."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from tests.e2e.local import Local

TOPIC = "everything"
PARTITIONS = 6
KEYS = 20
LOAD_S = 4.0


class ZnodeLoad(threading.Thread):
    """Creates sequential nodes and remembers those that were acknowledged."""

    def __init__(self, hosts: str, number: int) -> None:
        super().__init__(daemon=True)
        self.hosts, self.root = hosts, f"/load-{number}"
        self.acknowledged: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        client = KazooClient(hosts=self.hosts)
        client.start(15)
        client.ensure_path(self.root)
        while not self.stopping.is_set():
            try:
                self.acknowledged.append(client.create(f"{self.root}/n-", b"x" * 100, sequence=True))
            except KazooException:
                break
        client.stop()
        client.close()


class RecordLoad(threading.Thread):
    """Produces numbered records by key with an idempotent producer and remembers those that were acknowledged."""

    def __init__(self, brokers: str) -> None:
        super().__init__(daemon=True)
        self.producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 2})
        self.acknowledged: dict[bytes, list[int]] = defaultdict(list)
        self.stopping = threading.Event()

    def delivered(self, error: object, message: object) -> None:
        if error is None:
            self.acknowledged[message.key()].append(int(message.value()))  # type: ignore[attr-defined]

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            for key in range(KEYS):
                self.producer.produce(TOPIC, key=f"key-{key}", value=str(number), on_delivery=self.delivered)
            number += 1
            self.producer.poll(0.001)
        self.producer.poll(0)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_was_acknowledged_survives(tmp_path: Path) -> None:
    """Every acknowledged znode and record is there after the crash, none twice, in order."""
    cluster = Local(tmp_path / "data")
    cluster.start()
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1)])[TOPIC].result(30)
    znodes = [ZnodeLoad(cluster.ensemble, number) for number in range(3)]
    records = RecordLoad(cluster.bootstrap)
    for load in [*znodes, records]:
        load.start()
    time.sleep(LOAD_S)
    cluster.kill_everything()
    for load in [*znodes, records]:
        load.stopping.set()
    records.join(10)
    # what was acknowledged before the crash is known now; the producers die with their queues
    acknowledged_znodes = [path for load in znodes for path in list(load.acknowledged)]
    acknowledged_records = {key: list(numbers) for key, numbers in records.acknowledged.items()}
    records.producer.purge()
    records.producer.flush(5)  # the reports of what was purged hold the producer, which would look for its brokers until the end
    del records
    assert len(acknowledged_znodes) > 100
    assert sum(map(len, acknowledged_records.values())) > 1000

    with_same_data = Local(tmp_path / "data")
    with_same_data.base = cluster.base
    with_same_data.start()
    try:
        _check_znodes(with_same_data, acknowledged_znodes)
        _check_records(with_same_data, acknowledged_records)
    finally:
        with_same_data.stop()


def _check_znodes(cluster: Local, acknowledged: list[str]) -> None:
    client = KazooClient(hosts=cluster.ensemble)
    client.start(15)
    there = {f"/load-{number}/{name}" for number in range(3) for name in client.get_children(f"/load-{number}")}
    client.stop()
    client.close()
    missing = [path for path in acknowledged if path not in there]
    assert not missing, f"{len(missing)} acknowledged znodes are lost, for example {missing[:3]}"
    assert len(set(acknowledged)) == len(acknowledged)


def _end(consumer: Consumer, partition: int) -> int:
    """The end of a partition; a leader that has just been named may need a moment, as in any Kafka cluster."""
    deadline = time.monotonic() + 20
    while True:
        try:
            end: int = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=20)[1]
            return end
        except KafkaException:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _check_records(cluster: Local, acknowledged: dict[bytes, list[int]]) -> None:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "check", "enable.partition.eof": True})
    ends = {p: _end(consumer, p) for p in range(PARTITIONS)}
    consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
    found: dict[bytes, list[int]] = defaultdict(list)
    count = 0
    while count < sum(ends.values()):
        message = consumer.poll(20)
        assert message is not None, f"{count} of {sum(ends.values())} records could be read"
        if message.error() is None:
            found[message.key()].append(int(message.value()))
            count += 1
    consumer.close()
    for key, numbers in acknowledged.items():
        assert found[key] == sorted(set(found[key])), f"{key!r}: out of order or twice"
        missing = set(numbers) - set(found[key])
        assert not missing, f"{key!r}: {len(missing)} acknowledged records are lost, for example {sorted(missing)[:3]}"
