"""The requests of this server's clients that wait, session by session: each reply leaves in its turn.

Replies leave in the order of the requests. What is behind a write, or a sync, waits until that has its reply, so that a
session sees its own writes.
"""

from __future__ import annotations

from coord.errors import SessionMovedError
from coord.tree.applied import Applied, reply_body
from coord.wire.codes import OpCode
from coord.wire.txns import TxnHeader

from .localsessions import LocalSessions
from .replies import reply_frame
from .sessions import ClientSession, Pending, Scope

__all__ = ["Turns"]

SYNC = OpCode.SYNC.value
CREATE_SESSION = OpCode.CREATE_SESSION.value
CLOSE_SESSION = OpCode.CLOSE_SESSION.value
SESSION_MOVED = SessionMovedError.code


class Turns:
    """sessions: those whose clients are connected here, by id. outstanding: requests without a reply.

    `now` is trio's time in seconds, `zxid` that of the last transaction applied here.
    """

    __slots__ = ("_locals", "outstanding", "sessions")

    def __init__(self, local_sessions: LocalSessions) -> None:
        self.sessions: dict[int, ClientSession] = {}
        self.outstanding = 0
        self._locals = local_sessions

    def clear(self) -> None:
        """Nobody waits any more, for their connections are gone."""
        self.sessions.clear()
        self.outstanding = 0

    def wait(self, session: ClientSession, xid: int, op: int, body: bytes, *, is_write: bool) -> Pending:
        """One more request of the session, behind those that it has already."""
        pending = Pending(session, xid, op, body, is_write=is_write)
        session.waiting.append(pending)
        self.outstanding += 1
        return pending

    def wait_before(self, pending: Pending, op: int, body: bytes) -> Pending:
        """A write of the server's own, in front of `pending`."""
        session = pending.session
        earlier = Pending(session, 0, op, body, is_write=True)
        earlier.since = pending.since
        session.waiting.insert(session.waiting.index(pending), earlier)
        self.outstanding += 1
        return earlier

    def waiting_for(self, header: TxnHeader) -> Pending | None:
        """The request of a client of this server that a transaction from the leader answers."""
        session = self.sessions.get(header.session_id)
        if session is None:
            return None
        for pending in session.waiting:
            if pending.is_write and pending.op != SYNC and not pending.frame:
                same = pending.xid == header.cxid and header.type in (pending.op, OpCode.ERROR)
                return pending if same else None
        return None

    def refuse(self, pending: Pending, code: int, zxid: int, now: float) -> None:
        """The reply to a write without a transaction, in its turn."""
        pending.frame = reply_frame(pending.xid, zxid, code)
        if pending.session.waiting and pending.session.waiting[0] is pending:
            self.drain(pending.session, now)

    def before(self, pending: Pending, zxid: int, now: float) -> None:
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
                    before.frame = reply_frame(before.xid, zxid, 0, before.body)
            self.drain(pending.session, now)

    def complete(self, pending: Pending, applied: Applied, now: float) -> None:
        """A write was applied: its reply is due, and that of what waited behind it."""
        session = pending.session
        pending.frame = reply_frame(pending.xid, applied.header.zxid, applied.error, reply_body(applied, pending.op))
        if applied.error == SESSION_MOVED and pending.connection is not None:
            pending.connection.abort("the session has moved to another server")
            pending.connection = None
        waiting = session.waiting
        if waiting and waiting[0] is pending:
            self.drain(session, now)

    def synced(self, pending: Pending, zxid: int, now: float) -> None:
        """A sync is done."""
        if not pending.frame:
            # the reply's record is the request's: the path
            pending.frame = reply_frame(pending.xid, zxid, 0, pending.body)
            self.drain(pending.session, now)

    def drain(self, session: ClientSession, now: float) -> None:
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
                client.reply(pending.frame, int((now - pending.since) * 1000))
                if pending.op == CLOSE_SESSION:
                    client.close()
                    if session.scope is Scope.LOCAL:
                        self._locals.end(session.id)
                        self.end(session.id)
        if session.connection is None:
            self.forget_if_idle(session)

    def end(self, session_id: int) -> None:
        """The session is over, and whatever waits of it with it."""
        session = self.sessions.pop(session_id, None)
        if session is not None:
            self.outstanding -= len(session.waiting)
            session.waiting.clear()
            if session.connection is not None:
                session.connection.close()

    def forget_if_idle(self, session: ClientSession) -> None:
        """A session without a connection is kept for as long as something of it waits."""
        if session.connection is None and not session.waiting and self.sessions.get(session.id) is session:
            del self.sessions[session.id]
