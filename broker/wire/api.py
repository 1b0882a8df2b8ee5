"""API keys, their versions, and the headers of requests and responses.

Header versions are not the message's own: a request carries header v1, and v2 (with a tagged section) from the API's
first flexible version on; ControlledShutdown v0 alone carries v0, without a client id. The client id keeps its two-byte
length in every header version. A response carries header v0, and v1 when flexible, except that ApiVersions answers
with v0 always: a client that does not know the receiver's versions yet must be able to read it (KIP-511).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module
from struct import Struct as Packer
from typing import TypeVar

from . import messages
from .codec import decode, encode_into, size_of
from .decoders import skip_tags
from .fields import VERSION_MAX, Message, Records, WireError

__all__ = [
    "ApiKey",
    "RequestHeader",
    "encode_request",
    "encode_response",
    "flexible_from",
    "header_version",
    "parse_request_header",
    "parse_response",
    "parse_response_header",
    "request_class",
    "response_class",
    "response_header_version",
    "uuid_bytes",
    "uuid_text",
    "versions",
]

M = TypeVar("M", bound=Message)


class ApiKey(IntEnum):
    """Kafka's API keys, as far as this package has their messages."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    LEADER_AND_ISR = 4
    STOP_REPLICA = 5
    UPDATE_METADATA = 6
    CONTROLLED_SHUTDOWN = 7
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_ACLS = 29
    CREATE_ACLS = 30
    DELETE_ACLS = 31
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    ALTER_REPLICA_LOG_DIRS = 34
    DESCRIBE_LOG_DIRS = 35
    SASL_AUTHENTICATE = 36
    CREATE_PARTITIONS = 37
    CREATE_DELEGATION_TOKEN = 38
    RENEW_DELEGATION_TOKEN = 39
    EXPIRE_DELEGATION_TOKEN = 40
    DESCRIBE_DELEGATION_TOKEN = 41
    DELETE_GROUPS = 42
    ELECT_LEADERS = 43
    INCREMENTAL_ALTER_CONFIGS = 44
    ALTER_PARTITION_REASSIGNMENTS = 45
    LIST_PARTITION_REASSIGNMENTS = 46
    OFFSET_DELETE = 47
    DESCRIBE_CLIENT_QUOTAS = 48
    ALTER_CLIENT_QUOTAS = 49
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50
    ALTER_USER_SCRAM_CREDENTIALS = 51
    ALTER_PARTITION = 56
    UPDATE_FEATURES = 57
    ENVELOPE = 58
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66
    ALLOCATE_PRODUCER_IDS = 67
    CONSUMER_GROUP_HEARTBEAT = 68
    CONSUMER_GROUP_DESCRIBE = 69


_HEADER = Packer(">hhih")  # key, version, correlation id, length of the client id
_PREFIX = Packer(">hhi")
_INT32 = Packer(">i")
_FLEXIBLE = {key: VERSION_MAX if row[4] is None else row[4] for key, row in messages.APIS.items()}
_CONTROLLED_SHUTDOWN = 7
_API_VERSIONS = 18


@dataclass(slots=True)
class RequestHeader:
    """What stands before every request."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None = None


def versions(key: int) -> tuple[int, int]:
    """First and last version that this package can read and write. Raises KeyError for unknown keys."""
    row = messages.APIS[key]
    return row[2], row[3]


def flexible_from(key: int) -> int:
    """The first flexible version, or VERSION_MAX. Raises KeyError for unknown keys."""
    return _FLEXIBLE[key]


def request_class(key: int) -> type[Message]:
    """The request's class; imports its module. Raises KeyError for unknown keys."""
    return _load(key, "Request")


def response_class(key: int) -> type[Message]:
    """The response's class; imports its module. Raises KeyError for unknown keys."""
    return _load(key, "Response")


def _load(key: int, suffix: str) -> type[Message]:
    name, module, *_ = messages.APIS[key]
    found: type[Message] = getattr(import_module(f"{messages.__name__}.{module}"), name + suffix)
    return found


def header_version(key: int, version: int) -> int:
    """Version of the request header. Unknown keys count as inflexible."""
    if version >= _FLEXIBLE.get(key, VERSION_MAX):
        return 2
    return 0 if key == _CONTROLLED_SHUTDOWN and version == 0 else 1


