"""One broker without network, clients or coordination service: frames go in by hand, answers are read from memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TypeVar

import trio
from trio.testing import MockClock

from broker.server.config import load_config
from broker.server.listener import Connection, Listeners
from broker.server.node import assemble
from broker.wire.api import encode_request, parse_response
from broker.wire.fields import Message
from broker.wire.messages import (
    LeaderAndIsrRequest,
    LeaderAndIsrRequestPartition,
    LeaderAndIsrRequestTopic,
    UpdateMetadataRequest,
    UpdateMetadataRequestBroker,
    UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartition,
    UpdateMetadataRequestTopic,
)
from broker.wire.records import Record, build_batch
from coord.kit.host import Host
from coord.kit.posix import PosixDisk

R = TypeVar("R", bound=Message)
TOPIC_ID = b"t" * 16


class Wall:
    """A wall clock that stands still."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


class NoNetwork:
    """Keeps the callbacks of wake-ups."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def on_wakeup(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def flush(self) -> None:
        pass


class Pipe:
    """A transport whose other end is the test."""

    def __init__(self) -> None:
        self.peer, self.host = "client:1", "client"
        self.queued = 0
        self.closed = self.paused = False
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def pause(self, *, until_end: bool = False) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True

    def abort(self, reason: str) -> None:
        self.closed = True


class Client:
    """One connection to the rig's broker."""

    def __init__(self, rig: Rig) -> None:
        self.pipe = Pipe()
        self._rig = rig
        self._connection = Connection(rig.listeners, "PLAINTEXT", self.pipe)  # type: ignore[arg-type]

    def send(self, message: Message, version: int) -> None:
        data = bytearray(b"".join(encode_request(message, version, 1, "test")))
        self._connection.received(memoryview(data))
        data[:] = bytes(len(data))  # what a handler keeps of the receive buffer is gone by then
        self._rig.wake()

    def hang_up(self) -> None:
        """The client goes."""
        self._connection.closed("closed by the other side")

    def answer(self, cls: type[R], version: int) -> R | None:
        """The oldest answer, or None while there is none."""
        if not self.pipe.written:
            return None
        size = int.from_bytes(self.pipe.written[:4], "big") + 4
        frame, self.pipe.written = self.pipe.written[4:size], self.pipe.written[size:]
        return parse_response(cls, version, frame)[1]

    def ask(self, message: Message, version: int, cls: type[R]) -> R:
        self.send(message, version)
        answer = self.answer(cls, version)
        assert answer is not None, "no answer yet"
        return answer


class Rig:
    """The broker, numbered 1, with what it needs of a machine."""

    def __init__(self, folder: Path, *lines: str) -> None:
        text = ["broker.id=1", f"log.dirs={folder}", "zookeeper.connect=nowhere:1", *lines]
        config, _ = load_config("\n".join(text).encode(), "server.properties", [])
        self.wall = Wall()
        self.network = NoNetwork()
        self.broker, self.logs = assemble(Host(self.wall, Random(1), self.network, PosixDisk()), config)  # type: ignore[arg-type]
        self.logs.open()
        self.logs.load(1, "cluster", lambda topic: {}, self.wall.ms)
        self.listeners = Listeners(self.broker, self.network, self.broker.tasks)  # type: ignore[arg-type]
        self.epoch = 0

    def client(self) -> Client:
        return Client(self)

    def wake(self) -> None:
        """The end of a wake-up of the network."""
        for callback in self.network.callbacks:
            callback()

    def lead(self, topic: str, partitions: int = 1, *, leader: int = 1, isr: tuple[int, ...] = ()) -> None:
        """The controller makes `leader` lead, as it tells by LeaderAndIsr and UpdateMetadata."""
        self.epoch += 1
        members = list(isr or (leader,))
        if 1 in (leader, *members):
            states = [
                LeaderAndIsrRequestPartition("", number, 1, leader, self.epoch, members, 0, members)
                for number in range(partitions)
            ]
            request = LeaderAndIsrRequest(
                2, controller_epoch=1, topic_states=[LeaderAndIsrRequestTopic(topic, TOPIC_ID, states)]
            )
            response = self.broker.replicas.become_leader_or_follower(request)
            assert not any(error.error_code for error in response.partition_errors)
        infos = [
            UpdateMetadataRequestPartition("", number, 1, leader, self.epoch, members, 0, members)
            for number in range(partitions)
        ]
        brokers = [
            UpdateMetadataRequestBroker(
                n, endpoints=[UpdateMetadataRequestEndpoint(9000 + n, f"h{n}", "PLAINTEXT", 0)]
            )
            for n in (1, 2)
        ]
        update = UpdateMetadataRequest(
            2,
            controller_epoch=1,
            topic_states=[UpdateMetadataRequestTopic(topic, TOPIC_ID, infos)],
            live_brokers=brokers,
        )
        self.broker.metadata.update(update)
        self.wake()


@contextmanager
def rig_on(folder: Path, *lines: str) -> Iterator[Rig]:
    rig = Rig(folder, *lines)
    try:
        yield rig
    finally:
        rig.logs.abandon()


def on_rig(test: Callable[[Rig], Awaitable[None]], folder: Path, *lines: str) -> None:
    """Runs an async test against a rig, its clock and its pool of tasks running, in virtual time."""

    async def main() -> None:
        with rig_on(folder, *lines) as rig:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rig.broker.clock.run)
                await nursery.start(rig.broker.tasks.run)
                await test(rig)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def batch(*values: bytes, **fields: int) -> bytes:
    """A batch of values as a client sends it."""
    records = [Record(number, 1_700_000_000_000 + number, None, value) for number, value in enumerate(values)]
    return bytes(build_batch(records, **fields))  # type: ignore[arg-type]
