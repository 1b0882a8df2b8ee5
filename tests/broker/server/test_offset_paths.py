"""Znode paths of committed offsets: readable for ordinary names, legal for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.server.offset_paths import group_dir, group_id_of, metadata_path, offset_path, parents
from coord.tree.paths import check_path


@pytest.mark.parametrize(
    ("group_id", "path"),
    [
        ("orders", "/consumers/orders"),
        ("my group é", "/consumers/my group é"),
        ("a/b", "/consumers/a%2Fb"),
        ("50%", "/consumers/50%25"),
        ("", "/consumers/%"),
        (".", "/consumers/%2E"),
        ("..", "/consumers/%2E%2E"),
        ("...", "/consumers/..."),
        ("\x00", "/consumers/%00"),
        ("\ue000", "/consumers/%EE%80%80"),
        ("g\U0001f600", "/consumers/g%F0%9F%98%80"),
    ],
)
def test_the_folder_of_a_group(group_id: str, path: str) -> None:
    """Only what cannot stand in a path is encoded."""
    assert group_dir(group_id) == path


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_folder_names_its_group(group_id: str) -> None:
    """The encoding can be undone, and never adds a level."""
    path = group_dir(group_id)
    check_path(path)
    assert path.count("/") == 2
    assert group_id_of(path.rpartition("/")[2]) == group_id


def test_paths_below_a_group() -> None:
    """Offsets and notes have the shape topic/partition."""
    assert offset_path("g", "t", 3) == "/consumers/g/offsets/t/3"
    assert metadata_path("g", "t", 3) == "/consumers/g/metadata/t/3"
    assert parents("/consumers/g/offsets/t/3") == [
        "/consumers/g",
        "/consumers/g/offsets",
        "/consumers/g/offsets/t",
    ]
