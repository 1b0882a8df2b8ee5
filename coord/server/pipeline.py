"""The way of a write: request, decision, proposal, commit, tree, events, reply. This is the ensemble's `Application`.

Requests that arrive in one wake-up are decided (leader) or forwarded (learner) together, at its end. Committed
transactions come back in zxid order; each is applied, then the watch events that it triggers leave, then the reply, on
the one server that holds the client. The leader keeps its decisions until they come back and need not decode them again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from struct import Struct

import trio

from coord.errors import EphemeralOnLocalSessionError, NotReadOnlyError, SessionMovedError
from coord.kit.host import Wall
from coord.tree.acl import Guard
from coord.tree.applied import Applied, reply_body
from coord.tree.decide import Decider, Decision, Reconfigure, Request
from coord.tree.reads import Reads
from coord.tree.sessions import SessionIds, SessionTracker
from coord.tree.tree import Tree
from coord.tree.watches import WatchTable, notification
from coord.wire.codes import OpCode, Perms
from coord.wire.data import ACL
from coord.wire.txns import TxnHeader, decode_txn
from coord.zab.application import Cut, ForwardedRequest, Replication, Restoration, Role, Transaction

from .config import ServerConfig
from .localsessions import LocalSessions, Way
from .replies import reply_frame
from .sessions import Client, ClientSession, Pending, Scope
from .state import State
from .stats import Statistics

__all__ = ["Pipeline"]

log = logging.getLogger(__name__)

HERE = 0
"""The owner of a session whose client is connected to this server; learners' links have numbers from 1."""
INT = Struct(">i")
SYNC = OpCode.SYNC.value
CREATE_SESSION = OpCode.CREATE_SESSION.value
CLOSE_SESSION = OpCode.CLOSE_SESSION.value
DELETE_CONTAINER = OpCode.DELETE_CONTAINER.value
SESSION_MOVED = SessionMovedError.code
READ = Perms.READ.value
DECIDING = (Role.LEADING, Role.STANDALONE)


