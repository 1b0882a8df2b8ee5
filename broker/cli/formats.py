"""Records to lines of output, by the properties of Kafka's console consumer, or as JSON. No I/O.

The fields of a line are, in this order and as far as they are asked for: timestamp, partition, offset, headers, key,
value. Keys and values are written as they are, bytes and all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct as Packer

from broker.client.fetching import Fetched
from broker.wire.batches import NO_TIMESTAMP
from broker.wire.records import Headers, Record

__all__ = ["FormatError", "Formatter", "formatter_of"]

Formatter = Callable[[Fetched, list[Record]], bytes]
"""Records of one partition to what is printed for them."""

Show = Callable[[bytes], bytes]


class FormatError(ValueError):
    """A property, or a value, that cannot be shown as asked."""


def formatter_of(name: str, properties: Mapping[str, str]) -> Formatter:
    """The formatter of this name: `default`, `json`, `none`, or the class names that Kafka gives the like."""
    short = name.rpartition(".")[2].removesuffix("MessageFormatter").lower()
    if short == "default":
        return _Lines.of(properties)
    if short == "json":
        return _json
    if short in ("none", "noop"):
        return lambda fetched, records: b""
    raise FormatError(f"there is no formatter {name!r}; there are default, json and none")


@dataclass(frozen=True, slots=True)
class _Lines:
    """Kafka's DefaultMessageFormatter."""

    print_timestamp: bool
    print_partition: bool
    print_offset: bool
    print_headers: bool
    print_key: bool
    print_value: bool
    key_separator: bytes
    line_separator: bytes
    headers_separator: bytes
    null_literal: bytes
    show_key: Show | None
    show_value: Show | None
    show_header: Show | None

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> _Lines:
        unknown = properties.keys() - _PROPERTIES
        if unknown:
            raise FormatError(f"unknown property {', '.join(sorted(unknown))}; there are {', '.join(sorted(_PROPERTIES))}")

        def flag(name: str, default: str = "false") -> bool:
            return properties.get(name, default).strip().lower() == "true"

        return cls(
            print_timestamp=flag("print.timestamp"),
            print_partition=flag("print.partition"),
            print_offset=flag("print.offset"),
            print_headers=flag("print.headers"),
            print_key=flag("print.key"),
            print_value=flag("print.value", "true"),
            key_separator=properties.get("key.separator", "\t").encode(),
            line_separator=properties.get("line.separator", "\n").encode(),
            headers_separator=properties.get("headers.separator", ",").encode(),
            null_literal=properties.get("null.literal", "null").encode(),
            show_key=_deserializer(properties.get("key.deserializer")),
            show_value=_deserializer(properties.get("value.deserializer")),
            show_header=_deserializer(properties.get("headers.deserializer", properties.get("header.deserializer"))),
        )

    def __call__(self, fetched: Fetched, records: list[Record]) -> bytes:
        end = self.line_separator
        if self._values_only:
            return b"".join([(self.null_literal if record.value is None else record.value) + end for record in records])
        return b"".join([self._line(fetched, record) + end for record in records])

    @property
    def _values_only(self) -> bool:
        others = (self.print_timestamp, self.print_partition, self.print_offset, self.print_headers, self.print_key)
        return self.print_value and self.show_value is None and not any(others)

    def _line(self, fetched: Fetched, record: Record) -> bytes:
        fields: list[bytes] = []
        if self.print_timestamp:
            fields.append(_timestamp(record, fetched.append_time))
        if self.print_partition:
            fields.append(b"Partition:%d" % fetched.partition[1])
        if self.print_offset:
            fields.append(b"Offset:%d" % record.offset)
        if self.print_headers:
            fields.append(self._headers(record.headers))
        if self.print_key:
            fields.append(self._shown(record.key, self.show_key))
        if self.print_value:
            fields.append(self._shown(record.value, self.show_value))
        return self.key_separator.join(fields)

    def _headers(self, headers: Headers) -> bytes:
        if not headers:
            return b"NO_HEADERS"
        pairs = [name.encode() + b":" + self._shown(value, self.show_header) for name, value in headers]
        return self.headers_separator.join(pairs)

    def _shown(self, data: bytes | None, show: Show | None) -> bytes:
        if data is None:
            return self.null_literal
        return data if show is None else show(data)


def _timestamp(record: Record, append_time: bool) -> bytes:
    if record.timestamp == NO_TIMESTAMP:
        return b"NO_TIMESTAMP"
    return (b"LogAppendTime:%d" if append_time else b"CreateTime:%d") % record.timestamp


def _json(fetched: Fetched, records: list[Record]) -> bytes:
    """One object a line. Bytes that are not UTF-8 are {"base64": ...}."""
    topic, partition = fetched.partition
    out = []
    for record in records:
        row = {
            "topic": topic,
            "partition": partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "headers": [[name, _text(value)] for name, value in record.headers],
            "key": _text(record.key),
            "value": _text(record.value),
        }
        out.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return b"".join(out)


def _text(data: bytes | None) -> object:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


_NUMBERS = {"Short": ">h", "Integer": ">i", "Long": ">q", "Float": ">f", "Double": ">d"}
_PROPERTIES = frozenset(
    ("print.timestamp", "print.partition", "print.offset", "print.headers", "print.key", "print.value", "key.separator",
     "line.separator", "headers.separator", "null.literal", "key.deserializer", "value.deserializer", "headers.deserializer",
     "header.deserializer")
)  # fmt: skip


def _deserializer(name: str | None) -> Show | None:
    """How a deserializer's values are printed; text and bytes are themselves (None)."""
    short = (name or "").rpartition(".")[2].removesuffix("Deserializer")
    if short in ("", "String", "ByteArray", "Bytes"):
        return None
    if short not in _NUMBERS:
        raise FormatError(f"there is no deserializer {name!r}; there are String, ByteArray, {', '.join(_NUMBERS)}")
    packer = Packer(_NUMBERS[short])

    def show(data: bytes) -> bytes:
        if len(data) != packer.size:
            raise FormatError(f"{len(data)} bytes are no {short}, which has {packer.size}")
        return str(packer.unpack(data)[0]).encode()

    return show
