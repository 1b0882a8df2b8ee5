"""What a write becomes: the leader turns requests into transactions, over the tree and the changes still in flight.

Every request that comes here consumes its zxid: a refused one becomes an ErrorTxn. Checks come in the order in which
Apache's PrepRequestProcessor makes them, because that decides which of two errors a client sees. A transaction
carries every choice (time, sequence number, versions, the digest of the tree after it), so that applying it needs none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from coord.errors import (
    BadArgumentsError,
    BadVersionError,
    CoordError,
    MarshallingError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    QuotaExceededError,
    ReconfigDisabledError,
    ReconfigInProgressError,
    RuntimeInconsistencyError,
    UnimplementedError,
)
from coord.wire.codes import MULTI_WRITES, CreateMode, OpCode, Perms
from coord.wire.data import ACL, Id
from coord.wire.jute import JuteError, Reader
from coord.wire.multi import MultiRequest
from coord.wire.requests import (
    CheckVersionRequest,
    CreateRequest,
    CreateSessionRequest,
    CreateTTLRequest,
    DeleteContainerRequest,
    DeleteRequest,
    ReconfigRequest,
    SetACLRequest,
    SetDataRequest,
)
from coord.wire.txns import (
    Body,
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    TxnHeader,
    encode_txn,
)

from .acl import Guard
from .changes import Changes
from .paths import CONFIG_NODE, SPECIAL_PATHS, check_name, check_path, sequential, split_parent
from .quota import Track, limits_path, stats_path
from .sessions import SessionTracker
from .tree import Tree
from .znode import (
    CONTAINER_OWNER,
    TTL_MAX,
    NodeState,
    OwnerKind,
    kind_of_owner,
    ttl_of_owner,
    ttl_owner,
    wrap_int,
)

__all__ = ["Decider", "Decision", "Reconfigure", "Request"]

_SEQUENTIAL = frozenset(
    (CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
)
_EPHEMERAL = frozenset((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))
_TTL = frozenset((CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL))
_FLAGS_MAX = max(CreateMode)
_READ = Perms.READ.value
_WRITE = Perms.WRITE.value
_CREATE = Perms.CREATE.value
_DELETE = Perms.DELETE.value
_ADMIN = Perms.ADMIN.value
_OP_CREATE_CONTAINER = OpCode.CREATE_CONTAINER.value
_OP_CREATE_TTL = OpCode.CREATE_TTL.value
_OP_ERROR = OpCode.ERROR.value

Reconfigure = Callable[[ReconfigRequest, int], bytes]
"""(request, zxid) -> the text of the new configuration; raises a CoordError to refuse."""


class Request(NamedTuple):
    """A write, as it came from a client or a learner.

    body: the request's record, without its header. auth: the identities of the client's connection.
    owner: the server the client is connected to (any value that compares equal for the same one), or None for the
    leader's own requests, which belong to no connection.
    """

    session_id: int
    cxid: int
    op: int
    body: bytes | memoryview
    auth: tuple[Id, ...] = ()
    owner: object = None


class Decision(NamedTuple):
    """data: the transaction's bytes, encoded once. header, body, digest: what they say, for `Tree.apply`."""

    data: bytes
    header: TxnHeader
    body: Body
    digest: int | None

    @property
    def refused(self) -> bool:
        """Whether this is an ErrorTxn."""
        return self.header.type == OpCode.ERROR


