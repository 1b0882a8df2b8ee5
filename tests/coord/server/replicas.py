"""Servers whose state is the list of their transactions, joined by real drivers over loopback: what the tests of driver,
mesh and links run on."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random

import trio
from trio.testing import MockClock

from coord.kit.cliutil import StartError
from coord.kit.tcp import TcpNetwork, open_network
from coord.server.driver import Driver
from coord.zab.application import ForwardedRequest, Role, Transaction
from coord.zab.membership import Membership
from coord.zab.quorums import Address, Ensemble, Member
from coord.zab.timing import Timing

SYNC = 9
END = b"the end of it"
PIECE = 50_000


def patient_clock() -> MockClock:
    """Time that passes only when nothing has come on any connection for 2 ms: a busy machine makes nothing late."""
    return MockClock(autojump_threshold=0.002)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def ensemble_of(voters: int, observers: int = 0) -> Ensemble:
    """Servers on free ports of the loopback."""
    count = voters + observers
    ports = free_ports(2 * count)
    return Ensemble(
        {
            sid: Member(sid, (Address("127.0.0.1", ports[2 * sid - 2], ports[2 * sid - 1]),), participant=sid <= voters)
            for sid in range(1, count + 1)
        }
    )


async def eventually(condition: Callable[[], object], seconds: float = 8.0) -> float:
    """Waits for a condition; returns how long it took."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.002)
    return trio.current_time() - began


class MemoryDisk:
    """Log, history and epochs in memory. broken: an error that every sync raises."""

    def __init__(self) -> None:
        self.accepted = 0
        self.current = 0
        self.entries: list[Transaction] = []
        self.snapshot: tuple[int, list[Transaction]] = (0, [])
        self.broken: OSError | None = None
        self.syncs = 0
        self.keeps_history = True

    def append(self, batch: list[Transaction]) -> None:
        self.entries += batch

    def start_sync(self, done: Callable[[OSError | None], None]) -> None:
        async def sync() -> None:
            await trio.sleep(0.001)
            self.syncs += 1
            done(self.broken)

        trio.lowlevel.spawn_system_task(sync)

    def after(self, zxid: int) -> Iterator[Transaction] | None:
        if not self.keeps_history or not any(entry[0] == zxid for entry in self.entries):
            return None
        return iter([entry for entry in self.entries if entry[0] > zxid])

    def can_rewind(self, zxid: int) -> bool:
        return True


class ListCut:
    """`Cut`: each transaction with its length, in pieces that pay no heed to where one ends."""

    def __init__(self, owner: ListApplication) -> None:
        self.zxid = owner.last_zxid
        self._owner = owner
        parts = [struct.pack(">qi", zxid, len(data)) + data for zxid, data in owner.applied]
        self._body = struct.pack(">i", len(parts)) + b"".join(parts) + END

    def chunks(self) -> Iterator[bytes]:
        for at in range(0, len(self._body), PIECE):
            if at >= len(self._body) // 2:
                self._owner.half_sent.set()
            yield self._body[at : at + PIECE]

    def close(self) -> None:
        self._owner.cuts_open -= 1


class ListRestoration:
    """`Restoration` of what `ListCut` sends."""

    def __init__(self, owner: ListApplication) -> None:
        self.finished = False
        self._owner = owner
        self._left = -1
        self._entries: list[Transaction] = []

    def feed(self, data: memoryview) -> int:
        taken = 0
        if self._left < 0:
            if len(data) < 4:
                return 0
            self._left, taken = struct.unpack_from(">i", data)[0], 4
        while self._left > 0:
            if len(data) - taken < 12:
                return taken
            zxid, size = struct.unpack_from(">qi", data, taken)
            if size < 0 or size > 1 << 20:
                raise ValueError(f"a transaction of {size} bytes")
            if len(data) - taken < 12 + size:
                return taken
            self._entries.append((zxid, bytes(data[taken + 12 : taken + 12 + size])))
            taken += 12 + size
            self._left -= 1
        if len(data) - taken >= len(END):
            self.finished = bytes(data[taken : taken + len(END)]) == END
            if not self.finished:
                raise ValueError("the end is missing")
            taken += len(END)
        return taken

    def install(self, zxid: int) -> None:
        self._owner.applied = self._entries
        self._owner.last_zxid = zxid
        self._owner.restorations += 1

    def close(self) -> None:
        self._owner.abandoned += 1


