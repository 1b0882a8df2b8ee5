"""The sans-IO session: every input in every state."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coord.client.calls import Call, Credentials, Reply, Watch, WatchRemoval
from coord.client.states import FINAL, State
from coord.client.watches import Kind
from coord.errors import AuthFailedError, SessionExpiredError
from coord.wire.jute import Reader
from coord.wire.ops import AUTH_XID, EventType, OpCode
from coord.wire.records import ConnectRequest
from tests.coord.client.played import PASSWORD, REFUSAL, SESSION_ID, event, new_session, reply, welcome


class AnyOrder(RuleBasedStateMachine):
    """A server that answers, lies, goes silent or away, and a user who does anything at any moment."""

    @initialize(resume=st.booleans())
    def begin(self, resume: bool) -> None:
        self.session = new_session(resume=Credentials(SESSION_ID, PASSWORD) if resume else None)
        self.now = 100.0
        self.open_calls: dict[Call, None] = {}
        self.server: deque[tuple[int, int]] = deque()
        self.welcomed = False
        self.watchers = 0

    def drain(self) -> None:
        """What the driver does after every input; checks what comes out."""
        before = self.session.linked
        for each in self.session.events():
            if isinstance(each, Reply):
                assert each.call in self.open_calls, "a call ends once"
                del self.open_calls[each.call]
        data = self.session.data_to_send(self.now)
        if data and not self.welcomed:
            size = int.from_bytes(data[:4], "big")
            assert size == 45
            ConnectRequest.read(Reader(data[4:49]))
            data = data[4 + size :]
        while data:
            size, xid, op = (int.from_bytes(data[i : i + 4], "big", signed=True) for i in (0, 4, 8))
            self.server.append((xid, op))
            data = data[4 + size :]
        if not before:
            self.server.clear()
            self.welcomed = False

    def receive(self, data: bytes, cuts: list[int]) -> None:
        edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        for start, end in pairwise(edges):
            self.session.receive(data[start:end], self.now)
        self.drain()

    cuts = st.lists(st.integers(0, 200), max_size=3)

    @precondition(lambda self: not self.session.linked and self.session.state not in FINAL)
    @rule()
    def connects(self) -> None:
        self.session.connected(self.now)
        self.drain()

    @precondition(lambda self: self.session.linked and not self.welcomed)
    @rule(ok=st.sampled_from([True, True, True, False]), cuts=cuts)
    def server_answers_the_handshake(self, ok: bool, cuts: list[int]) -> None:
        self.welcomed = ok
        self.receive(welcome() if ok else REFUSAL, cuts)

    @precondition(lambda self: self.server)
    @rule(err=st.sampled_from([0, 0, 0, 0, -101, -103]), cuts=cuts, count=st.integers(1, 4))
    def server_replies(self, err: int, cuts: list[int], count: int) -> None:
        data = b""
        while self.server and count:
            xid, _ = self.server.popleft()
            data += reply(xid, 5, err if xid > 0 else 0)
            count -= 1
        self.receive(data, cuts)

    @precondition(lambda self: self.server and self.server[0][0] == AUTH_XID)
    @rule()
    def server_refuses_credentials(self) -> None:
        self.receive(reply(self.server.popleft()[0], 0, AuthFailedError.code), [])

    @rule(kind=st.sampled_from(list(EventType)), path=st.sampled_from(["/", "/a", "/a/b", ""]), cuts=cuts)
    def server_notifies(self, kind: EventType, path: str, cuts: list[int]) -> None:
        self.receive(event(kind, path), cuts)

    @rule(data=st.binary(max_size=40))
    def server_sends_garbage(self, data: bytes) -> None:
        self.receive(data, [])

    @rule(reason=st.just("gone"))
    def connection_breaks(self, reason: str) -> None:
        self.session.disconnected(self.now, reason)
        self.drain()

    @rule(
        op=st.sampled_from([OpCode.GET_DATA, OpCode.EXISTS, OpCode.PING, OpCode.ADD_WATCH, OpCode.DELETE]),
        path=st.sampled_from(["/", "/a", "/a/b"]),
        kind=st.sampled_from([None, *Kind]),
    )
    def user_asks(self, op: OpCode, path: str, kind: Kind | None) -> None:
        self.watchers += 1
        watch = Watch(kind, path, self.watchers % 5) if kind is not None else None
        call = Call(op, b"abc" if op is not OpCode.PING else b"", path, watch)
        self.offer(call, lambda: self.session.submit(call))

    @rule()
    def user_removes_watches(self) -> None:
        call = Call(OpCode.REMOVE_WATCHES, b"", "/a", WatchRemoval("/a", 3))
        self.offer(call, lambda: self.session.submit(call))

    @rule()
    def user_adds_credentials(self) -> None:
        call = Call(0)
        self.offer(call, lambda: self.session.add_auth("digest", b"u:p", call))

    def offer(self, call: Call, ask: object) -> None:
        assert callable(ask)
        try:
            ask()
        except (SessionExpiredError, AuthFailedError):
            assert self.session.state in FINAL or self.session._closing
        else:
            self.open_calls[call] = None
        self.drain()

    @precondition(lambda self: any(call.op for call in self.open_calls))
    @rule(data=st.data())
    def user_gives_up(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from([call for call in self.open_calls if call.op]))
        waited = call in self.session._waiting
        self.session.forget(call)
        if waited:
            del self.open_calls[call]
        self.drain()

    @rule(how=st.sampled_from(["close", "close", "abandon"]))
    @precondition(lambda self: self.now > 103.0)
    def user_closes(self, how: str) -> None:
        if how == "close":
            self.session.close()
        else:
            self.session.abandon("enough")
        self.drain()

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.session.deadline() <= self.now:
            self.session.timer(self.now)
            self.drain()
            assert self.session.deadline() > self.now, "a timer that is due again at once is a busy loop"

    @invariant()
    def nothing_is_inconsistent(self) -> None:
        if not hasattr(self, "session"):
            return
        session = self.session
        if session.state in FINAL:
            assert not session.linked
            assert not self.open_calls, "everything ends with the session"
            assert session.watches.count == 0
            assert session.deadline() == inf
        if session.state is State.CONNECTED:
            assert session.linked
            assert not session._waiting
        if not session.linked:
            assert not session._sent
            assert session.state is not State.CONNECTED
        unfinished = [*session._sent, *session._waiting]
        assert session._unfinished_bytes == sum(len(call.payload) for call in unfinished)
        assert session.watches.count == sum(
            len(watchers) for table in session.watches._tables for watchers in table.values()
        )


TestAnyOrder = AnyOrder.TestCase
