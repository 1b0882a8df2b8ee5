"""Changes in flight: found before the tree, forgotten after it, taken back as if they had never been."""

from __future__ import annotations

from coord.tree.changes import Changes
from coord.tree.tree import Tree
from coord.wire.data import OPEN_ACL_UNSAFE


def born(changes: Changes, path: str, zxid: int, owner: int = 0) -> None:
    changes.create(path, b"", OPEN_ACL_UNSAFE, zxid, zxid, owner)


def ended(changes: Changes, path: str, zxid: int) -> None:
    state = changes.get(path)
    assert state is not None
    changes.delete(path, state, zxid)


def test_the_root_has_two_names() -> None:
    """A change of "/" is found as "" and the other way round."""
    changes = Changes(Tree())
    root = changes.get("/")
    assert root is not None
    change = changes.update("/", root, 1, root.count())
    changes.count_in(change)
    assert changes.get("") is changes.get("/") is change


def test_only_the_last_change_of_a_path_is_found() -> None:
    """Applying an earlier one does not hide it."""
    changes = Changes(Tree())
    born(changes, "/a", 1)
    ended(changes, "/a", 2)
    born(changes, "/a", 3)
    changes.applied(1)
    state = changes.get("/a")
    assert state is not None
    assert state.czxid == 3
    changes.applied(2)
    assert changes.get("/a") is state
    changes.applied(3)
    assert changes.get("/a") is None  # this tree was never given it
    assert len(changes) == 0


def test_a_path_born_twice_is_owned_until_the_second_is_applied() -> None:
    """Deleted and created again by the same session, all in flight."""
    changes = Changes(Tree())
    born(changes, "/e", 1, owner=7)
    ended(changes, "/e", 2)
    born(changes, "/e", 3, owner=7)
    assert changes.owned_by(7) == ["/e"]
    changes.applied(2)
    assert changes.owned_by(7) == ["/e"]
    changes.applied(3)
    assert changes.owned_by(7) == []


def test_rollback_restores_owner_digest_and_order() -> None:
    """Also of paths that the multi has touched several times."""
    changes = Changes(Tree())
    born(changes, "/e", 1, owner=7)
    digest = changes.digest
    undo = changes.begin()
    ended(changes, "/e", 2)
    born(changes, "/e", 2, owner=7)
    born(changes, "/f", 2, owner=7)
    ended(changes, "/f", 2)
    assert changes.digest != digest
    changes.rollback(undo)
    assert (changes.digest, len(changes), changes.owned_by(7)) == (digest, 1, ["/e"])
    assert changes.get("/f") is None
    changes.applied(1)
    assert (len(changes), changes.owned_by(7)) == (0, [])


def test_with_nothing_in_flight_the_trees_digest_holds() -> None:
    """Whatever it is by now."""
    tree = Tree()
    changes = Changes(tree)
    tree.digest = 12345
    changes.settle()
    assert changes.digest == 12345
    born(changes, "/a", 1)
    digest = changes.digest
    tree.digest = 1
    changes.settle()
    assert changes.digest == digest
