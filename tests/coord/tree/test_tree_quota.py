"""Quotas: the use is kept as nodes come and go, in the text that old clients parse."""

from __future__ import annotations

import pytest

from coord.tree.quota import QuotaPaths, Track, limits_path, stats_path
from tests.coord.tree.tree_world import CLOSE, Leader, create, delete, multi, set_data


def limited(leader: Leader, path: str, limits: bytes) -> None:
    """Sets a limit as zkCli does."""
    above = "/zookeeper/quota"
    for name in path[1:].split("/"):
        above += f"/{name}"
        if above not in leader.tree.nodes:
            leader.write(create(above))
    leader.write(create(limits_path(path), limits))
    leader.write(create(stats_path(path), b"count=0,bytes=0"))


def use(leader: Leader, path: str) -> bytes | None:
    return leader.tree.nodes[stats_path(path)].data


def test_use_is_measured_and_kept() -> None:
    """Through every way in which a node can come, change or go."""
    leader = Leader()
    leader.write(create("/a", b"12"))
    leader.write(create("/a/b", b"345"))
    limited(leader, "/a", b"count=10,bytes=-1")
    assert use(leader, "/a") == b"count=2,bytes=5"
    leader.write(create("/a/b/c", None))
    assert use(leader, "/a") == b"count=3,bytes=5"
    leader.write(set_data("/a/b", b"3"))
    assert use(leader, "/a") == b"count=3,bytes=3"
    leader.write(multi(create("/a/e", b"xxxx", flags=1), set_data("/a", None)))
    assert use(leader, "/a") == b"count=4,bytes=5"
    leader.write(CLOSE)
    assert use(leader, "/a") == b"count=3,bytes=1"


def test_use_counts_against_the_nearest_limit() -> None:
    """A limit below another one has its own count; paths that only begin alike have none."""
    leader = Leader()
    for path in ("/a", "/a/b", "/ab"):
        leader.write(create(path))
    limited(leader, "/a/b", b"count=10,bytes=-1")
    limited(leader, "/a", b"count=10,bytes=-1")
    leader.write(create("/a/b/c", b"123"))
    leader.write(create("/ab/c", b"123"))
    leader.write(create("/a/c", b"1"))
    assert use(leader, "/a/b") == b"count=2,bytes=3"
    assert use(leader, "/a") == b"count=3,bytes=1"


def test_without_its_limit_a_use_stays_as_it_is() -> None:
    """The stats node may be there a little longer."""
    leader = Leader()
    leader.write(create("/a"))
    limited(leader, "/a", b"count=10,bytes=-1")
    leader.write(delete(limits_path("/a")))
    leader.write(create("/a/b"))
    assert use(leader, "/a") == b"count=1,bytes=0"


def test_use_has_no_part_in_versions_or_digests() -> None:
    """Every server keeps it by itself."""
    leader = Leader()
    leader.write(create("/a"))
    limited(leader, "/a", b"count=10,bytes=-1")
    node = leader.tree.nodes[stats_path("/a")]
    before = node.persisted()
    leader.write(create("/a/b"))
    assert node.persisted() == before


def test_a_path_may_be_limited_before_it_exists() -> None:
    """Nothing is used then, which is not the same as unknown."""
    leader = Leader()
    limited(leader, "/a", b"count=10,bytes=-1")
    assert use(leader, "/a") == b"count=0,bytes=0"
    leader.write(create("/a", b"12"))
    assert use(leader, "/a") == b"count=1,bytes=2"


def test_a_limit_without_stats_counts_nothing() -> None:
    """A client may have set up only half of it."""
    leader = Leader()
    for path in ("/a", "/zookeeper/quota/a"):
        leader.write(create(path))
    leader.write(create(limits_path("/a"), b"count=1,bytes=1"))
    assert leader.write(create("/a/b")).error == 0


@pytest.mark.parametrize(
    ("data", "count", "size", "again"),
    [
        (b"count=4,bytes=5", 4, 5, b"count=4,bytes=5"),
        (b"", -1, -1, b"count=-1,bytes=-1"),
        (None, -1, -1, b"count=-1,bytes=-1"),
        (b"count=4,bytes=5=;countHardLimit=9;byteHardLimit=7", 4, 5, b"count=4,bytes=5=;byteHardLimit=7;countHardLimit=9"),
        (b"\xff,count=x,bytes=5", -1, 5, b"count=-1,bytes=5"),
    ],
)
def test_the_text_of_a_track(data: bytes | None, count: int, size: int, again: bytes) -> None:
    """Parsed leniently, written as Apache writes it, stray equals sign included."""
    track = Track(data)
    assert (track.count, track.size, track.encode()) == (count, size, again)


def test_paths_with_a_limit() -> None:
    """Only nodes of that name, and only below "/zookeeper/quota"."""
    quotas = QuotaPaths()
    quotas.created("/zookeeper/quota", "zookeeper_limits")
    quotas.created("/zookeeper/quotas/a", "zookeeper_limits")
    quotas.created("/elsewhere", "zookeeper_limits")
    quotas.created("/zookeeper/quota/a", "zookeeper_stats")
    assert quotas.paths == {}
    quotas.created("/zookeeper/quota/a/b", "zookeeper_limits")
    assert [quotas.nearest(path) for path in ("/a", "/a/b", "/a/b/c", "/a/bc", "/", "")] == [
        None, "/a/b", "/a/b", None, None, None,
    ]  # fmt: skip
    quotas.deleted("/zookeeper/quota/a", "zookeeper_limits")
    quotas.deleted("/zookeeper/quota/a/b", "zookeeper_limits")
    assert quotas.paths == {}
