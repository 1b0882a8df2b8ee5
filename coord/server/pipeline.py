"""The way of a write: request, decision, proposal, commit, tree, events, reply. This is the ensemble's `Application`.

Requests that arrive in one wake-up are decided (leader, `decisions`) or forwarded (learner) together, at its end. Committed
transactions come back in zxid order; each is applied, then the watch events that it triggers leave, then the reply, on
the one server that holds the client (`turns`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from struct import Struct

import trio

from coord.errors import EphemeralOnLocalSessionError, NotReadOnlyError
from coord.kit.host import Wall
from coord.tree.acl import Guard
from coord.tree.applied import Applied
from coord.tree.decide import Decider, Reconfigure, Request
from coord.tree.reads import Reads
from coord.tree.sessions import SessionIds, SessionTracker
from coord.tree.tree import Tree
from coord.tree.watches import WatchTable, notification
from coord.wire.codes import OpCode, Perms
from coord.wire.data import ACL
from coord.wire.txns import decode_txn
from coord.zab.application import Cut, ForwardedRequest, Replication, Restoration, Role, Transaction

from .config import ServerConfig
from .decisions import Decisions
from .localsessions import LocalSessions, Way
from .sessions import Client, ClientSession, Pending, Scope
from .state import State
from .stats import Statistics
from .turns import Turns

__all__ = ["Pipeline"]

log = logging.getLogger(__name__)

HERE = 0
"""The owner of a session whose client is connected to this server; learners' links have numbers from 1."""
INT = Struct(">i")
SYNC = OpCode.SYNC.value
CREATE_SESSION = OpCode.CREATE_SESSION.value
CLOSE_SESSION = OpCode.CLOSE_SESSION.value
READ = Perms.READ.value
DIGEST_MASK = 127
"""Of every 128 zxids one's digest is kept, as Apache does."""
DIGESTS_MAX = 1024
DECIDING = (Role.LEADING, Role.STANDALONE)


