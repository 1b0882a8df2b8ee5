"""How long clients miss the leader, when it is stopped as planned and when it is killed, ours and Apache's in turn.

Three writers without a pause, each with another server first; an outage is the longest time in which one of them got no
acknowledgement. They reconnect at once, so it is the servers' time and not that of a client library's patience.
"""

from __future__ import annotations

import signal
import tempfile
import time
from pathlib import Path

from tests.bench.common import summary
from tests.e2e.mixed import APACHE, OURS, MixedEnsemble
from tests.e2e.writer import Writer

NAMES = {OURS: "ours", APACHE: "Apache ZooKeeper"}


def outages(rounds: int) -> list[str]:
    """SIGTERM and kill -9 of the leader, `rounds` times each."""
    lines = []
    for number, what in ((signal.SIGTERM, "stopped"), (signal.SIGKILL, "killed")):
        for kind, name in NAMES.items():
            lines.append(summary(f"leader {what}, {name}", _outages(kind, number, rounds), "s"))
    return lines


def _outages(kind: str, number: int, rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        ensemble = MixedEnsemble(Path(folder))
        try:
            ensemble.start((kind,) * 3)
            return [_outage(ensemble, kind, number, n) for n in range(rounds)]
        finally:
            ensemble.close()


def _outage(ensemble: MixedEnsemble, kind: str, number: int, turn: int) -> float:
    places = [("127.0.0.1", server.port) for server in ensemble.servers]
    writers = [Writer(places[n:] + places[:n], f"/outage-{turn}-{n}") for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.waits_for(100)
    leader = ensemble.leader()
    began = time.monotonic()
    leader.stop(number)
    for writer in writers:
        writer.waits_for(100)
    for writer in writers:
        writer.finish()
    leader.start(kind)
    ensemble.await_serving()
    return max(writer.gap(began) for writer in writers)
