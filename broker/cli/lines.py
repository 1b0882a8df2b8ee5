"""Lines of input to records, by the properties of Kafka's console producer. No I/O.

A line is a value; with parse.key=true `key<TAB>value`; with parse.headers=true `name:value,name:value<TAB>` comes first.
Lines are bytes and end with a newline; nothing else is taken off them, so that any text survives. Kafka's own tool takes
off a carriage return too: Python's library has two files with such lines, and they would come back as others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from broker.wire.records import Headers

__all__ = ["LineError", "LineFormat"]

Parsed = tuple[bytes | None, bytes | None, Headers]
NO_HEADERS: Headers = ()


class LineError(ValueError):
    """A line that is not in the agreed form; says which."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How lines are taken apart."""

    parse_key: bool = False
    key_separator: bytes = b"\t"
    parse_headers: bool = False
    headers_delimiter: bytes = b"\t"
    headers_separator: bytes = b","
    headers_key_separator: bytes = b":"
    null_marker: bytes | None = None
    ignore_error: bool = False

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> LineFormat:
        """From `--property` options. Raises LineError for a property that has no meaning."""
        unknown = properties.keys() - _PROPERTIES
        if unknown:
            raise LineError(f"unknown property {', '.join(sorted(unknown))}; there are {', '.join(sorted(_PROPERTIES))}")

        def separator(name: str, default: bytes) -> bytes:
            found = properties.get(name, "").encode() or default
            return found.decode("unicode_escape").encode("latin-1") if found.startswith(b"\\") else found

        return cls(
            parse_key=_flag(properties, "parse.key"),
            key_separator=separator("key.separator", b"\t"),
            parse_headers=_flag(properties, "parse.headers"),
            headers_delimiter=separator("headers.delimiter", b"\t"),
            headers_separator=separator("headers.separator", b","),
            headers_key_separator=separator("headers.key.separator", b":"),
            null_marker=properties["null.marker"].encode() if "null.marker" in properties else None,
            ignore_error=_flag(properties, "ignore.error"),
        )

    @property
    def plain(self) -> bool:
        """Whether every line is a value as it stands."""
        return not (self.parse_key or self.parse_headers) and self.null_marker is None

    def parse(self, line: bytes, number: int) -> Parsed:
        """Key, value and headers of a line without its newline. Raises LineError."""
        headers = NO_HEADERS
        rest = line
        if self.parse_headers:
            head, found, rest = line.partition(self.headers_delimiter)
            if found:
                headers = self._headers(head, number)
            elif self.ignore_error:
                rest = line
            else:
                raise LineError(f"No header delimiter found on line number {number}: {_shown(line)}")
        key: bytes | None = None
        value = rest
        if self.parse_key:
            key, found, value = rest.partition(self.key_separator)
            if not found:
                if not self.ignore_error:
                    raise LineError(f"No key separator found on line number {number}: {_shown(line)}")
                key, value = None, rest
        return self._or_null(key), self._or_null(value), headers

    def _headers(self, text: bytes, number: int) -> Headers:
        if text == self.null_marker:
            return NO_HEADERS
        found: list[tuple[str, bytes | None]] = []
        for pair in text.split(self.headers_separator):
            name, separated, value = pair.partition(self.headers_key_separator)
            if not separated:
                if self.ignore_error:
                    found.append((pair.decode(errors="replace"), None))
                    continue
                raise LineError(f"No header key separator found in pair {_shown(pair)} on line number {number}")
            found.append((name.decode(errors="replace"), self._or_null(value)))
        return found

    def _or_null(self, field: bytes | None) -> bytes | None:
        return None if field is not None and field == self.null_marker else field


_PROPERTIES = frozenset(
    ("parse.key", "key.separator", "parse.headers", "headers.delimiter", "headers.separator", "headers.key.separator",
     "null.marker", "ignore.error")
)  # fmt: skip


def _flag(properties: Mapping[str, str], name: str) -> bool:
    return properties.get(name, "false").strip().lower() == "true"


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace")
    return f"'{text}'" if len(text) <= 200 else f"'{text[:200]}...'"
