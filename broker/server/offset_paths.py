"""Where committed offsets lie in the tree.

    /consumers/G/offsets/T/P     the offset, decimal text: as Kafka's first consumers wrote it
    /consumers/G/metadata/T/P    what the consumer noted beside it, UTF-8; only where it noted something

Leader epochs of commits are not kept. Group names may hold anything; what cannot stand in a path is percent-encoded.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["BASE", "group_dir", "group_id_of", "metadata_path", "offset_path", "parents"]

BASE = "/consumers"
EMPTY_NAME = "%"
"""Stands for the empty group id, which commits may name; no other name is encoded so."""

_ENCODED = re.compile("[/%\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")


def group_dir(group_id: str) -> str:
    """The group's folder."""
    if group_id in (".", ".."):
        name = "%2E" * len(group_id)
    else:
        name = _ENCODED.sub(_encode, group_id) or EMPTY_NAME
    return f"{BASE}/{name}"


def group_id_of(name: str) -> str:
    """The group whose folder has this name."""
    return "" if name == EMPTY_NAME else unquote(name)


def offset_path(group_id: str, topic: str, partition: int) -> str:
    """The znode of a committed offset."""
    return f"{group_dir(group_id)}/offsets/{topic}/{partition}"


def metadata_path(group_id: str, topic: str, partition: int) -> str:
    """The znode of what was noted beside a committed offset."""
    return f"{group_dir(group_id)}/metadata/{topic}/{partition}"


def parents(path: str) -> list[str]:
    """The folders above a znode, the highest first, without BASE and what is above."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(3, len(parts))]


def _encode(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
