"""The driver of replication: the only interpreter of the core's effects.

The core (`coord.zab.peer`) says what must happen and in which order; here it happens: log and epochs, links to the peers,
calls into the application. `Driver` is the application's `Replication`.

Everything that arrives in one wake-up of the network is handled at its end, in one go: one append, one send for each link.
What comes between wake-ups (a sync that ended, a timer, a session that expired) is handled at once. One sync of the log is
under way at a time; what is appended meanwhile shares the next.
"""

from __future__ import annotations

import logging
from functools import partial
from math import inf
from random import Random

import trio

from coord.kit.cliutil import StartError
from coord.kit.net import Listening, Network, Transport
from coord.wire.election import Notification
from coord.wire.quorum import PacketType, encode_packet, encode_sessions
from coord.zab.application import Application, Cut, ForwardedRequest, Restoration, Role, Transaction
from coord.zab.effects import BODY, Effects
from coord.zab.events import (
    Connected,
    Event,
    ForwardAsked,
    Frozen,
    Leaving,
    LinkClosed,
    LinkOpened,
    Notified,
    Proposed,
    Restored,
    RevalidationAsked,
    Saved,
    SyncAsked,
    Synced,
)
from coord.zab.leader import Leader
from coord.zab.ledger import Ledger
from coord.zab.membership import Membership
from coord.zab.peer import Peer
from coord.zab.quorums import bracketed
from coord.zab.standalone import Standalone
from coord.zab.storage import Configurations, Epochs, History, TransactionLog
from coord.zab.timing import Timing

from .links import RECEIVE_MAX, WRITE_MAX, QuorumLink
from .mesh import Mesh

__all__ = ["Driver"]

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
RETRY_SECONDS = 0.025
"""Between attempts to reach a leader that does not listen yet."""
FREEZE_RETRY_SECONDS = 0.02
"""Between attempts to get a cut while another one is open."""
LISTEN_RETRY_SECONDS = 0.1
LEAVE_SECONDS = 2.0
"""How long handing over may take; a server that is stopped does not wait for ever for others."""
LEAVE_POLL_SECONDS = 0.005


