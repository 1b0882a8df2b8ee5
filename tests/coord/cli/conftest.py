"""A real Apache ZooKeeper for the shell's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.coord.client.apache import apache_ensemble


@pytest.fixture(scope="session")
def apache_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connect string of a standalone Apache ZooKeeper."""
    with apache_ensemble(tmp_path_factory.mktemp("apache"), 1) as ensemble:
        yield ensemble.hosts
