"""Our command lines and Apache Kafka's own, on the same real Kafka: what they print, and what they read of each other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from broker.wire.messages import MetadataRequest, MetadataResponse
from tests.broker.server.harness import Wire
from tests.e2e.local import free_ports

pytestmark = [pytest.mark.apache, pytest.mark.slow, pytest.mark.timeout(900)]

BENCH = Path(__file__).resolve().parents[2] / "bench"
CLASSES = {
    "kafka_topics": "org.apache.kafka.tools.TopicCommand",
    "kafka_console_producer": "kafka.tools.ConsoleProducer",
    "kafka_console_consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}
EVERYTHING = [
    word
    for name in ("timestamp", "partition", "offset", "headers", "key")
    for word in ("--property", f"print.{name}=true")
]
Ran = tuple[int, bytes, bytes]


class Kafka:
    """A real Kafka, and both command lines for it: `ours` and `theirs` take the same words."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def ours(self, function: str, *words: str, stdin: bytes = b"") -> Ran:
        script = f"from broker.cli.main import {function}; {function}()"
        return self._run([sys.executable, "-c", script, "--bootstrap-server", self.bootstrap, *words], stdin)

    def theirs(self, function: str, *words: str, stdin: bytes = b"") -> Ran:
        return self._run([str(BENCH / "apache-kafka"), "tool", CLASSES[function], "--bootstrap-server", self.bootstrap, *words], stdin)

    @staticmethod
    def _run(command: list[str], stdin: bytes) -> Ran:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr


async def knows_itself(port: int) -> None:
    """Waits until the broker has heard of itself: before that there is no broker to put a topic on."""
    with trio.fail_after(120):
        wire = await Wire.to(port)
        while not (await wire.ask(MetadataRequest(topics=[]), 7, MetadataResponse)).brokers:
            await trio.sleep(0.05)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    if shutil.which("java") is None or not Path("/usr/share/java/zookeeper.jar").exists():
        pytest.skip("needs a JDK and Apache ZooKeeper: apt-get install default-jdk-headless zookeeper")
    if subprocess.run([BENCH / "apache-kafka", "classpath"], capture_output=True, check=False).returncode:
        pytest.skip("needs Apache Kafka's jars: run `tests/bench/apache-kafka classpath` with Maven")
    folder = tmp_path_factory.mktemp("apache")
    base = free_ports(6)

    def launch(tool: str, *words: str) -> None:
        # the servers hold on to the launcher's output, so it goes to a file and not to a pipe
        with (folder / "launch.log").open("ab") as log:
            done = subprocess.run([BENCH / tool, *words], stdout=log, stderr=log, timeout=300, check=False)
        assert done.returncode == 0, (folder / "launch.log").read_text()

    try:
        launch("apache-zookeeper", "start", f"{folder}/zk", "1", str(base))
        launch("apache-kafka", "start", f"{folder}/kafka", f"127.0.0.1:{base}/chroot", "1", str(base + 4))
        trio.run(knows_itself, base + 4)
        yield Kafka(f"127.0.0.1:{base + 4}")
    finally:
        launch("apache-kafka", "stop", f"{folder}/kafka")
        launch("apache-zookeeper", "stop", f"{folder}/zk")


def test_topics(kafka: Kafka) -> None:
    """The same words, the same lines on standard output, the same exit codes."""
    for words in (
        ("--create", "--topic", "NAME", "--partitions", "2", "--config", "retention.ms=1000", "--config", "segment.bytes=2000"),
        ("--create", "--topic", "NAME"),
        ("--create", "--topic", "NAME", "--if-not-exists"),
        ("--create", "--topic", "NAME.dots"),
        ("--create", "--topic", "none", "--replication-factor", "5"),
        ("--create", "--topic", "none", "--partitions", "0"),
        ("--create", "--topic", "none", "--partitions", "-1"),
        ("--create", "--topic", "none", "--replication-factor", "-1", "--partitions", "-1"),
        ("--create", "--topic", "none", "--replication-factor", "0"),
        ("--create", "--topic", "none", "--config", "nonsense=1"),
        ("--create", "--topic", "bad name"),
        ("--create", "--topic", "NAMEplaced", "--replica-assignment", "1,1,1"),
        ("--alter", "--topic", "NAME", "--partitions", "4"),
        ("--alter", "--topic", "NAME", "--partitions", "4"),
        ("--delete", "--topic", "NAMEplaced"),
    ):
        mine = kafka.ours("kafka_topics", *(word.replace("NAME", "mine") for word in words))
        its = kafka.theirs("kafka_topics", *(word.replace("NAME", "their") for word in words))
        assert mine[:2] == (its[0], its[1].replace(b"their", b"mine")), words


