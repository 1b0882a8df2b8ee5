"""One topic as a queue and as publish/subscribe, by consumer groups alone.
Members of one group share the records (a queue: each is handled once); each group gets all of them (publish/subscribe).
So workers scale by joining a group, and new readers of the same events begin a group of their own.

    python examples/queue_and_pubsub.py [BROKERS]
"""

import sys
import threading
import time
import uuid

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

BROKERS = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094").split(",")
TOPIC = f"example-orders-{uuid.uuid4().hex[:8]}"
ORDERS = 60


class Member(threading.Thread):
    def __init__(self, group: str, everybody: threading.Event) -> None:
        super().__init__()
        self.group, self.everybody = group, everybody
        self.got: list[int] = []
        self.owns = 0

    def run(self) -> None:
        consumer = KafkaConsumer(TOPIC, bootstrap_servers=BROKERS, group_id=f"{TOPIC}-{self.group}", auto_offset_reset="earliest")
        while not self.everybody.is_set():
            for records in consumer.poll(timeout_ms=200).values():
                self.got += [int(record.value) for record in records]
            self.owns = len(consumer.assignment())
        consumer.close()


def main() -> None:
    admin = KafkaAdminClient(bootstrap_servers=BROKERS)
    admin.create_topics([NewTopic(TOPIC, num_partitions=4, replication_factor=1)])

    done = threading.Event()
    billing = [Member("billing", done), Member("billing", done)]
    audit = [Member("audit", done)]
    for member in billing + audit:
        member.start()
    deadline = time.monotonic() + 60
    while [m.owns for m in billing] != [2, 2] and time.monotonic() < deadline:
        time.sleep(0.1)  # until the two have divided the partitions

    producer = KafkaProducer(bootstrap_servers=BROKERS)
    for number in range(ORDERS):
        producer.send(TOPIC, value=str(number).encode(), partition=number % 4)
    producer.flush()
    producer.close()
    while min(sum(len(m.got) for m in billing), len(audit[0].got)) < ORDERS and time.monotonic() < deadline:
        time.sleep(0.1)
    done.set()
    for member in billing + audit:
        member.join()

    print(f"billing, a queue of two: {len(billing[0].got)} + {len(billing[1].got)} orders; audit, alone: {len(audit[0].got)}")
    assert sorted(billing[0].got + billing[1].got) == list(range(ORDERS)), "each order is billed once"
    assert all(member.got for member in billing), "both work"
    assert sorted(audit[0].got) == list(range(ORDERS)), "the audit sees every order"
    admin.delete_topics([TOPIC])
    admin.close()


if __name__ == "__main__":
    main()
