"""multi: the stream of operations and the stream of results."""

from __future__ import annotations

import pytest

from coord.wire.codes import OpCode
from coord.wire.jute import JuteError, Reader, Writer
from coord.wire.multi import MULTI_END, MULTI_HEADER, MultiRequest, MultiResponse, MultiResult
from coord.wire.records import (
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
    SetDataRequest,
    SetDataResponse,
    Stat,
)

CREATE = CreateRequest("/a", b"x", OPEN_ACL_UNSAFE, 0)


def test_every_operation_survives() -> None:
    """The type in the header picks the record."""
    request = MultiRequest(
        [
            (OpCode.CREATE, CREATE),
            (OpCode.CREATE2, CREATE),
            (OpCode.CREATE_CONTAINER, CREATE),
            (OpCode.CREATE_TTL, CreateTTLRequest("/t", None, OPEN_ACL_UNSAFE, 5, 60_000)),
            (OpCode.DELETE, DeleteRequest("/a", 3)),
            (OpCode.SET_DATA, SetDataRequest("/a", b"", -1)),
            (OpCode.CHECK, CheckVersionRequest("/a", 0)),
            (OpCode.GET_DATA, GetDataRequest("/a")),
            (OpCode.GET_CHILDREN, GetChildrenRequest("/a")),
        ]
    )
    w = Writer()
    request.write(w)
    r = Reader(w.getvalue())
    assert MultiRequest.read(r) == request
    assert r.remaining == 0


def test_every_result_survives() -> None:
    """Also those of operations that failed."""
    response = MultiResponse(
        [
            MultiResult(OpCode.CREATE, CreateResponse("/a")),
            MultiResult(OpCode.CREATE2, Create2Response("/a", Stat(version=3))),
            MultiResult(OpCode.DELETE),
            MultiResult(OpCode.SET_DATA, SetDataResponse(Stat())),
            MultiResult(OpCode.CHECK),
            MultiResult(OpCode.GET_DATA, GetDataResponse(None, Stat())),
            MultiResult(OpCode.GET_CHILDREN, GetChildrenResponse(["b"])),
            MultiResult(OpCode.ERROR, None, -101),
        ]
    )
    w = Writer()
    response.write(w)
    r = Reader(w.getvalue())
    assert MultiResponse.read(r) == response
    assert r.remaining == 0


def test_apaches_bytes_of_a_failed_multi() -> None:
    """Recorded from ZooKeeper 3.8: ok so far, no node, not done."""
    recorded = bytes.fromhex(
        "ffffffff000000000000000000ffffffff00ffffff9bffffff9bffffffff00fffffffefffffffeffffffff01ffffffff"
    )
    response = MultiResponse.read(Reader(recorded))
    assert [result.err for result in response.results] == [0, -101, -2]
    w = Writer()
    response.write(w)
    assert w.getvalue() == recorded


@pytest.mark.parametrize("op", [0, OpCode.SET_ACL, OpCode.MULTI, OpCode.ERROR, 99])
def test_an_operation_that_cannot_be_part_is_an_error(op: int) -> None:
    """In a request."""
    with pytest.raises(JuteError):
        MultiRequest.read(Reader(MULTI_HEADER.pack(op, False, -1) + MULTI_END))


def test_a_result_of_unknown_type_is_an_error() -> None:
    """In a reply."""
    with pytest.raises(JuteError):
        MultiResponse.read(Reader(MULTI_HEADER.pack(99, False, 0) + MULTI_END))


def test_the_number_of_operations_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit a multi is read, one beyond it is refused."""
    monkeypatch.setattr("coord.wire.multi.MULTI_OPS_MAX", 3)
    for count, fine in ((3, True), (4, False)):
        w = Writer()
        MultiRequest([(OpCode.DELETE, DeleteRequest("/a"))] * count).write(w)
        if fine:
            assert len(MultiRequest.read(Reader(w.getvalue())).ops) == count
        else:
            with pytest.raises(JuteError):
                MultiRequest.read(Reader(w.getvalue()))
        w = Writer()
        MultiResponse([MultiResult(OpCode.DELETE)] * count).write(w)
        if fine:
            assert len(MultiResponse.read(Reader(w.getvalue())).results) == count
        else:
            with pytest.raises(JuteError):
                MultiResponse.read(Reader(w.getvalue()))
