"""The figures of the project, each measured beside the original where there is one.

    python -m tests.bench [startup] [failover] [outage] [snapshot] [coord] [broker] [--rounds N] [--seconds S]

Needs Apache ZooKeeper (apt-get install zookeeper), a JDK, Maven and librdkafka-dev.
"""

from __future__ import annotations

import argparse

from tests.bench import broker, coord, outage, snapshot, startup

PARTS = ["startup", "failover", "outage", "snapshot", "coord", "broker"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run of the coordination load")
    args = parser.parse_args()
    for part in args.parts or PARTS:
        if part == "startup":
            lines = startup.six_processes(args.rounds) + startup.single_server(args.rounds)
        elif part == "failover":
            lines = startup.failover(args.rounds)
        elif part == "outage":
            lines = outage.outages(args.rounds)
        elif part == "snapshot":
            lines = snapshot.million()
        elif part == "coord":
            lines = [pair.line() for pair in coord.measure(args.rounds, args.seconds)]
        else:
            lines = [pair.line() for pair in broker.measure(args.rounds)]
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
