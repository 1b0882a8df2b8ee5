"""Variable-length integers: unsigned LEB128 as lengths and tags (KIP-482), zigzag of it in records.

The compiled codecs handle the one-byte case in line and call here for the rest.
"""

from __future__ import annotations

from .fields import WireError

__all__ = ["UVARINTS", "read_uvarint", "read_varint", "uvarint", "varint"]

Buffer = bytes | bytearray | memoryview


def read_uvarint(buffer: Buffer, offset: int, bits_max: int = 32) -> tuple[int, int]:
    """Value and next offset. Raises WireError past `bits_max` bits, IndexError past the end."""
    value = shift = 0
    while True:
        byte = buffer[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift >= bits_max:
            raise WireError("a variable-length integer is too long")
    if value >> bits_max:
        raise WireError("a variable-length integer is too large")
    return value, offset


def read_varint(buffer: Buffer, offset: int) -> tuple[int, int]:
    """A zigzag value of up to 64 bits, and the next offset."""
    value = buffer[offset]
    offset += 1
    if value >= 0x80:
        second = buffer[offset]
        if second >= 0x80:
            value, offset = read_uvarint(buffer, offset - 1, 64)
        else:
            value = (value & 0x7F) | second << 7
            offset += 1
    return (value >> 1) ^ -(value & 1), offset


def uvarint(value: int) -> bytes:
    """LEB128 of a value >= 0."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(value: int) -> bytes:
    """LEB128 of the zigzag of a signed value of up to 64 bits."""
    return uvarint((value << 1) ^ (value >> 63))


UVARINTS = [uvarint(value) for value in range(1024)]
"""Encodings of the lengths that occur most."""
