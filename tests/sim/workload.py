"""What clients do in the trio world: real sessions of `coord.client`, some tasks each, operations drawn by the seed.

Nobody looks at the results here: the checkers hear every frame. What is checked here is that operations end, and only with
errors that the protocol knows for them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Protocol

import trio

from coord.client import Check, Client, Create, GetData, SetData
from coord.errors import (
    AuthFailedError,
    BadVersionError,
    ConnectionLossError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RuntimeInconsistencyError,
    SessionExpiredError,
    SessionMovedError,
)
from coord.wire.ops import KeeperState

from .checkers.client import LEDGER, REGISTERS
from .tap import Tap

__all__ = ["EPHEMERALS", "PAIR", "Clients", "Machines", "prepare"]

EPHEMERALS = "/ephemerals"
PAIR = "/pair"
KEYS = 4
EXPECTED = (
    BadVersionError, ConnectionLossError, NoNodeError, NodeExistsError, NotEmptyError, RuntimeInconsistencyError,
    SessionMovedError,
)  # fmt: skip
OVER = (SessionExpiredError, AuthFailedError)
HANGS_SECONDS = 120.0
"""No operation takes longer: sessions time out long before."""


_Operation = Callable[[Client, Tap, Random, list[str]], Awaitable[None]]


class Machines(Protocol):
    """What clients ask of the world."""

    def machine(self, name: str, tap: Tap) -> Callable[[str, int], Awaitable[trio.abc.Stream]]:
        """A machine for a client; returns how it opens streams."""
        ...

    def unplug(self, name: str) -> None:
        """The client's machine is gone, without a word."""

    def trace(self, text: str) -> None:
        """Remembers what happened."""


async def prepare(client: Client) -> None:
    """The nodes that all operations are below."""
    for path in (REGISTERS, LEDGER, EPHEMERALS, PAIR):
        await client.ensure_path(path)
    for side in "ab":
        await client.ensure_path(f"{PAIR}/{side}")


