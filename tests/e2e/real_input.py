"""The real-input run: the text of the standard library through a topic of 12 partitions, by two libraries.

    python -m tests.e2e.real_input --brokers B --ensemble E [--producer confluent-kafka] [--consumer kafka-python] [--limit N]

Checks that what came out is what went in, complete and in order for each file, and that the group's committed offsets
stand in the tree, read with kazoo, at the end of every partition.
"""

from __future__ import annotations

import argparse
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable

from tests.e2e.consumers import MEMBER_KINDS, MEMBERS, Collector, consume
from tests.e2e.producers import PRODUCERS
from tests.e2e.stdlib_text import stdlib_lines

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
    meanwhile: Callable[[], None] | None = None,
) -> str:
    """Runs one pair and checks it; returns a line with the rates.

    meanwhile: runs in a thread of its own from the first record on: the faults.
    """
    topic = f"stdlib-{producer}-{consumer}-{uuid.uuid4().hex[:6]}"
    group = f"{topic}-readers"
    _create(brokers, topic)
    source: dict[bytes, list[bytes]] = defaultdict(list)
    for key, value in stdlib_lines(limit):
        source[key].append(value)
    total = sum(map(len, source.values()))
    collector = Collector(total)
    reading = threading.Thread(target=consume, args=(consumer, brokers, topic, group, collector, timeout_s), daemon=True)
    began = time.monotonic()
    reading.start()
    _await_members(brokers, group, began + timeout_s)
    began = time.monotonic()
    faults = threading.Thread(target=meanwhile, daemon=True) if meanwhile is not None else None
    if faults is not None:
        faults.start()
    acknowledged = PRODUCERS[producer](brokers, topic, stdlib_lines(limit))
    produced_s = time.monotonic() - began
    assert acknowledged == total, f"{acknowledged} of {total} were acknowledged"
    reading.join(timeout_s)
    if faults is not None:
        faults.join(60)
    consumed_s = time.monotonic() - began
    _compare(source, collector)
    _check_offsets(ensemble, group, topic, collector)
    return (
        f"{producer} -> {consumer}: {total} lines equal and in order; produced in {produced_s:.1f} s "
        f"({total / produced_s:.0f}/s), consumed by {len(collector.readers)} members after {consumed_s:.1f} s"
    )


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


def _check_offsets(ensemble: str, group: str, topic: str, collector: Collector) -> None:
    from kazoo.client import KazooClient

    ends: dict[int, int] = defaultdict(int)
    for partition, offset in collector.records:
        ends[partition] = max(ends[partition], offset + 1)
    client = KazooClient(hosts=ensemble)
    client.start(15)
    try:
        committed = {p: int(client.get(f"/consumers/{group}/offsets/{topic}/{p}")[0]) for p in ends}
    finally:
        client.stop()
        client.close()
    assert committed == dict(ends), f"committed {committed}, ends {dict(ends)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", default="127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094")
    parser.add_argument("--ensemble", default="127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183")
    parser.add_argument("--producer", choices=[*PRODUCERS])
    parser.add_argument("--consumer", choices=[*MEMBER_KINDS])
    parser.add_argument("--limit", type=int, help="only the first N lines")
    args = parser.parse_args()
    pairs = [(args.producer, args.consumer)] if args.producer and args.consumer else PAIRS
    for producer, consumer in pairs:
        print(run(args.brokers, args.ensemble, producer, consumer, args.limit), flush=True)


if __name__ == "__main__":
    main()