class Driver:
    """Replication for one server: `Replication` towards the application, links and disk on the other side.

    sid: this server's id (myid). membership: the configuration, or None for a server that stands alone (no ports, no
    epochs: it goes on in the epoch of its last transaction, as Apache's does). configurations: where a new one is kept.
    listen_host: the address of the two ports; without it the one that the configuration gives this server.
    application.last_zxid must be the end of the log when `run` is called: recovery has replayed all of it.
    """

    def __init__(
        self,
        application: Application,
        transactions: TransactionLog,
        history: History,
        epochs: Epochs,
        network: Network,
        random: Random,
        *,
        sid: int,
        membership: Membership | None,
        configurations: Configurations | None = None,
        timing: Timing,
        listen_host: str | None = None,
    ) -> None:
        self.application = application
        self.sid = sid
        self.role = Role.LOOKING
        self.epoch = 0
        self.peer: Peer | Standalone
        self._log = transactions
        self._history = history
        self._epochs = epochs
        self._network = network
        self._random = random
        self._membership = membership
        self._configurations = configurations
        self._timing = timing
        self._listen_host = listen_host
        self._nursery: trio.Nursery
        self._mesh: Mesh | None = None
        self._links: dict[int, QuorumLink] = {}
        self._links_made = 0
        self._cuts: dict[int, Cut] = {}
        """By link: a cut of the state between its making and its sending."""
        self._port: Listening | None = None
        self._listening = False
        self._connecting: trio.CancelScope | None = None
        self._inbox: list[Event] = []
        self._settling = False
        self._network_task: trio.lowlevel.Task | None = None
        """The task in which wake-ups happen; what other tasks post is settled by the clock."""
        self._alarm = trio.Event()
        self._alarm_at = inf
        self._unsynced = False
        """Something was appended since the last sync began."""
        self._syncing = False
        self._appended = 0
        """The zxid that the log ends with."""
        self._history_changes = 0
        """How often the log was cut or replaced: a sync that began before that says nothing any more."""
        self._failure: BaseException | None = None
        self._failed = trio.Event()
        network.on_wakeup(self._woken)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled; `started` once the election port is open. Raises StartError when one of the two ports cannot
        be opened, and OSError when the disk failed: the node must stop then, for it can keep no promise any more."""
        membership, last_zxid = self._membership, self.application.last_zxid
        self._appended = last_zxid
        if membership is None:
            await self._run(Standalone(last_zxid), task_status)
            return
        ledger = Ledger(self._epochs.accepted, self._epochs.current, last_zxid)
        peer = Peer(self.sid, membership, ledger, self._history, self._timing, self._random)
        self._mesh = Mesh(self.sid, membership.committed, self._network, self._notified)
        self._mesh.configured(membership.last_seen)
        await self._open_ports(self._mesh)
        try:
            await self._run(peer, task_status)
        finally:
            self._mesh.close()

    async def _open_ports(self, mesh: Mesh) -> None:
        """The election port, and for a moment the quorum port: that it is taken must be known before it is needed."""
        which = "quorum"
        try:
            (await self._open_quorum_port()).close()
            which = "election"
            await mesh.listen(self._listen_host)
        except OSError as error:
            raise StartError(f"{self._own_port(which)}: {error.strerror or error}") from error

    def _own_port(self, which: str) -> str:
        """One of this server's two ports, as a configuration names it."""
        member = self._membership.member(self.sid) if self._membership is not None else None
        if member is None:
            return f"server.{self.sid}"
        address = member.address
        host = bracketed((address.host if self._listen_host is None else self._listen_host) or "0.0.0.0")
        port = address.quorum_port if which == "quorum" else address.election_port
        return f"server.{self.sid}: {which} port {host}:{port}"

    async def _run(self, peer: Peer | Standalone, task_status: trio.TaskStatus[None]) -> None:
        self.peer = peer
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._clock)
                if self._mesh is not None:
                    nursery.start_soon(self._mesh.run)
                if isinstance(peer, Peer):
                    log.info("server %d looks for a leader: %s", self.sid, peer.reason)
                self._guarded_carry_out(peer.start(trio.current_time()))
                task_status.started()
                await self._failed.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._listening = False
            if self._port is not None:
                self._port.close()
            for link in list(self._links.values()):
                link.end()
                link.transport.abort("this server stops")
            self._links.clear()
        if self._failure is not None:
            raise self._failure

    # Replication

    @property
    def leader(self) -> int | None:
        """The server id of the leader that this server serves under; None while LOOKING."""
        return self.peer.leader if self.role is not Role.LOOKING else None

    @property
    def leading(self) -> Leader | None:
        """The leadership of this server, for those who report about it; None when it does not lead."""
        return self.peer.leading if isinstance(self.peer, Peer) else None

    def next_zxid(self) -> int:
        """See `Replication`, as for those below."""
        return self.peer.next_zxid()

    def propose(self, batch: list[Transaction]) -> None:
        self.post(Proposed(batch))

    def forward(self, batch: list[ForwardedRequest]) -> None:
        self.post(ForwardAsked(batch))

    def sync(self, request: ForwardedRequest) -> None:
        self.post(SyncAsked(request))

    def revalidate(self, session_id: int, timeout_ms: int) -> None:
        self.post(RevalidationAsked(session_id, timeout_ms))

    async def leave(self) -> None:
        """To be called before `run` is cancelled: a leader hands over first. Returns when this server may go.

        What was proposed is committed and in every follower's log; then the links close, so that nobody waits for a
        timeout, and this server votes once more, for another, so that the election has everybody's vote at once.
        """
        if not isinstance(self.peer, Peer):
            return
        self.post(Leaving())
        self._settle_outside()
        with trio.move_on_after(LEAVE_SECONDS):
            while not self.peer.left and self._mesh is not None and self._mesh.links:
                await trio.sleep(LEAVE_POLL_SECONDS)

    # events to the core

    def post(self, event: Event) -> None:
        """Gives the core an event: at the end of this wake-up, or as soon as other tasks run."""
        self._inbox.append(event)
        if not self._settling and trio.lowlevel.current_task() is not self._network_task:
            self._alarm.set()

    def settle(self) -> None:
        """Has the core handle what was posted, and carries out what follows, until nothing more does."""
        if self._settling or self._failure is not None:
            return
        self._settling = True
        try:
            while self._inbox or self.peer.deadline() <= trio.current_time():
                events, self._inbox = self._inbox, []
                self._carry_out(self.peer.handle(events, trio.current_time()))
        except Exception as error:
            self._fail(error)
        finally:
            self._settling = False
        if self.peer.deadline() < self._alarm_at:
            self._alarm.set()

    def _woken(self) -> None:
        self._network_task = trio.lowlevel.current_task()
        if self._inbox:
            self.settle()

    def _settle_outside(self) -> None:
        """`settle` where no wake-up of the network follows to send what was written."""
        self.settle()
        self._network.flush()

    async def _clock(self) -> None:
        while True:
            self._alarm_at = self.peer.deadline()
            with trio.move_on_at(self._alarm_at):
                await self._alarm.wait()
            self._alarm = trio.Event()
            self._settle_outside()

    def _notified(self, sid: int, note: Notification) -> None:
        self.post(Notified(sid, note))

    def _fail(self, error: BaseException) -> None:
        """Ends `run` with `error`: the state of this server can be trusted no more."""
        if self._failure is None:
            log.critical("server %d stops: %s: %s", self.sid, type(error).__name__, error)
            self._failure = error
            self._failed.set()

    # effects: the order is `Effects`' own

    def _guarded_carry_out(self, out: Effects) -> None:
        try:
            self._carry_out(out)
        except Exception as error:
            self._fail(error)

    def _carry_out(self, out: Effects) -> None:
        ahead = self.role is Role.LEADING and out.current_epoch is None
        if out.accepted_epoch is not None:
            self._epochs.accepted = out.accepted_epoch
        if out.rewind is not None:
            self._history_changes += 1
            self.application.rewind(out.rewind)
            self._appended = out.rewind
        if out.seen is not None or out.activated is not None:
            self._configure(out)
        if not ahead:
            self._persist(out)
        if out.current_epoch is not None:
            self._epochs.current = out.current_epoch
        if out.became:
            self._become(out)
        if out.deliver:
            self.application.deliver(out.deliver)
        if out.syncs_done:
            self.application.syncs_done(out.syncs_done)
        if out.touched:
            self.application.touch(out.touched)
        if out.revalidate or out.revalidated:
            self._revalidate(out)
        if out.requests:
            self.application.requests(out.requests)
        for number, zxid in out.pongs:
            touched = encode_sessions(self.application.take_touched())
            self._send(number, encode_packet(PacketType.PING, zxid, touched))
        for number, data in out.send:
            if data is BODY:
                self._start_stream(number)
            else:
                self._send(number, data)
        if ahead:
            if out.persist:
                self._network.flush()  # the followers' disks take longest to answer: proposals leave before the own write
            self._persist(out)
        if out.notify and self._mesh is not None:
            for sid, note in dict(out.notify).items():
                self._mesh.send(sid, note)
        if out.close or out.freeze or out.save or out.disconnect or out.connect or out.listen is not None:
            self._change_links(out)

    def _persist(self, out: Effects) -> None:
        if out.persist:
            self._log.append(out.persist)
            self._appended = out.persist[-1][0]
            self._unsynced = True
        if self._unsynced and not self._syncing:
            self._start_sync()

    def _configure(self, out: Effects) -> None:
        assert self._mesh is not None
        assert self._configurations is not None, "a configuration that cannot change has changed"
        for ensemble, take in ((out.seen, self._configurations.seen), (out.activated, self._configurations.activated)):
            if ensemble is not None:
                take(ensemble)
                self._mesh.configured(ensemble)

    def _become(self, out: Effects) -> None:
        for role, epoch in out.became:
            self.role = role
            self.epoch = epoch
            if role is Role.LOOKING:
                assert isinstance(self.peer, Peer)
                log.warning("server %d looks for a leader: %s", self.sid, self.peer.reason)
                self._network.flush()  # the last replies, before the application drops its clients
            elif role is Role.STANDALONE:
                log.info("server %d is %s", self.sid, role.name)
            else:
                log.info("server %d is %s in epoch %d, under leader %s", self.sid, role.name, epoch, self.leader)
            self.application.became(role, epoch)

    def _revalidate(self, out: Effects) -> None:
        for number, session_id, timeout_ms in out.revalidate:
            valid = self.application.revalidate(session_id, timeout_ms, number)
            data = (session_id & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big") + (b"\1" if valid else b"\0")
            self._send(number, encode_packet(PacketType.REVALIDATE, -1, data))
        for session_id, valid in out.revalidated:
            self.application.revalidated(session_id, valid)

    def _send(self, number: int, data: bytes) -> None:
        link = self._links.get(number)
        if link is not None:
            link.send(data)

    def _change_links(self, out: Effects) -> None:
        for number, reason in out.close:
            link = self._links.pop(number, None)
            if link is not None:
                log.info("link %d to %s closed: %s", number, link.transport.peer, reason)
                link.end()
                link.transport.close()
        for number in out.freeze:
            self._nursery.start_soon(self._send_state, number)
        if out.save:
            self._history_changes += 1
            self._nursery.start_soon(self._save)
        if out.listen is not None:
            self._listen(out.listen)
        if out.disconnect and self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if out.connect is not None:
            self._connecting = trio.CancelScope()
            self._nursery.start_soon(self._connect, out.connect, self._connecting)

    # disk

    def _start_sync(self) -> None:
        self._unsynced = False
        self._syncing = True
        self._log.start_sync(partial(self._synced, self._appended, self._history_changes))

    def _synced(self, end: int, changes: int, error: OSError | None) -> None:
        self._syncing = False
        if error is not None:
            self._fail(error)
        elif changes == self._history_changes:
            self.post(Synced(end))  # the next sync begins when this is settled, for all that came in the same wake-up
        elif self._unsynced:
            self._start_sync()

    async def _save(self) -> None:
        try:
            await self.application.save()
        except OSError as error:
            self._fail(error)
            return
        self.post(Saved())
        self._settle_outside()

    # links

    def _new_link(self, transport: Transport, *, accepted: bool) -> QuorumLink:
        self._links_made += 1
        link = QuorumLink(self, transport, self._links_made, accepted=accepted)
        self._links[link.number] = link
        return link

    def _accept(self, transport: Transport) -> QuorumLink:
        link = self._new_link(transport, accepted=True)
        self.post(LinkOpened(link.number))
        return link

    async def _open_quorum_port(self) -> Listening:
        assert self._membership is not None
        member = self._membership.member(self.sid)
        if member is None:
            raise OSError("this server is in no configuration")
        host = member.address.host if self._listen_host is None else self._listen_host
        port = member.address.quorum_port
        return await self._network.listen(host, port, self._accept, receive_max=RECEIVE_MAX, write_max=WRITE_MAX)

    def _listen(self, wanted: bool) -> None:
        self._listening = wanted
        if not wanted and self._port is not None:
            self._port.close()
            self._port = None
        elif wanted and self._port is None:
            self._nursery.start_soon(self._open)

    async def _open(self) -> None:
        while self._listening and self._port is None:
            try:
                port = await self._open_quorum_port()
            except OSError as error:
                log.warning("server %d leads, but its quorum port cannot be opened: %s", self.sid, error)
                await trio.sleep(LISTEN_RETRY_SECONDS)
            else:
                self._opened(port)

    def _opened(self, port: Listening) -> None:
        if self._listening and self._port is None:
            self._port = port
        else:
            port.close()  # this server leads no more

    async def _connect(self, leader: int, scope: trio.CancelScope) -> None:
        """Tries until the leader's port opens or the core thinks better of it."""
        assert self._membership is not None
        member = self._membership.member(leader)
        if member is None:
            return  # the core gives up by itself
        address = member.address
        made: list[QuorumLink] = []

        def accept(transport: Transport) -> QuorumLink:
            made.append(self._new_link(transport, accepted=False))
            return made[-1]

        with scope:
            while not made or made[-1].ended:
                try:
                    await self._network.connect(
                        address.host, address.quorum_port, accept,
                        timeout=CONNECT_SECONDS, receive_max=RECEIVE_MAX, write_max=WRITE_MAX,
                    )  # fmt: skip
                except OSError as error:
                    log.debug("leader %d at %s:%d: %s", leader, address.host, address.quorum_port, error)
                    await trio.sleep(RETRY_SECONDS)
        link = made[-1] if made else None
        if link is None:
            return
        if scope is self._connecting:
            self._connecting = None
            self.post(Connected(link.number))
            self._settle_outside()
        else:
            self._links.pop(link.number, None)
            link.end()
            link.transport.abort("another leader was elected")

    def link_closed(self, link: QuorumLink, reason: str) -> None:
        """The other side closed a link, or the network did."""
        if self._links.pop(link.number, None) is not None:
            self.post(LinkClosed(link.number, reason))

    # the state for a learner

    async def _send_state(self, number: int) -> None:
        """Gets a cut of the state as soon as none is open, and tells the core, which says what surrounds it."""
        while number in self._links:
            self.settle()  # what was posted belongs to the time before the cut
            if (cut := self.application.freeze()) is not None:
                self._cuts[number] = cut
                self.post(Frozen(number, cut.zxid))
                self._settle_outside()
                break
            await trio.sleep(FREEZE_RETRY_SECONDS)
        if (unwanted := self._cuts.pop(number, None)) is not None:
            unwanted.close()

    def _start_stream(self, number: int) -> None:
        link = self._links[number]
        link.hold()
        self._nursery.start_soon(link.stream, self._cuts.pop(number))

    def install(self, link: QuorumLink, restoration: Restoration, zxid: int) -> None:
        """A learner's new state is whole: it takes the place of the old one."""
        try:
            restoration.install(zxid)
        except Exception as error:
            self._fail(error)
            return
        self.post(Restored(link.number, zxid))
        self.settle()
