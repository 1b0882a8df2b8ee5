"""Ordered events by key: records with one key go to one partition, so each account's events keep their order.
Three partitions work side by side; between accounts there is no order, and none is needed.
Each record is acknowledged (acks=all, idempotent), so none is lost and none is there twice.

    python examples/events_by_key.py [BROKERS]
"""

import sys
import uuid
from collections import defaultdict

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BROKERS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094"
TOPIC = f"example-events-{uuid.uuid4().hex[:8]}"
ACCOUNTS, EVENTS = 5, 40


def main() -> None:
    admin = AdminClient({"bootstrap.servers": BROKERS})
    admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])[TOPIC].result(30)

    producer = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True})
    for number in range(EVENTS):
        for account in range(ACCOUNTS):
            producer.produce(TOPIC, key=f"account-{account}", value=str(number))
    assert producer.flush(30) == 0, "some records were not acknowledged"

    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": f"{TOPIC}-readers", "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    seen: dict[str, list[int]] = defaultdict(list)
    partitions: dict[str, set[int]] = defaultdict(set)
    while sum(map(len, seen.values())) < ACCOUNTS * EVENTS:
        record = consumer.poll(30)
        assert record is not None, "no record for 30 s"
        if record.error():
            continue
        seen[record.key().decode()].append(int(record.value()))
        partitions[record.key().decode()].add(record.partition())
    consumer.close()

    for account, numbers in sorted(seen.items()):
        assert numbers == list(range(EVENTS)), f"{account} is out of order: {numbers}"
        assert len(partitions[account]) == 1
        print(f"{account}: {len(numbers)} events in order, all in partition {partitions[account].pop()}")
    admin.delete_topics([TOPIC])[TOPIC].result(30)


if __name__ == "__main__":
    main()
