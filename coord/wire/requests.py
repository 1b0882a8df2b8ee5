"""What a client asks, one record for each request, with Apache's names and order of fields.

Null paths and null vectors are read as empty ones: an empty path or ACL is refused by the rules that follow, as null is.
Null data stays null, because a node keeps the difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Self

from .data import ACL, read_acl, write_acl
from .jute import Reader, Writer

__all__ = [
    "AddWatchRequest",
    "AuthPacket",
    "CheckVersionRequest",
    "CheckWatchesRequest",
    "CreateRequest",
    "CreateSessionRequest",
    "CreateTTLRequest",
    "DeleteContainerRequest",
    "DeleteRequest",
    "ExistsRequest",
    "GetACLRequest",
    "GetAllChildrenNumberRequest",
    "GetChildren2Request",
    "GetChildrenRequest",
    "GetDataRequest",
    "GetEphemeralsRequest",
    "GetSASLRequest",
    "ReconfigRequest",
    "Record",
    "RemoveWatchesRequest",
    "SetACLRequest",
    "SetDataRequest",
    "SetWatches",
    "SetWatches2",
    "SyncRequest",
]


class Record(Protocol):
    """What every record can do."""

    def write(self, w: Writer) -> None:
        """Appends the record's bytes."""

    @classmethod
    def read(cls, r: Reader) -> Self:
        """Takes one record. Raises JuteError."""
        ...


@dataclass(slots=True)
class _Path:
    """The shape of a request that names a znode and nothing else."""

    path: str

    def write(self, w: Writer) -> None:
        w.string(self.path)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text())


@dataclass(slots=True)
class _PathWatch:
    """The shape of a read that may leave a watch."""

    path: str
    watch: bool = False

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.bool(self.watch)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.bool())


@dataclass(slots=True)
class _PathNumber:
    """The shape of a request with a path and a number; what the number means is the subclass's business."""

    path: str
    version: int = -1

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.int(self.version)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.int())


class ExistsRequest(_PathWatch):
    __slots__ = ()


class GetDataRequest(_PathWatch):
    __slots__ = ()


class GetChildrenRequest(_PathWatch):
    __slots__ = ()


class GetChildren2Request(_PathWatch):
    __slots__ = ()


class GetACLRequest(_Path):
    __slots__ = ()


class SyncRequest(_Path):
    __slots__ = ()


class GetAllChildrenNumberRequest(_Path):
    __slots__ = ()


class GetEphemeralsRequest(_Path):
    """path: a prefix; only the session's own ephemerals below it are listed."""

    __slots__ = ()


class DeleteRequest(_PathNumber):
    __slots__ = ()


class CheckVersionRequest(_PathNumber):
    __slots__ = ()


@dataclass(slots=True)
class CreateRequest:
    """create, create2 and createContainer; `flags` is a `CreateMode`."""

    path: str
    data: bytes | None
    acl: tuple[ACL, ...]
    flags: int = 0

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.buffer(self.data)
        write_acl(w, self.acl)
        w.int(self.flags)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.buffer(), read_acl(r), r.int())


@dataclass(slots=True)
class CreateTTLRequest:
    """createTTL; `ttl` is in milliseconds."""

    path: str
    data: bytes | None
    acl: tuple[ACL, ...]
    flags: int
    ttl: int

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.buffer(self.data)
        write_acl(w, self.acl)
        w.int(self.flags)
        w.long(self.ttl)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.buffer(), read_acl(r), r.int(), r.long())


@dataclass(slots=True)
class DeleteContainerRequest:
    """The leader's own request to remove an empty container or an expired TTL node: the path's bytes, unframed."""

    path: str

    def write(self, w: Writer) -> None:
        w.raw(self.path.encode())

    @classmethod
    def read(cls, r: Reader) -> Self:
        path = str(r.data[r.offset :], "utf-8", "replace")
        r.offset = len(r.data)
        return cls(path)


@dataclass(slots=True)
class SetDataRequest:
    path: str
    data: bytes | None
    version: int = -1

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.buffer(self.data)
        w.int(self.version)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.buffer(), r.int())


@dataclass(slots=True)
class SetACLRequest:
    """version: the ACL version expected, -1 for any."""

    path: str
    acl: tuple[ACL, ...]
    version: int = -1

    def write(self, w: Writer) -> None:
        w.string(self.path)
        write_acl(w, self.acl)
        w.int(self.version)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), read_acl(r), r.int())


@dataclass(slots=True)
class ReconfigRequest:
    """joining, leaving: comma lists, for an incremental change; new_members: the whole list, otherwise."""

    joining: str | None
    leaving: str | None
    new_members: str | None
    config_id: int = -1

    def write(self, w: Writer) -> None:
        w.string(self.joining)
        w.string(self.leaving)
        w.string(self.new_members)
        w.long(self.config_id)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.string(), r.string(), r.string(), r.long())


@dataclass(slots=True)
class CheckWatchesRequest:
    """type: a `WatcherType`."""

    path: str
    type: int

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.int(self.type)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.int())


class RemoveWatchesRequest(CheckWatchesRequest):
    __slots__ = ()


@dataclass(slots=True)
class AddWatchRequest:
    """mode: an `AddWatchMode`."""

    path: str
    mode: int

    def write(self, w: Writer) -> None:
        w.string(self.path)
        w.int(self.mode)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), r.int())


@dataclass(slots=True)
class SetWatches:
    """The watches a client brings along when it reconnects; relative_zxid: the last zxid it has seen."""

    relative_zxid: int
    data_watches: list[str] = field(default_factory=list)
    exist_watches: list[str] = field(default_factory=list)
    child_watches: list[str] = field(default_factory=list)

    def write(self, w: Writer) -> None:
        w.long(self.relative_zxid)
        w.strings(self.data_watches)
        w.strings(self.exist_watches)
        w.strings(self.child_watches)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.long(), r.strings(), r.strings(), r.strings())


@dataclass(slots=True)
class SetWatches2:
    """`SetWatches` with the persistent ones."""

    relative_zxid: int
    data_watches: list[str] = field(default_factory=list)
    exist_watches: list[str] = field(default_factory=list)
    child_watches: list[str] = field(default_factory=list)
    persistent_watches: list[str] = field(default_factory=list)
    persistent_recursive_watches: list[str] = field(default_factory=list)

    def write(self, w: Writer) -> None:
        w.long(self.relative_zxid)
        w.strings(self.data_watches)
        w.strings(self.exist_watches)
        w.strings(self.child_watches)
        w.strings(self.persistent_watches)
        w.strings(self.persistent_recursive_watches)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.long(), r.strings(), r.strings(), r.strings(), r.strings(), r.strings())


@dataclass(slots=True)
class AuthPacket:
    """type is always 0."""

    type: int
    scheme: str
    auth: bytes | None

    def write(self, w: Writer) -> None:
        w.int(self.type)
        w.string(self.scheme)
        w.buffer(self.auth)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int(), r.text(), r.buffer())


@dataclass(slots=True)
class GetSASLRequest:
    token: bytes | None

    def write(self, w: Writer) -> None:
        w.buffer(self.token)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.buffer())


@dataclass(slots=True)
class CreateSessionRequest:
    """The body of the servers' own createSession request."""

    timeout_ms: int

    def write(self, w: Writer) -> None:
        w.int(self.timeout_ms)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int())