class ListApplication:
    """`Application`: remembers what it is told."""

    def __init__(self, disk: MemoryDisk) -> None:
        self.disk = disk
        self.driver: Driver
        self.last_zxid, state = disk.snapshot
        self.applied = list(state)
        for entry in disk.entries:
            if entry[0] > self.last_zxid:
                self.applied.append(entry)
                self.last_zxid = entry[0]
        self.roles: list[tuple[Role, int]] = []
        self.syncs = 0
        self.touched: list[tuple[int, int]] = []
        self.to_touch: list[tuple[int, int]] = []
        self.owners: dict[int, int] = {}
        self.revalidations: list[tuple[int, bool]] = []
        self.restorations = self.abandoned = self.cuts_open = self.saves = 0
        self.half_sent = trio.Event()
        """Half of a cut has been taken to be sent."""
        self.busy = 0
        """How many times freeze says that another cut is open."""

    def became(self, role: Role, epoch: int) -> None:
        self.roles.append((role, epoch))
        if role is Role.LEADING:
            self.last_zxid = epoch << 32

    def deliver(self, batch: list[Transaction]) -> None:
        self.applied += batch
        self.last_zxid = batch[-1][0]

    def requests(self, batch: list[ForwardedRequest]) -> None:
        for request in batch:
            if request.op == SYNC:
                self.driver.sync(request)
            else:
                self.owners[request.session_id] = request.learner
                self.driver.propose([(self.driver.next_zxid(), request.body)])

    def syncs_done(self, count: int) -> None:
        self.syncs += count

    def revalidate(self, session_id: int, timeout_ms: int, learner: int) -> bool:
        self.owners[session_id] = learner
        return session_id > 0

    def revalidated(self, session_id: int, valid: bool) -> None:
        self.revalidations.append((session_id, valid))

    def touch(self, sessions: list[tuple[int, int]]) -> None:
        self.touched += sessions

    def take_touched(self) -> list[tuple[int, int]]:
        taken, self.to_touch = self.to_touch, []
        return taken

    def freeze(self) -> ListCut | None:
        if self.busy:
            self.busy -= 1
            return None
        self.cuts_open += 1
        return ListCut(self)

    def restore(self) -> ListRestoration:
        return ListRestoration(self)

    async def save(self) -> None:
        await trio.sleep(0.005)
        self.saves += 1
        self.disk.snapshot = (self.last_zxid, list(self.applied))
        self.disk.entries = []

    def rewind(self, zxid: int) -> None:
        self.disk.entries = [entry for entry in self.disk.entries if entry[0] <= zxid]
        if self.last_zxid > zxid:
            self.applied = [entry for entry in self.applied if entry[0] <= zxid]
            self.last_zxid = zxid


class Replica:
    """One server: a disk that outlives it, and while it runs an application and a driver."""

    def __init__(self, sid: int, ensemble: Ensemble | None, timing: Timing | None = None) -> None:
        self.sid = sid
        self.ensemble = ensemble
        self.timing = timing or Timing(200, 10, 5)
        self.disk = MemoryDisk()
        self.application: ListApplication
        self.driver: Driver
        self.failure: BaseException | None = None
        self.scope = trio.CancelScope()
        self.stopped = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until `stop`, or until it fails."""
        self.stopped = trio.Event()
        self.application = ListApplication(self.disk)
        try:
            with trio.CancelScope() as self.scope:
                async with open_network() as network:
                    await self._drive(network, task_status)
        finally:
            self.stopped.set()

    async def _drive(self, network: TcpNetwork, task_status: trio.TaskStatus[None]) -> None:
        self.driver = self.application.driver = Driver(
            self.application, self.disk, self.disk, self.disk, network, Random(self.sid),
            sid=self.sid, membership=self.ensemble and Membership(self.ensemble), timing=self.timing,
        )  # fmt: skip
        try:
            await self.driver.run(task_status=task_status)
        except (OSError, StartError) as error:
            self.failure = error

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.scope.cancel()
        await self.stopped.wait()

    @property
    def role(self) -> Role:
        return self.driver.role

    def write(self, *names: bytes) -> None:
        """A client's writes at this server."""
        if self.role in (Role.LEADING, Role.STANDALONE):
            self.driver.propose([(self.driver.next_zxid(), name) for name in names])
        else:
            self.driver.forward([ForwardedRequest(7, 0, 1, name, ()) for name in names])

    def has(self, *names: bytes) -> bool:
        """Whether it has applied exactly these."""
        return [data for _, data in self.application.applied] == list(names)


class Replicas:
    """An ensemble of them."""

    def __init__(self, nursery: trio.Nursery, voters: int = 3, observers: int = 0, timing: Timing | None = None) -> None:
        self.nursery = nursery
        self.ensemble = ensemble_of(voters, observers)
        self.all = {sid: Replica(sid, self.ensemble, timing) for sid in self.ensemble.members}

    def __getitem__(self, sid: int) -> Replica:
        return self.all[sid]

    async def start(self, *sids: int) -> float:
        """Starts some, or all, and waits until they serve; returns how long it took."""
        began = trio.current_time()
        chosen = sids or tuple(self.all)
        for sid in chosen:
            await self.nursery.start(self.all[sid].run)
        await eventually(lambda: all(self.all[sid].role is not Role.LOOKING for sid in chosen))
        return trio.current_time() - began

    @property
    def leader(self) -> Replica:
        """The one that leads."""
        (leader,) = [replica for replica in self.running if replica.role is Role.LEADING]
        return leader

    async def led(self, epoch: int) -> float:
        """Waits until one leads in this epoch; returns how long it took."""
        leads = (Role.LEADING, epoch)
        return await eventually(lambda: leads in [(replica.role, replica.driver.epoch) for replica in self.running])

    @property
    def followers(self) -> list[Replica]:
        """Those that follow."""
        return [replica for replica in self.running if replica.role is Role.FOLLOWING]

    @property
    def running(self) -> list[Replica]:
        """Those that were started and not stopped."""
        return [replica for replica in self.all.values() if hasattr(replica, "driver") and not replica.stopped.is_set()]


@asynccontextmanager
async def replicas(voters: int = 3, observers: int = 0, timing: Timing | None = None) -> AsyncIterator[Replicas]:
    """An ensemble that is stopped at the end."""
    async with trio.open_nursery() as nursery:
        yield Replicas(nursery, voters, observers, timing)
        nursery.cancel_scope.cancel()
