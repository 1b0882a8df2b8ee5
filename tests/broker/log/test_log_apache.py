"""Beside Apache Kafka: its tools read our files, its broker takes over our folder, and we take over its own."""

from __future__ import annotations

import logging
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import psutil
import pytest
import trio

from broker.log.config import LogConfig
from broker.log.log import Log
from broker.log.lookup import offset_for_time
from broker.log.manager import LogManager
from broker.log.recovery import load_log
from broker.log.segment import SUFFIXES
from broker.log.snapshots import SUFFIX as SNAPSHOT
from broker.wire.batches import Codec
from broker.wire.records import ControlType, Record, build_batch, control_batch, read_records
from coord.client import connect
from coord.kit.posix import PosixDisk
from tests.broker.log.samples import NOW_MS, batch, place_on
from tests.coord.client.apache import apache_ensemble

pytestmark = [pytest.mark.apache, pytest.mark.slow, pytest.mark.timeout(900)]

KAFKA = Path(__file__).resolve().parents[2] / "bench" / "apache-kafka"
INSTALL = "needs Apache Kafka's jars: run `tests/bench/apache-kafka classpath` with a JDK and Maven"
DATA_LINE = re.compile(r"^\| offset: (\d+) .*?(?:key: (\S*) )?payload: (\S*)$", re.MULTILINE)
SESSION_MS = 10_000
CONFIG = {"segment.bytes": "20000", "index.interval.bytes": "1000"}


