"""The broker on an Apache ZooKeeper, unchanged: scenarios of other files, on that ensemble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.server import test_every_version, test_node_groups, test_node_session
from tests.coord.client.apache import apache_ensemble

pytestmark = pytest.mark.apache


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with apache_ensemble(tmp_path_factory.mktemp("apache"), 1) as ensemble:
        yield ensemble.hosts


@pytest.mark.parametrize(
    "scenario",
    [
        test_every_version.test_every_version_is_answered_in_its_own_shape,
        test_node_groups.test_another_broker_takes_the_groups_of_one_that_stops,
        test_node_groups.test_a_coordinator_that_was_replaced_cannot_commit,
        test_node_groups.test_commits_that_arrive_together_are_written_together,
        test_node_session.test_a_broker_whose_session_expires_begins_another,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_it_makes_no_difference(
    scenario: object, apache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenarios of our own ensemble hold on Apache's."""
    monkeypatch.setenv("QUORATE_TEST_COORD", apache)
    scenario(tmp_path)  # type: ignore[operator]
