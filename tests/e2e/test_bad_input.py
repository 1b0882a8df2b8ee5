"""Bad input, against real processes: the protocol's own error or a closed connection and one log line, bounded memory,
and no harm to any other client. One test for each kind of bad input, in both protocols."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from crc32c import crc32c
from kazoo.client import KazooClient

from tests.e2e.local import Local, local
from tests.e2e.raw import RawClient, frame, reply, text

TOPIC = "well-behaved"
MEMORY_MARGIN = 60e6


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    data: Path = tmp_path_factory.mktemp("bad-input") / "data"
    with local(data, coords=1, brokers=1) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap})
        admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])[TOPIC].result(30)
        yield running


def log_of(cluster: Local, node: str) -> str:
    return (cluster.data / node / "server.log").read_text()


@contextmanager
def unharmed(cluster: Local, node: str, *, logs: bool) -> Iterator[None]:
    """A good client of the node works before and after; no traceback; memory stays; a log line, if one is due."""
    process = psutil.Process(cluster.pid(node))
    before, resident = log_of(cluster, node), process.memory_info().rss
    zookeeper = KazooClient(hosts=cluster.ensemble, timeout=10)
    zookeeper.start(10)
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    yield
    assert zookeeper.exists("/brokers") is not None
    zookeeper.stop()
    zookeeper.close()
    failures: list[object] = []
    producer.produce(TOPIC, b"still here", on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(10) == 0
    assert failures == [None]
    deadline = time.monotonic() + 5
    while logs and len(log_of(cluster, node)) == len(before) and time.monotonic() < deadline:
        time.sleep(0.05)
    said = log_of(cluster, node)[len(before) :]
    assert "Traceback" not in said, said
    assert not re.search(r"Error\b|unpack|codec", said), f"Python's words for it: {said}"
    if logs:
        assert said.strip(), "nothing was logged"
    assert process.memory_info().rss < resident + MEMORY_MARGIN, "memory grew"


def closed(connection: socket.socket, seconds: float = 10) -> bool:
    """Whether the other side closes within the time; what it still sends is read and thrown away."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


# The coordination service


def session(cluster: Local) -> socket.socket:
    return RawClient(cluster.coord_port).socket


def test_coord_a_frame_longer_than_the_limit(cluster: Local) -> None:
    """Announced lengths over jute.maxbuffer, and negative ones, close the connection."""
    with unharmed(cluster, "coord-1", logs=True):
        for length in (2_000_000, 0x7FFFFFFF, -5):
            with session(cluster) as connection:
                connection.sendall(struct.pack(">i", length) + b"x" * 100)
                assert closed(connection)
        with socket.create_connection(("127.0.0.1", cluster.coord_port)) as connection:
            connection.sendall(struct.pack(">i", 0x7FFFFFF0))
            assert closed(connection)


def test_coord_a_truncated_frame(cluster: Local) -> None:
    """A client that goes in the middle of a frame, and a frame whose record ends early."""
    with unharmed(cluster, "coord-1", logs=False):
        with session(cluster) as connection:
            connection.sendall(struct.pack(">i", 100) + b"half")
        with session(cluster) as connection:
            connection.sendall(frame(struct.pack(">iii", 1, 4, 1000) + b"/short"))
            try:
                error = struct.unpack(">iqi", reply(connection)[:16])[2]
                assert error == -5
            except (EOFError, ConnectionResetError):
                pass  # closed: as good


def test_coord_an_unknown_opcode(cluster: Local) -> None:
    """Answered with -6 (unimplemented), then closed, as Apache does."""
    with unharmed(cluster, "coord-1", logs=True), session(cluster) as connection:
        connection.sendall(frame(struct.pack(">ii", 7, 4711)))
        xid, _, error = struct.unpack(">iqi", reply(connection)[:16])
        assert (xid, error) == (7, -6)
        assert closed(connection)


@pytest.mark.parametrize("path", ["relative", "/brokers/", "//double", "/brokers/.", "/..", "/nul\x00", "/control\x01", ""])
def test_coord_a_path_that_is_not_valid(cluster: Local, path: str) -> None:
    """-8 (bad arguments), and the session lives on."""
    with unharmed(cluster, "coord-1", logs=False), session(cluster) as connection:
        acl = struct.pack(">ii", 1, 31) + text("world") + text("anyone")
        connection.sendall(frame(struct.pack(">ii", 1, 1) + text(path) + struct.pack(">i", 0) + acl + struct.pack(">i", 0)))
        assert struct.unpack(">iqi", reply(connection)[:16])[2] == -8
        connection.sendall(frame(struct.pack(">ii", 2, 3) + text("/") + b"\0"))
        assert struct.unpack(">iqi", reply(connection)[:16])[::2] == (2, 0)