class Decider:
    """The leader's decisions over one tree. A new leader makes a new one.

    extended_types: whether TTL nodes may be created. enforce_quota: whether hard limits refuse. digests: whether
    transactions carry the tree's digest, by which each server checks itself.
    reconfigure: decides membership changes; without it they are disabled.
    """

    def __init__(
        self,
        tree: Tree,
        sessions: SessionTracker,
        guard: Guard,
        *,
        enforce_quota: bool = False,
        digests: bool = True,
        reconfigure: Reconfigure | None = None,
    ) -> None:
        self._tree = tree
        self._sessions = sessions
        self._guard = guard
        self._changes = Changes(tree)
        self._closing: deque[tuple[int, int]] = deque()
        self._enforce_quota = enforce_quota
        self._digests = digests
        self._reconfigure = reconfigure

    def decide(self, request: Request, zxid: int, now_ms: int) -> Decision:
        """The transaction that `request` becomes. zxid: the next one. now_ms: wall time. Never raises."""
        self._changes.settle()
        op = request.op
        try:
            body = self._decide(op, request, zxid, now_ms)
        except CoordError as error:
            return self._refused(request, zxid, now_ms, error.code)
        except JuteError:
            return self._refused(request, zxid, now_ms, MarshallingError.code)
        header = TxnHeader(request.session_id, request.cxid, zxid, now_ms, op)
        digest = self._changes.digest if self._digests else None
        return Decision(encode_txn(header, body, digest), header, body, digest)

    def applied(self, zxid: int) -> None:
        """The tree has applied everything up to `zxid`: what was in flight until then is forgotten."""
        self._changes.applied(zxid)
        closing = self._closing
        while closing and closing[0][0] <= zxid:
            self._sessions.remove(closing.popleft()[1])

    @property
    def in_flight(self) -> int:
        """Changes that were decided and are not applied yet."""
        return len(self._changes)

    def _refused(self, request: Request, zxid: int, now_ms: int, code: int) -> Decision:
        header = TxnHeader(request.session_id, request.cxid, zxid, now_ms, OpCode.ERROR)
        body = ErrorTxn(code)
        return Decision(encode_txn(header, body, None), header, body, None)

    def _decide(self, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        if op == OpCode.MULTI:
            return self._multi(request, zxid, now_ms)
        decide = _SINGLES.get(op)
        if decide is None:
            raise UnimplementedError
        read, method = decide
        return method(self, read(Reader(request.body)), op, request, zxid, now_ms)

    # ---- nodes -------------------------------------------------------------------------------------------------------

    def _create(self, record: CreateRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        flags = record.flags
        if not 0 <= flags <= _FLAGS_MAX:
            raise BadArgumentsError(record.path)
        if flags in _TTL:
            raise BadArgumentsError(record.path) if self._tree.extended_types else UnimplementedError(record.path)
        owner = 0
        if op == _OP_CREATE_CONTAINER:
            owner = CONTAINER_OWNER
        elif flags in _EPHEMERAL:
            owner = request.session_id
        path, acl, cversion = self._create_node(record, request, zxid, now_ms, owner)
        if op == _OP_CREATE_CONTAINER:
            return CreateContainerTxn(path, record.data, acl, cversion)
        return CreateTxn(path, record.data, acl, owner != 0, cversion)

    def _create_ttl(self, record: CreateTTLRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        if not self._tree.extended_types:
            raise UnimplementedError(record.path)
        if record.flags not in _TTL or not 0 < record.ttl <= TTL_MAX:
            raise BadArgumentsError(record.path)
        path, acl, cversion = self._create_node(record, request, zxid, now_ms, ttl_owner(record.ttl))
        return CreateTTLTxn(path, record.data, acl, cversion, record.ttl)

    def _create_node(
        self, record: CreateRequest | CreateTTLRequest, request: Request, zxid: int, now_ms: int, owner: int
    ) -> tuple[str, tuple[ACL, ...], int]:
        """Returns the path, the ACL and the parent's cversion afterwards."""
        self._sessions.check(request.session_id, request.owner, to_own=owner == request.session_id)
        path = record.path
        parent_path, name = split_parent(path)
        acl = self._guard.fix(record.acl, request.auth, path)
        changes = self._changes
        parent = changes.get(parent_path)
        if parent is None:
            raise NoNodeError(path)
        self._guard.check(parent.acl, _CREATE, request.auth, path)
        if record.flags in _SEQUENTIAL:
            path = sequential(path, parent.cversion)
            name = sequential(name, parent.cversion)
        if path != "/":  # that one is legal, and is there already
            check_name(name, path)
        if changes.get(path) is not None:
            raise NodeExistsError(path)
        if parent.owner and kind_of_owner(parent.owner, self._tree.extended_types) is OwnerKind.EPHEMERAL:
            raise NoChildrenForEphemeralsError(path)
        if self._enforce_quota:
            self._check_quota(path, len(record.data or b""), 1)
        cversion = wrap_int(parent.cversion + 1)
        change = changes.update(parent_path, parent, zxid, parent.count() + 1)
        if cversion > change.cversion:  # as it will be applied: a counter that has wrapped around stays where it was
            change.cversion = cversion
            change.pzxid = zxid
        changes.count_in(change)
        changes.create(path, record.data, acl, zxid, now_ms, owner)
        return path, acl, cversion

    def _delete(self, record: DeleteRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        self._sessions.check(request.session_id, request.owner)
        path = record.path
        parent_path, parent = self._parent_of(path)
        self._guard.check(parent.acl, _DELETE, request.auth, path)
        node = self._node(path)
        _next_version(node.version, record.version, path)
        if node.count():
            raise NotEmptyError(path)
        self._remove(path, node, parent_path, parent, zxid)
        return DeleteTxn(path)

    def _delete_container(
        self, record: DeleteContainerRequest, op: int, request: Request, zxid: int, now_ms: int
    ) -> Body:
        if request.session_id:  # the leader's own housekeeping; Apache would let clients ask for it too
            raise UnimplementedError(record.path)
        path = record.path
        parent_path, parent = self._parent_of(path)
        node = self._node(path)
        if node.count():
            raise NotEmptyError(path)
        kind = kind_of_owner(node.owner, self._tree.extended_types)
        if kind not in (OwnerKind.CONTAINER, OwnerKind.TTL):
            raise BadVersionError(path)
        if kind is OwnerKind.TTL and now_ms - node.mtime <= ttl_of_owner(node.owner):
            raise BadVersionError(path)  # changed since it was found; Apache's leader would delete it
        self._remove(path, node, parent_path, parent, zxid)
        return DeleteTxn(path)

    def _set_data(self, record: SetDataRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        self._sessions.check(request.session_id, request.owner)
        path = record.path
        data = record.data
        node = self._valid_node(path)
        self._guard.check(node.acl, _WRITE, request.auth, path)
        if self._enforce_quota:
            self._check_quota(path, len(data or b"") - len(node.data or b""), 0)
        version = _next_version(node.version, record.version, path)
        change = self._changes.update(path, node, zxid, node.count())
        change.version = version
        change.mtime = now_ms
        change.mzxid = zxid
        self._changes.replace_data(change, data)
        self._changes.count_in(change)
        return SetDataTxn(path, data, version)

    def _set_acl(self, record: SetACLRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        self._sessions.check(request.session_id, request.owner)
        path = record.path
        check_path(path)
        acl = self._guard.fix(record.acl, request.auth, path)
        node = self._node(path)
        self._guard.check(node.acl, _ADMIN, request.auth, path)
        version = _next_version(node.aversion, record.version, path)
        change = self._changes.update(path, node, zxid, node.count())
        change.acl = acl
        change.aversion = version
        self._changes.count_in(change)
        return SetACLTxn(path, acl, version)

    def _check(self, record: CheckVersionRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        self._sessions.check(request.session_id, request.owner)
        node = self._valid_node(record.path)
        self._guard.check(node.acl, _READ, request.auth, record.path)
        return CheckVersionTxn(record.path, _next_version(node.version, record.version, record.path))

    def _reconfig(self, record: ReconfigRequest, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        if self._reconfigure is None:
            raise ReconfigDisabledError
        self._sessions.check(request.session_id, request.owner)
        if self._changes.get(CONFIG_NODE) is not self._tree.nodes.get(CONFIG_NODE):
            raise ReconfigInProgressError
        text = self._reconfigure(record, zxid)
        node = self._node(CONFIG_NODE)
        self._guard.check(node.acl, _WRITE, request.auth, CONFIG_NODE)
        change = self._changes.update(CONFIG_NODE, node, zxid, node.count())
        change.version = -1
        change.mtime = now_ms
        change.mzxid = zxid
        self._changes.replace_data(change, text)
        self._changes.count_in(change)
        return SetDataTxn(CONFIG_NODE, text, -1)

    # ---- sessions ----------------------------------------------------------------------------------------------------

    def _create_session(
        self, record: CreateSessionRequest, op: int, request: Request, zxid: int, now_ms: int
    ) -> Body:
        self._sessions.track(request.session_id, record.timeout_ms, request.owner)
        return CreateSessionTxn(record.timeout_ms)

    def _close_session(self, record: None, op: int, request: Request, zxid: int, now_ms: int) -> Body:
        # Whose session it is is not asked: expiry closes sessions of other servers, and it is the last request anyway.
        session_id = request.session_id
        paths = self._changes.owned_by(session_id)
        for path in paths:
            parent_path, parent = self._parent_of(path)
            self._remove(path, self._node(path), parent_path, parent, zxid)
        self._sessions.close(session_id)
        self._closing.append((zxid, session_id))
        return CloseSessionTxn(paths)

    # ---- all or nothing ----------------------------------------------------------------------------------------------

    def _multi(self, request: Request, zxid: int, now_ms: int) -> MultiTxn:
        ops = MultiRequest.read(Reader(request.body)).ops
        if not MULTI_WRITES.issuperset([op for op, _ in ops]):
            raise MarshallingError
        txns: list[tuple[int, Body]] = []
        digest = self._changes.begin()
        try:
            for op, record in ops:
                txns.append((op, _IN_MULTI[op](self, record, op, request, zxid, now_ms)))
        except CoordError as error:
            self._changes.rollback(digest)
            # What was decided before the failure stays in the transaction, as in Apache; nobody applies it.
            txns.append((_OP_ERROR, ErrorTxn(error.code)))
            txns.extend([(_OP_ERROR, ErrorTxn(RuntimeInconsistencyError.code))] * (len(ops) - len(txns)))
        else:
            self._changes.commit()
        return MultiTxn(txns)

    # ---- what they share ---------------------------------------------------------------------------------------------

    def _node(self, path: str) -> NodeState:
        node = self._changes.get(path)
        if node is None:
            raise NoNodeError(path)
        return node

    def _valid_node(self, path: str) -> NodeState:
        node = self._changes.get(path) if path else None
        if node is None:
            check_path(path)  # only legal paths are in the tree, so only a missing one can be illegal
            raise NoNodeError(path)
        return node

    def _parent_of(self, path: str) -> tuple[str, NodeState]:
        parent_path, _ = split_parent(path)
        if path in SPECIAL_PATHS:
            raise BadArgumentsError(path)
        return parent_path, self._node(parent_path)

    def _remove(self, path: str, node: NodeState, parent_path: str, parent: NodeState, zxid: int) -> None:
        change = self._changes.update(parent_path, parent, zxid, parent.count() - 1)
        change.pzxid = zxid
        self._changes.count_in(change)
        self._changes.delete(path, node, zxid)

    def _check_quota(self, path: str, size: int, count: int) -> None:
        limited = self._tree.quotas.nearest(path)
        if limited is None:
            return
        limits = self._tree.nodes.get(limits_path(limited))
        use = self._tree.nodes.get(stats_path(limited))
        if limits is not None and use is not None and Track(limits.data).exceeds_hard(Track(use.data), count, size):
            raise QuotaExceededError(limited)


def _next_version(current: int, expected: int, path: str) -> int:
    """The version after a change. Raises BadVersionError unless `expected` is the current one or -1, any."""
    if expected not in (-1, current):
        raise BadVersionError(path)
    version = wrap_int(current + 1)
    return version if version != -1 else 0  # -1 could never be asked for again


def _read_nothing(r: Reader) -> None:
    return None


_Method = Callable[[Decider, Any, int, Request, int, int], Body]

_IN_MULTI: dict[int, _Method] = {
    OpCode.CREATE: Decider._create,
    OpCode.CREATE2: Decider._create,
    OpCode.CREATE_CONTAINER: Decider._create,
    OpCode.CREATE_TTL: Decider._create_ttl,
    OpCode.DELETE: Decider._delete,
    OpCode.SET_DATA: Decider._set_data,
    OpCode.CHECK: Decider._check,
}

_SINGLES: dict[int, tuple[Callable[[Reader], Any], _Method]] = {
    OpCode.CREATE: (CreateRequest.read, Decider._create),
    OpCode.CREATE2: (CreateRequest.read, Decider._create),
    OpCode.CREATE_CONTAINER: (CreateRequest.read, Decider._create),
    OpCode.CREATE_TTL: (CreateTTLRequest.read, Decider._create_ttl),
    OpCode.DELETE: (DeleteRequest.read, Decider._delete),
    OpCode.DELETE_CONTAINER: (DeleteContainerRequest.read, Decider._delete_container),
    OpCode.SET_DATA: (SetDataRequest.read, Decider._set_data),
    OpCode.SET_ACL: (SetACLRequest.read, Decider._set_acl),
    OpCode.RECONFIG: (ReconfigRequest.read, Decider._reconfig),
    OpCode.CREATE_SESSION: (CreateSessionRequest.read, Decider._create_session),
    OpCode.CLOSE_SESSION: (_read_nothing, Decider._close_session),
}
