"""The values that both requests and transactions are made of: identities, ACL entries and node statistics.

They are immutable and hashable, because ACLs are shared between thousands of nodes and looked up by value.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from .jute import JuteError, Reader, Writer

__all__ = [
    "ACL",
    "AUTH_IDS",
    "CREATOR_ALL_ACL",
    "OPEN_ACL_UNSAFE",
    "READ_ACL_UNSAFE",
    "STAT_PACK",
    "UNKNOWN_ACL",
    "WORLD_ANYONE",
    "Id",
    "Stat",
    "acl_bytes",
    "read_acl",
    "write_acl",
]

STAT_PACK = Struct(">qqqqiiiqiiq")
"""The 68 bytes of a client-visible Stat, in `Stat`'s order of fields."""


class Id(NamedTuple):
    """Who somebody is: a scheme ("world", "digest", "ip", …) and a name within it."""

    scheme: str
    id: str

    def write(self, w: Writer) -> None:
        w.string(self.scheme)
        w.string(self.id)

    @classmethod
    def read(cls, r: Reader) -> Id:
        return cls(r.text(), r.text())


class ACL(NamedTuple):
    """What somebody may do; `perms` are the bits of `ops.Perms`."""

    perms: int
    id: Id

    def write(self, w: Writer) -> None:
        w.int(self.perms)
        self.id.write(w)

    @classmethod
    def read(cls, r: Reader) -> ACL:
        return cls(r.int(), Id.read(r))


class Stat(NamedTuple):
    """A node's statistics as clients see them. Times are milliseconds since the Unix epoch."""

    czxid: int = 0
    mzxid: int = 0
    ctime: int = 0
    mtime: int = 0
    version: int = 0
    cversion: int = 0
    aversion: int = 0
    ephemeral_owner: int = 0
    data_length: int = 0
    num_children: int = 0
    pzxid: int = 0

    def write(self, w: Writer) -> None:
        w.raw(STAT_PACK.pack(*self))

    @classmethod
    def read(cls, r: Reader) -> Stat:
        start = r.offset
        if r.remaining < STAT_PACK.size:
            raise JuteError(f"a Stat wanted at offset {start}, and only {r.remaining} bytes are left")
        r.offset = start + STAT_PACK.size
        return cls._make(STAT_PACK.unpack_from(r.data, start))


WORLD_ANYONE = Id("world", "anyone")
AUTH_IDS = Id("auth", "")
OPEN_ACL_UNSAFE: tuple[ACL, ...] = (ACL(31, WORLD_ANYONE),)
READ_ACL_UNSAFE: tuple[ACL, ...] = (ACL(1, WORLD_ANYONE),)
CREATOR_ALL_ACL: tuple[ACL, ...] = (ACL(31, AUTH_IDS),)
UNKNOWN_ACL: tuple[ACL, ...] = (ACL(0, Id("world", "nobody")),)
"""In the place of one that is not known: it permits nothing to anybody."""

_OPEN_BYTES = b"\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone"
_OPEN_SIZE = len(_OPEN_BYTES)


def read_acl(r: Reader) -> tuple[ACL, ...]:
    """A vector of ACL entries; null gives an empty one. Nearly every request carries world:anyone, so it is shared."""
    start = r.offset
    if r.data[start : start + _OPEN_SIZE] == _OPEN_BYTES:
        r.offset = start + _OPEN_SIZE
        return OPEN_ACL_UNSAFE
    return tuple(r.vector(ACL.read))


def write_acl(w: Writer, acl: Iterable[ACL]) -> None:
    """A vector of ACL entries."""
    if acl is OPEN_ACL_UNSAFE:
        w.raw(_OPEN_BYTES)
    else:
        w.vector(acl, _write_entry)


def acl_bytes(acl: tuple[ACL, ...]) -> bytes:
    """`write_acl` as bytes."""
    if acl is OPEN_ACL_UNSAFE:
        return _OPEN_BYTES
    w = Writer()
    w.vector(acl, _write_entry)
    return w.getvalue()


def _write_entry(w: Writer, entry: ACL) -> None:
    entry.write(w)