def test_coord_data_over_the_limit(cluster: Local) -> None:
    """A node of 1 MB fits just below the limit; one above it costs the connection and nothing else."""
    with unharmed(cluster, "coord-1", logs=True):
        client = KazooClient(hosts=cluster.ensemble)
        client.start(10)
        client.create("/large", b"x" * 1_000_000)
        assert len(client.get("/large")[0]) == 1_000_000
        client.delete("/large")
        client.stop()
        client.close()
        with session(cluster) as connection:
            body = struct.pack(">ii", 1, 5) + text("/brokers") + struct.pack(">i", 1_100_000) + bytes(1_100_000) + struct.pack(">i", -1)
            try:
                connection.sendall(frame(body))
            except (BrokenPipeError, ConnectionResetError):
                return
            assert closed(connection)


def test_coord_a_client_that_says_nothing(cluster: Local) -> None:
    """Many of them do not keep others out, and they are closed after a while."""
    with unharmed(cluster, "coord-1", logs=False):
        mute = [socket.create_connection(("127.0.0.1", cluster.coord_port)) for _ in range(100)]
        with session(cluster):
            pass
        assert closed(mute[0], 45)
        for connection in mute:
            connection.close()


def test_coord_a_client_that_never_reads(cluster: Local) -> None:
    """Its replies are bounded: it is throttled or closed, and the server's memory stays."""
    client = KazooClient(hosts=cluster.ensemble)
    client.start(10)
    client.create("/wide", b"x" * 500_000)
    with unharmed(cluster, "coord-1", logs=False), session(cluster) as connection:
        connection.settimeout(2)
        request = frame(struct.pack(">ii", 1, 4) + text("/wide") + b"\0")
        try:
            for _ in range(2000):
                connection.sendall(request * 10)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
    client.delete("/wide")
    client.stop()
    client.close()


# The broker


def kafka_request(key: int, version: int, body: bytes, correlation: int = 1) -> bytes:
    return frame(struct.pack(">hhih", key, version, correlation, -1) + body)


def broker(cluster: Local) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cluster.broker_port))


def batch(value: bytes = b"v", *, break_crc: bool = False) -> bytes:
    record = b"\x00\x00\x00\x01" + bytes([len(value) << 1]) + value + b"\x00"
    record = bytes([len(record) << 1]) + record
    checked = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + record
    crc = crc32c(checked) ^ (1 if break_crc else 0)
    return struct.pack(">qiibI", 0, 9 + len(checked), -1, 2, crc) + checked


def produce(records: bytes, topic: str = TOPIC, partition: int = 0) -> bytes:
    body = struct.pack(">hhi", -1, 1, 5000) + struct.pack(">i", 1) + struct.pack(">h", len(topic)) + topic.encode()
    body += struct.pack(">ii", 1, partition) + struct.pack(">i", len(records)) + records
    return kafka_request(0, 3, body)


def produce_error(connection: socket.socket, topic: str = TOPIC) -> int:
    answer = reply(connection)
    at = 4 + 4 + 2 + len(topic) + 4 + 4
    error: int = struct.unpack(">h", answer[at : at + 2])[0]
    return error


def test_broker_a_frame_longer_than_the_limit(cluster: Local) -> None:
    """Announced lengths over socket.request.max.bytes, and negative ones, close the connection."""
    with unharmed(cluster, "broker-1", logs=True):
        for length in (0x7FFFFFFF, 200 << 20, -1):
            with broker(cluster) as connection:
                connection.sendall(struct.pack(">i", length) + b"x" * 100)
                assert closed(connection)


def test_broker_a_truncated_frame(cluster: Local) -> None:
    """A client that goes in the middle of a frame, and a request whose body ends early."""
    with unharmed(cluster, "broker-1", logs=True):
        with broker(cluster) as connection:
            connection.sendall(struct.pack(">i", 1000) + b"half")
        with broker(cluster) as connection:
            connection.sendall(kafka_request(3, 1, struct.pack(">i", 1000)))
            assert closed(connection)


