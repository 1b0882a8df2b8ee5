"""A leader's tree to write to, in one line for each request; the tests of this folder share it."""

from __future__ import annotations

from typing import Any

from coord.tree.acl import Guard
from coord.tree.applied import Applied
from coord.tree.decide import Decider, Decision, Request
from coord.tree.sessions import SessionTracker
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.jute import Writer
from coord.wire.records import (
    ACL,
    OPEN_ACL_UNSAFE,
    CheckVersionRequest,
    CreateRequest,
    CreateSessionRequest,
    CreateTTLRequest,
    DeleteContainerRequest,
    DeleteRequest,
    Id,
    MultiRequest,
    Record,
    SetACLRequest,
    SetDataRequest,
)
from coord.wire.txns import CreateContainerTxn, CreateTTLTxn, CreateTxn

__all__ = [
    "CLOSE",
    "SESSION",
    "Leader",
    "Op",
    "check",
    "container",
    "create",
    "created",
    "delete",
    "delete_container",
    "encode",
    "multi",
    "set_acl",
    "set_data",
    "ttl",
]

SESSION = 0x100
Op = tuple[int, Record | None]
"""(operation code, request)"""


def encode(record: Record | None) -> bytes:
    w = Writer()
    if record is not None:
        record.write(w)
    return w.getvalue()


def create(
    path: str, data: bytes | None = b"", flags: int = 0, acl: tuple[ACL, ...] = OPEN_ACL_UNSAFE, op: int = OpCode.CREATE
) -> Op:
    return op, CreateRequest(path, data, acl, flags)


def container(path: str) -> Op:
    return OpCode.CREATE_CONTAINER, CreateRequest(path, b"", OPEN_ACL_UNSAFE, 4)


def ttl(path: str, ttl_ms: int, flags: int = 5) -> Op:
    return OpCode.CREATE_TTL, CreateTTLRequest(path, b"", OPEN_ACL_UNSAFE, flags, ttl_ms)


def delete(path: str, version: int = -1) -> Op:
    return OpCode.DELETE, DeleteRequest(path, version)


def delete_container(path: str) -> Op:
    return OpCode.DELETE_CONTAINER, DeleteContainerRequest(path)


def set_data(path: str, data: bytes | None, version: int = -1) -> Op:
    return OpCode.SET_DATA, SetDataRequest(path, data, version)


def set_acl(path: str, acl: tuple[ACL, ...], version: int = -1) -> Op:
    return OpCode.SET_ACL, SetACLRequest(path, acl, version)


def check(path: str, version: int = -1) -> Op:
    return OpCode.CHECK, CheckVersionRequest(path, version)


def multi(*ops: Op) -> Op:
    return OpCode.MULTI, MultiRequest(list(ops))  # type: ignore[arg-type]


CLOSE: Op = (OpCode.CLOSE_SESSION, None)


class Leader:
    """Decides and applies. The clock is the zxid times 1000."""

    def __init__(self, *, extended_types: bool = False, sessions: tuple[int, ...] = (SESSION,), **options: Any) -> None:
        self.tree = Tree(extended_types=extended_types)
        self.sessions = SessionTracker(2000, 0.0)
        self.decider = Decider(self.tree, self.sessions, Guard(), **options)
        self.zxid = 0
        for session_id in sessions:
            self.write((OpCode.CREATE_SESSION, CreateSessionRequest(4000)), session_id)

    def decide(
        self, op: Op, session_id: int = SESSION, auth: tuple[Id, ...] = (), owner: object = "here", body: Any = None
    ) -> Decision:
        """Decides, and leaves it in flight."""
        self.zxid += 1
        data = encode(op[1]) if body is None else body
        return self.decider.decide(
            Request(session_id, self.zxid, op[0], data, auth, owner), self.zxid, self.zxid * 1000
        )

    def apply(self, decision: Decision) -> Applied:
        """Applies what was decided; the digest must be the one decided."""
        applied = self.tree.apply(decision.header, decision.body, decision.digest)
        self.decider.applied(decision.header.zxid)
        assert self.tree.digest_mismatches == 0
        return applied

    def write(self, op: Op, session_id: int = SESSION, auth: tuple[Id, ...] = ()) -> Applied:
        """Decides and applies."""
        return self.apply(self.decide(op, session_id, auth))

    def error(self, op: Op, session_id: int = SESSION, auth: tuple[Id, ...] = ()) -> int:
        """The code with which a request is refused, 0 when it is not."""
        applied = self.write(op, session_id, auth)
        return next((result.error for result in applied.results if result.error), applied.error)

    def paths(self) -> set[str]:
        """The nodes that clients have made."""
        return {path for path in self.tree.nodes if path not in ("", "/") and not path.startswith("/zookeeper")}


def created(decision: Decision) -> str:
    """The path that a create has been given."""
    assert isinstance(decision.body, (CreateTxn, CreateContainerTxn, CreateTTLTxn)), decision.body
    return decision.body.path
