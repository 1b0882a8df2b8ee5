"""What clients are promised, whatever fails. Each promise is one class; it hears every frame of every client.

What `sync` promises, and what is checked here: a read that follows a sync on the same connection sees every write that
was acknowledged, to anybody, before the sync was sent. That holds also where the sync's server follows a leader that has
been deposed without knowing it: a leader asks its quorum before it answers (Apache ZooKeeper's does not).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coord.errors import (
    BadVersionError,
    NodeExistsError,
    NoNodeError,
    SessionExpiredError,
    SessionMovedError,
)
from coord.wire.ops import EventType, OpCode
from coord.wire.records import Create2Response, Stat
from tests.sim.checkers.zab import Violation
from tests.sim.linearize import UNKNOWN, Operation, check_keys
from tests.sim.tap import Exchange, Listener, Tap

__all__ = ["LEDGER", "REGISTERS", "ClientCheckers", "Dump"]

REGISTERS = "/registers"
"""Below it: nodes that clients create, set, delete and read."""
LEDGER = "/ledger"
"""Below it: sequential nodes that nobody deletes."""

Dump = dict[str, tuple[bytes, Stat]]
"""One server's tree."""

NO_EFFECT = (SessionExpiredError.code, SessionMovedError.code)
CREATES = (OpCode.CREATE, OpCode.CREATE2)


class ClientChecker(Listener):
    """One promise. fail: called with the first violation. note: counts what is worth a figure."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        self._fail = fail
        self.noted = note

    def require(self, holds: bool, message: str) -> None:
        """Reports unless it holds."""
        if not holds:
            self._fail(Violation(f"{type(self).__name__}: {message}"))

    def finished(self, dump: Dump, witness: int, now: float) -> None:
        """The run is over; all servers hold `dump`. No session lives but `witness`."""


class AcknowledgedWritesSurvive(ClientChecker):
    """A create that was acknowledged is there at the end, as it was acknowledged; no name was given twice."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        super().__init__(fail, note)
        self.created: dict[str, Exchange] = {}

    def answered(self, exchange: Exchange) -> None:
        if exchange.err == 0 and exchange.op in CREATES and exchange.request.path.startswith(LEDGER + "/"):
            path = exchange.reply.path
            before = self.created.setdefault(path, exchange)
            if before is not exchange:
                self.require(False, f"{path} was created twice:\n{before}\n{exchange}")

    def finished(self, dump: Dump, witness: int, now: float) -> None:
        self.noted["acknowledged creates"] += len(self.created)
        for path, exchange in self.created.items():
            held = dump.get(path)
            self.require(held is not None, f"{path} is lost:\n{exchange}")
            if held is None:
                return
            data, stat = held
            same = data == exchange.request.data and stat.czxid == exchange.zxid
            self.require(same, f"{path} is {data!r} {stat}, but was acknowledged as:\n{exchange}")
            if isinstance(exchange.reply, Create2Response):
                told = exchange.reply.stat
                self.require(told.czxid == stat.czxid and told.ctime == stat.ctime, f"{path}: {stat}, told {told}")


