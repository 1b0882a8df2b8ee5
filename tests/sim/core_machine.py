"""One simulated server of `core_world`: a disk that forgets what was not synced, a state that is the list of its
transactions, and the driver's duties carried out on both."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from math import inf
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING

from coord.errors import CoordError
from coord.wire.codes import OpCode
from coord.wire.quorum import Packet, PacketType, encode_packet, encode_sessions, parse
from coord.wire.requests import ReconfigRequest
from coord.wire.txns import SetDataTxn, TxnHeader, encode_txn
from coord.wire.zxid import counter_of, epoch_of
from coord.zab.application import ForwardedRequest, Role, Transaction
from coord.zab.effects import BODY, Effects
from coord.zab.events import (
    Event,
    ForwardAsked,
    Frozen,
    LinkClosed,
    Proposed,
    Received,
    Restored,
    Saved,
    Streamed,
    SyncAsked,
    Synced,
)
from coord.zab.ledger import Ledger
from coord.zab.membership import Membership, configurations
from coord.zab.peer import Peer
from coord.zab.quorums import Ensemble
from coord.zab.reconfigure import reconfigure
from tests.sim.core_steps import is_step

if TYPE_CHECKING:
    from tests.sim.core_world import World

__all__ = ["Disk", "Server", "Snapshot"]

Snapshot = tuple[int, tuple[Transaction, ...]]
"""(zxid, the transactions that made the state)."""


class Disk:
    """What a server finds again after a crash."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.committed = self.last_seen = ensemble
        """The configuration files."""
        self.accepted = 0
        self.current = 0
        self.snapshots: list[Snapshot] = [(0, ())]
        self.log: list[Transaction] = []
        self.synced = 0
        """How many of the log's entries are durable."""

    def crash(self, random: Random) -> None:
        """Of what was not synced some beginning survives."""
        self.synced = random.randint(self.synced, len(self.log))
        del self.log[self.synced :]

    def recover(self) -> Snapshot:
        """The newest snapshot and what the log holds beyond it, which must follow without a hole."""
        zxid, state = self.snapshots[-1]
        applied = list(state)
        for entry in self.log:
            if entry[0] > zxid:
                same = epoch_of(entry[0]) == epoch_of(zxid)
                assert entry[0] == zxid + 1 if same else counter_of(entry[0]) == 1, "a hole in the log on disk"
                zxid = entry[0]
                applied.append(entry)
        return zxid, tuple(applied)

    def holds(self, entry: Transaction) -> bool:
        """Whether a transaction would certainly survive a crash now."""
        zxid, state = self.snapshots[-1]
        entries: Sequence[Transaction] = state if entry[0] <= zxid else self.log
        index = bisect_left(entries, entry[0], key=itemgetter(0))
        inside = len(entries) if entries is state else self.synced
        return index < inside and entries[index] == entry

    def checkpoint(self, zxid: int, state: list[Transaction]) -> None:
        """A snapshot of a server that serves; the second newest is kept, and the log from there on."""
        self.snapshots = [*self.snapshots[-1:], (zxid, tuple(state))]
        needless = bisect_right(self.log, self.snapshots[0][0], hi=self.synced, key=itemgetter(0))
        del self.log[:needless]
        self.synced -= needless

    def end(self) -> int:
        """The zxid of the last durable transaction, or of the snapshot."""
        return max(self.snapshots[-1][0], self.log[self.synced - 1][0] if self.synced else 0)

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        """`History.after`."""
        if zxid < self.snapshots[0][0] or not any(entry[0] == zxid for entry in self.log):
            return None
        return iter([entry for entry in self.log if entry[0] > zxid])

    def can_rewind(self, zxid: int) -> bool:
        """`History.can_rewind`."""
        oldest = self.snapshots[0][0]
        return zxid == 0 or oldest <= zxid or not counter_of(oldest)

    def rewind(self, zxid: int) -> None:
        """`Application.rewind` on disk."""
        assert self.can_rewind(zxid), f"no snapshot left at a rewind to {zxid:#x}"
        if not counter_of(oldest := self.snapshots[0][0]):
            zxid = max(zxid, oldest)  # the beginning of an epoch: the same state
        self.snapshots = [snapshot for snapshot in self.snapshots if snapshot[0] <= zxid] or [(0, ())]
        self.log = [entry for entry in self.log if entry[0] <= zxid]
        self.synced = len(self.log)
        assert self.recover()[0] == zxid, f"rewound to {zxid:#x}, found {self.recover()[0]:#x}"