class Clients:
    """Some clients, each with one session after the other. calm: no new operations."""

    def __init__(
        self, world: Machines, listener: object, hosts: str, random: Random, *,
        count: int, readers: int, tasks: int, think: float, session_timeout: float,
    ) -> None:  # fmt: skip
        self.calm = False
        self.lull_until = 0.0
        """Before this nobody writes."""
        self.operations = 0
        self._world = world
        self._listener = listener
        self._hosts = hosts
        self._random = random
        self._count = count
        self._readers = readers
        self._tasks = tasks
        self._think = think
        self._session_timeout = session_timeout
        self._numbers = 0

    def tap(self, name: str) -> Tap:
        """A new client's tap."""
        return Tap(name, self._listener)  # type: ignore[arg-type]

    async def run(self) -> None:
        """Until `calm`; then every session is closed."""
        async with trio.open_nursery() as nursery:
            for number in range(1, self._count + 1):
                nursery.start_soon(self._client, number)

    async def _client(self, number: int) -> None:
        life = 0
        while not self.calm:
            life += 1
            name = f"10.0.1.{number}"
            tap = self.tap(f"c{number}.{life}")
            random = Random(self._random.getrandbits(64))
            hosts = self._hosts.split(",")
            if random.random() < 0.5:  # it knows a few of the servers
                hosts = random.sample(hosts, random.randint(1, (len(hosts) + 1) // 2))
            client = Client(
                ",".join(hosts),
                session_timeout=self._session_timeout,
                start_timeout=20.0,
                connect_stream=self._world.machine(name, tap),
                random=random,
            )
            await self._session(client, tap, name, random, reads=number <= self._readers)

    async def _session(self, client: Client, tap: Tap, name: str, random: Random, *, reads: bool) -> None:
        """One session, for as long as it lasts or pleases."""
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(client.run)
            except (ConnectionLossError, SessionExpiredError) as error:  # expired: it was made, and lost at once
                self._world.trace(f"{tap.name}: {error}")
                return
            with trio.move_on_after(random.expovariate(1 / 20)):
                operations = self._reading() if reads else self._everything()
                async with trio.open_nursery() as tasks:
                    for _ in range(self._tasks):
                        tasks.start_soon(self._task, client, tap, random, operations)
            if random.random() < 0.3 and not self.calm:
                self._world.trace(f"{tap.name}: the machine is gone")
                self._world.unplug(name)
                nursery.cancel_scope.cancel()
            elif random.random() < 0.8:
                await client.close()
            else:
                nursery.cancel_scope.cancel()

    def _everything(self) -> list[_Operation]:
        return [
            self._create, self._set, self._set, self._set_if, self._delete, self._sync_read, self._sync_read, self._watch,
            self._append, self._append, self._ephemeral, self._own, self._children, self._pair, self._read_pair, self._burst,
        ]  # fmt: skip

    def _reading(self) -> list[_Operation]:
        """Of sessions that do not write: a leader that is deposed and does not know has no write of theirs to wait for."""
        return [self._sync_read, self._sync_read, self._sync_read, self._watch, self._own, self._children, self._read_pair]

    async def _task(self, client: Client, tap: Tap, random: Random, operations: list[_Operation]) -> None:
        own: list[str] = []
        while not self.calm:
            await trio.sleep(random.expovariate(1 / self._think))
            operation = random.choice(operations)
            if trio.current_time() < self.lull_until and operation not in self._reading():
                await trio.sleep_until(self.lull_until)
            try:
                with trio.fail_after(HANGS_SECONDS), trio.CancelScope() as impatience:
                    if random.random() < 0.05:
                        impatience.deadline = trio.current_time() + random.uniform(0, 0.05)
                    await operation(client, tap, random, own)
                self.operations += 1
            except EXPECTED:
                pass
            except OVER:
                return
            except trio.TooSlowError:
                raise AssertionError(f"{tap.name}: {operation.__name__} hangs; the session is {client.state}") from None

    def _value(self, tap: Tap) -> bytes:
        self._numbers += 1
        return f"{tap.name}:{self._numbers}".encode()

    def _key(self, random: Random) -> str:
        return f"{REGISTERS}/{random.randrange(KEYS)}"

    async def _create(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        await client.create(self._key(random), self._value(tap))

    async def _set(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        await client.set(self._key(random), self._value(tap))

    async def _set_if(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        key = self._key(random)
        _, stat = await client.get(key)
        await client.set(key, self._value(tap), stat.version)

    async def _delete(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        await client.delete(self._key(random))

    async def _sync_read(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        key = self._key(random)
        async with trio.open_nursery() as nursery:  # the two travel together
            nursery.start_soon(_quietly, client.sync, key)
            await trio.lowlevel.checkpoint()
            nursery.start_soon(_quietly, client.get, key)

    async def _watch(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        def told(event: object) -> None:
            state = getattr(event, "state", None)
            assert isinstance(state, KeeperState)

        key = self._key(random)
        if random.random() < 0.5:
            await client.get(key, watch=told)
        else:
            await client.exists(key, watch=told)

    async def _append(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        await client.create2(f"{LEDGER}/n-", self._value(tap), sequential=True)

    async def _ephemeral(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        path = await client.create(f"{EPHEMERALS}/{tap.name}-", b"", ephemeral=True, sequential=True)
        own.append(path)

    async def _own(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        if not own:
            names = await client.children(EPHEMERALS)
            if names:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_quietly, client.sync, "/")
                    await trio.lowlevel.checkpoint()
                    nursery.start_soon(_quietly, client.get, f"{EPHEMERALS}/{random.choice(sorted(names))}")
        elif random.random() < 0.3:
            await client.delete(own.pop())
        else:
            await client.exists(random.choice(own))

    async def _children(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        await client.children2(random.choice((LEDGER, EPHEMERALS)), watch=lambda event: None)

    async def _pair(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        value = self._value(tap)
        extra = [Create(f"{LEDGER}/m-", value, sequential=True)] if random.random() < 0.3 else []
        await client.multi([Check(PAIR), SetData(f"{PAIR}/a", value), *extra, SetData(f"{PAIR}/b", value)])

    async def _read_pair(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        results = await client.multi_read([GetData(f"{PAIR}/a"), GetData(f"{PAIR}/b")])
        first, second = (result[0] for result in results)  # type: ignore[index, union-attr]
        assert first == second, f"{tap.name} read half of a multi: {first!r} {second!r}"

    async def _burst(self, client: Client, tap: Tap, random: Random, own: list[str]) -> None:
        """Many requests in one send, syncs among them."""
        async with trio.open_nursery() as nursery:
            for _ in range(random.randint(2, 12)):
                some = random.choice((self._set, self._append, self._create, self._delete, self._watch))
                nursery.start_soon(_quietly, some, client, tap, random, own)
                if random.random() < 0.4:
                    nursery.start_soon(_quietly, client.sync, self._key(random))


async def _quietly(operation: Callable[..., Awaitable[object]], *args: object) -> None:
    try:
        await operation(*args)
    except (*EXPECTED, *OVER):
        pass
