"""Every record of the client protocol, in one place to import from; and the headers and the handshake.

A connection begins with ConnectRequest and ConnectResponse, which have no header. After that each request is a
RequestHeader and its record, each reply a ReplyHeader and, when `err` is 0, its record.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Self

from .data import (
    ACL,
    AUTH_IDS,
    CREATOR_ALL_ACL,
    OPEN_ACL_UNSAFE,
    READ_ACL_UNSAFE,
    STAT_PACK,
    WORLD_ANYONE,
    Id,
    Stat,
)
from .jute import Reader, Writer
from .multi import MultiRequest, MultiResponse, MultiResult
from .requests import (
    AddWatchRequest,
    AuthPacket,
    CheckVersionRequest,
    CheckWatchesRequest,
    CreateRequest,
    CreateSessionRequest,
    CreateTTLRequest,
    DeleteContainerRequest,
    DeleteRequest,
    ExistsRequest,
    GetACLRequest,
    GetAllChildrenNumberRequest,
    GetChildren2Request,
    GetChildrenRequest,
    GetDataRequest,
    GetEphemeralsRequest,
    GetSASLRequest,
    ReconfigRequest,
    Record,
    RemoveWatchesRequest,
    SetACLRequest,
    SetDataRequest,
    SetWatches,
    SetWatches2,
    SyncRequest,
)
from .responses import (
    Create2Response,
    CreateResponse,
    ErrorResponse,
    ExistsResponse,
    GetACLResponse,
    GetAllChildrenNumberResponse,
    GetChildren2Response,
    GetChildrenResponse,
    GetDataResponse,
    GetEphemeralsResponse,
    SetACLResponse,
    SetDataResponse,
    SetSASLResponse,
    SyncResponse,
    WatcherEvent,
    WhoAmIResponse,
)

__all__ = [
    "ACL",
    "AUTH_IDS",
    "CREATOR_ALL_ACL",
    "OPEN_ACL_UNSAFE",
    "PASSWORD_SIZE",
    "READ_ACL_UNSAFE",
    "REPLY_HEADER",
    "STAT_PACK",
    "WORLD_ANYONE",
    "AddWatchRequest",
    "AuthPacket",
    "CheckVersionRequest",
    "CheckWatchesRequest",
    "ConnectRequest",
    "ConnectResponse",
    "Create2Response",
    "CreateRequest",
    "CreateResponse",
    "CreateSessionRequest",
    "CreateTTLRequest",
    "DeleteContainerRequest",
    "DeleteRequest",
    "ErrorResponse",
    "ExistsRequest",
    "ExistsResponse",
    "GetACLRequest",
    "GetACLResponse",
    "GetAllChildrenNumberRequest",
    "GetAllChildrenNumberResponse",
    "GetChildren2Request",
    "GetChildren2Response",
    "GetChildrenRequest",
    "GetChildrenResponse",
    "GetDataRequest",
    "GetDataResponse",
    "GetEphemeralsRequest",
    "GetEphemeralsResponse",
    "GetSASLRequest",
    "Id",
    "MultiRequest",
    "MultiResponse",
    "MultiResult",
    "ReconfigRequest",
    "Record",
    "RemoveWatchesRequest",
    "ReplyHeader",
    "RequestHeader",
    "SetACLRequest",
    "SetACLResponse",
    "SetDataRequest",
    "SetDataResponse",
    "SetSASLResponse",
    "SetWatches",
    "SetWatches2",
    "Stat",
    "SyncRequest",
    "SyncResponse",
    "WatcherEvent",
    "WhoAmIResponse",
]

PASSWORD_SIZE = 16
REPLY_HEADER = Struct(">iqi")


@dataclass(slots=True)
class RequestHeader:
    xid: int
    type: int

    def write(self, w: Writer) -> None:
        w.int(self.xid)
        w.int(self.type)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int(), r.int())


@dataclass(slots=True)
class ReplyHeader:
    """zxid: the last transaction the server had applied when it answered."""

    xid: int
    zxid: int
    err: int

    def write(self, w: Writer) -> None:
        w.int(self.xid)
        w.long(self.zxid)
        w.int(self.err)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int(), r.long(), r.int())


@dataclass(slots=True)
class ConnectRequest:
    """read_only: None when the client is so old (3.3) that it does not send the field; the reply must omit it then."""

    protocol_version: int
    last_zxid_seen: int
    timeout_ms: int
    session_id: int
    password: bytes
    read_only: bool | None = False

    def write(self, w: Writer) -> None:
        w.int(self.protocol_version)
        w.long(self.last_zxid_seen)
        w.int(self.timeout_ms)
        w.long(self.session_id)
        w.buffer(self.password)
        if self.read_only is not None:
            w.bool(self.read_only)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(
            r.int(), r.long(), r.int(), r.long(), r.buffer() or b"", r.bool() if r.remaining else None
        )


@dataclass(slots=True)
class ConnectResponse:
    """timeout_ms 0 and session_id 0: the session is unknown or expired, and the server closes the connection."""

    protocol_version: int
    timeout_ms: int
    session_id: int
    password: bytes
    read_only: bool | None = False

    def write(self, w: Writer) -> None:
        w.int(self.protocol_version)
        w.int(self.timeout_ms)
        w.long(self.session_id)
        w.buffer(self.password)
        if self.read_only is not None:
            w.bool(self.read_only)

    @classmethod
    def read(cls, r: Reader) -> Self:
        return cls(r.int(), r.int(), r.long(), r.buffer() or b"", r.bool() if r.remaining else None)