class EphemeralsDieWithSession(ClientChecker):
    """An ephemeral node is there as long as its session lives, and not when the session was closed or has expired."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        super().__init__(fail, note)
        self.alive: dict[int, dict[str, Exchange]] = {}
        """By session: the nodes that its client may rely on."""
        self.dead: dict[int, float] = {}
        """Sessions whose close was confirmed, and when."""

    def answered(self, exchange: Exchange) -> None:
        own = self.alive.setdefault(exchange.session_id, {})
        if exchange.op in CREATES:
            if exchange.err == 0 and exchange.request.flags & 1:
                own[exchange.reply.path] = exchange
        elif exchange.op == OpCode.DELETE:
            own.pop(exchange.request.path, None)
        elif exchange.op in (OpCode.EXISTS, OpCode.GET_DATA):
            path = exchange.request.path
            if exchange.err == NoNodeError.code and path in own:
                self.require(False, f"gone before its session:\n{own.get(path)}\n{exchange}")
            elif exchange.err == 0:
                self._seen(exchange, exchange.reply.stat.ephemeral_owner)
        elif exchange.op == OpCode.CLOSE_SESSION and exchange.err == 0:
            self.dead[exchange.session_id] = exchange.answered

    def lost(self, exchange: Exchange) -> None:
        if exchange.op == OpCode.DELETE:
            self.alive.setdefault(exchange.session_id, {}).pop(exchange.request.path, None)

    def _seen(self, exchange: Exchange, owner: int) -> None:
        sync, died = exchange.sync, self.dead.get(owner)
        if died is not None and sync is not None and sync.err == 0:
            self.require(sync.asked <= died, f"outlives its session, closed at {died:.4f}:\n{exchange}")

    def finished(self, dump: Dump, witness: int, now: float) -> None:
        left = {path: stat for path, (_, stat) in dump.items() if stat.ephemeral_owner}
        outliving = {path: stat for path, stat in left.items() if stat.ephemeral_owner != witness}
        self.require(not outliving, f"nodes outlive their sessions: {outliving}")
        self.require(bool(left), "the witness's ephemeral node is gone before its session")
        self.noted["ephemerals"] += sum(map(len, self.alive.values()))


class WatchBeforeNewData(ClientChecker):
    """A client that watches a node gets the event before any reply that shows the change."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        super().__init__(fail, note)
        self.data: dict[tuple[int, str], int] = {}
        """(session, watched path) to the mzxid known when the watch was set; 0 when there was no node."""
        self.children: dict[tuple[int, str], int] = {}
        """(session, path whose children are watched) to the pzxid."""
        self.before: dict[int, tuple[dict[str, int], dict[str, int]]] = {}
        """By session: what was watched on its connection before this one."""

    def connected(self, tap: Tap) -> None:
        self.before[tap.session_id] = (_taken(self.data, tap.session_id), _taken(self.children, tap.session_id))

    def watches_set(self, tap: Tap, data: list[str], children: list[str]) -> None:
        for table, before, paths in zip((self.data, self.children), self.before[tap.session_id], (data, children), strict=True):
            table.update({(tap.session_id, path): before[path] for path in paths if path in before})

    def notified(self, tap: Tap, event: EventType, path: str) -> None:
        key = (tap.session_id, path)
        self.noted["watch events"] += 1
        if event is EventType.NODE_CHILDREN_CHANGED:
            self.children.pop(key, None)
            return
        self.data.pop(key, None)
        if event is EventType.NODE_DELETED:
            self.children.pop(key, None)

    def answered(self, exchange: Exchange) -> None:
        if exchange.op not in (OpCode.EXISTS, OpCode.GET_DATA, OpCode.SET_DATA, OpCode.GET_CHILDREN2):
            return
        if exchange.err not in (0, NoNodeError.code):
            return
        key = (exchange.session_id, exchange.request.path)
        stat: Stat | None = exchange.reply.stat if exchange.err == 0 else None
        if exchange.op != OpCode.GET_CHILDREN2 or stat is None:
            known = self.data.get(key)
            shown = stat.mzxid if stat is not None else 0
            if known not in (None, shown):
                self.require(False, f"no event came, it was watched as of {known}:\n{exchange}")
        if stat is not None:
            known = self.children.get(key)
            if known not in (None, stat.pzxid):
                self.require(False, f"no event came, its children were watched as of {known}:\n{exchange}")
        if exchange.op == OpCode.GET_CHILDREN2:
            if stat is not None and exchange.request.watch:
                self.children[key] = stat.pzxid
        elif exchange.op != OpCode.SET_DATA and exchange.request.watch:
            if stat is not None:
                self.data[key] = stat.mzxid
            elif exchange.op == OpCode.EXISTS:
                self.data[key] = 0


def _taken(table: dict[tuple[int, str], int], session_id: int) -> dict[str, int]:
    keys = [key for key in table if key[0] == session_id]
    return {key[1]: table.pop(key) for key in keys}


class SessionReadsMonotonic(ClientChecker):
    """What a session is shown never goes back, on whichever server: neither the state's zxid nor a node's."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        super().__init__(fail, note)
        self.state: dict[int, Exchange] = {}
        self.nodes: dict[tuple[int, str], Exchange] = {}

    def answered(self, exchange: Exchange) -> None:
        if exchange.zxid > 0:
            before = self.state.get(exchange.session_id)
            if before is not None and before.zxid > exchange.zxid:
                self.require(False, f"the state goes back:\n{before}\n{exchange}")
            self.state[exchange.session_id] = exchange
        if exchange.err == 0 and exchange.op in (OpCode.EXISTS, OpCode.GET_DATA, OpCode.SET_DATA):
            key = (exchange.session_id, exchange.request.path)
            seen = self.nodes.get(key)
            if seen is not None:
                before_stat, stat = seen.reply.stat, exchange.reply.stat
                same = before_stat.mzxid <= stat.mzxid and before_stat.czxid <= stat.czxid
                if not same:
                    self.require(False, f"the node goes back:\n{seen}\n{exchange}")
            self.nodes[key] = exchange


class LinearizableRegisters(ClientChecker):
    """Writes, and reads that follow a sync, have one order that explains every answer and respects real time."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        super().__init__(fail, note)
        self.history: list[Operation] = []

    def answered(self, exchange: Exchange) -> None:
        asked = _asked(exchange)
        if asked is None or exchange.err in NO_EFFECT:
            return
        called = exchange.asked
        if asked == ("get",):
            sync = exchange.sync
            if sync is None or sync.err != 0:
                return
            called = sync.asked
            self.noted["sync-reads"] += 1
        self.noted["register operations"] += 1
        self.history.append(
            Operation(exchange.request.path, asked, _answer(exchange), called, exchange.answered)
        )

    def lost(self, exchange: Exchange) -> None:
        asked = _asked(exchange)
        if asked is not None and asked != ("get",):
            self.noted["lost answers"] += 1
            self.history.append(Operation(exchange.request.path, asked, UNKNOWN, exchange.asked))

    def finished(self, dump: Dump, witness: int, now: float) -> None:
        paths = {operation.key for operation in self.history}
        for path in sorted(paths):  # type: ignore[type-var]
            held = dump.get(path)  # type: ignore[call-overload]
            answer = ("ok", held[0], held[1].version) if held is not None else NoNodeError.code
            self.history.append(Operation(path, ("get",), answer, now, now + 1))
        failed = check_keys(_node, None, _anonymous(self.history))
        if failed is not None:
            self.require(False, "no order explains:\n" + "\n".join(map(str, failed)))


