"""A coordination server and brokers in this process, and a client that speaks single requests to them.

With QUORATE_TEST_COORD=host:port the same tests run on another ensemble, such as an Apache ZooKeeper's, each below a
chroot of its own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TypeVar

import trio

from broker.server.config import load_config
from broker.server.node import run as run_broker
from broker.wire.api import encode_request, parse_response, response_class
from broker.wire.fields import Message
from broker.wire.messages import (
    CreateTopicsRequest,
    CreateTopicsRequestConfig,
    CreateTopicsRequestTopic,
    DeleteTopicsRequest,
    FindCoordinatorRequest,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from coord.client import Client, Credentials, connect
from coord.kit.system import system_host
from coord.kit.tcp import TcpNetwork, open_network
from coord.server.config import read_config
from coord.server.node import run as run_coord
from coord.tree.sessions import password_of

HOST = "127.0.0.1"
R = TypeVar("R", bound=Message)


class Wire:
    """One connection to a broker."""

    def __init__(self, stream: trio.SocketStream, port: int) -> None:
        self.stream = stream
        self.port = port
        self._numbers = count(1)

    @classmethod
    async def to(cls, port: int) -> Wire:
        return cls(await trio.open_tcp_stream(HOST, port), port)

    async def send(self, message: Message, version: int) -> None:
        await self.stream.send_all(b"".join(encode_request(message, version, next(self._numbers), "test")))

    async def receive(self, cls: type[R], version: int) -> R:
        return parse_response(cls, version, await self.frame())[1]

    async def frame(self) -> bytes:
        size = int.from_bytes(await self._exactly(4), "big")
        return await self._exactly(size)

    async def ask(self, message: Message, version: int, cls: type[R] | None = None) -> R:
        await self.send(message, version)
        found = response_class(message.API_KEY) if cls is None else cls
        return await self.receive(found, version)  # type: ignore[return-value,arg-type]

    async def is_closed(self) -> bool:
        with trio.fail_after(60):
            return not await self.stream.receive_some(1)

    async def _exactly(self, size: int) -> bytes:
        data = b""
        with trio.fail_after(60):
            while len(data) < size:
                chunk = await self.stream.receive_some(size - len(data))
                assert chunk, "the broker closed the connection"
                data += chunk
        return data


class Cluster:
    """What a test has to do with."""

    def __init__(self, network: TcpNetwork, folder: Path, coord: str, nursery: trio.Nursery) -> None:
        """`coord`: connect string, with a chroot."""
        self.network = network
        self.folder = folder
        self.coord = coord
        self.ports: dict[int, int] = {}
        self._nursery = nursery
        self._scopes: dict[int, tuple[trio.CancelScope, trio.Event]] = {}

    async def start(self, broker_id: int, *lines: str) -> int:
        """Starts a broker on its folder; returns its port."""
        text = [
            f"broker.id={broker_id}",
            f"listeners=PLAINTEXT://{HOST}:0",
            f"log.dirs={self.folder / f'broker-{broker_id}'}",
            f"zookeeper.connect={self.coord}",
            "zookeeper.session.timeout.ms=18000",
            "group.initial.rebalance.delay.ms=0",
            "num.partitions=2",
            *lines,
        ]
        config, unknown = load_config("\n".join(text).encode(), "server.properties", [])
        assert not unknown

        async def run(*, task_status: trio.TaskStatus[list[int]]) -> None:
            scope, done = trio.CancelScope(), trio.Event()
            self._scopes[broker_id] = scope, done
            try:
                with scope:
                    await run_broker(system_host(self.network), config, task_status=task_status)
            finally:
                done.set()

        ports = await self._nursery.start(run)
        self.ports[broker_id] = ports[0]
        return ports[0]

    async def stop(self, broker_id: int) -> None:
        """Stops a broker cleanly."""
        scope, done = self._scopes.pop(broker_id)
        scope.cancel()
        await done.wait()

    async def expire(self, broker_id: int) -> None:
        """Ends a broker's session under it: takes the session over, as its password can be computed, and closes it."""
        async with self.tree() as tree:
            stat = await tree.exists(f"/brokers/ids/{broker_id}")
            assert stat is not None
        session_id = stat.ephemeral_owner
        thief = Client(self.coord, resume=Credentials(session_id, password_of(session_id)))
        async with trio.open_nursery() as nursery:
            await nursery.start(thief.run)
            await thief.close()

    @property
    def running(self) -> list[int]:
        """The brokers that run."""
        return list(self._scopes)

    async def wire(self, broker_id: int = 1) -> Wire:
        return await Wire.to(self.ports[broker_id])

    @asynccontextmanager
    async def tree(self) -> AsyncIterator[Client]:
        async with connect(self.coord) as client:
            yield client

    async def create(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Creates a topic through its controller and waits until every broker knows its leaders."""
        wire = await self.controller()
        settings = [CreateTopicsRequestConfig(key.replace("_", "."), value) for key, value in configs.items()]
        topic = CreateTopicsRequestTopic(name, partitions, 1, [], settings)
        response = await wire.ask(CreateTopicsRequest([topic], 10_000), 4)
        assert response.topics[0].error_code == 0, response.topics[0].error_message
        for broker_id in self.running:
            await self._knows(broker_id, name)

    async def _knows(self, broker_id: int, name: str) -> None:
        wire = await self.wire(broker_id)
        asked = MetadataRequest([MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
        with trio.fail_after(60):
            while (await wire.ask(asked, 7, MetadataResponse)).topics[0].error_code:
                await trio.sleep(0.01)
        await wire.stream.aclose()

    async def delete(self, name: str) -> None:
        """Deletes a topic and waits until it is gone."""
        wire = await self.controller()
        response = await wire.ask(DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), 3)
        assert response.responses[0].error_code == 0

    async def controller(self) -> Wire:
        """A connection to the controller."""
        wire = await self.wire(self.running[0])
        metadata = await wire.ask(MetadataRequest(topics=[]), 7, MetadataResponse)
        return await self.wire(metadata.controller_id)

    async def coordinator(self, group_id: str) -> Wire:
        """A connection to the group's coordinator, as soon as it has one."""
        with trio.fail_after(60):
            while True:
                wire = await self.wire(self.running[0])
                found = await wire.ask(FindCoordinatorRequest(group_id), 2)
                if found.error_code == 0:
                    try:
                        return await Wire.to(found.port)
                    except OSError:
                        pass  # a broker that has stopped, as the others will hear soon
                await trio.sleep(0.02)


@asynccontextmanager
async def running(
    folder: Path, brokers: int = 1, *lines: str, coord: str | None = None
) -> AsyncIterator[Cluster]:
    """`brokers` brokers, numbered from 1, on a coordination server of their own or on the ensemble `coord`."""
    coord = coord or os.environ.get("QUORATE_TEST_COORD")
    async with open_network() as network, trio.open_nursery() as nursery:
        if coord is None:
            coord = await _coordination_server(network, folder, nursery)
        cluster = Cluster(network, folder, f"{coord}/{folder.parent.name}-{folder.name}", nursery)
        for broker_id in range(1, brokers + 1):
            await cluster.start(broker_id, *lines)
        try:
            yield cluster
        finally:
            for broker_id in list(cluster.running):
                await cluster.stop(broker_id)
            nursery.cancel_scope.cancel()


async def _coordination_server(network: TcpNetwork, folder: Path, nursery: trio.Nursery) -> str:
    zoo = folder / "zoo.cfg"
    zoo.write_text(f"dataDir={folder / 'coord'}\nclientPort=0\nclientPortAddress={HOST}\ntickTime=1000\n")
    host = system_host(network)
    port = await nursery.start(run_coord, host, read_config(host.disk, str(zoo)))
    return f"{HOST}:{port}"


def in_cluster(
    test: Callable[[Cluster], Awaitable[None]],
    folder: Path,
    brokers: int = 1,
    *lines: str,
    coord: str | None = None,
) -> None:
    """Runs an async test against a running cluster."""

    async def main() -> None:
        with trio.fail_after(110):
            async with running(folder, brokers, *lines, coord=coord) as cluster:
                await test(cluster)

    trio.run(main)
