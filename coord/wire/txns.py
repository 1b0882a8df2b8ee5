"""Transactions: what the log holds, the quorum agrees on and every server applies.

TxnHeader{long session, int cxid, long zxid, long time_ms, int type}, the body of that type, then optionally
TxnDigest{int version=2, long digest}: the digest of the whole tree after the transaction. Bodies carry every choice that
was made (the sequence number is in the path, versions are absolute), so that applying one again changes nothing.
A refused write is an ErrorTxn, without a digest. No type may be invented: Java peers refuse a log with an unknown one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Any, NamedTuple

from .codes import OpCode
from .data import ACL, acl_bytes, read_acl
from .jute import JuteError, Reader

__all__ = [
    "DIGEST_VERSION",
    "Body",
    "CheckVersionTxn",
    "CloseSessionTxn",
    "CreateContainerTxn",
    "CreateSessionTxn",
    "CreateTTLTxn",
    "CreateTxn",
    "DeleteTxn",
    "ErrorTxn",
    "MultiTxn",
    "SetACLTxn",
    "SetDataTxn",
    "TxnHeader",
    "decode_txn",
    "encode_body",
    "encode_txn",
    "txn_header",
    "zxid_of",
]

DIGEST_VERSION = 2
"""The digest's algorithm: CRC-32 of each node, summed (Apache's AdHash over version 2 of its node digest)."""

_HEADER = Struct(">qiqqi")
_DIGEST = Struct(">iQ")
_INT = Struct(">i")
_INT_INT = Struct(">ii")
_BOOL_INT = Struct(">?i")
_INT_LONG = Struct(">iq")
_NULL = b"\xff\xff\xff\xff"
_pack_int = _INT.pack


class TxnHeader(NamedTuple):
    """type: an `OpCode`; time_ms: the leader's wall time, which becomes the nodes' ctime and mtime."""

    session_id: int
    cxid: int
    zxid: int
    time_ms: int
    type: int


@dataclass(slots=True)
class CreateTxn:
    """parent_cversion: the parent's cversion afterwards, -1 in logs older than 3.4 (add one)."""

    path: str
    data: bytes | None
    acl: tuple[ACL, ...]
    ephemeral: bool
    parent_cversion: int


@dataclass(slots=True)
class CreateContainerTxn:
    path: str
    data: bytes | None
    acl: tuple[ACL, ...]
    parent_cversion: int


@dataclass(slots=True)
class CreateTTLTxn:
    """ttl: milliseconds."""

    path: str
    data: bytes | None
    acl: tuple[ACL, ...]
    parent_cversion: int
    ttl: int


@dataclass(slots=True)
class DeleteTxn:
    path: str


@dataclass(slots=True)
class SetDataTxn:
    """version: the new one."""

    path: str
    data: bytes | None
    version: int


@dataclass(slots=True)
class SetACLTxn:
    """version: the new ACL version."""

    path: str
    acl: tuple[ACL, ...]
    version: int


@dataclass(slots=True)
class CheckVersionTxn:
    """Part of a multi; nothing to apply, the check was made when the multi was decided."""

    path: str
    version: int


@dataclass(slots=True)
class CreateSessionTxn:
    timeout_ms: int


@dataclass(slots=True)
class CloseSessionTxn:
    """paths: the ephemerals that go with the session, or None in logs older than 3.6: whatever it owns."""

    paths: list[str] | None


@dataclass(slots=True)
class ErrorTxn:
    err: int


@dataclass(slots=True)
class MultiTxn:
    """txns: (type, body) in order; when the multi failed, an ErrorTxn for each operation."""

    txns: list[tuple[int, Body]]


Body = (
    CreateTxn
    | CreateContainerTxn
    | CreateTTLTxn
    | DeleteTxn
    | SetDataTxn
    | SetACLTxn
    | CheckVersionTxn
    | CreateSessionTxn
    | CloseSessionTxn
    | ErrorTxn
    | MultiTxn
)


