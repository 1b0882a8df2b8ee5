"""Transactions: Apache's own bytes decode and encode to themselves; damaged ones raise JuteError."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire.codes import OpCode
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, Id
from coord.wire.jute import JuteError
from coord.wire.txns import (
    Body,
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    TxnHeader,
    decode_txn,
    encode_txn,
    txn_header,
    zxid_of,
)

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "zookeeper_log.100000001"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PATHS = TEXT.map(lambda text: "/" + text)
DATA = st.none() | st.binary(max_size=20)
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
ACLS = st.just(OPEN_ACL_UNSAFE) | st.lists(st.builds(ACL, INT, st.builds(Id, TEXT, TEXT)), max_size=3).map(tuple)
CREATES = st.builds(CreateTxn, PATHS, DATA, ACLS, st.booleans(), INT)
INNER: st.SearchStrategy[tuple[int, Body]] = st.one_of(
    st.tuples(st.sampled_from([1, 15]), CREATES),
    st.tuples(st.just(19), st.builds(CreateContainerTxn, PATHS, DATA, ACLS, INT)),
    st.tuples(st.just(21), st.builds(CreateTTLTxn, PATHS, DATA, ACLS, INT, LONG)),
    st.tuples(st.sampled_from([2, 20]), st.builds(DeleteTxn, PATHS)),
    st.tuples(st.sampled_from([5, 16]), st.builds(SetDataTxn, PATHS, DATA, INT)),
    st.tuples(st.just(7), st.builds(SetACLTxn, PATHS, ACLS, INT)),
    st.tuples(st.just(13), st.builds(CheckVersionTxn, PATHS, INT)),
    st.tuples(st.just(-1), st.builds(ErrorTxn, INT)),
)
BODIES: st.SearchStrategy[tuple[int, Body]] = st.one_of(
    INNER,
    st.tuples(st.just(-10), st.builds(CreateSessionTxn, INT)),
    st.tuples(st.just(-11), st.builds(CloseSessionTxn, st.lists(PATHS, max_size=3))),
    st.tuples(st.just(14), st.builds(MultiTxn, st.lists(INNER, max_size=4))),
)
DIGESTS = st.none() | st.integers(0, 2**64 - 1)


def golden() -> list[bytes]:
    """The transactions of the recorded log."""
    data = GOLDEN.read_bytes()
    offset = 16
    found = []
    while True:
        (size,) = struct.unpack_from(">i", data, offset + 8)
        if not size:
            return found
        found.append(data[offset + 12 : offset + 12 + size])
        offset += 12 + size + 1


def test_apaches_transactions_encode_to_themselves() -> None:
    """Nineteen transactions of ZooKeeper 3.8, of nearly every type, byte for byte."""
    recorded = golden()
    assert len(recorded) == 19
    for data in recorded:
        header, body, digest = decode_txn(data)
        assert encode_txn(header, body, digest) == data
        assert zxid_of(data) == header.zxid
        assert txn_header(data) == header
    assert {decode_txn(data)[0].type for data in recorded} == {-11, -10, -1, 1, 14, 15, 19, 21}


@given(BODIES, LONG, INT, LONG, LONG, DIGESTS)
def test_a_transaction_survives(
    typed: tuple[int, Body], session_id: int, cxid: int, zxid: int, time_ms: int, digest: int | None
) -> None:
    """Any body, with and without digest."""
    kind, body = typed
    header = TxnHeader(session_id, cxid, zxid, time_ms, kind)
    for data in (encode_txn(header, body, digest), memoryview(encode_txn(header, body, digest))):
        assert decode_txn(data) == (header, body, digest)
        assert zxid_of(data) == zxid


@given(st.binary(max_size=60), st.sampled_from([*OpCode, 99]))
def test_garbage_raises_jute_error_only(data: bytes, kind: int) -> None:
    """Behind a header that is fine."""
    try:
        decode_txn(struct.pack(">qiqqi", 1, 2, 3, 4, kind) + data)
    except JuteError:
        pass


@given(st.binary(max_size=31))
def test_less_than_a_header_raises_jute_error(data: bytes) -> None:
    """In each of the three ways to look at a transaction."""
    for look in (decode_txn, txn_header, zxid_of):
        with pytest.raises(JuteError):
            look(data)


def test_an_unknown_type_is_refused() -> None:
    """Apache refuses a log with one, and so do we."""
    with pytest.raises(JuteError):
        decode_txn(struct.pack(">qiqqi", 1, 2, 3, 4, 99))


def test_a_multi_holds_no_multi() -> None:
    """Recursion has no end that a checksum would vouch for."""
    inner = struct.pack(">iii", 1, 14, 4) + b"\0\0\0\0"
    with pytest.raises(JuteError):
        decode_txn(struct.pack(">qiqqi", 1, 2, 3, 4, 14) + inner)


def test_a_create_of_3_3_has_no_parent_cversion() -> None:
    """Then it reads as -1: one more than whatever the parent has."""
    header = TxnHeader(1, 2, 3, 4, OpCode.CREATE)
    data = encode_txn(header, CreateTxn("/a", b"", OPEN_ACL_UNSAFE, False, 7), None)
    _, body, digest = decode_txn(data[:-4])
    assert isinstance(body, CreateTxn)
    assert (body.parent_cversion, digest) == (-1, None)


def test_a_close_session_without_paths() -> None:
    """Older servers write none: with a digest behind it or not, that is "whatever it owns"."""
    header = TxnHeader(1, 2, 3, 4, OpCode.CLOSE_SESSION)
    bare = encode_txn(header, CloseSessionTxn(None), None)
    assert decode_txn(bare) == (header, CloseSessionTxn(None), None)
    with_digest = encode_txn(header, CloseSessionTxn(None), 5)
    assert decode_txn(with_digest) == (header, CloseSessionTxn(None), 5)
    listed = encode_txn(header, CloseSessionTxn([]), 5)
    assert decode_txn(listed) == (header, CloseSessionTxn([]), 5)


def test_a_digest_of_another_version_is_ignored() -> None:
    """It says nothing about a tree counted our way."""
    header = TxnHeader(1, 2, 3, 4, OpCode.DELETE)
    data = encode_txn(header, DeleteTxn("/a"), 5)
    other = data[:-12] + struct.pack(">iQ", 3, 5)
    assert decode_txn(other) == (header, DeleteTxn("/a"), None)
