"""multi and multiRead: a stream of operations, each behind a MultiHeader{int type, bool done, int err}.

A reply has one result for each operation, of the operation's type or of type -1 with an error in it; the header {-1, true,
-1} ends either stream. createContainer and createTTL are answered as create2, which is what Apache does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Self

from .codes import OpCode
from .jute import JuteError, Reader, Writer
from .requests import (
    CheckVersionRequest,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    GetChildrenRequest,
    GetDataRequest,
    Record,
    SetDataRequest,
)
from .responses import Create2Response, CreateResponse, GetChildrenResponse, GetDataResponse, SetDataResponse

__all__ = ["MULTI_END", "MULTI_HEADER", "MULTI_OPS_MAX", "OPERATIONS", "MultiRequest", "MultiResponse", "MultiResult"]

MULTI_HEADER = Struct(">i?i")
MULTI_OPS_MAX = 100_000
"""Operations in one multi. A frame of jute.maxbuffer cannot hold more than this, larger frames are not believed."""

OPERATIONS: dict[int, type[Record]] = {
    OpCode.CREATE: CreateRequest,
    OpCode.CREATE2: CreateRequest,
    OpCode.CREATE_CONTAINER: CreateRequest,
    OpCode.CREATE_TTL: CreateTTLRequest,
    OpCode.DELETE: DeleteRequest,
    OpCode.SET_DATA: SetDataRequest,
    OpCode.CHECK: CheckVersionRequest,
    OpCode.GET_DATA: GetDataRequest,
    OpCode.GET_CHILDREN: GetChildrenRequest,
}

_RESULTS: dict[int, type[Record] | None] = {
    OpCode.CREATE: CreateResponse,
    OpCode.CREATE2: Create2Response,
    OpCode.DELETE: None,
    OpCode.SET_DATA: SetDataResponse,
    OpCode.CHECK: None,
    OpCode.GET_DATA: GetDataResponse,
    OpCode.GET_CHILDREN: GetChildrenResponse,
}

MULTI_END = MULTI_HEADER.pack(-1, True, -1)




def _read_header(r: Reader) -> tuple[int, bool, int]:
    return r.int(), r.bool(), r.int()


@dataclass(slots=True)
class MultiRequest:
    """ops: (operation code, request) in order."""

    ops: list[tuple[int, Record]] = field(default_factory=list)

    def write(self, w: Writer) -> None:
        for op, request in self.ops:
            w.raw(MULTI_HEADER.pack(op, False, -1))
            request.write(w)
        w.raw(MULTI_END)

    @classmethod
    def read(cls, r: Reader) -> Self:
        ops: list[tuple[int, Record]] = []
        while True:
            op, done, _ = _read_header(r)
            if done:
                return cls(ops)
            kind = OPERATIONS.get(op)
            if kind is None:
                raise JuteError(f"operation {op} cannot be part of a multi")
            if len(ops) == MULTI_OPS_MAX:
                raise JuteError(f"a multi of more than {MULTI_OPS_MAX} operations")
            ops.append((op, kind.read(r)))


@dataclass(slots=True)
class MultiResult:
    """type: the operation's code, or -1 when it failed (or was not done) with `err`."""

    type: int
    response: Record | None = None
    err: int = 0


@dataclass(slots=True)
class MultiResponse:
    results: list[MultiResult] = field(default_factory=list)

    def write(self, w: Writer) -> None:
        for result in self.results:
            w.raw(MULTI_HEADER.pack(result.type, False, result.err))
            if result.type == OpCode.ERROR:
                w.int(result.err)
            elif result.response is not None:
                result.response.write(w)
        w.raw(MULTI_END)

    @classmethod
    def read(cls, r: Reader) -> Self:
        results: list[MultiResult] = []
        while True:
            op, done, err = _read_header(r)
            if done:
                return cls(results)
            if len(results) == MULTI_OPS_MAX:
                raise JuteError(f"a multi of more than {MULTI_OPS_MAX} results")
            if op == OpCode.ERROR:
                results.append(MultiResult(op, None, r.int()))
            elif op in _RESULTS:
                kind = _RESULTS[op]
                results.append(MultiResult(op, kind.read(r) if kind else None, err))
            else:
                raise JuteError(f"a multi's result of type {op}")
