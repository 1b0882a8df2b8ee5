"""Records to lines of output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from broker.cli.formats import FormatError, formatter_of
from broker.client.fetching import Fetched
from broker.wire.records import Record

PLAIN = Record(5, 1000, b"k", b"v", [("h", b"x"), ("g", None)])
EMPTY = Record(6, -1, None, None)


def shown(*records: Record, name: str = "default", append_time: bool = False, **properties: str) -> bytes:
    form = formatter_of(name, {key.replace("_", "."): value for key, value in properties.items()})
    return form(Fetched(("t", 3), list(records), 0, append_time), list(records))


ALL = {f"print_{what}": "true" for what in ("timestamp", "partition", "offset", "headers", "key")}


def test_a_line_is_the_value() -> None:
    """Unless more is asked for."""
    assert shown(PLAIN, EMPTY) == b"v\nnull\n"
    assert shown(PLAIN, print_value="false", print_key="true") == b"k\n"


def test_everything_in_kafkas_order() -> None:
    """Timestamp, partition, offset, headers, key, value."""
    assert shown(PLAIN, EMPTY, **ALL) == (
        b"CreateTime:1000\tPartition:3\tOffset:5\th:x,g:null\tk\tv\nNO_TIMESTAMP\tPartition:3\tOffset:6\tNO_HEADERS\tnull\tnull\n"
    )
    assert shown(PLAIN, print_timestamp="true", append_time=True) == b"LogAppendTime:1000\tv\n"


def test_separators_and_null() -> None:
    """Each can be chosen."""
    chosen = {"key_separator": "@", "line_separator": "|", "headers_separator": ";", "null_literal": "NIL"}
    assert shown(PLAIN, EMPTY, print_headers="true", print_key="true", **chosen) == b"h:x;g:NIL@k@v|NO_HEADERS@NIL@NIL|"


def test_json_lines() -> None:
    """One object a line; what is no text is base64."""
    rows: list[Any] = [json.loads(line) for line in shown(PLAIN, Record(7, 0, b"\xff", "ü".encode()), name="json").splitlines()]
    assert rows[0] == {
        "topic": "t", "partition": 3, "offset": 5, "timestamp": 1000, "headers": [["h", "x"], ["g", None]], "key": "k", "value": "v",
    }  # fmt: skip
    assert (rows[1]["key"], rows[1]["value"]) == ({"base64": "/w=="}, "ü")


def test_kafkas_names_of_formatters() -> None:
    """The class names that Kafka's tool takes."""
    assert shown(PLAIN, name="org.apache.kafka.tools.consumer.DefaultMessageFormatter") == b"v\n"
    assert shown(PLAIN, name="kafka.tools.NoOpMessageFormatter") == b""
    with pytest.raises(FormatError, match="no formatter"):
        shown(PLAIN, name="com.example.Mine")


def test_deserializers() -> None:
    """Numbers as text; bytes that are no such number are an error."""
    number = Record(0, 0, (7).to_bytes(4, "big"), (-2).to_bytes(8, "big", signed=True))
    chosen = {
        "key_deserializer": "org.apache.kafka.common.serialization.IntegerDeserializer",
        "value_deserializer": "org.apache.kafka.common.serialization.LongDeserializer",
    }
    assert shown(number, print_key="true", **chosen) == b"7\t-2\n"
    assert shown(PLAIN, value_deserializer="StringDeserializer") == b"v\n"
    with pytest.raises(FormatError, match="1 bytes are no Long"):
        shown(PLAIN, value_deserializer="LongDeserializer")
    with pytest.raises(FormatError, match="no deserializer"):
        shown(PLAIN, value_deserializer="AvroDeserializer")
    with pytest.raises(FormatError, match="unknown property"):
        shown(PLAIN, print_keys="true")