def test_descriptions(kafka: Kafka) -> None:
    """Listing and describing, compared topic by topic: Kafka's order is none."""
    for words in (("--create", "--topic", "described", "--partitions", "3"), ("--create", "--topic", "set", "--config", "max.message.bytes=5")):
        assert kafka.theirs("kafka_topics", *words)[0] == 0
    for words in (
        ("--list",),
        ("--list", "--exclude-internal"),
        ("--describe",),
        ("--describe", "--topic", "desc.*"),
        ("--describe", "--topics-with-overrides"),
        ("--describe", "--under-replicated-partitions"),
        ("--describe", "--at-min-isr-partitions", "--topic", "described"),
    ):
        mine, its = kafka.ours("kafka_topics", *words), kafka.theirs("kafka_topics", *words)
        assert mine[0] == its[0] == 0
        assert blocks(mine[1]) == blocks(its[1]), words


def blocks(text: bytes) -> list[bytes]:
    """Topics with their partition lines, sorted."""
    return sorted(text.replace(b"\n\t", b"\0").split(b"\n"))


def test_what_one_writes_the_other_reads(kafka: Kafka) -> None:
    """Keys, headers and nulls; every field that can be printed."""
    lines = b"h1:v1,h2:v2\tk1\tv1\nh:\tk2\tv2\nNULL\tNULL\tv3\nh:NULL\tk4\tNULL\na:b\t\t\n" + "ü:ö\tä\tß\n".encode()
    words = [f"--property={name}" for name in ("parse.key=true", "parse.headers=true", "null.marker=NULL")]
    for name, produce in (("by-us", kafka.ours), ("by-them", kafka.theirs)):
        assert kafka.theirs("kafka_topics", "--create", "--topic", name)[0] == 0
        assert produce("kafka_console_producer", "--topic", name, *words, stdin=lines)[0] == 0
    for name in ("by-us", "by-them"):
        for chosen in ([], EVERYTHING, [*EVERYTHING, "--property", "null.literal=NIL", "--property", "headers.separator=;"]):
            asked = ("--topic", name, "--from-beginning", "--max-messages", "6", *chosen)
            mine, its = kafka.ours("kafka_console_consumer", *asked), kafka.theirs("kafka_console_consumer", *asked)
            assert mine == its
    without_times = ["--topic", "--from-beginning", "--max-messages", "6", *EVERYTHING[2:]]
    first, second = (
        kafka.ours("kafka_console_consumer", without_times[0], name, *without_times[1:])[1] for name in ("by-us", "by-them")
    )
    assert first == second


def test_every_codec_is_read_by_java(kafka: Kafka) -> None:
    """Ten thousand records each, by key, in order; Java's own checks of checksums and offsets."""
    assert kafka.ours("kafka_topics", "--create", "--topic", "codecs", "--partitions", "3")[0] == 0
    total = 0
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = b"".join(b"%s-%d\t%s line %d\n" % (codec.encode(), number % 20, codec.encode(), number) for number in range(10_000))
        sent = kafka.ours("kafka_console_producer", "--topic", "codecs", "--property", "parse.key=true", "--compression-codec", codec, stdin=lines)
        assert sent == (0, b"", b"")
        total += 10_000
    asked = ("--topic", "codecs", "--from-beginning", "--max-messages", str(total), "--property", "print.key=true")
    mine, its = kafka.ours("kafka_console_consumer", *asked), kafka.theirs("kafka_console_consumer", *asked)
    assert sorted(mine[1].splitlines()) == sorted(its[1].splitlines())
    for found in (mine, its):
        last: dict[bytes, int] = {}
        for line in found[1].splitlines():
            key, number = line.split(b"\t")[0], int(line.rsplit(b" ", 1)[1])
            assert last.get(key, -1) < number
            last[key] = number


def test_keys_go_where_java_sends_them(kafka: Kafka) -> None:
    """Equal keys meet in one partition, whichever client wrote them."""
    lines = b"".join(b"key-%d\tv\n" % number for number in range(200))
    asked = ("--property", "print.key=true", "--property", "print.partition=true", "--from-beginning", "--max-messages", "200")
    found = []
    for name, produce in (("keys-ours", kafka.ours), ("keys-theirs", kafka.theirs)):
        assert kafka.ours("kafka_topics", "--create", "--topic", name, "--partitions", "7")[0] == 0
        assert produce("kafka_console_producer", "--topic", name, "--property", "parse.key=true", stdin=lines)[0] == 0
        found.append(sorted(kafka.ours("kafka_console_consumer", "--topic", name, *asked)[1].splitlines()))
    assert found[0] == found[1]


def test_a_group_goes_on_where_the_other_client_stopped(kafka: Kafka) -> None:
    """Committed offsets of one are the other's beginning, both ways."""
    assert kafka.ours("kafka_topics", "--create", "--topic", "shared")[0] == 0
    lines = b"".join(b"%d\n" % number for number in range(9))
    assert kafka.ours("kafka_console_producer", "--topic", "shared", stdin=lines)[0] == 0
    asked = ("--topic", "shared", "--group", "both", "--from-beginning", "--max-messages", "3")
    found = [read("kafka_console_consumer", *asked)[1] for read in (kafka.ours, kafka.theirs, kafka.ours)]
    assert found == [b"0\n1\n2\n", b"3\n4\n5\n", b"6\n7\n8\n"]
