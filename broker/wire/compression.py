"""The four codecs of record batches, both ways, with bounded output.

Kafka's own choices, where a codec leaves room for them:
- snappy: the framing of snappy-java (a magic header, then blocks with their length) when writing; both that and one
  raw block when reading, because librdkafka and others send raw blocks;
- lz4: frames with independent blocks, as Kafka's reader refuses blocks that depend on one another;
- gzip and zstd: plain streams.

Output is bounded by what the caller allows, whatever the input claims: a small batch may unpack to gigabytes.
"""

from __future__ import annotations

import zlib
from struct import Struct as Packer
from types import ModuleType

import cramjam

from .batches import BatchError, Codec
from .errors import ErrorCode
from .fields import Records

__all__ = ["DECOMPRESSED_MAX", "compress", "decompress"]

DECOMPRESSED_MAX = 256 * 1024 * 1024
"""Bytes that one batch may unpack to."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK = 32 * 1024
_GZIP_WINDOW = 31  # zlib's way to say: with a gzip header
_INT32 = Packer(">i")
_GROWTH = 8
_TOO_SMALL = "failed to write whole buffer"


def compress(codec: int, data: Records) -> bytes:
    """`data` in the codec's format. Raises ValueError for a codec that does not exist."""
    if codec == Codec.NONE:
        return bytes(data)
    if codec == Codec.GZIP:
        packer = zlib.compressobj(wbits=_GZIP_WINDOW)
        return packer.compress(data) + packer.flush()
    if codec == Codec.SNAPPY:
        return _xerial(memoryview(data))
    if codec == Codec.LZ4:
        frame = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
        frame.compress(bytes(data))
        return bytes(frame.finish())
    if codec == Codec.ZSTD:
        return bytes(cramjam.zstd.compress(bytes(data), level=3))
    raise ValueError(f"there is no compression {codec}")


def decompress(codec: int, data: Records, size_max: int = DECOMPRESSED_MAX) -> bytes:
    """What `data` unpacks to, at most `size_max` bytes. Raises BatchError."""
    try:
        if codec == Codec.NONE:
            return bytes(data)
        if codec == Codec.GZIP:
            return _gunzip(data, size_max)
        if codec == Codec.SNAPPY:
            return _unsnappy(memoryview(data), size_max)
        if codec == Codec.LZ4:
            return _bounded(cramjam.lz4, data, size_max)
        if codec == Codec.ZSTD:
            return _bounded(cramjam.zstd, data, size_max)
    except (cramjam.DecompressionError, zlib.error, ValueError) as error:
        raise BatchError(ErrorCode.CORRUPT_MESSAGE, f"the records do not unpack ({Codec(codec).name.lower()}): {error}") from error
    raise BatchError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression {codec}")


def _gunzip(data: Records, size_max: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
    out = unpacker.decompress(data, size_max + 1)
    if len(out) > size_max:
        raise ValueError(f"more than {size_max} bytes")
    if not unpacker.eof:
        raise ValueError("the stream ends early")
    return out


def _xerial(data: memoryview) -> bytes:
    out = bytearray(_XERIAL_HEADER)
    for start in range(0, len(data), _XERIAL_BLOCK):
        block = cramjam.snappy.compress_raw(bytes(data[start : start + _XERIAL_BLOCK]))
        out += _INT32.pack(len(block))
        out += block
    return bytes(out)


def _unsnappy(data: memoryview, size_max: int) -> bytes:
    if data[:8] != _XERIAL:
        return _unsnappy_block(data, size_max)
    out = bytearray()
    at = len(_XERIAL_HEADER)
    while at < len(data):
        if len(data) - at < _INT32.size:
            raise ValueError("a block's length is cut off")
        (size,) = _INT32.unpack_from(data, at)
        at += _INT32.size
        if not 0 <= size <= len(data) - at:
            raise ValueError(f"a block claims {size} bytes, there are {len(data) - at}")
        out += _unsnappy_block(data[at : at + size], size_max - len(out))
        at += size
    return bytes(out)


def _unsnappy_block(block: memoryview, size_max: int) -> bytes:
    held = bytes(block)
    if cramjam.snappy.decompress_raw_len(held) > size_max:
        raise ValueError(f"more than {size_max} bytes")
    return bytes(cramjam.snappy.decompress_raw(held))


def _bounded(codec: ModuleType, data: Records, size_max: int) -> bytes:
    """Unpacks into a buffer of a guessed size, and into larger ones until it fits or the limit is reached."""
    held = bytes(data)
    room = min(max(len(held) * _GROWTH, 64 * 1024), size_max)
    while True:
        out = bytearray(room)
        try:
            size: int = codec.decompress_into(held, out)
        except cramjam.DecompressionError as error:
            if room == size_max or _TOO_SMALL not in str(error):
                raise
            room = min(room * _GROWTH, size_max)
        else:
            return bytes(memoryview(out)[:size])
