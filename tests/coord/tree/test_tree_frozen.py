"""A cut of the tree: the same as a copy taken at that moment, however much happens while it is read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.tree.frozen import Frozen, NodeImage
from coord.tree.tree import Tree
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, Id
from tests.coord.tree.tree_world import CLOSE, SESSION, Leader, Op, create, delete, multi, set_acl, set_data

NOBODY: tuple[ACL, ...] = (ACL(31, Id("digest", "a:b")),)
AUTH = (Id("super", ""),)


def copy_of(tree: Tree) -> dict[str, NodeImage]:
    """What a slow and simple server would do: stop and copy everything."""
    return {path: (path, node.data, node.acl, node.persisted()) for path, node in tree.nodes.items() if path != "/"}


def random_op(random: Random) -> Op:
    path = "".join("/" + random.choice("abc") for _ in range(random.choice((1, 1, 2, 2, 3))))
    kind = random.randrange(10)
    if kind < 4:
        return create(path, random.randbytes(3), flags=random.choice((0, 0, 0, 1, 2)))
    if kind < 6:
        return delete(path)
    if kind < 8:
        return set_data(random.choice((path, "/")), random.randbytes(3))
    if kind < 9:
        return set_acl(path, random.choice((OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, NOBODY)))
    return multi(create(path), set_data(path, b"m"), delete(path), create(path))


@given(st.randoms(use_true_random=False), st.integers(0, 60), st.integers(1, 9))
def test_a_cut_is_a_copy_of_its_moment(random: Random, before: int, size: int) -> None:
    """ZOOKEEPER-3127, ZOOKEEPER-3144: requests go on between slices; parents still come before children, and
    the numbers are those of the cut."""
    leader = Leader(sessions=(SESSION, 2))
    for _ in range(before):
        leader.write(random_op(random), random.choice((SESSION, 2)), AUTH)
    expected = copy_of(leader.tree)
    digest, last_zxid, sessions = leader.tree.digest, leader.tree.last_zxid, dict(leader.tree.sessions)
    frozen = leader.tree.freeze()
    seen: dict[str, NodeImage] = {}
    for chunk in frozen.chunks(size):
        assert len(chunk) <= size
        for image in chunk:
            assert image[0] not in seen
            assert not image[0] or image[0].rpartition("/")[0] in seen
            assert image[2] in frozen.acl_keys
            seen[image[0]] = image
        for _ in range(random.randrange(8)):
            leader.write(random_op(random), random.choice((SESSION, 2)), AUTH)
        if random.random() < 0.05:
            leader.write(CLOSE)
        leader.tree.set_config(random.randbytes(2), 1, 1)
    assert seen == expected
    assert frozen.size == len(expected)
    assert (frozen.digest, frozen.last_zxid, frozen.sessions) == (digest, last_zxid, sessions)
    frozen.close()


def test_what_is_deleted_while_it_is_read_comes_last() -> None:
    """A branch that was not passed yet goes, its parents after their children, and others of the same names come."""
    leader = Leader()
    for path in ("/a", "/b", "/b/c", "/b/c/d"):
        leader.write(create(path, b"1"))
    expected = copy_of(leader.tree)
    frozen = leader.tree.freeze()
    chunks = frozen.chunks(1)
    seen = [next(chunks)[0]]
    leader.write(set_data("/b/c", b"2"))
    for path in ("/b/c/d", "/b/c", "/b"):
        leader.write(delete(path))
    for path in ("/b", "/b/c"):
        leader.write(create(path, b"3"))
    seen += [image for chunk in chunks for image in chunk]
    assert {image[0]: image for image in seen} == expected
    assert [image[0] for image in seen[-3:]] == ["/b", "/b/c", "/b/c/d"]
    frozen.close()


def test_cuts_follow_one_another() -> None:
    """Nodes that one cut has passed are there in the next one."""
    leader = Leader()
    leader.write(create("/a", b"1"))
    for n in range(3):
        expected = copy_of(leader.tree)
        frozen = leader.tree.freeze()
        assert {image[0]: image for chunk in frozen.chunks(2) for image in chunk} == expected
        leader.write(create(f"/during{n}"))
        frozen.close()
        leader.write(create(f"/after{n}"))


def test_quota_use_is_part_of_the_cut() -> None:
    """It changes without a transaction of its own."""
    leader = Leader()
    for path in ("/a", "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_stats"):
        leader.write(create(path))
    leader.write(create("/zookeeper/quota/a/zookeeper_limits", b"count=9,bytes=-1"))
    expected = copy_of(leader.tree)
    frozen = leader.tree.freeze()
    leader.write(create("/a/b", b"12"))
    assert {image[0]: image for chunk in frozen.chunks() for image in chunk} == expected
    frozen.close()
    assert leader.tree.nodes["/zookeeper/quota/a/zookeeper_stats"].data == b"count=2,bytes=2"


def test_one_cut_at_a_time() -> None:
    """A second one would have to be paid for by every change as well."""
    tree = Tree()
    frozen = tree.freeze()
    with pytest.raises(RuntimeError, match="frozen already"):
        tree.freeze()
    frozen.close()
    frozen.close()
    assert isinstance(tree.freeze(), Frozen)


def test_a_closed_cut_is_not_read_on() -> None:
    """Its nodes may have changed since."""
    leader = Leader()
    frozen = leader.tree.freeze()
    chunks = frozen.chunks(2)
    next(chunks)
    frozen.close()
    with pytest.raises(RuntimeError, match="closed while"):
        next(chunks)


def test_every_acl_of_the_cut_has_a_key() -> None:
    """Keys stay the same while the nodes live, and are not used again."""
    leader = Leader()
    leader.write(create("/a", acl=NOBODY))
    frozen = leader.tree.freeze()
    keys = dict(frozen.acl_keys)
    assert keys[OPEN_ACL_UNSAFE] == 1
    assert len(set(keys.values())) == len(keys) == 3
    leader.write(delete("/a"))
    assert frozen.acl_keys == keys
    frozen.close()
    leader.write(create("/b", acl=(ACL(1, Id("ip", "10.0.0.1")),)))
    later = leader.tree.freeze()
    assert NOBODY not in later.acl_keys
    assert max(later.acl_keys.values()) > max(keys.values())
