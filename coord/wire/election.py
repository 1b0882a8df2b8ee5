"""The election port: the header that opens a connection, and the notifications that follow.

A connection starts with the initiator's header: long version, long sid, int length, the election address as text. An
initiator from before ZooKeeper 3.5 sends its sid alone, which is how a number that is not negative is understood. Then
both sides send frames: int length, notification.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from .jute import JuteError

__all__ = ["FRAME_BYTES_MAX", "HEADER_BYTES_MAX", "Header", "Notification", "parse_frames", "parse_header"]

FRAME_BYTES_MAX = 512 * 1024
ADDRESS_BYTES_MAX = 2048
HEADER_BYTES_MAX = 20 + ADDRESS_BYTES_MAX
_V1 = -65536
_V2 = -65535  # several addresses, joined by |

_LONG = Struct(">q")
_INT = Struct(">i")
_HEADER = Struct(">qqi")
_OLDEST = Struct(">iqqq")  # state, leader, zxid, round
_NOTIFICATION = Struct(">iqqqqii")
_VERSION = 2
_LOOKING, _OBSERVING = 0, 3


class Header(NamedTuple):
    """Who connects. addresses: "host:port" of its election ports; empty from an initiator of the oldest kind."""

    sid: int
    addresses: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Version 1 with one address, version 2 with several."""
        address = "|".join(self.addresses).encode()
        return _HEADER.pack(_V1 if len(self.addresses) < 2 else _V2, self.sid, len(address)) + address


def parse_header(data: bytes | memoryview) -> tuple[Header, int] | None:
    """The header and its size, or None when it is not all here. Raises JuteError."""
    if len(data) < 8:
        return None
    (version,) = _LONG.unpack_from(data)
    if version >= 0:
        return Header(version), 8
    if version not in (_V1, _V2):
        raise JuteError(f"an election header of version {version}")
    if len(data) < _HEADER.size:
        return None
    _, sid, size = _HEADER.unpack_from(data)
    if not 0 < size <= ADDRESS_BYTES_MAX:
        raise JuteError(f"an election header with an address of {size} bytes")
    stop = _HEADER.size + size
    if len(data) < stop:
        return None
    text = str(data[_HEADER.size : stop], "utf-8", "replace")
    return Header(sid, tuple(text.split("|"))), stop


class Notification(NamedTuple):
    """One server's vote and what it is doing.

    state: 0 LOOKING, 1 FOLLOWING, 2 LEADING, 3 OBSERVING. round: the election's number ("electionEpoch"). peer_epoch: the
    epoch of the proposed leader's history. version: 0 before ZooKeeper 3.5. config: the configuration text, from 3.5 on.
    """

    state: int
    leader: int
    zxid: int
    round: int
    peer_epoch: int
    version: int = _VERSION
    config: bytes = b""

    def frame(self) -> bytes:
        """As a frame of the newest version."""
        size = _NOTIFICATION.size + len(self.config)
        fields = (self.state, self.leader, self.zxid, self.round, self.peer_epoch, _VERSION, len(self.config))
        return _INT.pack(size) + _NOTIFICATION.pack(*fields) + self.config

    @classmethod
    def parse(cls, data: bytes) -> Notification:
        """Any version's. Raises JuteError."""
        size = len(data)
        if size < _OLDEST.size:
            raise JuteError(f"a notification of {size} bytes")
        state, leader, zxid, round_ = _OLDEST.unpack_from(data)
        if not _LOOKING <= state <= _OBSERVING:
            raise JuteError(f"a notification with state {state}")
        if size < 36:  # before ZooKeeper 3.4
            return cls(state, leader, zxid, round_, zxid >> 32, 0)
        (peer_epoch,) = _LONG.unpack_from(data, 28)
        # 3.4 sends a version word too, but servers of its time and ours read its 40 bytes as version 0
        version = _INT.unpack_from(data, 36)[0] if size > 40 else 0
        if version < _VERSION or size < _NOTIFICATION.size:
            return cls(state, leader, zxid, round_, peer_epoch, version)
        (length,) = _INT.unpack_from(data, 40)
        if not 0 <= length <= size - _NOTIFICATION.size:
            raise JuteError(f"a notification of {size} bytes with a configuration of {length}")
        config = data[_NOTIFICATION.size : _NOTIFICATION.size + length]
        return cls(state, leader, zxid, round_, peer_epoch, version, config)


def parse_frames(data: bytes | memoryview) -> tuple[list[Notification], int]:
    """The notifications whole in `data` and how many bytes they took. Raises JuteError."""
    notifications: list[Notification] = []
    offset = 0
    while len(data) - offset >= 4:
        (size,) = _INT.unpack_from(data, offset)
        if not 0 < size <= FRAME_BYTES_MAX:
            raise JuteError(f"an election frame of {size} bytes")
        if len(data) - offset - 4 < size:
            break
        offset += 4
        notifications.append(Notification.parse(bytes(data[offset : offset + size])))
        offset += size
    return notifications, offset
