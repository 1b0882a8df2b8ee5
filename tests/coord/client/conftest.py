"""Servers for the client's tests: one Apache ZooKeeper for the whole run, and a path of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.coord.client.apache import apache_ensemble


@pytest.fixture(scope="session")
def apache_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connect string of a standalone Apache ZooKeeper."""
    with apache_ensemble(tmp_path_factory.mktemp("apache"), 1) as ensemble:
        yield ensemble.hosts


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    """A path for this test alone: the server is shared."""
    return "/" + request.node.name.replace("[", "-").replace("]", "").replace("/", "-")
