"""Paths of znodes: which are legal, and how they are taken apart.

The rules are ZooKeeper's (`PathUtils.validatePath`, `ZKDatabase.isSpecialPath`). Inside the tree the root's name is "",
so that the parent of "/a" is what stands before its last slash; clients say "/".
"""

from __future__ import annotations

import re

from coord.errors import BadArgumentsError

__all__ = [
    "CONFIG_NODE",
    "QUOTA_NODE",
    "SPECIAL_PATHS",
    "ZOOKEEPER_NODE",
    "check_name",
    "check_path",
    "sequential",
    "split_parent",
]

ZOOKEEPER_NODE = "/zookeeper"
QUOTA_NODE = "/zookeeper/quota"
CONFIG_NODE = "/zookeeper/config"
SPECIAL_PATHS = frozenset(("/", ZOOKEEPER_NODE, QUOTA_NODE, CONFIG_NODE))
"""They cannot be deleted."""

# Java tests UTF-16 units, so a character outside of the basic plane is a pair of forbidden surrogates.
_FORBIDDEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")
_find_forbidden = _FORBIDDEN.search
_RELATIVE = frozenset(("", ".", ".."))


def check_path(path: str) -> None:
    """Raises BadArgumentsError unless `path` may be the name of a znode."""
    if path == "/":
        return
    if not path.startswith("/") or _find_forbidden(path) is not None:
        raise BadArgumentsError(path)
    if not _RELATIVE.isdisjoint(path[1:].split("/")):
        raise BadArgumentsError(path)


def check_name(name: str, path: str) -> None:
    """`check_path` for a path whose parent exists, which is why only its last part, `name`, is in doubt.

    The exception is "//name": its parent is "/", which is the root by another name.
    """
    if name in _RELATIVE or _find_forbidden(name) is not None or path.startswith("//"):
        raise BadArgumentsError(path)


def split_parent(path: str) -> tuple[str, str]:
    """The parent's path ("" for the root) and the name. Raises BadArgumentsError where Apache finds no parent."""
    parent, slash, name = path.rpartition("/")
    if not slash or "\0" in path:
        raise BadArgumentsError(path)
    return parent, name


def sequential(path: str, parent_cversion: int) -> str:
    """The path that a sequential create makes of `path`. The counter is an int32, so it can be negative."""
    return f"{path}{parent_cversion:010d}"
