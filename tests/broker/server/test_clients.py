"""Clients of other people against two brokers: each library produces, consumes in a group, commits and administers."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.broker.server.harness import Cluster, in_cluster

COUNT = 300
TIMEOUT_S = 60


def comes_to(wanted: object, ask: Callable[[], object]) -> None:
    """Asks until it is answered so: a change is told by the controller, and any broker may be asked, a moment too early."""
    deadline = time.monotonic() + TIMEOUT_S
    while (found := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found == wanted


def with_client(client: Callable[[str], None], folder: Path) -> None:
    """Runs a blocking client in a thread beside the cluster."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 3)
        brokers = ",".join(f"127.0.0.1:{port}" for port in cluster.ports.values())
        await trio.to_thread.run_sync(client, brokers, abandon_on_cancel=True)

    in_cluster(test, folder, 2)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_librdkafka(tmp_path: Path, codec: str) -> None:
    """confluent-kafka: an idempotent producer with every codec, headers and keys, and a group."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    def client(brokers: str) -> None:
        failures: list[object] = []
        producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "compression.type": codec,
                "linger.ms": 5,
            }
        )
        for number in range(COUNT):
            producer.produce(
                "t", b"value %d" % number, b"key", partition=number % 3, headers=[("n", b"%d" % number)],
                on_delivery=lambda error, message: failures.append(error) if error else None,
            )  # fmt: skip
        assert producer.flush(TIMEOUT_S) == 0
        assert failures == []
        consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "g",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe(["t"])
        messages = []
        while len(messages) < COUNT:
            batch = consumer.consume(COUNT, TIMEOUT_S)
            assert batch, "nothing came"
            messages += [message for message in batch if not message.error()]
        for message in messages:
            number = message.offset() * 3 + message.partition()
            assert (message.key(), message.value(), message.headers()) == (
                b"key",
                b"value %d" % number,
                [("n", b"%d" % number)],
            )
        consumer.commit(asynchronous=False)
        committed = consumer.committed([TopicPartition("t", number) for number in range(3)], TIMEOUT_S)
        assert [partition.offset for partition in committed] == [COUNT // 3] * 3
        consumer.close()

    with_client(client, tmp_path)


def test_librdkafka_administers(tmp_path: Path) -> None:
    """Topics, their configuration and groups, with the errors that the client expects."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType

    def client(brokers: str) -> None:
        admin = AdminClient({"bootstrap.servers": brokers})
        wanted = [
            NewTopic("made", 4, 1, config={"retention.ms": "1234"}),
            NewTopic("wide", 1, 3),
            NewTopic("t", 1, 1),
        ]

        def partitions() -> int:
            topics = admin.list_topics(timeout=TIMEOUT_S).topics
            return len(topics["made"].partitions) if "made" in topics else 0

        made = admin.create_topics(wanted, request_timeout=TIMEOUT_S)
        made["made"].result(TIMEOUT_S)
        for name, says in (("wide", "replication factor must be 1"), ("t", "already exists")):
            with pytest.raises(KafkaException, match=says):
                made[name].result(TIMEOUT_S)
        comes_to(4, partitions)
        resource = ConfigResource(ResourceType.TOPIC, "made")
        described = admin.describe_configs([resource])[resource].result(TIMEOUT_S)
        assert (described["retention.ms"].value, described["retention.ms"].is_default) == ("1234", False)
        assert described["segment.bytes"].is_default
        admin.create_partitions([NewPartitions("made", 6)], operation_timeout=TIMEOUT_S)["made"].result(TIMEOUT_S)
        comes_to(6, partitions)
        with pytest.raises(KafkaException, match="already has 6 partitions"):
            admin.create_partitions([NewPartitions("made", 6)])["made"].result(TIMEOUT_S)
        assert admin.list_consumer_groups(request_timeout=TIMEOUT_S).result(TIMEOUT_S).errors == []
        admin.delete_topics(["made"], operation_timeout=TIMEOUT_S)["made"].result(TIMEOUT_S)
        comes_to(0, partitions)

    with_client(client, tmp_path)