def test_broker_an_unknown_api_key(cluster: Local) -> None:
    """The connection is closed, as Apache's broker does."""
    with unharmed(cluster, "broker-1", logs=True), broker(cluster) as connection:
        connection.sendall(kafka_request(999, 0, b""))
        assert closed(connection)


def test_broker_a_version_out_of_range(cluster: Local) -> None:
    """Closed, but for ApiVersions: that is answered in version 0 with error 35 and the range of ApiVersions."""
    with unharmed(cluster, "broker-1", logs=True):
        with broker(cluster) as connection:
            connection.sendall(kafka_request(3, 99, b""))
            assert closed(connection)
        with broker(cluster) as connection:
            connection.sendall(kafka_request(18, 99, b""))
            answer = reply(connection)
            correlation, error, count = struct.unpack(">ihi", answer[:10])
            assert (correlation, error) == (1, 35)
            rows = [struct.unpack(">hhh", answer[10 + 6 * n : 16 + 6 * n]) for n in range(count)]
            assert any(key == 18 and low == 0 <= high for key, low, high in rows)


def test_broker_a_corrupt_batch(cluster: Local) -> None:
    """Error 2, and the connection lives on."""
    with unharmed(cluster, "broker-1", logs=False), broker(cluster) as connection:
        connection.sendall(produce(batch(break_crc=True)))
        assert produce_error(connection) == 2
        connection.sendall(produce(batch()))
        assert produce_error(connection) == 0
        for damaged in (b"", b"\0" * 30, batch()[:-3], batch() + b"\0" * 7):
            connection.sendall(produce(damaged))
            assert produce_error(connection) in (2, 42, 87), damaged


def test_broker_a_batch_too_large(cluster: Local) -> None:
    """Error 10 for a batch over message.max.bytes."""
    large = bytearray(batch(b"v"))
    body = b"\x00\x00\x00\x01" + b"\x80\x89\x7a" + bytes(1_000_000) + b"\x00"
    checked = struct.pack(">hiqqqhii", 0, 0, 0, 0, -1, -1, -1, 1) + b"\x8e\x89\x7a" + body + bytes(100_000)
    large = bytearray(struct.pack(">qiibI", 0, 9 + len(checked), -1, 2, crc32c(checked)) + checked)
    with unharmed(cluster, "broker-1", logs=False), broker(cluster) as connection:
        connection.sendall(produce(bytes(large)))
        assert produce_error(connection) == 10


def test_broker_a_partition_that_is_not_there(cluster: Local) -> None:
    """Error 3 for producing to it and for fetching from it."""
    with unharmed(cluster, "broker-1", logs=False):
        with broker(cluster) as connection:
            connection.sendall(produce(batch(), partition=77))
            assert produce_error(connection) == 3
            connection.sendall(produce(batch(), topic="no-such-topic"))
            assert produce_error(connection, "no-such-topic") == 3
        consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "g"})
        with pytest.raises(KafkaException):
            consumer.get_watermark_offsets(TopicPartition(TOPIC, 77), timeout=5)
        consumer.close()


def test_broker_a_client_that_says_nothing(cluster: Local) -> None:
    """Many of them do not keep others out."""
    with unharmed(cluster, "broker-1", logs=False):
        mute = [broker(cluster) for _ in range(200)]
        with broker(cluster) as connection:
            connection.sendall(kafka_request(18, 0, b""))
            assert len(reply(connection)) > 10
        for connection in mute:
            connection.close()


def test_broker_a_client_that_never_reads(cluster: Local) -> None:
    """Requests without end and no reading: bounded memory, and the others are served."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap})
    for _ in range(200):
        producer.produce(TOPIC, b"x" * 50_000)
    producer.flush(20)
    fetch = kafka_request(
        1, 4, struct.pack(">iiiib", -1, 0, 1, 50_000_000, 0) + struct.pack(">i", 1) + struct.pack(">h", len(TOPIC)) + TOPIC.encode()
        + struct.pack(">iiqi", 1, 0, 0, 50_000_000),
    )  # fmt: skip
    with unharmed(cluster, "broker-1", logs=False), broker(cluster) as connection:
        connection.settimeout(2)
        try:
            for _ in range(3000):
                connection.sendall(fetch * 10)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
