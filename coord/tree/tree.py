"""The replicated state machine: the tree of znodes and the sessions, changed by `apply` and by nothing else.

`apply` is total and deterministic: it never refuses a transaction and never raises, because the quorum has already agreed
on it. Transactions carry absolute versions, so that a log can be replayed over a snapshot that already holds some of its
effects; then "node exists" and "no node" are expected, and a create that is already there still raises its parent's
cversion and pzxid. After each transaction the tree's digest must be the one the leader computed; a difference is counted
and nothing else, as in Apache, since no server can know which side is wrong.

The leader decides what a transaction says: `decide`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coord.errors import NodeExistsError, NoNodeError, RuntimeInconsistencyError, SessionMovedError
from coord.wire.codes import EventType, OpCode
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, UNKNOWN_ACL
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
    decode_txn,
)

from .acl_cache import AclCache
from .applied import Applied
from .frozen import Frozen
from .paths import CONFIG_NODE, QUOTA_NODE, ZOOKEEPER_NODE
from .quota import STATS_NAME, QuotaPaths, Track, stats_path
from .znode import (
    CONTAINER_OWNER,
    PERSISTED_STAT,
    OwnerKind,
    Znode,
    digest_seed,
    kind_of_owner,
    ttl_of_owner,
    ttl_owner,
)

__all__ = ["DIGEST_MASK", "FUZZY", "Tree"]

DIGEST_MASK = (1 << 64) - 1
FUZZY = (1 << 63) - 1
"""`Tree.fuzzy_until` of a snapshot that runs ahead of its zxid, nobody knows how far."""

_NO_NODE = NoNodeError.code
_NODE_EXISTS = NodeExistsError.code
_NOT_DONE = RuntimeInconsistencyError.code
_CREATED = EventType.NODE_CREATED
_DELETED = EventType.NODE_DELETED
_DATA_CHANGED = EventType.NODE_DATA_CHANGED
_CHILDREN_CHANGED = EventType.NODE_CHILDREN_CHANGED
_ERROR = OpCode.ERROR.value


class Tree:
    """nodes: path -> node; the root is there as "" and as "/". Read it freely, change it through `apply`.

    sessions: session id -> timeout in ms. ephemerals: session id -> the paths it owns, in order of creation.
    containers, ttls: paths of the nodes that are removed when they are empty (or expired).
    last_zxid: of the last transaction applied. digest: of the nodes, 0 .. 2**64 - 1.
    fuzzy_until: up to this zxid digests are not compared, because a fuzzy snapshot runs ahead of the log; `FUZZY` where
    nobody knows yet how far.
    digest_mismatches: transactions after which our digest was not the leader's.
    data_size: bytes of all paths and data.
    """

    def __init__(self, *, extended_types: bool = False) -> None:
        self.extended_types = extended_types
        self.nodes: dict[str, Znode] = {}
        self.sessions: dict[int, int] = {}
        self.ephemerals: dict[int, dict[str, None]] = {}
        self.containers: dict[str, None] = {}
        self.ttls: dict[str, None] = {}
        self.last_zxid = 0
        self.digest = 0
        self.fuzzy_until = 0
        self.digest_mismatches = 0
        self.data_size = 0
        self.quotas = QuotaPaths()
        self._acls = AclCache()
        self._frozen: Frozen | None = None
        self._cuts = 0
        self._plant("", b"", OPEN_ACL_UNSAFE)
        self.nodes["/"] = self.nodes[""]
        self.data_size += 1
        for path in (ZOOKEEPER_NODE, QUOTA_NODE):
            self._plant(path, b"", OPEN_ACL_UNSAFE)
        self._plant(CONFIG_NODE, b"", READ_ACL_UNSAFE).aversion = -1

    def _plant(self, path: str, data: bytes, acl: tuple[ACL, ...]) -> Znode:
        """One of the nodes that every tree begins with: no transaction made them, so all their numbers are 0."""
        parent, _, name = path.rpartition("/")
        node = Znode()
        node.born(path, data, self._acls.take(acl), 0, 0, 0)
        if path:
            self._adopt(self.nodes[parent], name)
        self.nodes[path] = node
        self.digest = self.digest + node.digest & DIGEST_MASK
        self.data_size += len(path) + len(data)
        return node

    # ---- applying ----------------------------------------------------------------------------------------------------

    def apply(self, header: TxnHeader, body: Body, digest: int | None = None, *, answer: bool = True) -> Applied:
        """Applies one transaction. digest: the leader's, from the transaction, if it has one.

        answer: whether somebody on this server waits for the reply; without it no Stat is made.
        """
        applied = Applied(header, header.type, [])
        _APPLY[header.type](self, body, applied, answer)
        zxid = header.zxid
        if zxid > self.last_zxid:
            self.last_zxid = zxid
        if digest is not None and digest != self.digest and zxid > self.fuzzy_until:
            self.digest_mismatches += 1
        return applied

    def apply_bytes(self, data: bytes | memoryview) -> Applied:
        """Applies an encoded transaction when nobody waits for a reply: recovery, and learners. Raises JuteError."""
        header, body, digest = decode_txn(data)
        return self.apply(header, body, digest, answer=False)

    def _apply_create(self, body: CreateTxn, applied: Applied, answer: bool) -> None:
        owner = applied.header.session_id if body.ephemeral else 0
        self._create(applied, body.path, body.data, body.acl, owner, body.parent_cversion)
        if answer and applied.type == OpCode.CREATE2 and not applied.error:
            applied.stat = self.nodes[body.path].stat()

    def _apply_create_container(self, body: CreateContainerTxn, applied: Applied, answer: bool) -> None:
        self._create(applied, body.path, body.data, body.acl, CONTAINER_OWNER, body.parent_cversion)
        if answer and not applied.error:
            applied.stat = self.nodes[body.path].stat()

    def _apply_create_ttl(self, body: CreateTTLTxn, applied: Applied, answer: bool) -> None:
        self._create(applied, body.path, body.data, body.acl, ttl_owner(body.ttl), body.parent_cversion)
        if answer and not applied.error:
            applied.stat = self.nodes[body.path].stat()

    def _create(
        self, applied: Applied, path: str, data: bytes | None, acl: tuple[ACL, ...], owner: int, parent_cversion: int
    ) -> None:
        applied.path = path
        nodes = self.nodes
        parent_path, _, name = path.rpartition("/")
        parent = nodes.get(parent_path)
        if parent is None:
            applied.error = _NO_NODE
            return
        if self._frozen is not None:
            self._frozen.keep(parent)
        zxid = applied.header.zxid
        if path in nodes:
            applied.error = _NODE_EXISTS
            self._raise_cversion(parent, parent_cversion, zxid)
            self._learn_acl(nodes[path], acl, zxid)
            return
        self._adopt(parent, name)
        self._raise_cversion(parent, parent_cversion, zxid)
        node = Znode()
        node.born(path, data, self._acls.take(acl), zxid, applied.header.time_ms, owner)
        if self._frozen is not None:
            node.passed = self._frozen.number
        if owner:
            node.shown_owner = self._own(path, owner)
        nodes[path] = node
        self.digest = self.digest + node.digest & DIGEST_MASK
        self.data_size += len(path) + (len(data) if data else 0)
        if self.quotas.paths or parent_path.startswith(QUOTA_NODE):
            self._quota_created(parent_path, name, path, data)
        applied.events.append((_CREATED, path, node.acl))
        applied.events.append((_CHILDREN_CHANGED, parent_path or "/", parent.acl))

    def _learn_acl(self, node: Znode, acl: tuple[ACL, ...], zxid: int) -> None:
        """A fuzzy snapshot lists its ACLs first: what was created later may have one that is not in the list."""
        if node.czxid == zxid and node.acl == UNKNOWN_ACL:
            self._acls.release(node.acl)
            node.acl = self._acls.take(acl)

    def _adopt(self, parent: Znode, name: str) -> None:
        if parent.children is None:
            parent.children = {name: None}
        else:
            parent.children[name] = None
        parent.listing = None

    def _raise_cversion(self, parent: Znode, cversion: int, zxid: int) -> None:
        # The parent may come from a fuzzy snapshot and be ahead of this transaction already: never go back.
        if cversion == -1:
            cversion = parent.cversion + 1
        if cversion > parent.cversion:
            parent.cversion = cversion
            parent.pzxid = zxid
            self._recount(parent)

    def _recount(self, node: Znode) -> None:
        digest = node.new_digest()
        self.digest = self.digest + digest - node.digest & DIGEST_MASK
        node.digest = digest

    def _own(self, path: str, owner: int) -> int:
        """Files a node that does not live for ever; returns the owner that clients see."""
        kind = kind_of_owner(owner, self.extended_types)
        if kind is OwnerKind.CONTAINER:
            self.containers[path] = None
        elif kind is OwnerKind.TTL:
            self.ttls[path] = None
        else:
            self.ephemerals.setdefault(owner, {})[path] = None
            return owner
        return 0

    def _disown(self, path: str, owner: int) -> None:
        kind = kind_of_owner(owner, self.extended_types)
        if kind is OwnerKind.CONTAINER:
            self.containers.pop(path, None)
        elif kind is OwnerKind.TTL:
            self.ttls.pop(path, None)
        elif owner in self.ephemerals:
            self.ephemerals[owner].pop(path, None)
            if not self.ephemerals[owner]:
                del self.ephemerals[owner]

    def _apply_delete(self, body: DeleteTxn, applied: Applied, answer: bool) -> None:
        applied.path = body.path
        self._delete(body.path, applied)

    def _delete(self, path: str, applied: Applied) -> None:
        parent_path, _, name = path.rpartition("/")
        parent = self.nodes.get(parent_path)
        node = self.nodes.get(path)
        zxid = applied.header.zxid
        if parent is not None:
            if self._frozen is not None:
                self._frozen.keep(parent)
            if node is not None and parent.children is not None:
                parent.children.pop(name, None)
                parent.listing = None
            if zxid > parent.pzxid:  # a parent from a fuzzy snapshot may be ahead
                parent.pzxid = zxid
                self._recount(parent)
        if parent is None or node is None or node is parent:  # the root, by either name, is no node's child
            applied.error = _NO_NODE
            return
        if node.children:
            # Only a replay over a fuzzy snapshot meets this: the children were created by later transactions, which
            # will create them again. Left here they would be nodes that no list of children names.
            for child in list(node.children):
                self._delete(f"{path}/{child}", Applied(applied.header, applied.type, []))
        self._remove(parent_path, name, path, node)
        applied.events.append((_DELETED, path, node.acl))
        applied.events.append((_CHILDREN_CHANGED, parent_path or "/", parent.acl))

    def _remove(self, parent_path: str, name: str, path: str, node: Znode) -> None:
        del self.nodes[path]
        if self._frozen is not None:
            self._frozen.bury(path, node)
        self.digest = self.digest - node.digest & DIGEST_MASK
        self.data_size -= len(path) + (len(node.data) if node.data else 0)
        self._acls.release(node.acl)
        if node.owner:
            self._disown(path, node.owner)
        if self.quotas.paths:
            self.quotas.deleted(parent_path, name)
            self._charge(path, -(len(node.data) if node.data else 0), -1)

    def _apply_set_data(self, body: SetDataTxn, applied: Applied, answer: bool) -> None:
        path = applied.path = body.path
        node = self.nodes.get(path)
        if node is None:
            applied.error = _NO_NODE
            return
        if self._frozen is not None:
            self._frozen.keep(node)
        data = body.data
        growth = (len(data) if data else 0) - (len(node.data) if node.data else 0)
        node.data = data
        node.mtime = applied.header.time_ms
        node.mzxid = applied.header.zxid
        node.version = body.version
        node.seed = digest_seed(path, data)
        digest = node.new_digest()
        self.digest = self.digest + digest - node.digest & DIGEST_MASK
        node.digest = digest
        self.data_size += growth
        if self.quotas.paths:
            self._charge(path, growth, 0)
        if answer:
            applied.stat = node.stat()
        applied.events.append((_DATA_CHANGED, path, node.acl))

    def _apply_reconfig(self, body: SetDataTxn, applied: Applied, answer: bool) -> None:
        self._apply_set_data(body, applied, answer)
        applied.data = body.data

    def _apply_set_acl(self, body: SetACLTxn, applied: Applied, answer: bool) -> None:
        applied.path = body.path
        node = self.nodes.get(body.path)
        if node is None:
            applied.error = _NO_NODE
            return
        if self._frozen is not None:
            self._frozen.keep(node)
        acl = self._acls.take(body.acl)
        self._acls.release(node.acl)
        node.acl = acl
        node.aversion = body.version
        self._recount(node)
        if answer:
            applied.stat = node.stat()

    def _apply_check(self, body: CheckVersionTxn, applied: Applied, answer: bool) -> None:
        applied.path = body.path

    def _apply_error(self, body: ErrorTxn, applied: Applied, answer: bool) -> None:
        applied.error = body.err

    def _apply_create_session(self, body: CreateSessionTxn, applied: Applied, answer: bool) -> None:
        self.sessions[applied.header.session_id] = body.timeout_ms

    def _apply_close_session(self, body: CloseSessionTxn, applied: Applied, answer: bool) -> None:
        session_id = applied.header.session_id
        self.sessions.pop(session_id, None)
        for path in body.paths or ():
            self._delete(path, applied)
        self._bury(session_id, applied)
        applied.error = 0  # a path that is gone already is no error of the session

    def _bury(self, session_id: int, applied: Applied) -> None:
        """Deletes what a session still owns."""
        for path in list(self.ephemerals.get(session_id, ())):
            self._delete(path, applied)

    def _apply_multi(self, body: MultiTxn, applied: Applied, answer: bool) -> None:
        failed = any(kind == _ERROR for kind, _ in body.txns)
        for kind, inner in body.txns:
            result = Applied(applied.header, kind, applied.events)
            applied.results.append(result)
            if not failed:
                _APPLY[kind](self, inner, result, answer)
                continue
            # A failed multi keeps the transactions before the failure as they were decided. They were not done.
            result.type = _ERROR
            result.error = inner.err if isinstance(inner, ErrorTxn) else 0
            if result.error == SessionMovedError.code:
                applied.error = result.error

    # ---- quotas ------------------------------------------------------------------------------------------------------

    def _quota_created(self, parent: str, name: str, path: str, data: bytes | None) -> None:
        self.quotas.created(parent, name)
        if name == STATS_NAME and parent.startswith(QUOTA_NODE + "/"):
            self.measure_quota(parent[len(QUOTA_NODE) :])
        self._charge(path, len(data) if data else 0, 1)

    def _charge(self, path: str, size: int, count: int) -> None:
        limited = self.quotas.nearest(path)
        if limited is not None and (size or count):
            use = self._use_of(limited)
            if use is not None:
                self._set_use(limited, use.count + count, use.size + size)

    def measure_quota(self, path: str) -> None:
        """Counts the nodes and bytes below `path` and notes them in its stats node, if there is one."""
        if stats_path(path) not in self.nodes:
            return
        count = size = 0
        todo = [path] if path in self.nodes else []
        while todo:
            here = todo.pop()
            node = self.nodes[here]
            count += 1
            size += len(node.data) if node.data else 0
            todo.extend(f"{here}/{name}" for name in node.children or ())
        self._set_use(path, count, size)

    def _use_of(self, path: str) -> Track | None:
        node = self.nodes.get(stats_path(path))
        return None if node is None else Track(node.data)

    def _set_use(self, path: str, count: int, size: int) -> None:
        node = self.nodes[stats_path(path)]
        if self._frozen is not None:
            self._frozen.keep(node)
        use = Track(node.data)
        use.set(count, size)
        data = use.encode()
        self.data_size += len(data) - len(node.data or b"")
        node.data = data  # neither version nor time changes: every server does this by itself

    # ---- besides transactions ----------------------------------------------------------------------------------------

    def set_config(self, text: bytes, version: int, now_ms: int) -> None:
        """Puts the ensemble's configuration into "/zookeeper/config". version: the configuration's own (a zxid)."""
        node = self.nodes[CONFIG_NODE]
        if self._frozen is not None:
            self._frozen.keep(node)
        self.data_size += len(text) - len(node.data or b"")
        node.data = text
        node.version = -1
        node.mzxid = version
        node.mtime = now_ms

    def clear(self) -> None:
        """Takes everything out, also the root, so that a snapshot can be `put` in. Then call `loaded`."""
        self.nodes.clear()
        self.sessions.clear()
        self.ephemerals.clear()
        self.containers.clear()
        self.ttls.clear()
        self.last_zxid = self.digest = self.fuzzy_until = self.data_size = 0
        self.quotas = QuotaPaths()
        self._acls = AclCache()

    def put(self, path: str, data: bytes | None, acl: tuple[ACL, ...], stat: bytes) -> None:
        """Adds one node of a snapshot; the root, "", comes first. stat: 60 bytes of StatPersisted.

        Raises ValueError for a node whose parent has not come before it, or that is there already.
        """
        czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = PERSISTED_STAT.unpack(stat)
        if path in self.nodes:
            raise ValueError(f"the snapshot has {path or '/'} twice")
        node = Znode()
        node.born(path, data, self._acls.take(acl), czxid, ctime, owner)
        if mzxid != czxid:  # most nodes were never changed, and an int takes 32 bytes: share what is equal
            node.mzxid = mzxid
        if mtime != ctime:
            node.mtime = mtime
        if pzxid != czxid:
            node.pzxid = pzxid
        node.version, node.cversion, node.aversion = version, cversion, aversion
        node.digest = node.new_digest()
        if path:
            parent_path, _, name = path.rpartition("/")
            parent = self.nodes.get(parent_path)
            if parent is None:
                raise ValueError(f"the snapshot has {path} before its parent")
            self._adopt(parent, name)
            if owner:
                node.shown_owner = self._own(path, owner)
            self.quotas.created(parent_path, name)
        else:
            self.nodes["/"] = node
            self.data_size += 1
        self.nodes[path] = node
        self.digest = self.digest + node.digest & DIGEST_MASK
        self.data_size += len(path) + (len(data) if data else 0)

    def loaded(self, last_zxid: int, fuzzy_until: int = 0) -> None:
        """Ends what `clear` began. fuzzy_until: the zxid from which on the snapshot's digest can be believed.

        Raises ValueError when the snapshot had no root.
        """
        if "" not in self.nodes:
            raise ValueError("the snapshot has no root")
        for path in (ZOOKEEPER_NODE, QUOTA_NODE, CONFIG_NODE):
            if path not in self.nodes:  # written by a version that did not have it yet
                self._plant(path, b"", READ_ACL_UNSAFE if path == CONFIG_NODE else OPEN_ACL_UNSAFE)
        self.last_zxid = last_zxid
        self.fuzzy_until = fuzzy_until
        for path in self.quotas.paths:
            self.measure_quota(path)

    def bury_the_dead(self) -> None:
        """Deletes ephemerals whose session is not known, as Apache does when it has loaded its data."""
        header = TxnHeader(0, 0, self.last_zxid, 0, OpCode.CLOSE_SESSION)
        for session_id in [owner for owner in self.ephemerals if owner not in self.sessions]:
            self._bury(session_id, Applied(header, header.type, []))

    def removable(self, now_ms: int, never_used_ms: int = 0) -> list[str]:
        """Containers and TTL nodes whose time has come: the leader asks for a deleteContainer of each.

        never_used_ms: the age at which a container that never had a child goes too; 0 keeps it.
        """
        paths = []
        for path in self.containers:
            node = self.nodes[path]
            if not node.children and (node.cversion > 0 or 0 < never_used_ms < now_ms - node.mtime):
                paths.append(path)
        for path in self.ttls:
            node = self.nodes[path]
            ttl = ttl_of_owner(node.owner)
            if not node.children and 0 < ttl < now_ms - node.mtime:
                paths.append(path)
        return paths

    @property
    def known_digest(self) -> int | None:
        """The digest as of `last_zxid`; None where a fuzzy snapshot has run ahead of that."""
        return self.digest if self.fuzzy_until <= self.last_zxid else None

    @property
    def ephemeral_count(self) -> int:
        """Ephemeral nodes of all sessions."""
        return sum(map(len, self.ephemerals.values()))

    def freeze(self) -> Frozen:
        """A consistent cut (see `frozen`). One at a time: raises RuntimeError while another is open."""
        if self._frozen is not None:
            raise RuntimeError("the tree is frozen already; close that cut first")
        self._cuts += 1
        self._frozen = Frozen(
            self._cuts, self.nodes, self.sessions, self._acls.keys(), self.last_zxid, self.known_digest, self._thawed
        )
        return self._frozen

    def _thawed(self) -> None:
        self._frozen = None


_APPLY: dict[int, Callable[[Tree, Any, Applied, bool], None]] = {
    OpCode.CREATE.value: Tree._apply_create,
    OpCode.CREATE2.value: Tree._apply_create,
    OpCode.CREATE_CONTAINER.value: Tree._apply_create_container,
    OpCode.CREATE_TTL.value: Tree._apply_create_ttl,
    OpCode.DELETE.value: Tree._apply_delete,
    OpCode.DELETE_CONTAINER.value: Tree._apply_delete,
    OpCode.SET_DATA.value: Tree._apply_set_data,
    OpCode.RECONFIG.value: Tree._apply_reconfig,
    OpCode.SET_ACL.value: Tree._apply_set_acl,
    OpCode.CHECK.value: Tree._apply_check,
    OpCode.CREATE_SESSION.value: Tree._apply_create_session,
    OpCode.CLOSE_SESSION.value: Tree._apply_close_session,
    OpCode.ERROR.value: Tree._apply_error,
    OpCode.MULTI.value: Tree._apply_multi,
}
