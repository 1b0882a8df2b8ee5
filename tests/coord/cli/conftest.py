"""Servers for the shell's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.coord.client.apache import apache_ensemble
from tests.coord.client.servers import coord_server


@pytest.fixture(scope="session", params=["coord", pytest.param("apache", marks=pytest.mark.apache)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connect string of a standalone server: ours, and Apache's."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "coord":
        with coord_server(folder) as hosts:
            yield hosts
    else:
        with apache_ensemble(folder, 1) as ensemble:
            yield ensemble.hosts
