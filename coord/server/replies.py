"""Reply frames: the length of what follows, then xid, zxid and error code, then the reply's record."""

from __future__ import annotations

from struct import Struct

__all__ = ["reply_frame"]

_HEADER = Struct(">iiqi")
_SIZE = _HEADER.size - 4


def reply_frame(xid: int, zxid: int, code: int = 0, body: bytes = b"") -> bytes:
    """zxid: of the last transaction applied here. code: 0, or an error, and then there is no body."""
    return _HEADER.pack(_SIZE + len(body), xid, zxid, code) + body
