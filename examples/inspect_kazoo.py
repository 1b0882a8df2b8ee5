"""What the brokers keep in the tree, seen with kazoo: who is alive, who is the controller, who leads which partition.
The paths and the JSON are Apache Kafka's, so every tool that reads them works here too.
A broker's node is ephemeral: when the broker dies, the node goes, and the controller acts.

    python examples/inspect_kazoo.py [HOSTS]
"""

import json
import sys

from kazoo.client import KazooClient

HOSTS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183"


def main() -> None:
    client = KazooClient(hosts=HOSTS)
    client.start()

    cluster = json.loads(client.get("/cluster/id")[0])["id"]
    epoch = int(client.get("/controller_epoch")[0])
    controller = json.loads(client.get("/controller")[0])["brokerid"]
    print(f"cluster {cluster}: broker {controller} is the controller, of epoch {epoch}")

    for broker in sorted(client.get_children("/brokers/ids"), key=int):
        data, stat = client.get(f"/brokers/ids/{broker}")
        print(f"broker {broker} at {json.loads(data)['endpoints'][0]}, alive while session 0x{stat.owner_session_id:x} is")

    for topic in sorted(client.get_children("/brokers/topics")):
        assignment = json.loads(client.get(f"/brokers/topics/{topic}")[0])["partitions"]
        for partition in sorted(assignment, key=int)[:3]:
            state = json.loads(client.get(f"/brokers/topics/{topic}/partitions/{partition}/state")[0])
            print(f"{topic}-{partition}: leader {state['leader']}, in sync {state['isr']}, leader epoch {state['leader_epoch']}")

    if client.exists("/consumers"):
        for group in sorted(client.get_children("/consumers")):
            offsets = f"/consumers/{group}/offsets"
            for topic in client.get_children(offsets) if client.exists(offsets) else []:
                read = {p: int(client.get(f"{offsets}/{topic}/{p}")[0]) for p in client.get_children(f"{offsets}/{topic}")}
                print(f"group {group} has read {topic} up to {read}")
    client.stop()
    client.close()


if __name__ == "__main__":
    main()
