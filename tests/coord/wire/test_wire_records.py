"""Records: every one survives a round trip, and no bytes make a decoder raise anything but JuteError."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.wire import records
from coord.wire.jute import JuteError, Reader, Writer
from coord.wire.ops import REQUESTS, RESPONSES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
LONG_FIELDS = {"zxid", "session_id", "relative_zxid", "last_zxid_seen", "config_id", "ttl"}
IDS = st.builds(records.Id, TEXT, TEXT)
ACLS = st.lists(st.builds(records.ACL, INT, IDS), max_size=3).map(tuple) | st.just(records.OPEN_ACL_UNSAFE)
STATS = st.builds(records.Stat, LONG, LONG, LONG, LONG, INT, INT, INT, LONG, INT, INT, LONG)
BY_ANNOTATION: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    str | None: st.none() | TEXT,
    bytes: st.binary(max_size=20),
    bytes | None: st.none() | st.binary(max_size=20),
    bool: st.booleans(),
    bool | None: st.none() | st.booleans(),
    records.Stat: STATS,
    tuple[records.ACL, ...]: ACLS,
    list[str]: st.lists(TEXT, max_size=4),
    list[records.Id]: st.lists(IDS, max_size=3),
}
MULTIS = (records.MultiRequest, records.MultiResponse)
KINDS: list[type[Any]] = sorted(
    {getattr(records, name) for name in records.__all__ if isinstance(getattr(records, name), type)}
    - {records.Id, records.ACL, records.Stat, records.Record, records.MultiResult, *MULTIS},
    key=lambda kind: kind.__name__,
)


def built(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Instances of a record, from its annotations."""
    hints = typing.get_type_hints(kind)
    fields = {
        name: (LONG if name in LONG_FIELDS else INT) if hint is int else BY_ANNOTATION[hint]
        for name, hint in hints.items()
    }
    return st.builds(kind, **fields)


def encode(record: Any) -> bytes:
    w = Writer()
    record.write(w)
    return w.getvalue()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_survives(kind: type[Any]) -> None:
    """Writing and reading a record gives the same record and uses up the bytes."""

    @given(built(kind))
    def check(record: Any) -> None:
        for data in (encode(record), memoryview(encode(record))):
            r = Reader(data)
            assert kind.read(r) == record
            assert r.remaining == 0

    check()


@pytest.mark.parametrize("kind", [*KINDS, *MULTIS], ids=lambda kind: kind.__name__)
def test_garbage_raises_jute_error_only(kind: type[Any]) -> None:
    """Any bytes are a record or a JuteError."""

    @given(st.binary(max_size=80))
    def check(data: bytes) -> None:
        try:
            kind.read(Reader(data))
        except JuteError:
            pass

    check()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_record_cut_short_raises_jute_error(kind: type[Any]) -> None:
    """A record without its last byte is an error, unless its last field is one that may be missing."""

    @given(built(kind))
    def check(record: Any) -> None:
        data = encode(record)
        if not data or kind is records.DeleteContainerRequest or getattr(record, "read_only", False) is not False:
            return
        try:
            cut = kind.read(Reader(data[:-1]))
        except JuteError:
            return
        assert cut.read_only is None

    check()


def test_the_table_names_every_record() -> None:
    """Each request and each reply belongs to an operation; those that do not are listed here."""
    beside = {"WatcherEvent", "ConnectRequest", "ConnectResponse", "RequestHeader", "ReplyHeader"}
    named = {kind.__name__ for table in (REQUESTS, RESPONSES) for kind in table.values()}
    assert {kind.__name__ for kind in KINDS} - named == beside


def test_a_stat_is_68_bytes() -> None:
    """Clients of every language count on it."""
    assert len(encode(records.Stat())) == 68


def test_an_old_client_sends_no_read_only_flag() -> None:
    """44 bytes instead of 45; the answer must omit it too."""
    old = records.ConnectRequest(0, 0, 4000, 0, bytes(16), None)
    assert len(encode(old)) == 44
    assert len(encode(records.ConnectResponse(0, 4000, 1, bytes(16), None))) == 36
    assert len(encode(records.ConnectResponse(0, 4000, 1, bytes(16), False))) == 37


def test_the_open_acl_is_one_object() -> None:
    """Every request's world:anyone list is the same tuple, so that it can be told by identity."""
    request = records.CreateRequest("/a", b"", (records.ACL(31, records.Id("world", "anyone")),))
    again = records.CreateRequest.read(Reader(encode(request)))
    assert again.acl is records.OPEN_ACL_UNSAFE


def test_null_paths_and_vectors_read_as_empty() -> None:
    """Null is refused later for the same reasons as empty."""
    w = Writer()
    w.string(None)
    w.buffer(None)
    w.int(-1)
    w.int(0)
    assert records.CreateRequest.read(Reader(w.getvalue())) == records.CreateRequest("", None, (), 0)