def test_our_own_command_widens_a_topic(tmp_path: Path) -> None:
    """By either name; what the broker refuses is one line."""

    def client(brokers: str) -> None:
        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)

        alter = [sys.executable, "-m", "broker", "topics", "alter", "--bootstrap-server", brokers, "--topic", "t"]
        done = run(*alter, "--partitions", "4")
        assert (done.returncode, done.stderr) == (0, "")
        done = run(*alter, "--partitions", "5", "--replica-assignment", "1,2,1,2,2")
        assert (done.returncode, done.stderr) == (0, "")
        done = run(*alter, "--partitions", "5")
        assert (done.returncode, done.stderr) == (1, "broker topics: Topic already has 5 partitions.\n")

    with_client(client, tmp_path)


def test_kafka_python(tmp_path: Path) -> None:
    """Producer, group consumer, offsets by time, administration."""
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewPartitions, NewTopic

    def client(brokers: str) -> None:
        servers = brokers.split(",")
        producer = KafkaProducer(bootstrap_servers=servers, compression_type="gzip")
        sent = [producer.send("t", b"%d" % number, partition=number % 3) for number in range(COUNT)]
        assert [future.get(TIMEOUT_S).offset for future in sent[-3:]] == [COUNT // 3 - 1] * 3
        producer.close()
        consumer = KafkaConsumer(
            "t",
            bootstrap_servers=servers,
            group_id="g",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        got = [next(consumer) for _ in range(COUNT)]
        assert sorted(int(record.value) for record in got) == list(range(COUNT))
        consumer.commit()
        partition = TopicPartition("t", 0)
        assert consumer.committed(partition) == COUNT // 3
        assert consumer.end_offsets([partition]) == {partition: COUNT // 3}
        assert consumer.offsets_for_times({partition: 1})[partition].offset == 0
        consumer.close()
        admin = KafkaAdminClient(bootstrap_servers=servers)
        admin.create_topics([NewTopic("made", 2, 1)])
        comes_to(True, lambda: "made" in admin.list_topics())
        admin.create_partitions({"made": NewPartitions(5)})
        comes_to(5, lambda: len(admin.describe_topics(["made"])[0]["partitions"]))
        admin.delete_topics(["made"])
        admin.close()

    with_client(client, tmp_path)


def test_aiokafka(tmp_path: Path) -> None:
    """An idempotent producer and a group of two."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def exchange(brokers: str) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=brokers, enable_idempotence=True)
        await producer.start()
        for number in range(COUNT):
            await producer.send("t", b"%d" % number, partition=number % 3)
        await producer.stop()
        seen: set[int] = set()
        consumers = [
            AIOKafkaConsumer("t", bootstrap_servers=brokers, group_id="g", auto_offset_reset="earliest")
            for _ in range(2)
        ]
        for consumer in consumers:
            await consumer.start()
        while len(seen) < COUNT:
            for consumer in consumers:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    seen.update(int(record.value) for record in records)
        assert seen == set(range(COUNT))
        for consumer in consumers:
            await consumer.stop()

    with_client(lambda brokers: asyncio.run(asyncio.wait_for(exchange(brokers), TIMEOUT_S)), tmp_path)


def test_a_topic_makes_itself(tmp_path: Path) -> None:
    """auto.create.topics.enable: the first record of a topic that nobody made is written, with num.partitions."""
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient

    def client(brokers: str) -> None:
        producer = Producer({"bootstrap.servers": brokers})
        producer.produce("unmade", b"value")
        assert producer.flush(TIMEOUT_S) == 0
        admin = AdminClient({"bootstrap.servers": brokers})
        comes_to(2, lambda: len(admin.list_topics("unmade", TIMEOUT_S).topics["unmade"].partitions))

    with_client(client, tmp_path)


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed: apt-get install kcat")
def test_kcat(tmp_path: Path) -> None:
    """librdkafka of Debian: keys and values from a pipe, and back in order."""

    def client(brokers: str) -> None:
        def kcat(*words: str, text: str = "") -> str:
            done = subprocess.run(
                ["kcat", "-b", brokers, *words],
                input=text,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=True,
            )
            return done.stdout

        lines = "".join(f"k:{number}\n" for number in range(COUNT))
        kcat("-P", "-t", "t", "-p", "0", "-K:", "-X", "compression.codec=zstd", text=lines)
        assert kcat("-C", "-t", "t", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%k:%s\n") == lines
        assert 'topic "t" with 3 partitions' in kcat("-L")
        assert kcat("-Q", "-t", "t:0:-1") == f"t [0] offset {COUNT}\n"

    with_client(client, tmp_path)
