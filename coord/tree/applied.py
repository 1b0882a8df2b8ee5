"""What applying a transaction gave: the reply's parts, and the events for those who watch.

Everything is captured while the transaction is applied, so it stays right when the next one changes the same node.
"""

from __future__ import annotations

from struct import Struct

from coord.errors import SessionMovedError
from coord.wire.codes import EventType, OpCode
from coord.wire.data import ACL
from coord.wire.multi import MULTI_END, MULTI_HEADER
from coord.wire.txns import TxnHeader

__all__ = ["Applied", "Event", "reply_body"]

Event = tuple[EventType, str, tuple[ACL, ...]]
"""(what happened, path, the ACL that decides who may hear of it)."""

_INT = Struct(">i")
_CREATE = OpCode.CREATE.value
_SET_DATA = OpCode.SET_DATA.value
_ERROR = OpCode.ERROR.value
_WITH_STAT = frozenset((OpCode.CREATE2, OpCode.CREATE_CONTAINER, OpCode.CREATE_TTL))
_STAT_ALONE = frozenset((OpCode.SET_DATA, OpCode.SET_ACL))


class Applied:
    """header: the transaction's. type: its type, or an operation's within a multi.

    error: the error code for the reply's header, 0 when it has a body. A failed multi has a body, so it counts as 0,
    unless the session has moved (-118): then the connection is closed without a reply.
    path, stat, data: of the node created or changed; stat is 68 bytes, and empty when nobody waits for the reply.
    results: one for each operation of a multi.
    events: in the order in which Apache triggers watches.
    """

    __slots__ = ("data", "error", "events", "header", "path", "results", "stat", "type")

    def __init__(self, header: TxnHeader, kind: int, events: list[Event]) -> None:
        self.header = header
        self.type = kind
        self.error = 0
        self.path = ""
        self.stat = b""
        self.data: bytes | None = None
        self.results: list[Applied] = []
        self.events = events

    @property
    def session_created(self) -> int | None:
        """The id of the session that this transaction created."""
        return self.header.session_id if self.type == OpCode.CREATE_SESSION else None

    @property
    def session_closed(self) -> int | None:
        """The id of the session that this transaction closed."""
        return self.header.session_id if self.type == OpCode.CLOSE_SESSION else None

    @property
    def session_moved(self) -> bool:
        """Whether the client has to be cut off because its session lives on another server now."""
        return self.error == SessionMovedError.code


def reply_body(applied: Applied, op: int) -> bytes:
    """The bytes that follow the reply's header, for a client that asked for `op`. Empty when `applied.error` is set."""
    if applied.error:
        return b""
    if op == _SET_DATA:
        return applied.stat
    if op == _CREATE:
        return _string(applied.path)
    if op in _WITH_STAT:
        return _string(applied.path) + applied.stat
    if op in _STAT_ALONE:
        return applied.stat
    if op == OpCode.MULTI:
        return b"".join([_result(result) for result in applied.results]) + MULTI_END
    if op == OpCode.RECONFIG:
        data = applied.data or b""
        return _INT.pack(len(data)) + data + applied.stat
    return b""


def _result(result: Applied) -> bytes:
    kind = result.type
    if kind == _ERROR or result.error:
        return MULTI_HEADER.pack(_ERROR, False, result.error) + _INT.pack(result.error)
    if kind == _CREATE:
        return MULTI_HEADER.pack(_CREATE, False, 0) + _string(result.path)
    if kind in _WITH_STAT:
        return MULTI_HEADER.pack(OpCode.CREATE2, False, 0) + _string(result.path) + result.stat
    if kind == _SET_DATA:
        return MULTI_HEADER.pack(_SET_DATA, False, 0) + result.stat
    return MULTI_HEADER.pack(kind, False, 0)


def _string(text: str) -> bytes:
    data = text.encode()
    return _INT.pack(len(data)) + data