def kafka(*arguments: str) -> str:
    """Runs the launcher; what it printed."""
    done = subprocess.run([KAFKA, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(autouse=True, scope="module")
def jars() -> None:
    """Skips where the jars are not there and cannot be had."""
    found = subprocess.run([KAFKA, "classpath"], capture_output=True, text=True, check=False)
    if found.returncode or not list(Path(found.stdout.strip().rstrip("*")).glob("kafka_*.jar")):
        pytest.skip(INSTALL)


def random_records(random: Random, count: int, first: int) -> list[Record]:
    return [
        Record(n, NOW_MS + 3 * (first + n), b"k%d" % (first + n), b"v" * random.randrange(1, 300), [("h", b"x")]) for n in range(count)
    ]


def test_dump_log_segments_reads_everything(tmp_path: Path) -> None:
    """Every codec, idempotent and transactional batches, indexes, snapshots and aborted transactions."""
    disk = PosixDisk()
    folder = str(tmp_path / "t-0")
    disk.make_dirs(folder)
    log = load_log(
        place_on(disk), folder, "t", 0, LogConfig.of(CONFIG), start_offset=0, recovery_point=0, clean=False, now_ms=NOW_MS
    )
    random = Random(5)
    written = []
    for number in range(150):
        records = random_records(random, random.randrange(1, 12), log.end_offset)
        sequence = log.end_offset
        data = build_batch(
            records, codec=random.choice(list(Codec)), producer_id=9, producer_epoch=0, base_sequence=sequence
        )
        log.append(data, 2 + number // 50, NOW_MS)
        written += [(record.key, record.value) for record in records]
    log.append(batch(3, producer=(10, 0, 0), transactional=True), 4, NOW_MS)
    marker = control_batch(
        ControlType.ABORT, now_ms=NOW_MS, producer_id=10, producer_epoch=0, coordinator_epoch=1, base_offset=log.end_offset,
        leader_epoch=4,
    )  # fmt: skip
    log.append_replicated(marker, NOW_MS)
    log.close()

    names = [name for name in disk.names(folder) if name.endswith((*SUFFIXES, SNAPSHOT))]
    assert len(names) > 12
    text = kafka(
        "tool", "kafka.tools.DumpLogSegments", "--print-data-log", "--deep-iteration", "--files",
        ",".join(f"{folder}/{name}" for name in names),
    )  # fmt: skip
    found = [(key.encode(), value.encode()) for offset, key, value in DATA_LINE.findall(text) if int(offset) < len(written)]
    assert found == written
    assert text.count("isvalid: true") == 152
    assert "isvalid: false" not in text
    assert "ismatch" not in text
    assert "not found" not in text
    assert "out of order" not in text.lower()
    assert "endTxnMarker: ABORT coordinatorEpoch: 1" in text
    assert f"producerId: 10 firstOffset: {len(written)} lastOffset: {len(written) + 3}" in text
    assert text.count("producerId: 9 producerEpoch: 0 coordinatorEpoch: -1") == len([name for name in names if name.endswith(SNAPSHOT)])


class Broker:
    """One Apache broker on its own folder."""

    def __init__(self, folder: Path, zookeeper: str, port: int) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{port}"
        self.zookeeper = zookeeper
        kafka(
            "start", str(folder), zookeeper, "1", str(port), "log.segment.bytes=6000", "log.index.interval.bytes=1000",
            "offsets.topic.num.partitions=2", "transaction.state.log.num.partitions=2", f"zookeeper.session.timeout.ms={SESSION_MS}",
        )  # fmt: skip

    @property
    def data(self) -> str:
        return str(self.folder / "1" / "data")

    def server_log(self) -> str:
        return (self.folder / "1" / "server.log").read_text()

    def again(self) -> None:
        """Starts after a kill, when its old session is gone: Apache's broker does not wait for that."""
        trio.run(self._forgotten)
        kafka("one", str(self.folder), "1")

    async def _forgotten(self) -> None:
        async with connect(self.zookeeper) as client:
            with trio.fail_after(120):
                while await client.exists("/brokers/ids/1") is not None:
                    await trio.sleep(0.1)

    def stop(self) -> None:
        kafka("stop", str(self.folder))

    def kill(self) -> None:
        pid = int(kafka("pid", str(self.folder), "1"))
        broker = psutil.Process(pid)
        broker.kill()
        psutil.wait_procs([broker], timeout=60)  # its lock on the folder ends with it
        (self.folder / "1" / "pid").unlink()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of Apache Kafka on a ZooKeeper of its own."""
    (tmp_path / "zookeeper").mkdir()
    with apache_ensemble(tmp_path / "zookeeper", 1) as zookeeper:
        started = Broker(tmp_path / "kafka", zookeeper.hosts, zookeeper.ports[0] + 50)
        try:
            yield started
        finally:
            started.stop()


def produce(address: str, first: int, count: int, codec: str) -> None:
    """Records by an idempotent producer, keyed by their number."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "compression.type": codec, "linger.ms": 2})
    for number in range(first, first + count):
        producer.produce("t", b"v%d" % number, b"k%d" % number, partition=0)
        if number % 20 == 0:
            producer.flush(60)
    assert producer.flush(60) == 0


def transact(address: str, first: int, count: int, commit: bool) -> None:
    """One transaction of records."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": address, "transactional.id": "tx"})
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in range(first, first + count):
        producer.produce("t", b"v%d" % number, b"k%d" % number, partition=0)
    if commit:
        producer.commit_transaction(60)
    else:
        producer.flush(60)
        producer.abort_transaction(60)


def consume(address: str, count: int) -> list[tuple[int, bytes]]:
    """Offsets and values that a read_committed consumer gets."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "enable.auto.commit": False, "isolation.level": "read_committed"})
    consumer.assign([TopicPartition("t", 0, 0)])
    found: list[tuple[int, bytes]] = []
    while len(found) < count:
        messages = consumer.consume(count - len(found), timeout=60)
        assert messages, f"only {len(found)} of {count}"
        found += [(message.offset(), message.value()) for message in messages if message.error() is None]
    assert not consumer.consume(1, timeout=1), "there is more"
    consumer.close()
    return found


def ours(data: str) -> LogManager:
    """Our logs on the broker's folder."""
    cluster = re.search(r"cluster.id=(\S+)", Path(data, "meta.properties").read_text())
    assert cluster
    logs = LogManager(PosixDisk(), [data], Random(1), {"segment.bytes": "6000", "index.interval.bytes": "1000"})
    logs.open()
    logs.load(1, cluster[1], lambda topic: {"cleanup.policy": "compact"} if topic.startswith("__") else {}, NOW_MS)
    return logs


def read(log: Log) -> list[tuple[int, bytes | None]]:
    """Offsets and values as a read_committed consumer of ours gets them, by the list of aborted transactions."""
    found: list[tuple[int, bytes | None]] = []
    offset = log.start_offset
    aborted = log.aborted(offset, log.end_offset)
    while offset < log.end_offset:
        records = list(read_records(log.read(offset, 5000)))
        found += [
            (record.offset, record.value)
            for record in records
            if not any(txn.first_offset <= record.offset <= txn.last_offset for txn in aborted)
        ]
        last = list(read_records(log.read(offset, 5000), control=True))[-1]
        offset = last.offset + 1
    return found


def test_a_folder_moves_between_apaches_broker_and_ours(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """Killed there, taken up here, appended to, shut down cleanly, taken up there, stopped, and here again."""
    expected = [b"v%d" % number for number in range(1200)]
    for number, codec in enumerate(["none", "gzip", "snappy", "lz4", "zstd"]):
        produce(broker.address, 200 * number, 200, codec)
    transact(broker.address, 1000, 100, commit=True)
    transact(broker.address, 9000, 50, commit=False)
    produce(broker.address, 1100, 100, "none")
    assert [value for _, value in consume(broker.address, len(expected))] == expected  # the ends of the transactions are written
    broker.kill()

    with caplog.at_level(logging.WARNING):
        logs = ours(broker.data)
    assert "was not shut down cleanly" in caplog.text
    assert " are cut" not in caplog.text
    log = logs.get("t", 0)
    assert log is not None
    assert len(log.segments) > 1
    assert log.topic_id is not None
    after_kill = read(log)
    assert [value for _, value in after_kill] == expected
    assert log.stable_offset(log.end_offset) == log.end_offset
    assert len(log.producers) >= 2

    records = [Record(n, NOW_MS + n, b"k", b"v%d" % (1200 + n)) for n in range(100)]
    log.append(build_batch(records, codec=Codec.ZSTD), log.latest_epoch, NOW_MS)
    expected += [record.value for record in records if record.value is not None]
    mine = read(log)
    log.roll(NOW_MS)
    end = log.end_offset
    logs.close({(each.topic, each.partition): each.end_offset for each in logs})

    broker.again()
    text = broker.server_log()
    assert "since clean shutdown file was found" in text
    for bad in ("orrupt", "ebuilding index", "ERROR", "ecovering"):
        assert not [line for line in text.splitlines() if bad in line], bad
    assert consume(broker.address, len(expected)) == mine
    produce(broker.address, 1300, 100, "lz4")
    expected += [b"v%d" % number for number in range(1300, 1400)]
    broker.stop()

    caplog.clear()
    with caplog.at_level(logging.WARNING):
        logs = ours(broker.data)
    assert caplog.text == ""
    log = logs.get("t", 0)
    assert log is not None
    assert [value for _, value in read(log)] == expected
    assert log.recovery_point == log.end_offset > end
    assert caplog.text == ""
    assert offset_for_time(log, NOW_MS + 50) is not None
    logs.abandon()
