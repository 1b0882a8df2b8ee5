"""The real input through each pair of libraries, with the ensemble's leader and a broker killed in the middle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.local import Local, local
from tests.e2e.real_input import PAIRS, kills, run

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
    """Every line is there, in order for each file, and the offsets stand in the tree, whoever was killed."""
    if "kcat" in (producer, consumer) and shutil.which("kcat") is None:
        pytest.skip("kcat is not installed: apt-get install kcat")
    cluster.await_whole()
    print(run(cluster.bootstrap, cluster.ensemble, producer, consumer, LINES_EACH, faults=kills(cluster)))


@pytest.mark.timeout(400)
def test_the_whole_text(tmp_path: Path) -> None:
    """All of it, by the quickest pair."""
    with local(tmp_path / "data") as cluster:
        print(run(cluster.bootstrap, cluster.ensemble, "confluent-kafka", "kafka-python", faults=kills(cluster)))