class Pipeline:
    """One server's state machine and the requests on their way through it.

    replication: set by the node, since the two know each other. tree, watches: read them freely.
    """

    replication: Replication

    def __init__(self, wall: Wall, config: ServerConfig, state: State, guard: Guard, stats: Statistics) -> None:
        self.tree = state.tree
        self.guard = guard
        self.watches: WatchTable[Client] = WatchTable(self._may_read)
        self.reads: Reads[Client] = Reads(state.tree, self.watches, guard)
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
        self.turns = Turns(self.locals)
        self.sessions = self.turns.sessions
        """Those whose clients are connected here, by id."""
        self.digests: deque[tuple[int, int]] = deque(maxlen=DIGESTS_MAX)
        """(zxid, the tree's digest after it) of a transaction now and then, the same ones on every server."""
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
        self._decisions: Decisions | None = None
        """On the leader alone."""
        state.on_replaced = self._replace_tree

    # ---- what clients' connections ask -------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        """Whether this server is part of a quorum: otherwise it answers nobody."""
        return self.role != Role.LOOKING

    @property
    def deciding(self) -> bool:
        """Whether this server decides writes: it leads, or stands alone."""
        return self._decisions is not None

    @property
    def tracker(self) -> SessionTracker | None:
        """All sessions, on the leader; None elsewhere."""
        return self._decisions.tracker if self._decisions is not None else None

    @property
    def outstanding(self) -> int:
        """Requests of this server's clients without a reply."""
        return self.turns.outstanding

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
        elif self._decisions is None:
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
            self.turns.forget_if_idle(session)

    def heard(self, session: ClientSession) -> None:
        """The client has sent something."""
        if session.scope is Scope.LOCAL:
            self.locals.touch(session.id, session.timeout_ms, trio.current_time())
        else:
            self._touched[session.id] = session.timeout_ms

    def submit(self, session: ClientSession, xid: int, op: int, body: bytes) -> None:
        """A write or a sync of `session`: on its way at the end of this wake-up."""
        self._arrived.append(self.turns.wait(session, xid, op, body, is_write=True))

    def wait(self, session: ClientSession, xid: int, op: int, body: bytes) -> None:
        """Another request, behind writes that are not done: `Client.answer` is called when they are."""
        self.turns.wait(session, xid, op, body, is_write=False)

    # ---- the end of a wake-up ----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Sends what has arrived on its way. To be called at the end of each wake-up, before the driver's turn."""
        if self._touched and self._decisions is not None:
            self._decisions.touch(self._touched.items())
            self._touched = {}
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            now = trio.current_time()
            for pending in arrived:
                pending.since = now
            if self.read_only:
                for pending in arrived:
                    local = pending.op == CLOSE_SESSION and pending.session.scope is Scope.LOCAL
                    self.turns.refuse(pending, 0 if local else NotReadOnlyError.code, self.tree.last_zxid, now)
                return
            if len(self.locals):
                arrived = self._without_local(arrived, now)
            if self._decisions is not None:
                self._decisions.decide([(_request(pending), pending) for pending in arrived])
            elif self.serving:
                self._forward(arrived)

    def _without_local(self, arrived: list[Pending], now: float) -> list[Pending]:
        """What is for the leader, behind the upgrades that it needs; the rest is answered."""
        forward: list[Pending] = []
        for pending in arrived:
            way = self.locals.way_of(pending)
            if way is Way.CLOSE:
                self.turns.refuse(pending, 0, self.tree.last_zxid, now)
            elif way is Way.REFUSE:
                self.turns.refuse(pending, EphemeralOnLocalSessionError.code, self.tree.last_zxid, now)
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
        return self.turns.wait_before(pending, CREATE_SESSION, INT.pack(session.timeout_ms))

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

    def _sync(self, request: Request, pending: Pending | None) -> None:
        learner = HERE
        if pending is not None:
            self._syncs.append(pending)
        else:
            assert isinstance(request.owner, int)
            learner = request.owner
        self.replication.sync(ForwardedRequest(request.session_id, request.cxid, SYNC, b"", (), learner))

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
            tracker = SessionTracker(self._config.tick_ms, trio.current_time(), self.tree.sessions)
            tracker.admits = self.locals.admits
            decider = Decider(
                self.tree, tracker, self.guard,
                enforce_quota=self._config.enforce_quota, digests=self._config.digests, reconfigure=self.reconfigure,
            )  # fmt: skip
            self._decisions = Decisions(decider, tracker, self.replication, self._wall, self._stats, self._sync)

    def serve_reads(self) -> None:
        """Begins to serve reads without a quorum, until there is one (`became`)."""
        log.warning("no quorum: serving reads alone, to clients that ask for read-only servers")
        self.read_only = True

    def _drop_everything(self) -> None:
        self.role = Role.LOOKING
        if self.read_only and not self.locals.enabled:
            self.locals.clear()
        self.read_only = False
        self.turns.clear()
        self._arrived.clear()
        self._touched.clear()
        self._syncs.clear()
        self._revalidating.clear()
        self._decisions = None
        self.on_stop()

    # ---- Application: transactions -----------------------------------------------------------------------------------

    def deliver(self, batch: list[Transaction]) -> None:
        now = trio.current_time()
        turns, decisions = self.turns, self._decisions
        for zxid, data in batch:
            pending: Pending | None
            if decisions is not None and (mine := decisions.take(zxid)) is not None:
                decision, pending = mine
                if pending is not None:
                    turns.before(pending, self.tree.last_zxid, now)
                applied = self.tree.apply(
                    decision.header, decision.body, decision.digest, answer=pending is not None
                )
            else:
                header, body, digest = decode_txn(data)
                pending = turns.waiting_for(header)
                if pending is not None:
                    turns.before(pending, self.tree.last_zxid, now)
                applied = self.tree.apply(header, body, digest, answer=pending is not None)
            if not zxid & DIGEST_MASK:
                self.digests.append((zxid, self.tree.digest))
            if applied.events:
                self._notify(applied)
            if pending is not None:
                turns.complete(pending, applied, now)
            if applied.header.type == CLOSE_SESSION:
                turns.end(applied.header.session_id)
        if decisions is not None:
            decisions.applied(batch[-1][0])
        self._state.delivered()
        self.on_delivered()

    def _notify(self, applied: Applied) -> None:
        before, frame = None, b""
        for watcher, event, path in self.watches.trigger(applied.events):
            if (event, path) != before:  # many clients watch the same node
                before, frame = (event, path), notification(event, path)
            watcher.send(frame)
            self._stats.sent += 1

    def _may_read(self, client: Client, acl: tuple[ACL, ...]) -> bool:
        return self.guard.permits(acl, READ, client.auth)

    # ---- Application: what learners and their clients ask ------------------------------------------------------------

    def requests(self, batch: list[ForwardedRequest]) -> None:
        if self._decisions is not None:
            self._decisions.decide((Request(r.session_id, r.cxid, r.op, r.body, r.auth, r.learner), None) for r in batch)

    def syncs_done(self, count: int) -> None:
        now = trio.current_time()
        for _ in range(count):
            self.turns.synced(self._syncs.popleft(), self.tree.last_zxid, now)

    def revalidate(self, session_id: int, timeout_ms: int, learner: int) -> bool:
        tracker = self.tracker
        if tracker is None or not tracker.touch(session_id, trio.current_time(), timeout_ms):
            return False
        return tracker.set_owner(session_id, learner)

    def revalidated(self, session_id: int, valid: bool) -> None:
        client, timeout_ms = self._revalidating.pop(session_id, (None, 0))
        if client is not None:
            self._attach_or_reject(client, session_id, timeout_ms, valid)

    def touch(self, sessions: list[tuple[int, int]]) -> None:
        if self._decisions is not None:
            self._decisions.touch(sessions)

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
        if self._decisions is not None:
            self._decisions.delete_unused(paths)

    # ---- time --------------------------------------------------------------------------------------------------------

    async def expire_sessions(self) -> None:
        """Closes sessions that were silent for too long: all of them where this server leads, else its own local ones.
        Runs until cancelled."""
        tick = self._config.tick_ms / 1000
        while True:
            deadline = self._decisions.tracker.deadline() if self._decisions is not None else None
            now = trio.current_time()
            await trio.sleep(min(max(deadline - now, 0.001), tick) if deadline is not None else tick)
            for session_id in self.locals.expired(trio.current_time()):
                self.turns.end(session_id)
            if self._decisions is not None:
                self._decisions.expire(trio.current_time())


def _request(pending: Pending) -> Request:
    auth = pending.connection.auth if pending.connection is not None else ()
    return Request(pending.session.id, pending.xid, pending.op, pending.body, auth, HERE)
