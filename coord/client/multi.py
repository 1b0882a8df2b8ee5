"""The operations of `multi` and `multi_read`, and what becomes of their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coord.errors import BadArgumentsError, CoordError, error_of
from coord.wire.ops import CreateMode, OpCode
from coord.wire.records import (
    ACL,
    OPEN_ACL_UNSAFE,
    CheckVersionRequest,
    Create2Response,
    CreateRequest,
    CreateResponse,
    CreateTTLRequest,
    DeleteRequest,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    MultiRequest,
    MultiResponse,
    MultiResult,
    SetDataRequest,
    SetDataResponse,
    Stat,
)
from coord.wire.requests import Record

from .hosts import Chroot

__all__ = [
    "Check",
    "Create",
    "Delete",
    "GetChildren",
    "GetData",
    "MultiOp",
    "ReadOp",
    "Result",
    "SetData",
    "create_mode",
    "create_request",
    "full_path",
    "multi_request",
    "multi_results",
]


@dataclass(frozen=True, slots=True)
class Create:
    """Creates a node; the result is its path."""

    path: str
    data: bytes | None = b""
    acl: Sequence[ACL] = OPEN_ACL_UNSAFE
    ephemeral: bool = False
    sequential: bool = False
    container: bool = False
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes a node that has `version` (-1: any); the result is None."""

    path: str
    version: int = -1


@dataclass(frozen=True, slots=True)
class SetData:
    """Sets the data of a node that has `version` (-1: any); the result is its new Stat."""

    path: str
    data: bytes | None
    version: int = -1


@dataclass(frozen=True, slots=True)
class Check:
    """Lets the multi fail unless the node exists and has `version` (-1: any); the result is None."""

    path: str
    version: int = -1


@dataclass(frozen=True, slots=True)
class GetData:
    """multi_read: the result is (data, Stat)."""

    path: str


@dataclass(frozen=True, slots=True)
class GetChildren:
    """multi_read: the result is the list of the children's names."""

    path: str


MultiOp = Create | Delete | SetData | Check
ReadOp = GetData | GetChildren
Result: TypeAlias = "str | Stat | tuple[bytes, Stat] | list[str] | CoordError | None"


def create_mode(*, ephemeral: bool, sequential: bool, container: bool, ttl_ms: int | None) -> CreateMode:
    """The one number the protocol has for the four choices. Raises BadArgumentsError when they exclude each other."""
    if container and not (ephemeral or sequential or ttl_ms is not None):
        return CreateMode.CONTAINER
    if container or (ephemeral and ttl_ms is not None):
        raise BadArgumentsError
    if ttl_ms is not None:
        return CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL if sequential else CreateMode.PERSISTENT_WITH_TTL
    return CreateMode(int(ephemeral) | int(sequential) << 1)


def create_request(path: str, op: Create, *, with_stat: bool) -> tuple[OpCode, Record]:
    """The operation code and record of a creation, alone or inside a multi."""
    mode = create_mode(
        ephemeral=op.ephemeral, sequential=op.sequential, container=op.container, ttl_ms=op.ttl_ms
    )
    acl = op.acl if isinstance(op.acl, tuple) else tuple(op.acl)
    if op.ttl_ms is not None:
        return OpCode.CREATE_TTL, CreateTTLRequest(path, op.data, acl, mode, op.ttl_ms)
    request = CreateRequest(path, op.data, acl, mode)
    if mode is CreateMode.CONTAINER:
        return OpCode.CREATE_CONTAINER, request
    return (OpCode.CREATE2 if with_stat else OpCode.CREATE), request


def multi_request(ops: Sequence[MultiOp | ReadOp], chroot: Chroot) -> MultiRequest:
    """The request record."""
    return MultiRequest([_request(op, full_path(op, chroot)) for op in ops])


def full_path(op: MultiOp | ReadOp, chroot: Chroot) -> str:
    """The server's path of an operation. Raises BadArgumentsError."""
    if isinstance(op, Create) and op.sequential:
        return chroot.full_sequential(op.path)
    return chroot.full(op.path)


def _request(op: MultiOp | ReadOp, path: str) -> tuple[int, Record]:
    match op:
        case Create():
            return create_request(path, op, with_stat=False)
        case Delete():
            return OpCode.DELETE, DeleteRequest(path, op.version)
        case SetData():
            return OpCode.SET_DATA, SetDataRequest(path, op.data, op.version)
        case Check():
            return OpCode.CHECK, CheckVersionRequest(path, op.version)
        case GetData():
            return OpCode.GET_DATA, GetDataRequest(path)
        case GetChildren():
            return OpCode.GET_CHILDREN, GetChildrenRequest(path)


def multi_results(ops: Sequence[MultiOp | ReadOp], response: MultiResponse, chroot: Chroot) -> list[Result]:
    """One result for each operation: what its class says, or the error it ended with, or None for what was undone."""
    return [_result(op.path, result, chroot) for op, result in zip(ops, response.results, strict=True)]


def _result(path: str, result: MultiResult, chroot: Chroot) -> Result:
    match result.response:
        case None if result.type == OpCode.ERROR and result.err:
            return error_of(result.err, path)
        case CreateResponse(path=created) | Create2Response(path=created):
            return chroot.local(created)
        case SetDataResponse(stat=stat):
            return stat
        case GetDataResponse(data=data, stat=stat):
            return data or b"", stat
        case GetChildrenResponse(children=children):
            return children
    return None
