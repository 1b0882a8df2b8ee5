"""Messages to bytes and back, compiled for each message and version on first use.

`decode` and `encode` look up a straight-line function that was generated from the message's `FIELDS`: runs of
fixed-size fields, with the lengths that follow them, are one `struct` call, nested structs are loops in the same
function, and nothing is looked up by name at run time. `reference.py` is the same thing said slowly, and tests hold the
two together.

Rules, as in Kafka's own serialisers:
- a field that the version lacks reads as its default; writing a value other than the default is an error unless the
  field is ignorable;
- unknown tagged fields are skipped; known ones are written only when they differ from their default, in order of tags;
- a length beyond the bytes that remain is an error before anything is allocated for it.

Record batches are memoryview slices of the input, and parts of their own in the output: they are never copied.
Whatever is wrong with the bytes, `WireError` is what is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import error as StructError
from typing import Any, TypeVar

from .decoders import decoder_source
from .encoders import encoder_source
from .fields import Message, Records, WireError

__all__ = [
    "decode",
    "decode_versioned",
    "decoder",
    "encode",
    "encode_into",
    "encode_parts",
    "encode_versioned",
    "encoder",
    "size_of",
]

M = TypeVar("M", bound=Message)
Decoder = Callable[[Records, int, int], tuple[Any, int]]
Encoder = Callable[[Any, bytearray], "list[Records]"]

_SHORT_ERRORS = (IndexError, StructError, OverflowError)
"""What reading behind the end comes to: the compiled functions do not look for it field by field."""
_ENCODE_ERRORS = (AttributeError, TypeError, StructError, UnicodeEncodeError, OverflowError, IndexError)
_decoders: dict[tuple[type[Message], int], Decoder] = {}
_encoders: dict[tuple[type[Message], int], Encoder] = {}


def decode(cls: type[M], version: int, buffer: Records, offset: int = 0) -> tuple[M, int]:
    """One message at `offset` and the offset after it. Raises WireError.

    Fields of type records are memoryviews of `buffer`, everything else is copied.
    """
    run = _decoders.get((cls, version)) or decoder(cls, version)
    try:
        message, end = run(buffer, offset, len(buffer))
    except _SHORT_ERRORS as error:
        raise WireError(f"{cls.__name__} v{version} ends early") from error
    except UnicodeDecodeError as error:
        raise WireError(f"{cls.__name__} v{version} holds a text that is not UTF-8") from error
    return message, end


def encode(message: Message, version: int) -> bytes:
    """The message as bytes. Raises WireError for what the version cannot carry."""
    return b"".join(encode_parts(message, version))


def encode_parts(message: Message, version: int) -> list[Records]:
    """As `encode`, in pieces: record batches are the caller's own buffers, not copies."""
    return encode_into(message, version, bytearray())


def encode_into(message: Message, version: int, out: bytearray) -> list[Records]:
    """As `encode_parts`, with `out` (room for a header, say) as the first part, extended in place."""
    cls = message.__class__
    run = _encoders.get((cls, version)) or encoder(cls, version)
    try:
        return run(message, out)
    except _ENCODE_ERRORS as error:
        raise WireError(f"{cls.__name__} v{version} cannot carry these values: {error}") from error


def encode_versioned(message: Message, version: int) -> bytes:
    """A data message with its version ahead of it, as it lies in records of the internal topics."""
    return version.to_bytes(2, "big") + encode(message, version)


def decode_versioned(cls: type[M], data: Records) -> M:
    """Undoes `encode_versioned`. Bytes behind the message are ignored, as Kafka does."""
    if len(data) < 2:
        raise WireError(f"{cls.__name__} needs two bytes of version, there are {len(data)}")
    return decode(cls, int.from_bytes(data[:2], "big", signed=True), data, 2)[0]


def decoder(cls: type[Message], version: int) -> Decoder:
    """The compiled function behind `decode`: (buffer, offset, end) to (message, offset); raises as it likes."""
    found = _decoders.get((cls, version))
    if found is None:
        _check(cls, version)
        found = _decoders[cls, version] = _compile(decoder_source(cls, version), cls, version)
    return found


def encoder(cls: type[Message], version: int) -> Encoder:
    """The compiled function behind `encode_into`: (message, out) to parts; raises as it likes."""
    found = _encoders.get((cls, version))
    if found is None:
        _check(cls, version)
        found = _encoders[cls, version] = _compile(encoder_source(cls, version), cls, version)
    return found


def _check(cls: type[Message], version: int) -> None:
    low, high = cls.VERSIONS
    if not low <= version <= high:
        raise WireError(f"{cls.__name__} has versions {low} to {high}, not {version}")


def _compile(source: tuple[str, dict[str, Any]], cls: type[Message], version: int) -> Any:
    text, names = source
    exec(compile(text, f"<{cls.__name__} v{version}>", "exec"), names)
    return names["run"]


def size_of(parts: Sequence[Records]) -> int:
    """Bytes in all parts."""
    return sum(len(part) for part in parts)
