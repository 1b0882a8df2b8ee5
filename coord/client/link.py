"""The session's life on trio: finding servers, moving bytes, waking the tasks that wait for replies.

One task reads, one writes, one keeps the time. A request costs its caller one park and one reschedule: no lock, channel
or cancel scope. Requests made in the same step of the scheduler leave in one send.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from math import inf
from random import Random

import outcome
import trio

from coord.errors import CoordError, error_of
from coord.wire.ops import OpCode

from .calls import Call, Credentials, Fired, Reply, StateChanged, Watch, WatchRemoval
from .failures import ConnectFailedError, RequestTooLargeError, words_of
from .hosts import Address, Rota
from .protocol import Session
from .search import find_writer
from .states import FINAL, LINKED, State
from .wakeup import Wakeup
from .watches import WatchEvent

__all__ = ["REQUEST_MAX", "ConnectStream", "Link"]

log = logging.getLogger(__name__)

REQUEST_MAX = 0xFFFFF - 8
"""Bytes of a request record that servers accept by default: jute.maxbuffer less the header."""
PAUSE_MIN, PAUSE_MAX = 0.02, 0.3
"""Seconds between rounds in which no server could be used; doubled each time, and drawn from the upper half."""
STEADY_SECONDS = 1.0
"""A connection that lasted this long says that its server works: the next one is tried without a pause."""
WARNING_SECONDS = 10.0
"""Between two warnings that no server can be used."""
RECEIVE_BYTES = 256 * 1024

ConnectStream = Callable[[str, int], Awaitable[trio.abc.Stream]]
Deliver = Callable[[Hashable, WatchEvent], None]
OnState = Callable[[State], None]


class Link:
    """Keeps one session connected.

    deliver: called with each watcher and its event, in the protocol's order, before any reply that shows the change.
    start_timeout: seconds for the first connection. close_timeout: seconds to wait for the server's consent to a close.
    """

    def __init__(
        self,
        addresses: list[Address],
        *,
        deliver: Deliver,
        session_timeout: float,
        start_timeout: float,
        close_timeout: float,
        read_only: bool,
        resume: Credentials | None,
        connect_stream: ConnectStream,
        random: Random,
        request_max: int,
    ) -> None:
        self._rota = Rota(addresses, random)
        self._attempt_timeout = session_timeout / len(addresses)
        self.session = Session(
            timeout=session_timeout,
            handshake_timeout=self._attempt_timeout,
            read_only=read_only,
            resume=resume,
        )
        self.server: Address | None = None
        """The server in use."""
        self._deliver = deliver
        self._start_timeout = start_timeout
        self._close_timeout = close_timeout
        self._connect_stream = connect_stream
        self._read_only = read_only
        self._random = random
        self._request_max = request_max
        self._problem = "not tried yet"
        self._warning_at = -inf
        """When a round without a usable server is worth a warning: the first at once, later ones now and then."""
        self._on_state: dict[OnState, None] = {}
        self._changed = trio.Event()
        self._done = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._writer = Wakeup()
        self._clock = trio.CancelScope()
        self._stream_scope: trio.CancelScope | None = None

    # For the operations

    async def call(
        self,
        op: int,
        payload: bytes,
        path: str | None = None,
        watch: Watch | WatchRemoval | None = None,
        sync: bytes | None = None,
    ) -> memoryview:
        """Sends a request and waits for its reply's record. Raises CoordError.

        sync: a SyncRequest to be sent before it, in the same piece; what goes wrong with that is raised too.
        Cancelled, it is withdrawn if it was not sent yet; if it was, the server may still carry it out.
        """
        if len(payload) > self._request_max:
            raise RequestTooLargeError(path, len(payload), self._request_max)
        await trio.lowlevel.checkpoint_if_cancelled()
        session = self.session
        while session.full:
            await self._room.park()
        call = Call(op, payload, path, watch, trio.lowlevel.current_task())
        if sync is not None:
            before = Call(OpCode.SYNC, sync, path)
            before.then = call
            session.submit(before)
        session.submit(call)
        self._writer.set()
        reply: memoryview = await trio.lowlevel.wait_task_rescheduled(partial(self._withdraw, call))
        return reply

    async def add_auth(self, scheme: str, auth: bytes) -> None:
        """Adds a credential and waits for the server's answer."""
        call = Call(0, owner=trio.lowlevel.current_task())
        self.session.add_auth(scheme, auth, call)
        self._settle()
        await trio.lowlevel.wait_task_rescheduled(partial(self._withdraw, call))

    def add_auth_soon(self, scheme: str, auth: bytes) -> None:
        """Adds a credential for the first connection; a refusal shows as the state AUTH_FAILED."""
        self.session.add_auth(scheme, auth, Call(0))

    def on_state(self, callback: OnState) -> Callable[[], None]:
        """Calls back at every change of state; returns the function that ends this."""
        self._on_state[callback] = None
        return lambda: self._on_state.pop(callback, None)

    async def wait_connected(self) -> None:
        """Returns when the session has a server. Raises the session's end."""
        while self.session.state not in LINKED:
            if self.session.state in FINAL:
                raise error_of(self.session.end_code())
            await self._changed.wait()

    async def close(self) -> None:
        """Ends the session and waits for the server's consent, for a limited time."""
        self._end()
        with trio.move_on_after(self._close_timeout):
            await self._done.wait()
        self._abandon()

    # The life of the session

    async def run(self, started: Callable[[], None]) -> None:
        """Lives until the session ends; calls `started` when there is one. Cancelled, it closes the session first.

        Raises ConnectFailedError when no server gives a session in time.
        """
        work = trio.CancelScope(shield=True)
        failure: CoordError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work, work)
            try:
                await self._start()
                started()
                await self._done.wait()
            except CoordError as error:  # raised below, where no nursery wraps it into a group
                failure = error
            finally:
                self._end()
                with trio.move_on_after(self._close_timeout, shield=True):
                    await self._done.wait()
                self._abandon()
                work.cancel()
        if failure is not None:
            raise failure

    async def _start(self) -> None:
        with trio.move_on_after(self._start_timeout):
            await self.wait_connected()
            return
        raise ConnectFailedError(str(self._rota), self._problem)

    async def _work(self, scope: trio.CancelScope) -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                await self._keep_connected()
                nursery.cancel_scope.cancel()

    async def _keep_connected(self) -> None:
        session = self.session
        pause = PAUSE_MIN
        while session.state not in FINAL:
            for address in self._rota.one_round():
                began = trio.current_time()
                stream = await self._dial(address)
                if stream is not None and session.state not in FINAL:
                    await self._attend(stream, address)
                elif stream is not None:  # the session ended in the same moment
                    await trio.aclose_forcefully(stream)
                if session.state in FINAL:
                    return
                if stream is not None and trio.current_time() - began > STEADY_SECONDS:
                    pause = PAUSE_MIN
            self._warn()
            await trio.sleep(self._random.uniform(pause / 2, pause))
            pause = min(pause * 2, PAUSE_MAX)

    def _warn(self) -> None:
        now = trio.current_time()
        if now >= self._warning_at:
            self._warning_at = now + WARNING_SECONDS
            log.warning("no server of %s answers (%s); trying on", self._rota, self._problem)

    async def _dial(self, address: Address) -> trio.abc.Stream | None:
        with trio.move_on_after(self._attempt_timeout):
            try:
                return await self._connect_stream(address.host, address.port)
            except OSError as error:
                self._problem = f"{address}: {words_of(error)}"
                return None
        self._problem = f"{address}: no connection within {self._attempt_timeout:g} s"
        return None

    async def _attend(self, stream: trio.abc.Stream, address: Address) -> None:
        """Uses one connection until it is lost or given up."""
        self.session.connected(trio.current_time())
        self.server = address
        try:
            with trio.CancelScope() as self._stream_scope:
                self._settle()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, stream)
                    if self._read_only:
                        nursery.start_soon(self._look_for_writer, address)
                    await self._read(stream)
        finally:
            self._stream_scope = None
            self.session.disconnected(trio.current_time(), "the client stopped")
            self.server = None
            self._problem = f"{address}: {self.session.reason}"
            self._settle()
            await trio.aclose_forcefully(stream)

    async def _look_for_writer(self, address: Address) -> None:
        """Leaves a server that has no quorum for one that has, as soon as there is one."""
        while self.session.state not in LINKED:
            await self._changed.wait()
        others = self._rota.others(address)
        if self.session.state is State.CONNECTED_READ_ONLY and others:
            found = await find_writer(others, self._connect_stream, self._attempt_timeout)
            self._rota.prefer(found)
            self.session.disconnected(trio.current_time(), f"{found} has a quorum")
            self._settle()

    async def _read(self, stream: trio.abc.Stream) -> None:
        session = self.session
        while session.linked:
            try:
                data = await stream.receive_some(RECEIVE_BYTES)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                session.disconnected(trio.current_time(), f"the connection broke: {words_of(error)}")
            else:
                if data:
                    session.receive(bytes(data), trio.current_time())
                else:
                    session.disconnected(trio.current_time(), "the server closed the connection")
            self._settle()

    async def _write(self, stream: trio.abc.Stream) -> None:
        session = self.session
        while session.linked:
            data = session.data_to_send(trio.current_time())
            if not data:
                await self._writer.wait()
                continue
            try:
                await stream.send_all(data)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                session.disconnected(trio.current_time(), f"the connection broke: {words_of(error)}")
                self._settle()

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope() as self._clock:
                self._clock.deadline = self.session.deadline()
                await trio.sleep_forever()
            self.session.timer(trio.current_time())
            self._settle()

    # After every input to the session

    def _settle(self) -> None:
        session = self.session
        for event in session.events():
            if type(event) is Reply:
                self._finish_call(event)
            elif type(event) is Fired:
                self._deliver(event.watcher, event.event)
            elif type(event) is StateChanged:
                self._tell_state(event)
        if session.has_data_to_send:
            self._writer.set()
        if not session.linked and self._stream_scope is not None:
            self._stream_scope.cancel()
        if self._room and not session.full:
            self._room.unpark_all()
        due = session.deadline()
        if due < self._clock.deadline:  # a later one is noticed when the earlier has come
            self._clock.deadline = due

    def _finish_call(self, reply: Reply) -> None:
        call = reply.call
        if call.then is not None and reply.err:
            call = call.then
        task = call.owner
        if task is None:
            return
        if call is not reply.call:
            self.session.forget(call)
        call.owner = None
        assert isinstance(task, trio.lowlevel.Task)
        if reply.err == 0:
            trio.lowlevel.reschedule(task, outcome.Value(reply.body))
        else:
            trio.lowlevel.reschedule(task, outcome.Error(error_of(reply.err, call.path)))

    def _tell_state(self, change: StateChanged) -> None:
        self._log_state(change)
        self._warning_at = trio.current_time() + WARNING_SECONDS  # this change has been told
        self._changed.set()
        self._changed = trio.Event()
        if change.state in FINAL:
            self._done.set()
        for callback in list(self._on_state):
            try:
                callback(change.state)
            except Exception:
                log.exception("a state callback failed: %r", callback)

    def _log_state(self, change: StateChanged) -> None:
        level = logging.WARNING if change.state in (State.SUSPENDED, State.EXPIRED) else logging.INFO
        number = self.session.session_id & 0xFFFFFFFFFFFFFFFF
        who = f"session 0x{number:x}" if number else f"the client of {self._rota}"
        where = f" ({self.server})" if self.server is not None else ""
        log.log(level, "%s is %s: %s%s", who, change.state.value, change.reason, where)

    def _withdraw(self, call: Call, _: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self.session.forget(call)
        return trio.lowlevel.Abort.SUCCEEDED

    def _end(self) -> None:
        self.session.close()
        self._settle()

    def _abandon(self) -> None:
        self.session.abandon("closed; the server did not confirm in time")
        self._settle()