class Server:
    """A server while it runs; a restart makes another one on the same disk."""

    def __init__(self, world: World, sid: int, disk: Disk) -> None:
        self.world = world
        self.sid = sid
        self.disk = disk
        self.alive = True
        zxid, state = disk.recover()
        assert disk.current <= disk.accepted >= epoch_of(zxid), "the epochs do not go with the log"
        self.last_zxid = zxid
        self.applied = list(state)
        self.role = Role.LOOKING
        self.epoch = 0
        self.connecting: int | None = None
        self.listening = False
        self.waiting: set[bytes] = set()
        """Client writes of this server without a reply."""
        self.syncs: list[int] = []
        """The last zxid acknowledged anywhere, in whatever epoch, when each outstanding sync was asked."""
        self.paused = False
        self._held: dict[object, list[Callable[[], None]]] = {}
        """What came while it was paused, by where it came from."""
        self._inbox: list[Event] = []
        self._busy = False
        self._waking = False
        """A wake-up is near, in which what was posted is handled."""
        self._syncing = False
        self._purged = 0
        """Entries that left the log's beginning while a sync was under way."""
        self._generation = 0
        self._alarm_at = inf
        self._unread: dict[int, bytes] = {}
        self._closed: set[int] = set()
        """Links that this server has closed: what they brought before, and it had not read, counts no more."""
        self._cuts: dict[int, Snapshot] = {}
        ledger = Ledger(disk.accepted, disk.current, zxid, recent_max=world.options.recent_max)
        random = Random(f"{world.seed}/{sid}/{world.now}")
        logged = max((version for version, _ in configurations(state)), default=0)
        enabled = world.options.reconfigure_every > 0
        self.membership = Membership(disk.committed, disk.last_seen, logged=logged, enabled=enabled)
        self.peer = Peer(sid, self.membership, ledger, disk, world.options.timing, random)

    def start(self) -> None:
        """Begins to look for a leader."""
        self._carry_out(self.peer.start(self.world.now))
        self._set_alarm(self.peer.deadline())

    def tell(self, *events: Event) -> None:
        """Gives events to the core and does what it says, until nothing follows any more."""
        self._inbox += events
        if self._busy or not self.alive:
            return
        self._busy = True
        now = self.world.now
        deadline = now
        while (self._inbox or deadline <= now) and self.alive:
            batch, self._inbox = self._inbox, []
            self._carry_out(self.peer.handle(batch, now))
            deadline = self.peer.deadline()
        self._busy = False
        if self.alive:
            self._set_alarm(deadline)

    def post(self, event: Event) -> None:
        """Gives the core an event, together with what else comes until the process wakes up."""
        self._inbox.append(event)
        wake_max = self.world.options.wake_max
        if not wake_max:
            self.tell()
        elif not self._waking:
            self._waking = True
            self.world.after(self.world.random.uniform(0, wake_max), lambda: self.reach("clock", self._wake))

    def _wake(self) -> None:
        self._waking = False
        if self._inbox:
            self.tell()

    def crash(self) -> None:
        """Ends this server; the disk keeps what it must."""
        self.alive = False
        self.disk.crash(self.world.random)

    def reach(self, source: object, action: Callable[[], None]) -> None:
        """The kernel has something for the process: it sees it now, or when it goes on."""
        if self.paused:
            self._held.setdefault(source, []).append(action)
        else:
            action()

    def go_on(self) -> None:
        """SIGCONT: it finds what has come from one side after the other, in no order of time between them."""
        self.paused = False
        held, self._held = list(self._held.values()), {}
        if self.world.random.random() < 0.7 and self.role is not Role.LOOKING:
            held.append([self.sync])
        self.world.random.shuffle(held)
        for action in chain.from_iterable(held):
            if self.alive:
                action()

    # the network's side

    def bytes_arrived(self, link: int, data: bytes) -> None:
        """Packets, or parts of packets."""
        if link in self._closed:
            return
        data = self._unread.pop(link, b"") + data
        messages, taken = parse(data)
        if taken < len(data):
            self._unread[link] = data[taken:]
        steps = self.world.steps
        struck = False
        for message in messages:
            if type(message) is Packet and steps.arrived(self, link, message):
                struck = True
        if struck and self.world.random.random() < 0.5:
            steps.strike(self, link, "before a step is handled")
            struck = False
            if not self.alive or not self.world.network.is_open(self, link):
                return
        self.post(Received(link, messages))
        last = messages[-1] if messages else None
        if isinstance(last, Packet) and last.type == PacketType.SNAP:
            assert taken == len(data), "packets behind SNAP came before its body"
            self.tell()  # whether a body is expected has to be known
        if struck and self.alive:
            self.tell()
            steps.strike(self, link, "after a step is handled")

    def body_arrived(self, link: int, snapshot: Snapshot) -> None:
        """The body of a SNAP, read whole."""
        if link in self._closed:
            return
        self.applied = list(snapshot[1])
        self.last_zxid = snapshot[0]
        self.tell(Restored(link, snapshot[0]))

    def link_closed(self, link: int, reason: str) -> None:
        """The other side closed, or the network did."""
        self._cuts.pop(link, None)
        self.post(LinkClosed(link, reason))

    # the client's side

    def write(self, name: bytes) -> None:
        """A client's write at this server."""
        self.world.checkers.asked(name)
        self.waiting.add(name)
        if self.role is Role.LEADING:
            self._propose([name])
        else:
            self.tell(ForwardAsked([ForwardedRequest(0, 0, 5, name, ())]))

    def sync(self) -> None:
        """A client's sync at this server."""
        self.syncs.append(max(self.world.acknowledged.values(), default=0))
        self.tell(SyncAsked(ForwardedRequest(0, 0, 9, b"", ())))

    def checkpoint(self) -> None:
        """Writes a snapshot, and drops the log that nobody needs any more."""
        before = len(self.disk.log)
        self.disk.checkpoint(self.last_zxid, self.applied)
        self._purged += before - len(self.disk.log)

    def reconfigure(self, members: str) -> None:
        """A client's wish for another ensemble at this server, which leads."""
        leading = self.peer.leading
        if leading is None or not leading.serving or leading.leaving:
            return
        request = ReconfigRequest(None, None, members)
        zxid = self.peer.next_zxid()
        try:
            ensemble = reconfigure(request, self.membership, leading.synced_sids(), zxid, voters_min=1)
        except CoordError as error:
            body = b"%x %s" % (zxid, type(error).__name__.encode())
        else:
            self.world.trace(f"{self.sid} proposes {ensemble.text().splitlines()}")
            data = SetDataTxn("/zookeeper/config", ensemble.text().encode(), -1)
            body = encode_txn(TxnHeader(0, 0, zxid, 0, OpCode.RECONFIG), data, None)
        self.world.checkers.asked(body)
        self._broadcast([(zxid, body)])

    def _propose(self, names: list[bytes]) -> None:
        self._broadcast([(self.peer.next_zxid(), name) for name in names])

    def _broadcast(self, batch: list[Transaction]) -> None:
        for entry in batch:
            self.world.checkers.broadcast(self, entry)
        self.tell(Proposed(batch))

    # the driver's duties

    def _carry_out(self, out: Effects) -> None:
        world, disk = self.world, self.disk
        if out.accepted_epoch is not None:
            assert out.accepted_epoch >= disk.accepted
            disk.accepted = out.accepted_epoch
        if out.rewind is not None:
            self._rewind(out.rewind)
        if out.seen is not None:
            disk.last_seen = out.seen
        if out.activated is not None:
            disk.committed = out.activated
            world.trace(f"{self.sid} has configuration {out.activated.version:x} in force")
        if out.persist:
            disk.log += out.persist
            self._sync()
        if out.current_epoch is not None:
            disk.current = out.current_epoch
        for role, epoch in out.became:
            self._become(role, epoch)
        for entry in out.deliver:
            self._deliver(entry)
        for _ in range(out.syncs_done):
            world.checkers.synced(self, self.syncs.pop(0))
        for link, session_id, _timeout in out.revalidate:
            data = session_id.to_bytes(8, "big") + b"\1"
            world.network.send(self, link, encode_packet(PacketType.REVALIDATE, -1, data))
        if out.requests:
            writes = [request.body for request in out.requests if request.op != 9]
            for request in out.requests:
                if request.op == 9:
                    if writes:
                        self._propose(writes)
                        writes = []
                    self.tell(SyncAsked(request))
            if writes:
                self._propose(writes)
        for link, zxid in out.pongs:
            world.network.send(self, link, encode_packet(PacketType.PING, zxid, encode_sessions([(self.sid, 1)])))
        for link, item in out.send:
            self._send(link, item)
            if not self.alive:
                return
        for sid, note in out.notify:
            world.network.notify(self.sid, sid, note)
        for link, _reason in out.close:
            self._unread.pop(link, None)
            self._closed.add(link)
            world.network.close(self, link)
        for link in out.freeze:
            self._later(world.options.delay(world.random), lambda link=link: self._freeze(link))
        if out.save:
            self._later(world.options.save_delay(world.random), self._saved)
        if out.listen is not None:
            self.listening = out.listen
        if out.disconnect:
            self.connecting = None
        if out.connect is not None:
            self.connecting = out.connect
            world.network.connect(self, out.connect)

    def _send(self, link: int, item: bytes | None) -> None:
        """Bytes, or the body of a SNAP. At a step the server may die, before or behind it."""
        world = self.world
        if item is BODY:
            if cut := self._cuts.pop(link, None):  # none: the link is gone since
                world.network.send_body(self, link, cut)
                self._inbox.append(Streamed(link))
            return
        struck = is_step(item) and world.steps.strikes()
        if struck and world.random.random() < 0.5:
            world.steps.strike(self, link, "before a step is sent")
            struck = False
        if self.alive:
            world.checkers.sent(self, link, item)
            world.network.send(self, link, item)
        if struck:
            world.steps.strike(self, link, "after a step is sent")

    def _become(self, role: Role, epoch: int) -> None:
        self.world.trace(f"{self.sid} became {role.name} in epoch {epoch}: {self.peer.reason}")
        self.role = role
        self.epoch = epoch
        self.waiting.clear()
        self.syncs.clear()
        if role is Role.LEADING:
            self.last_zxid = epoch << 32
        self.world.checkers.became(self, role, epoch)

    def _deliver(self, entry: Transaction) -> None:
        self.applied.append(entry)
        self.last_zxid = entry[0]
        self.world.checkers.delivered(self, entry)
        if entry[1] in self.waiting:
            self.waiting.discard(entry[1])
            self.world.acknowledge(self, entry)

    def _rewind(self, zxid: int) -> None:
        self._generation += 1
        self._syncing = False
        self.disk.rewind(zxid)
        if self.last_zxid > zxid:
            self.last_zxid, state = self.disk.recover()
            self.applied = list(state)

    def _sync(self) -> None:
        if self._syncing or self.disk.synced == len(self.disk.log):
            return
        self._syncing = True
        count, generation, zxid = len(self.disk.log), self._generation, self.disk.log[-1][0]
        self._purged = 0
        delay = self.world.options.sync_delay(self.world.random)
        self._later(delay, lambda: self._synced(count, zxid, generation))

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        self.world.after(delay, lambda: self.reach("disk", action))

    def _synced(self, count: int, zxid: int, generation: int) -> None:
        if not self.alive or generation != self._generation:
            return
        self._syncing = False
        self.disk.synced = count - self._purged
        self._purged = 0
        self.post(Synced(zxid))
        self._sync()

    def _freeze(self, link: int) -> None:
        self.tell()  # what was posted belongs to the time before the cut
        if self.alive and self.world.network.is_open(self, link):
            self._cuts[link] = (self.last_zxid, tuple(self.applied))
            self.tell(Frozen(link, self.last_zxid))

    def _saved(self) -> None:
        if not self.alive:
            return
        self._generation += 1
        self._syncing = False
        self.disk.snapshots = [(self.last_zxid, tuple(self.applied))]
        self.disk.log = []
        self.disk.synced = 0
        self.tell(Saved())

    def _set_alarm(self, deadline: float) -> None:
        """Deadlines mostly move on with every message: an alarm that comes too early is set anew when it rings."""
        if deadline < self._alarm_at:
            self._alarm_at = deadline
            self.world.at(deadline, lambda: self.reach("clock", lambda: self._alarm(deadline)))

    def _alarm(self, due: float) -> None:
        if not self.alive or self._alarm_at != due:
            return
        self._alarm_at = inf
        deadline = self.peer.deadline()
        if deadline <= self.world.now:
            self.tell()
        else:
            self._set_alarm(deadline)
