"""One node of the tree: data, ACL, statistics, the names of its children, and its share of the tree's digest.

The digest of a node is the CRC-32 of its path, its data and 60 bytes of statistics (digest version 2 of Apache). The CRC
of path and data is kept as `seed`, so that a change of statistics alone, as the parent of every create sees, does not
read the data again. Nodes below "/zookeeper/" do not count; the root counts with the path "".
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from struct import error as struct_error
from zlib import crc32

from coord.wire.data import ACL, STAT_PACK

__all__ = [
    "CONTAINER_OWNER",
    "PERSISTED_STAT",
    "TTL_MAX",
    "NodeState",
    "OwnerKind",
    "Znode",
    "digest_seed",
    "kind_of_owner",
    "ttl_of_owner",
    "ttl_owner",
    "wrap_int",
]

PERSISTED_STAT = Struct(">qqqqiiiqq")
"""StatPersisted, as snapshots hold it: czxid mzxid ctime mtime version cversion aversion ephemeralOwner pzxid."""

CONTAINER_OWNER = -(1 << 63)
TTL_MAX = (1 << 40) - 1
"""Milliseconds; the 40 bits that a TTL node's owner field has for it."""

_TTL_MARK = -(1 << 56)
_RESERVED_BITS = 0xFFFF << 40
_DIGEST_STAT = Struct(">qqqqqiiiq")
_UNCOUNTED = -1
_pack_stat = STAT_PACK.pack
_pack_persisted = PERSISTED_STAT.pack
_pack_digest_stat = _DIGEST_STAT.pack


class OwnerKind(IntEnum):
    """What the ephemeralOwner field says about a node."""

    PERSISTENT = 0
    EPHEMERAL = 1
    CONTAINER = 2
    TTL = 3


def kind_of_owner(owner: int, extended_types: bool) -> OwnerKind:
    """The kind of node. Without extended types an owner marked as a TTL is a session of server 255, as in Apache."""
    if owner == 0:
        return OwnerKind.PERSISTENT
    if owner == CONTAINER_OWNER:
        return OwnerKind.CONTAINER
    if extended_types and owner & _TTL_MARK == _TTL_MARK and not owner & _RESERVED_BITS:
        return OwnerKind.TTL
    return OwnerKind.EPHEMERAL


def ttl_owner(ttl_ms: int) -> int:
    """The owner field of a node that is removed when it has no children and is older than `ttl_ms`."""
    return _TTL_MARK | ttl_ms & TTL_MAX


def ttl_of_owner(owner: int) -> int:
    """Undoes `ttl_owner`."""
    return owner & TTL_MAX


def wrap_int(value: int) -> int:
    """`value` as Java's int arithmetic leaves it."""
    return (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def digest_seed(path: str, data: bytes | None) -> int:
    """The CRC-32 of path and data, or a mark that the node does not count."""
    if path.startswith("/zookeeper/"):
        return _UNCOUNTED
    crc = crc32(path.encode()) if path != "/" else 0
    return crc32(data, crc) if data else crc


class NodeState:
    """What a node's digest is made of, and its ACL: the part that a znode and a change in flight have in common.

    cversion: the persisted one, which counts creates and nothing else; clients see 2*cversion - number of children.
    owner: the persisted ephemeralOwner. digest: the node's share as the tree has counted it.
    """

    __slots__ = (
        "acl",
        "aversion",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "digest",
        "mtime",
        "mzxid",
        "owner",
        "pzxid",
        "seed",
        "version",
    )

    acl: tuple[ACL, ...]
    aversion: int
    ctime: int
    cversion: int
    czxid: int
    data: bytes | None
    digest: int
    mtime: int
    mzxid: int
    owner: int
    pzxid: int
    seed: int
    version: int

    def born(self, path: str, data: bytes | None, acl: tuple[ACL, ...], zxid: int, time_ms: int, owner: int) -> None:
        """Sets everything as it is in a node just created."""
        self.data = data
        self.acl = acl
        self.czxid = self.mzxid = self.pzxid = zxid
        self.ctime = self.mtime = time_ms
        self.version = self.cversion = self.aversion = 0
        self.owner = owner
        self.seed = digest_seed(path, data)
        self.digest = self.new_digest()

    def new_digest(self) -> int:
        """The digest of what the node is now."""
        if self.seed == _UNCOUNTED:
            return 0
        stat = _pack_digest_stat(
            self.czxid,
            self.mzxid,
            self.pzxid,
            self.ctime,
            self.mtime,
            self.version,
            self.cversion,
            self.aversion,
            self.owner,
        )
        return crc32(stat, self.seed)

    def count(self) -> int:
        """The number of children."""
        raise NotImplementedError


class Znode(NodeState):
    """A node of the tree. Only `Tree` changes one.

    shown_owner: what clients see as ephemeralOwner (0 for containers and TTL nodes).
    children: names in order of creation, None for a node that never had one.
    listing: the jute bytes of the children's names, made at the first getChildren and dropped when a child changes.
    passed: the number of the last cut of the tree that needs this node no more (see `frozen`).
    """

    __slots__ = ("children", "listing", "passed", "shown_owner")

    def __init__(self) -> None:
        self.children: dict[str, None] | None = None
        self.listing: bytes | None = None
        self.shown_owner = 0
        self.passed = 0

    def count(self) -> int:
        """The number of children."""
        return len(self.children) if self.children else 0

    def stat(self) -> bytes:
        """The 68 bytes of the Stat that clients see."""
        data = self.data
        children = self.children
        count = len(children) if children else 0
        try:
            return _pack_stat(
                self.czxid,
                self.mzxid,
                self.ctime,
                self.mtime,
                self.version,
                self.cversion * 2 - count,
                self.aversion,
                self.shown_owner,
                len(data) if data else 0,
                count,
                self.pzxid,
            )
        except struct_error:
            return self._wrapped_stat(count)

    def _wrapped_stat(self, count: int) -> bytes:
        # A billion children were created here. Java's int arithmetic wraps around, and so does the Stat.
        return _pack_stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            wrap_int(self.cversion * 2 - count),
            self.aversion,
            self.shown_owner,
            len(self.data) if self.data else 0,
            count,
            self.pzxid,
        )

    def persisted(self) -> bytes:
        """The 60 bytes of the StatPersisted that snapshots hold."""
        return _pack_persisted(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            self.cversion,
            self.aversion,
            self.owner,
            self.pzxid,
        )