def _anonymous(history: list[Operation]) -> list[Operation]:
    """Lost writes whose data nobody has read are all alike, which spares the search telling them apart."""
    read = {operation.answer[1] for operation in history if operation.request == ("get",) and operation.answer != NoNodeError.code}
    return [
        replace(operation, request=(operation.request[0], b"?", *operation.request[2:]))
        if operation.answer is UNKNOWN and operation.request[0] != "delete" and operation.request[1] not in read
        else operation
        for operation in history
    ]


def _asked(exchange: Exchange) -> tuple[Any, ...] | None:
    """The request as the model of a register knows it; None for others."""
    request, op = exchange.request, exchange.op
    path = getattr(request, "path", None)
    if not path or not path.startswith(REGISTERS + "/"):
        return None
    if op in CREATES:
        return ("create", request.data)
    if op == OpCode.SET_DATA:
        return ("set", request.data, request.version)
    if op == OpCode.DELETE:
        return ("delete", request.version)
    return ("get",) if op == OpCode.GET_DATA else None


def _answer(exchange: Exchange) -> Any:
    if exchange.err:
        return exchange.err
    if exchange.op == OpCode.GET_DATA:
        return ("ok", exchange.reply.data, exchange.reply.stat.version)
    if exchange.op == OpCode.SET_DATA:
        return ("ok", exchange.reply.stat.version)
    return 0


def _node(state: Any, request: tuple[Any, ...], answer: Any) -> list[Any]:
    """The model: a node is None or (data, version)."""
    after, expected = _step(state, request)
    return [after] if answer is UNKNOWN or answer == expected else []


def _step(state: Any, request: tuple[Any, ...]) -> tuple[Any, Any]:
    verb = request[0]
    if verb == "create":
        return ((request[1], 0), 0) if state is None else (state, NodeExistsError.code)
    if state is None:
        return state, NoNodeError.code
    data, version = state
    if verb == "get":
        return state, ("ok", data, version)
    if request[-1] not in (-1, version):
        return state, BadVersionError.code
    if verb == "delete":
        return None, 0
    return (request[1], version + 1), ("ok", version + 1)


class ClientCheckers(Listener):
    """All of them."""

    def __init__(self, fail: Callable[[Violation], None], note: Counter[str]) -> None:
        kinds = (
            AcknowledgedWritesSurvive, EphemeralsDieWithSession, WatchBeforeNewData, SessionReadsMonotonic,
            LinearizableRegisters,
        )  # fmt: skip
        self.all = [kind(fail, note) for kind in kinds]

    def connected(self, tap: Tap) -> None:
        for checker in self.all:
            checker.connected(tap)

    def rejected(self, tap: Tap) -> None:
        for checker in self.all:
            checker.rejected(tap)

    def watches_set(self, tap: Tap, data: list[str], children: list[str]) -> None:
        for checker in self.all:
            checker.watches_set(tap, data, children)

    def notified(self, tap: Tap, event: EventType, path: str) -> None:
        for checker in self.all:
            checker.notified(tap, event, path)

    def answered(self, exchange: Exchange) -> None:
        for checker in self.all:
            checker.answered(exchange)

    def lost(self, exchange: Exchange) -> None:
        for checker in self.all:
            checker.lost(exchange)

    def finished(self, dump: Dump, witness: int, now: float) -> None:
        """The run is over."""
        for checker in self.all:
            checker.finished(dump, witness, now)
