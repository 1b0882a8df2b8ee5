"""What a server answers, one record for each reply, with Apache's names and order of fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from .data import ACL, Id, Stat, read_acl, write_acl
from .jute import Reader, Writer

__all__ = [
    "Create2Response",
    "CreateResponse",
    "ErrorResponse",
    "ExistsResponse",
    "GetACLResponse",
    "GetAllChildrenNumberResponse",
    "GetChildren2Response",
    "GetChildrenResponse",
    "GetDataResponse",
    "GetEphemeralsResponse",
    "SetACLResponse",
    "SetDataResponse",
    "SetSASLResponse",
    "SyncResponse",
    "WatcherEvent",
    "WhoAmIResponse",
]


@dataclass(slots=True)
class _Path:
    path: str

    def write(self, w: Writer) -> None:
        w.string(self.path)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text())


@dataclass(slots=True)
class _Stat:
    stat: Stat

    def write(self, w: Writer) -> None:
        self.stat.write(w)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(Stat.read(r))


class CreateResponse(_Path):
    """path: the path created, with its sequence number."""

    __slots__ = ()


class SyncResponse(_Path):
    __slots__ = ()


class ExistsResponse(_Stat):
    __slots__ = ()


class SetDataResponse(_Stat):
    __slots__ = ()


class SetACLResponse(_Stat):
    __slots__ = ()


@dataclass(slots=True)
class Create2Response:
    path: str
    stat: Stat

    def write(self, w: Writer) -> None:
        w.string(self.path)
        self.stat.write(w)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.text(), Stat.read(r))


@dataclass(slots=True)
class GetDataResponse:
    data: bytes | None
    stat: Stat

    def write(self, w: Writer) -> None:
        w.buffer(self.data)
        self.stat.write(w)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.buffer(), Stat.read(r))


@dataclass(slots=True)
class GetACLResponse:
    acl: tuple[ACL, ...]
    stat: Stat

    def write(self, w: Writer) -> None:
        write_acl(w, self.acl)
        self.stat.write(w)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(read_acl(r), Stat.read(r))


@dataclass(slots=True)
class GetChildrenResponse:
    """children: names without the parent's path, in no order."""

    children: list[str]

    def write(self, w: Writer) -> None:
        w.strings(self.children)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.strings())


@dataclass(slots=True)
class GetChildren2Response:
    children: list[str]
    stat: Stat

    def write(self, w: Writer) -> None:
        w.strings(self.children)
        self.stat.write(w)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.strings(), Stat.read(r))


@dataclass(slots=True)
class GetEphemeralsResponse:
    ephemerals: list[str]

    def write(self, w: Writer) -> None:
        w.strings(self.ephemerals)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.strings())


@dataclass(slots=True)
class GetAllChildrenNumberResponse:
    """total_number: all znodes below, not only the children."""

    total_number: int

    def write(self, w: Writer) -> None:
        w.int(self.total_number)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int())


@dataclass(slots=True)
class WhoAmIResponse:
    """client_info: the connection's identities, a scheme and the user that this scheme shows."""

    client_info: list[Id]

    def write(self, w: Writer) -> None:
        w.vector(self.client_info, _write_id)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.vector(Id.read))


@dataclass(slots=True)
class ErrorResponse:
    """err: an error code; 0 in the answer to addWatch."""

    err: int

    def write(self, w: Writer) -> None:
        w.int(self.err)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int())


@dataclass(slots=True)
class SetSASLResponse:
    token: bytes | None

    def write(self, w: Writer) -> None:
        w.buffer(self.token)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.buffer())


@dataclass(slots=True)
class WatcherEvent:
    """type: an `EventType`; state: a `KeeperState`."""

    type: int
    state: int
    path: str

    def write(self, w: Writer) -> None:
        w.int(self.type)
        w.int(self.state)
        w.string(self.path)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int(), r.int(), r.text())


def _write_id(w: Writer, who: Id) -> None:
    who.write(w)