def encode_txn(header: TxnHeader, body: Body, digest: int | None) -> bytes:
    """The transaction's bytes, as they stand in the log and travel in a proposal. digest: 0 .. 2**64 - 1."""
    head = _HEADER.pack(*header)
    if digest is None:
        return head + encode_body(body)
    return b"".join((head, encode_body(body), _DIGEST.pack(DIGEST_VERSION, digest)))


def encode_body(body: Body) -> bytes:
    """A body's bytes, without header and digest."""
    return _ENCODERS[type(body)](body)


def decode_txn(data: bytes | memoryview) -> tuple[TxnHeader, Body, int | None]:
    """The header, the body, and the digest if there is one. Raises JuteError."""
    header = txn_header(data)
    r = Reader(data, _HEADER.size)
    body = _read_body(header.type, r)
    digest = None
    if r.remaining >= _DIGEST.size:
        version, digest = _DIGEST.unpack_from(data, r.offset)
        if version != DIGEST_VERSION:
            digest = None  # another algorithm's number says nothing about our tree
    return header, body, digest


def txn_header(data: bytes | memoryview) -> TxnHeader:
    """The header alone. Raises JuteError."""
    if len(data) < _HEADER.size:
        raise JuteError(f"a transaction of {len(data)} bytes, which its header alone exceeds")
    return TxnHeader._make(_HEADER.unpack_from(data))


def zxid_of(data: bytes | memoryview) -> int:
    """The zxid of an encoded transaction."""
    if len(data) < _HEADER.size:
        raise JuteError(f"a transaction of {len(data)} bytes, which its header alone exceeds")
    return int.from_bytes(data[12:20], "big", signed=True)


# ---- bodies to bytes -------------------------------------------------------------------------------------------------


def _buffer(data: bytes | None) -> bytes:
    return _NULL if data is None else _pack_int(len(data)) + data


def _string(text: str) -> bytes:
    data = text.encode()
    return _pack_int(len(data)) + data


def _encode_create(body: CreateTxn) -> bytes:
    tail = _BOOL_INT.pack(body.ephemeral, body.parent_cversion)
    return b"".join((_string(body.path), _buffer(body.data), acl_bytes(body.acl), tail))


def _encode_create_container(body: CreateContainerTxn) -> bytes:
    return b"".join((_string(body.path), _buffer(body.data), acl_bytes(body.acl), _pack_int(body.parent_cversion)))


def _encode_create_ttl(body: CreateTTLTxn) -> bytes:
    tail = _INT_LONG.pack(body.parent_cversion, body.ttl)
    return b"".join((_string(body.path), _buffer(body.data), acl_bytes(body.acl), tail))


def _encode_delete(body: DeleteTxn) -> bytes:
    return _string(body.path)


def _encode_set_data(body: SetDataTxn) -> bytes:
    return b"".join((_string(body.path), _buffer(body.data), _pack_int(body.version)))


def _encode_set_acl(body: SetACLTxn) -> bytes:
    return b"".join((_string(body.path), acl_bytes(body.acl), _pack_int(body.version)))


def _encode_check(body: CheckVersionTxn) -> bytes:
    return _string(body.path) + _pack_int(body.version)


def _encode_create_session(body: CreateSessionTxn) -> bytes:
    return _pack_int(body.timeout_ms)


def _encode_close_session(body: CloseSessionTxn) -> bytes:
    if body.paths is None:
        return b""
    return _pack_int(len(body.paths)) + b"".join(map(_string, body.paths))


def _encode_error(body: ErrorTxn) -> bytes:
    return _pack_int(body.err)


