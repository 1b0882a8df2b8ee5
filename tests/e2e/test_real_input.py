"""The real input through each pair of libraries; the whole of it, with a leader killed and a broker restarted, once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.local import Local, local
from tests.e2e.real_input import PAIRS, run

LINES_EACH = 60_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    data: Path = tmp_path_factory.mktemp("real-input") / "data"
    with local(data) as running:
        yield running


@pytest.mark.parametrize(("producer", "consumer"), PAIRS, ids=[f"{p} to {c}" for p, c in PAIRS])
@pytest.mark.timeout(300)
def test_what_goes_in_comes_out(cluster: Local, producer: str, consumer: str) -> None:
    """Every line is there, in order for each file, and the offsets stand in the tree."""
    if "kcat" in (producer, consumer) and shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    print(run(cluster.bootstrap, cluster.ensemble, producer, consumer, LINES_EACH))


@pytest.mark.timeout(400)
def test_a_killed_leader_and_a_restarted_broker_lose_nothing(tmp_path: Path) -> None:
    """kill -9 of the ensemble's leader and of a broker in the middle of the whole text: not one record is lost."""
    with local(tmp_path / "data") as cluster:

        def faults() -> None:
            time.sleep(0.7)
            cluster.kill(cluster.leader())
            time.sleep(1.0)
            cluster.kill("broker-2")

        print(run(cluster.bootstrap, cluster.ensemble, "confluent-kafka", "kafka-python", meanwhile=faults))
