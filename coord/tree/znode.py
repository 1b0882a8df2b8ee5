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

from coord.wire.data import ACL, OPEN_ACL_UNSAFE, STAT_PACK

__all__ = [
    "CONTAINER_OWNER",
    "PERSISTED_STAT",
    "TTL_MAX",
    "OwnerKind",
    "Znode",
    "digest_of",
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
    crc = crc32(path.encode())
    return crc32(data, crc) if data else crc


def digest_of(
    seed: int,
    czxid: int,
    mzxid: int,
    pzxid: int,
    ctime: int,
    mtime: int,
    version: int,
    cversion: int,
    aversion: int,
    owner: int,
) -> int:
    """A node's share of the tree's digest."""
    if seed == _UNCOUNTED:
        return 0
    return crc32(_pack_digest_stat(czxid, mzxid, pzxid, ctime, mtime, version, cversion, aversion, owner), seed)


class Znode:
    """A node. Only `Tree` changes one.

    cversion: the persisted one, which counts creates and nothing else; clients see 2*cversion - number of children.
    owner: the persisted ephemeralOwner; shown_owner: what clients see of it (0 for containers and TTL nodes).
    children: names in order of creation, None for a node that has none.
    listing: the jute bytes of the children's names, made at the first getChildren and dropped when a child changes.
    """

    __slots__ = (
        "acl",
        "aversion",
        "children",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "digest",
        "listing",
        "mtime",
        "mzxid",
        "owner",
        "pzxid",
        "seed",
        "shown_owner",
        "version",
    )

    def __init__(
        self, data: bytes | None, acl: tuple[ACL, ...], zxid: int, time_ms: int, owner: int, shown_owner: int, seed: int
    ) -> None:
        self.data = data
        self.acl = acl
        self.czxid = self.mzxid = self.pzxid = zxid
        self.ctime = self.mtime = time_ms
        self.version = self.cversion = self.aversion = 0
        self.owner = owner
        self.shown_owner = shown_owner
        self.children: dict[str, None] | None = None
        self.listing: bytes | None = None
        self.seed = seed
        self.digest = digest_of(seed, zxid, zxid, zxid, time_ms, time_ms, 0, 0, 0, owner)

    @property
    def is_open(self) -> bool:
        """Whether everybody may do everything with it."""
        return self.acl is OPEN_ACL_UNSAFE

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
        cversion = wrap_int(self.cversion * 2 - count)
        length = len(self.data) if self.data else 0
        return _pack_stat(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            cversion,
            self.aversion,
            self.shown_owner,
            length,
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

    def new_digest(self) -> int:
        """The digest of what the node is now; `digest` is what the tree has counted."""
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