def _encode_multi(body: MultiTxn) -> bytes:
    parts = [_pack_int(len(body.txns))]
    for kind, inner in body.txns:
        data = encode_body(inner)
        parts.append(_INT_INT.pack(kind, len(data)))
        parts.append(data)
    return b"".join(parts)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    CreateTxn: _encode_create,
    CreateContainerTxn: _encode_create_container,
    CreateTTLTxn: _encode_create_ttl,
    DeleteTxn: _encode_delete,
    SetDataTxn: _encode_set_data,
    SetACLTxn: _encode_set_acl,
    CheckVersionTxn: _encode_check,
    CreateSessionTxn: _encode_create_session,
    CloseSessionTxn: _encode_close_session,
    ErrorTxn: _encode_error,
    MultiTxn: _encode_multi,
}


# ---- bytes to bodies -------------------------------------------------------------------------------------------------


def _read_body(kind: int, r: Reader) -> Body:
    reader = _READERS.get(kind)
    if reader is None:
        raise JuteError(f"a transaction of unknown type {kind}")
    return reader(r)


def _read_create(r: Reader) -> CreateTxn:
    path, data, acl, ephemeral = r.text(), r.buffer(), read_acl(r), r.bool()
    return CreateTxn(path, data, acl, ephemeral, r.int() if r.remaining >= 4 else -1)


def _read_create_container(r: Reader) -> CreateContainerTxn:
    return CreateContainerTxn(r.text(), r.buffer(), read_acl(r), r.int())


def _read_create_ttl(r: Reader) -> CreateTTLTxn:
    return CreateTTLTxn(r.text(), r.buffer(), read_acl(r), r.int(), r.long())


def _read_delete(r: Reader) -> DeleteTxn:
    return DeleteTxn(r.text())


def _read_set_data(r: Reader) -> SetDataTxn:
    return SetDataTxn(r.text(), r.buffer(), r.int())


def _read_set_acl(r: Reader) -> SetACLTxn:
    return SetACLTxn(r.text(), read_acl(r), r.int())


def _read_check(r: Reader) -> CheckVersionTxn:
    return CheckVersionTxn(r.text(), r.int())


def _read_create_session(r: Reader) -> CreateSessionTxn:
    return CreateSessionTxn(r.int())


def _read_close_session(r: Reader) -> CloseSessionTxn:
    # Older servers, and servers told to, write no paths. Then nothing follows, or the digest alone does, which cannot
    # be mistaken for a vector: two paths take more than eight bytes.
    if r.remaining == 0:
        return CloseSessionTxn(None)
    if r.remaining == _DIGEST.size and _INT.unpack_from(r.data, r.offset)[0] == DIGEST_VERSION:
        return CloseSessionTxn(None)
    return CloseSessionTxn(r.strings())


def _read_error(r: Reader) -> ErrorTxn:
    return ErrorTxn(r.int())


def _read_multi(r: Reader) -> MultiTxn:
    return MultiTxn(r.vector(_read_inner))


def _read_inner(r: Reader) -> tuple[int, Body]:
    kind = r.int()
    data = r.buffer()
    if kind == OpCode.MULTI:
        raise JuteError("a multi inside a multi")
    return kind, _read_body(kind, Reader(data or b""))


_READERS: dict[int, Callable[[Reader], Body]] = {
    OpCode.CREATE.value: _read_create,
    OpCode.CREATE2.value: _read_create,
    OpCode.CREATE_CONTAINER.value: _read_create_container,
    OpCode.CREATE_TTL.value: _read_create_ttl,
    OpCode.DELETE.value: _read_delete,
    OpCode.DELETE_CONTAINER.value: _read_delete,
    OpCode.SET_DATA.value: _read_set_data,
    OpCode.RECONFIG.value: _read_set_data,
    OpCode.SET_ACL.value: _read_set_acl,
    OpCode.CHECK.value: _read_check,
    OpCode.CREATE_SESSION.value: _read_create_session,
    OpCode.CLOSE_SESSION.value: _read_close_session,
    OpCode.ERROR.value: _read_error,
    OpCode.MULTI.value: _read_multi,
}