class Pipeline:
    """One server's state machine and the requests on their way through it.

    replication: set by the node, since the two know each other. tree, watches: read them freely.
    sessions: those whose clients are connected here. outstanding: requests without a reply.
    """

    replication: Replication

    def __init__(self, wall: Wall, config: ServerConfig, state: State, guard: Guard, stats: Statistics) -> None:
        self.tree = state.tree
        self.guard = guard
        self.watches: WatchTable[Client] = WatchTable(self._may_read)
        self.reads: Reads[Client] = Reads(state.tree, self.watches, guard)
        self.sessions: dict[int, ClientSession] = {}
        self.outstanding = 0
        self.role = Role.LOOKING
        self.reconfigure: Reconfigure | None = None
        """Decides reconfigurations on the leader; None where they are disabled."""
        self.ensemble = config.ensemble
        """The configuration in force."""
        self.since = 0.0
        """When it took the role, in trio's seconds."""
        self.read_only = False
        """It serves reads without a quorum, to those who want that."""
        self.locals = LocalSessions(
            config.tick_ms, config.server_id, enabled=config.local_sessions, upgrading=config.local_upgrading
        )
        self.on_stop: Callable[[], None] = lambda: None
        """Called when this server stops serving: every client connection has to go."""
        self.on_delivered: Callable[[], None] = lambda: None
        """Called after transactions were applied: requests that waited for room may be taken."""
        self._wall = wall
        self._config = config
        self._state = state
        self._stats = stats
        self._ids = SessionIds(config.server_id, wall.now_ms())
        self._arrived: list[Pending] = []
        self._touched: dict[int, int] = {}
        self._syncs: deque[Pending] = deque()
        self._revalidating: dict[int, tuple[Client, int]] = {}
        # on the leader alone
        self._tracker: SessionTracker | None = None
        self._decider: Decider | None = None
        self._decided: deque[tuple[Decision, Pending | None]] = deque()
        state.on_replaced = self._replace_tree

    # ---- what clients' connections ask -------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        """Whether this server is part of a quorum: otherwise it answers nobody."""
        return self.role != Role.LOOKING

    @property
    def deciding(self) -> bool:
        """Whether this server decides writes: it leads, or stands alone."""
        return self._decider is not None

    @property
    def tracker(self) -> SessionTracker | None:
        """All sessions, on the leader; None elsewhere."""
        return self._tracker

    def open(self, client: Client, timeout_ms: int) -> None:
        """A new session for `client`, which hears by `established`."""
        session = ClientSession(self._ids.next(), timeout_ms, client)
        self.sessions[session.id] = session
        if self.read_only or self.locals.enabled:
            session.scope = Scope.LOCAL
            self.locals.begin(session.id, timeout_ms, trio.current_time())
            client.established(session)
        else:
            self.submit(session, 0, CREATE_SESSION, INT.pack(timeout_ms))

    def reopen(self, client: Client, session_id: int, timeout_ms: int) -> None:
        """`client` comes with a session that it had. It hears by `established` or `rejected`."""
        before = self.sessions.get(session_id)
        if before is not None and before.connection is not None:
            before.connection.abort("the client has connected again")
        if self.locals.touch(session_id, timeout_ms, trio.current_time()):
            self._attach(client, session_id, timeout_ms)
        elif self.read_only:
            self._attach_or_reject(client, session_id, timeout_ms, session_id in self.tree.sessions)
        elif self._tracker is None:
            replaced, _ = self._revalidating.get(session_id, (None, 0))
            if replaced is not None:
                replaced.abort("the client has connected again")
            self._revalidating[session_id] = (client, timeout_ms)
            self.replication.revalidate(session_id, timeout_ms)
        else:
            self._attach_or_reject(client, session_id, timeout_ms, self.revalidate(session_id, timeout_ms, HERE))

    def left(self, session: ClientSession, client: Client) -> None:
        """The connection of `client` is gone; the session lives on until it expires."""
        if session.connection is client:
            session.connection = None
            self._forget_if_idle(session)

    def heard(self, session: ClientSession) -> None:
        """The client has sent something."""
        if session.scope is Scope.LOCAL:
            self.locals.touch(session.id, session.timeout_ms, trio.current_time())
        else:
            self._touched[session.id] = session.timeout_ms

    def submit(self, session: ClientSession, xid: int, op: int, body: bytes) -> None:
        """A write or a sync of `session`: on its way at the end of this wake-up."""
        pending = Pending(session, xid, op, body, is_write=True)
        session.waiting.append(pending)
        self.outstanding += 1
        self._arrived.append(pending)

    def wait(self, session: ClientSession, xid: int, op: int, body: bytes) -> None:
        """Another request, behind writes that are not done: `Client.answer` is called when they are."""
        session.waiting.append(Pending(session, xid, op, body, is_write=False))
        self.outstanding += 1

    # ---- the end of a wake-up ----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Sends what has arrived on its way. To be called at the end of each wake-up, before the driver's turn."""
        if self._touched and self._tracker is not None:
            self._touch_all(self._touched.items())
            self._touched = {}
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            now = trio.current_time()
            for pending in arrived:
                pending.since = now
            if self.read_only:
                for pending in arrived:
                    local = pending.op == CLOSE_SESSION and pending.session.scope is Scope.LOCAL
                    self._answer_here(pending, 0 if local else NotReadOnlyError.code, now)
                return
            if len(self.locals):
                arrived = self._without_local(arrived, now)
            if self._decider is not None:
                self._decide([(_request(pending), pending) for pending in arrived])
            elif self.serving:
                self._forward(arrived)

    def _without_local(self, arrived: list[Pending], now: float) -> list[Pending]:
        """What is for the leader, behind the upgrades that it needs; the rest is answered."""
        forward: list[Pending] = []
        for pending in arrived:
            way = self.locals.way_of(pending)
            if way is Way.CLOSE:
                self._answer_here(pending, 0, now)
            elif way is Way.REFUSE:
                self._answer_here(pending, EphemeralOnLocalSessionError.code, now)
            else:
                if way is Way.UPGRADE:
                    forward.append(self._upgrade(pending))
                forward.append(pending)
        return forward

    def _upgrade(self, pending: Pending) -> Pending:
        """The createSession that goes before `pending`, so that the session can own what that makes."""
        session = pending.session
        session.scope = Scope.UPGRADING
        self.locals.end(session.id)
        upgrade = Pending(session, 0, CREATE_SESSION, INT.pack(session.timeout_ms), is_write=True)
        upgrade.since = pending.since
        session.waiting.insert(session.waiting.index(pending), upgrade)
        self.outstanding += 1
        return upgrade

    def _answer_here(self, pending: Pending, code: int, now: float) -> None:
        """The reply to a write without a transaction, in its turn."""
        pending.frame = reply_frame(pending.xid, self.tree.last_zxid, code)
        if pending.session.waiting and pending.session.waiting[0] is pending:
            self._drain(pending.session, now)

    def _forward(self, arrived: list[Pending]) -> None:
        batch: list[ForwardedRequest] = []
        for pending in arrived:
            auth = pending.connection.auth if pending.connection is not None else ()
            request = ForwardedRequest(pending.session.id, pending.xid, pending.op, pending.body, auth)
            if pending.op != SYNC:
                batch.append(request)
                continue
            if batch:
                self.replication.forward(batch)
                batch = []
            self._syncs.append(pending)
            self.replication.sync(request)
        if batch:
            self.replication.forward(batch)

    def _decide(self, requests: Iterable[tuple[Request, Pending | None]]) -> None:
        decider = self._decider
        assert decider is not None
        now_ms = self._wall.now_ms()
        batch: list[Transaction] = []
        for request, pending in requests:
            if request.op == SYNC:
                self._propose(batch)
                batch = []
                self._sync(request, pending)
                continue
            zxid = self.replication.next_zxid()
            decision = decider.decide(request, zxid, now_ms)
            self._decided.append((decision, pending))
            batch.append((zxid, decision.data))
        self._propose(batch)

    def _propose(self, batch: list[Transaction]) -> None:
        if batch:
            note = self._stats.proposals.note
            for _, data in batch:
                note(len(data))
            self.replication.propose(batch)

    def _sync(self, request: Request, pending: Pending | None) -> None:
        learner = HERE
        if pending is not None:
            self._syncs.append(pending)
        else:
            assert isinstance(request.owner, int)
            learner = request.owner
        self.replication.sync(ForwardedRequest(request.session_id, request.cxid, SYNC, b"", (), learner))

    def _touch_all(self, sessions: Iterable[tuple[int, int]]) -> None:
        if self._tracker is not None:
            now = trio.current_time()
            for session_id, timeout_ms in sessions:
                self._tracker.touch(session_id, now, timeout_ms)

    # ---- Application: roles ------------------------------------------------------------------------------------------

    @property
    def last_zxid(self) -> int:
        """See `Application`, as for the methods below."""
        return self.tree.last_zxid

    def became(self, role: Role, epoch: int) -> None:
        self._drop_everything()
        self.role = role
        self.since = trio.current_time()
        self._state.serve(self.serving)
        if role in DECIDING:
            # Nobody knows when clients were last heard of: every session gets its full timeout again.
            self._tracker = SessionTracker(self._config.tick_ms, trio.current_time(), self.tree.sessions)
            self._tracker.admits = self.locals.admits
            self._decider = Decider(self.tree, self._tracker, self.guard, reconfigure=self.reconfigure)

    def serve_reads(self) -> None:
        """Begins to serve reads without a quorum, until there is one (`became`)."""
        log.warning("no quorum: serving reads alone, to clients that ask for read-only servers")
        self.read_only = True

    def _drop_everything(self) -> None:
        self.role = Role.LOOKING
        if self.read_only and not self.locals.enabled:
            self.locals.clear()
        self.read_only = False
        self.sessions.clear()
        self.outstanding = 0
        self._arrived.clear()
        self._touched.clear()
        self._syncs.clear()
        self._revalidating.clear()
        self._decided.clear()
        self._tracker = None
        self._decider = None
        self.on_stop()

    # ---- Application: transactions -----------------------------------------------------------------------------------

    def deliver(self, batch: list[Transaction]) -> None:
        now = trio.current_time()
        decided = self._decided
        for zxid, data in batch:
            pending: Pending | None
            if decided and decided[0][0].header.zxid == zxid:
                decision, pending = decided.popleft()
                if pending is not None:
                    self._answer_before(pending, now)
                applied = self.tree.apply(
                    decision.header, decision.body, decision.digest, answer=pending is not None
                )
            else:
                header, body, digest = decode_txn(data)
                pending = self._pending_for(header)
                if pending is not None:
                    self._answer_before(pending, now)
                applied = self.tree.apply(header, body, digest, answer=pending is not None)
            if applied.events:
                self._notify(applied)
            if pending is not None:
                self._complete(pending, applied, now)
            if applied.header.type == CLOSE_SESSION:
                self._closed(applied.header.session_id)
        if self._decider is not None:
            self._decider.applied(batch[-1][0])
        self._state.delivered()
        self.on_delivered()

    def _pending_for(self, header: TxnHeader) -> Pending | None:
        """The request of a client of this server that a transaction from the leader answers."""
        session = self.sessions.get(header.session_id)
        if session is None:
            return None
        for pending in session.waiting:
            if pending.is_write and pending.op != SYNC and not pending.frame:
                same = pending.xid == header.cxid and header.type in (pending.op, OpCode.ERROR)
                return pending if same else None
        return None

    def _answer_before(self, pending: Pending, now: float) -> None:
        """A write is about to be applied: the syncs that its session had asked for before it are done, for the leader got
        them before it, though `syncs_done` comes behind the whole batch, and a quorum that has logged the write has confirmed
        the leader. They, and the reads behind them, are answered
        now, or they would show what the session did only later."""
        waiting = pending.session.waiting
        if waiting and waiting[0] is not pending:
            for before in waiting:
                if before is pending:
                    break
                if before.op == SYNC and not before.frame:
                    before.frame = reply_frame(before.xid, self.tree.last_zxid, 0, before.body)
            self._drain(pending.session, now)

    def _notify(self, applied: Applied) -> None:
        before, frame = None, b""
        for watcher, event, path in self.watches.trigger(applied.events):
            if (event, path) != before:  # many clients watch the same node
                before, frame = (event, path), notification(event, path)
            watcher.send(frame)
            self._stats.sent += 1

    def _may_read(self, client: Client, acl: tuple[ACL, ...]) -> bool:
        return self.guard.permits(acl, READ, client.auth)

    def _complete(self, pending: Pending, applied: Applied, now: float) -> None:
        """A write was applied: its reply is due, and that of what waited behind it."""
        session = pending.session
        pending.frame = reply_frame(pending.xid, applied.header.zxid, applied.error, reply_body(applied, pending.op))
        if applied.error == SESSION_MOVED and pending.connection is not None:
            pending.connection.abort("the session has moved to another server")
            pending.connection = None
        waiting = session.waiting
        if waiting and waiting[0] is pending:
            self._drain(session, now)

    def _drain(self, session: ClientSession, now: float) -> None:
        """Sends the replies that are due, in the order of the requests, up to the first write that is not done."""
        waiting = session.waiting
        while waiting and (waiting[0].frame or not waiting[0].is_write):
            pending = waiting.popleft()
            self.outstanding -= 1
            client = pending.connection
            if session.scope is Scope.UPGRADING and pending.op == CREATE_SESSION:
                session.scope = Scope.GLOBAL
                continue
            if client is None:
                continue
            if not pending.is_write:
                if client is session.connection:
                    client.answer(pending.xid, pending.op, pending.body)
            elif pending.op == CREATE_SESSION:
                client.established(session)
            else:
                client.send(pending.frame)
                self._stats.replied(int((now - pending.since) * 1000))
                if pending.op == CLOSE_SESSION:
                    client.close()
                    if session.scope is Scope.LOCAL:
                        self.locals.end(session.id)
                        self._closed(session.id)
        if session.connection is None:
            self._forget_if_idle(session)

    def _closed(self, session_id: int) -> None:
        session = self.sessions.pop(session_id, None)
        if session is not None:
            self.outstanding -= len(session.waiting)
            session.waiting.clear()
            if session.connection is not None:
                session.connection.close()

    def _forget_if_idle(self, session: ClientSession) -> None:
        if session.connection is None and not session.waiting and self.sessions.get(session.id) is session:
            del self.sessions[session.id]

    # ---- Application: what learners and their clients ask ------------------------------------------------------------

    def requests(self, batch: list[ForwardedRequest]) -> None:
        if self._decider is not None:
            self._decide((Request(r.session_id, r.cxid, r.op, r.body, r.auth, r.learner), None) for r in batch)

    def syncs_done(self, count: int) -> None:
        now = trio.current_time()
        for _ in range(count):
            pending = self._syncs.popleft()
            if not pending.frame:
                # the reply's record is the request's: the path
                pending.frame = reply_frame(pending.xid, self.tree.last_zxid, 0, pending.body)
                self._drain(pending.session, now)

    def revalidate(self, session_id: int, timeout_ms: int, learner: int) -> bool:
        tracker = self._tracker
        if tracker is None or not tracker.touch(session_id, trio.current_time(), timeout_ms):
            return False
        return tracker.set_owner(session_id, learner)

    def revalidated(self, session_id: int, valid: bool) -> None:
        client, timeout_ms = self._revalidating.pop(session_id, (None, 0))
        if client is not None:
            self._attach_or_reject(client, session_id, timeout_ms, valid)

    def touch(self, sessions: list[tuple[int, int]]) -> None:
        self._touch_all(sessions)

    def take_touched(self) -> list[tuple[int, int]]:
        touched, self._touched = self._touched, {}
        return list(touched.items())

    def _attach_or_reject(self, client: Client, session_id: int, timeout_ms: int, valid: bool) -> None:
        if valid:
            self._attach(client, session_id, timeout_ms)
        else:
            client.rejected()

    def _attach(self, client: Client, session_id: int, timeout_ms: int) -> None:
        session = self.sessions.get(session_id)
        if session is None:
            scope = Scope.LOCAL if session_id in self.locals else Scope.GLOBAL
            session = self.sessions[session_id] = ClientSession(session_id, timeout_ms, client, scope)
        session.timeout_ms = timeout_ms
        session.connection = client
        client.established(session)

    # ---- Application: the whole state --------------------------------------------------------------------------------

    def freeze(self) -> Cut | None:
        return self._state.freeze()

    def restore(self) -> Restoration:
        return self._state.restore()

    async def save(self) -> None:
        await self._state.save()

    def rewind(self, zxid: int) -> None:
        self._state.rewind(zxid)

    def _replace_tree(self, tree: Tree) -> None:
        self.tree = self.reads.tree = tree
        if self.read_only:
            self.on_stop()  # what its clients have seen may have been taken back

    def delete_unused(self, paths: Sequence[str]) -> None:
        """On the leader: proposes to delete containers and TTL nodes that have served their time."""
        if self._decider is not None:
            self._decide((Request(0, 0, DELETE_CONTAINER, path.encode()), None) for path in paths)

    # ---- time --------------------------------------------------------------------------------------------------------

    async def expire_sessions(self) -> None:
        """Closes sessions that were silent for too long: all of them where this server leads, else its own local ones.
        Runs until cancelled."""
        tick = self._config.tick_ms / 1000
        while True:
            deadline = self._tracker.deadline() if self._tracker is not None else None
            now = trio.current_time()
            await trio.sleep(min(max(deadline - now, 0.001), tick) if deadline is not None else tick)
            for session_id in self.locals.expired(trio.current_time()):
                self._closed(session_id)
            if self._tracker is not None and self._decider is not None:
                due = self._tracker.expired(trio.current_time())
                if due:
                    self._expire(due)

    def _expire(self, due: list[int]) -> None:
        assert self._tracker is not None
        for session_id in due:
            log.info("session 0x%x expired: nothing was heard of it for %s ms", session_id, self._tracker.timeout_of(session_id))
        self._decide((Request(session_id, 0, CLOSE_SESSION, b""), None) for session_id in due)


def _request(pending: Pending) -> Request:
    auth = pending.connection.auth if pending.connection is not None else ()
    return Request(pending.session.id, pending.xid, pending.op, pending.body, auth, HERE)