def response_header_version(key: int, version: int) -> int:
    """Version of the response header."""
    return 1 if version >= _FLEXIBLE[key] and key != _API_VERSIONS else 0


def parse_request_header(buffer: Records, offset: int = 0) -> tuple[RequestHeader, int]:
    """The header at `offset` of a frame (without its size), and where the body begins. Raises WireError.

    Keys and versions that nobody knows are no error here: ApiVersions must answer them.
    """
    end = len(buffer)
    if end - offset < _PREFIX.size:
        raise WireError(f"a request header takes 8 bytes at least, the frame has {end - offset}")
    key, version, correlation = _PREFIX.unpack_from(buffer, offset)
    kind = header_version(key, version)
    if kind == 0:
        return RequestHeader(key, version, correlation), offset + _PREFIX.size
    if end - offset < _HEADER.size:
        raise WireError("the request header ends early")
    length = _HEADER.unpack_from(buffer, offset)[3]
    offset += _HEADER.size
    client_id = None
    if length >= 0:
        if length > end - offset:
            raise WireError("the client id is longer than the frame")
        try:
            client_id = str(buffer[offset : offset + length], "utf-8")
        except UnicodeDecodeError as error:
            raise WireError("the client id is not UTF-8") from error
        offset += length
    if kind == 2:
        offset = _skip_header_tags(buffer, offset, end)
    return RequestHeader(key, version, correlation, client_id), offset


def parse_response_header(key: int, version: int, buffer: Records, offset: int = 0) -> tuple[int, int]:
    """Correlation id and where the body begins. Raises WireError."""
    if len(buffer) - offset < _INT32.size:
        raise WireError("a response takes 4 bytes at least")
    (correlation,) = _INT32.unpack_from(buffer, offset)
    offset += _INT32.size
    if response_header_version(key, version):
        offset = _skip_header_tags(buffer, offset, len(buffer))
    return correlation, offset


def parse_response(cls: type[M], version: int, buffer: Records) -> tuple[int, M]:
    """Correlation id and body of a whole response frame (without its size). Raises WireError."""
    correlation, offset = parse_response_header(cls.API_KEY, version, buffer)
    return correlation, decode(cls, version, buffer, offset)[0]


def encode_request(message: Message, version: int, correlation_id: int, client_id: str | None) -> list[Records]:
    """A whole request frame in parts, size first; record batches are the caller's own buffers."""
    key = message.API_KEY
    kind = header_version(key, version)
    out = bytearray(4)
    if kind == 0:
        out += _PREFIX.pack(key, version, correlation_id)
    elif client_id is None:
        out += _HEADER.pack(key, version, correlation_id, -1)
    else:
        name = client_id.encode()
        out += _HEADER.pack(key, version, correlation_id, len(name)) + name
    if kind == 2:
        out.append(0)
    return _framed(encode_into(message, version, out), out)


def encode_response(message: Message, version: int, correlation_id: int) -> list[Records]:
    """A whole response frame in parts, size first; record batches are the caller's own buffers."""
    out = bytearray(4)
    out += _INT32.pack(correlation_id)
    if response_header_version(message.API_KEY, version):
        out.append(0)
    return _framed(encode_into(message, version, out), out)


def _framed(parts: list[Records], out: bytearray) -> list[Records]:
    _INT32.pack_into(out, 0, size_of(parts) - 4)
    return parts


def _skip_header_tags(buffer: Records, offset: int, end: int) -> int:
    try:
        return skip_tags(buffer, offset, end)
    except IndexError as error:
        raise WireError("the header's tagged section ends early") from error


def uuid_text(uuid: bytes) -> str:
    """A uuid as Kafka writes it: base64 for URLs, without padding (22 characters)."""
    return base64.urlsafe_b64encode(uuid).rstrip(b"=").decode()


def uuid_bytes(text: str) -> bytes:
    """Undoes `uuid_text`. Raises WireError."""
    try:
        found = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except ValueError as error:
        raise WireError(f"{text!r} is not a uuid: {error}") from error
    if len(found) != 16:
        raise WireError(f"{text!r} is not a uuid: it has {len(found)} bytes")
    return found
