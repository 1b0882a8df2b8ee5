"""The real-input run: the text of the standard library through a topic of 12 partitions, by two libraries.

    python -m tests.e2e.real_input [--producer confluent-kafka --consumer kafka-python] [--limit N] [--calm]
    python -m tests.e2e.real_input --brokers B --ensemble E --calm

Checks that what came out is what went in, complete and in order for each file, and that the group's committed offsets
stand in the tree, read with kazoo, at the end of every partition. Without --calm it starts a cluster of its own, and kills
the ensemble's leader after a third of the lines and a broker after two thirds.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from tests.e2e.consumers import MEMBER_KINDS, MEMBERS, Collector, consume
from tests.e2e.local import Local, local
from tests.e2e.producers import PRODUCERS
from tests.e2e.stdlib_text import Line, stdlib_lines

PARTITIONS = 12
PAIRS = [
    ("confluent-kafka", "kafka-python"),
    ("kafka-python", "aiokafka"),
    ("kcat", "confluent-kafka"),
    ("broker-produce", "kcat"),
    ("confluent-kafka", "broker-consume"),
]


def run(
    brokers: str,
    ensemble: str,
    producer: str,
    consumer: str,
    limit: int | None = None,
    timeout_s: float = 300.0,
    faults: Sequence[Callable[[], None]] = (),
) -> str:
    """Runs one pair and checks it; returns a line with the rates.

    faults: called one after the other, at equal distances among the lines that go in.
    """
    topic = f"stdlib-{producer}-{consumer}-{uuid.uuid4().hex[:6]}"
    group = f"{topic}-readers"
    _create(brokers, topic)
    source: dict[bytes, list[bytes]] = defaultdict(list)
    for key, value in stdlib_lines(limit):
        source[key].append(value)
    total = sum(map(len, source.values()))
    collector = Collector(total)
    offsets = partial(_committed, ensemble, group, topic)
    reading = threading.Thread(
        target=consume,
        args=(consumer, brokers, topic, group, collector, timeout_s, lambda: offsets() == collector.ends()),
        daemon=True,
    )
    began = time.monotonic()
    reading.start()
    _await_members(brokers, group, began + timeout_s)
    began = time.monotonic()
    acknowledged = PRODUCERS[producer](brokers, topic, _disturbed(limit, total, faults))
    produced_s = time.monotonic() - began
    assert acknowledged == total, f"{acknowledged} of {total} were acknowledged"
    reading.join(timeout_s)
    consumed_s = time.monotonic() - began
    _compare(source, collector)
    assert offsets() == collector.ends()
    return (
        f"{producer} -> {consumer}: {total} lines equal and in order; produced in {produced_s:.1f} s "
        f"({total / produced_s:.0f}/s), consumed by {len(collector.readers)} members after {consumed_s:.1f} s"
    )


def kills(cluster: Local) -> list[Callable[[], None]]:
    """kill -9 of the ensemble's leader, then of a broker; `quorate up` starts both again."""
    return [lambda: cluster.kill(cluster.leader()), lambda: cluster.kill("broker-2")]


def _disturbed(limit: int | None, total: int, faults: Sequence[Callable[[], None]]) -> Iterator[Line]:
    due = {total * (number + 1) // (len(faults) + 1): fault for number, fault in enumerate(faults)}
    for number, line in enumerate(stdlib_lines(limit)):
        if fault := due.get(number):
            fault()
        yield line


def _create(brokers: str, topic: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, num_partitions=PARTITIONS, replication_factor=1)])[topic].result(30)


def _await_members(brokers: str, group: str, deadline: float) -> None:
    """Waits until the group has all its members, so that all three read."""
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": brokers})
    while time.monotonic() < deadline:
        try:
            described = admin.describe_consumer_groups([group])[group].result(10)
        except Exception:  # the coordinator is being found
            described = None
        if described is not None and len(described.members) == MEMBERS and all(
            member.assignment.topic_partitions for member in described.members
        ):
            return
        time.sleep(0.2)
    raise AssertionError(f"group {group} never had {MEMBERS} members")


def _compare(source: dict[bytes, list[bytes]], collector: Collector) -> None:
    expected = sum(map(len, source.values()))
    assert not collector.conflicts, f"one offset, two records: {collector.conflicts[:3]}"
    assert len(collector.records) == expected, f"{len(collector.records)} records, {expected} lines"
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for place in sorted(collector.records):
        key, value = collector.records[place]
        found[key].append(value)
    for key, lines in source.items():
        assert found[key] == lines, f"{key.decode()} differs: {len(found[key])} lines for {len(lines)}"


def _committed(ensemble: str, group: str, topic: str) -> dict[int, int]:
    """The group's offsets by partition, as the tree has them."""
    from kazoo.client import KazooClient
    from kazoo.exceptions import NoNodeError

    folder = f"/consumers/{group}/offsets/{topic}"
    client = KazooClient(hosts=ensemble)
    client.start(15)
    try:
        return {int(name): int(client.get(f"{folder}/{name}")[0]) for name in client.get_children(folder)}
    except NoNodeError:
        return {}
    finally:
        client.stop()
        client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094")
    parser.add_argument("--ensemble", default="127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183")
    parser.add_argument("--calm", action="store_true", help="no faults, on a cluster that runs already")
    parser.add_argument("--producer", choices=[*PRODUCERS])
    parser.add_argument("--consumer", choices=[*MEMBER_KINDS])
    parser.add_argument("--limit", type=int, help="only the first N lines")
    args = parser.parse_args()
    pairs = [(args.producer, args.consumer)] if args.producer and args.consumer else PAIRS
    for producer, consumer in pairs:
        if args.calm:
            print(run(args.brokers, args.ensemble, producer, consumer, args.limit), flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder, local(Path(folder) / "data") as cluster:
            said = run(cluster.bootstrap, cluster.ensemble, producer, consumer, args.limit, faults=kills(cluster))
            print(said, flush=True)


if __name__ == "__main__":
    main()
