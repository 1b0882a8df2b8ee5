"""The client's view of a cluster: brokers, leaders, and a connection to each broker that is talked to.

`open_cluster` finds a first broker among the bootstrap addresses; everything else is learned from Metadata, which is
asked again whenever an answer says that it is stale.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from broker.wire.errors import ErrorCode, KafkaError, is_retriable
from broker.wire.fields import Message
from broker.wire.messages import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseTopic,
)

from .background import background
from .connection import REQUEST_TIMEOUT_S, Connection, connect

__all__ = ["BootstrapError", "Cluster", "Node", "TopicPartition", "open_cluster", "parse_bootstrap"]

R = TypeVar("R", bound=Message)
TopicPartition = tuple[str, int]
_Line = tuple[str, int, str]

DEFAULT_PORT = 9092
RETRY_PAUSE_S = 0.1
RETRY_PAUSE_S_MAX = 1.0


class BootstrapError(Exception):
    """None of the given brokers answers; the text says what each of them did."""


@dataclass(frozen=True, slots=True)
class Node:
    """A broker's address."""

    node_id: int
    host: str
    port: int
    rack: str | None = None


@dataclass(slots=True)
class Topic:
    """Partition to leader (-1 for none), and to the leader's epoch."""

    leaders: dict[int, int] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)


def parse_bootstrap(text: str) -> list[tuple[str, int]]:
    """`host:port,host:port` as pairs; a missing port is 9092, IPv6 goes in brackets. Raises BootstrapError."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        address = item.rpartition("://")[2]
        host, colon, port = address.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = address, str(DEFAULT_PORT)
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not host:
            raise BootstrapError(f"{item!r} is not host:port")
        found.append((host.strip("[]"), int(port)))
    if not found:
        raise BootstrapError("no broker is named")
    return found


class Cluster:
    """Use `open_cluster`. All methods raise KafkaError."""

    def __init__(self, addresses: Sequence[tuple[str, int]], client_id: str, nursery: trio.Nursery) -> None:
        self.client_id = client_id
        self.cluster_id: str | None = None
        self.controller_id = -1
        self.nodes: dict[int, Node] = {}
        self.topics: dict[str, Topic] = {}
        self._addresses = list(addresses)
        self._nursery = nursery
        self._connections: dict[_Line, Connection] = {}
        self._connecting: dict[_Line, trio.Lock] = {}

    async def start(self) -> None:
        """Finds a broker that answers. Raises BootstrapError."""
        failures = []
        for host, port in self._addresses:
            try:
                connection = await self._connection(host, port)
                self._learn(await connection.request(MetadataRequest(topics=[]), MetadataResponse))
                return
            except KafkaError as error:
                failures.append(f"{host}:{port} ({error})")
        raise BootstrapError("no broker answers at " + ", ".join(failures))

    # requests

    async def any(self) -> Connection:
        """A connection to some broker: one that is open already if there is one."""
        for (_, _, line), connection in self._connections.items():
            if not (connection.closed or line):
                return connection
        failures = []
        for host, port in [(node.host, node.port) for node in self.nodes.values()] + self._addresses:
            try:
                return await self._connection(host, port)
            except KafkaError as error:
                failures.append(str(error))
        raise KafkaError(ErrorCode.NETWORK_EXCEPTION, "no broker answers: " + "; ".join(failures))

    async def node(self, node_id: int, line: str = "") -> Connection:
        """A connection to the broker of this id.

        A broker answers one connection's requests in order, so a fetch that waits for records holds up what is behind
        it: `line` names a connection of its own for such requests.
        """
        node = self.nodes.get(node_id)
        if node is None:
            raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, f"the cluster has no broker {node_id} at present")
        return await self._connection(node.host, node.port, line)

    async def request(self, message: Message, response: type[R], *, timeout_s: float = REQUEST_TIMEOUT_S) -> R:
        """Asks any broker."""
        return await (await self.any()).request(message, response, timeout_s=timeout_s)

    async def request_controller(self, message: Message, response: type[R], *, timeout_s: float = REQUEST_TIMEOUT_S) -> R:
        """Asks the controller, as it is known now; look for NOT_CONTROLLER in the answer."""
        for pause in _pauses(REQUEST_TIMEOUT_S):
            if self.controller_id in self.nodes:
                return await (await self.node(self.controller_id)).request(message, response, timeout_s=timeout_s)
            await trio.sleep(pause)
            await self.refresh([])
        raise KafkaError(ErrorCode.NOT_CONTROLLER, "the cluster has no controller at present")

    # metadata

    async def refresh(self, topics: Iterable[str] | None, *, create: bool = False) -> list[MetadataResponseTopic]:
        """Asks for topics (None for all), remembers what comes, and returns it, errors included."""
        wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        response = await self.request(MetadataRequest(wanted, allow_auto_topic_creation=create), MetadataResponse)
        self._learn(response)
        return response.topics

    async def topic(self, name: str, *, create: bool = False, timeout_s: float = REQUEST_TIMEOUT_S) -> Topic:
        """A topic with its leaders; waits for one that is being created. Raises KafkaError when it is not there."""
        error: KafkaError | None = None
        for pause in _pauses(timeout_s):
            found = self.topics.get(name)
            if found is not None:
                return found
            (row, *_) = await self.refresh([name], create=create)
            if name in self.topics:
                return self.topics[name]
            error = KafkaError(row.error_code, f"topic {name!r}: {ErrorCode(row.error_code).message}")
            if not error.retriable or (row.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION and not create):
                raise error
            await trio.sleep(pause)
        assert error is not None
        raise error

    async def leader(self, partition: TopicPartition) -> int:
        """The id of the broker that leads a partition. Raises KafkaError (LEADER_NOT_AVAILABLE)."""
        topic = await self.topic(partition[0])
        found = topic.leaders.get(partition[1])
        if found is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"topic {partition[0]!r} has no partition {partition[1]}"
            )
        if found not in self.nodes:
            raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, f"partition {partition[0]}-{partition[1]} has no leader")
        return found

    def forget(self, topic: str) -> None:
        """Drops what is known of a topic: the next look asks again."""
        self.topics.pop(topic, None)

    def _learn(self, response: MetadataResponse) -> None:
        self.nodes = {row.node_id: Node(row.node_id, row.host, row.port, row.rack) for row in response.brokers}
        self.controller_id = response.controller_id
        self.cluster_id = response.cluster_id
        for row in response.topics:
            if row.name is None:
                continue
            if row.error_code or not row.partitions:
                self.topics.pop(row.name, None)
            else:
                leaders = {partition.partition_index: partition.leader_id for partition in row.partitions}
                epochs = {partition.partition_index: partition.leader_epoch for partition in row.partitions}
                self.topics[row.name] = Topic(leaders, epochs)

    # connections

    async def _connection(self, host: str, port: int, line: str = "") -> Connection:
        address = (host, port, line)
        lock = self._connecting.setdefault(address, trio.Lock())
        async with lock:  # two tasks that want the same broker share one connection
            found = self._connections.get(address)
            if found is None or found.closed:
                try:
                    found = await connect(host, port, self.client_id, self._nursery)
                except OSError as error:
                    raise KafkaError(ErrorCode.NETWORK_EXCEPTION, _why(error)) from error
                self._connections[address] = found
            return found

    async def aclose(self) -> None:
        """Closes all connections."""
        for connection in self._connections.values():
            await connection.aclose()


@asynccontextmanager
async def open_cluster(bootstrap: str, client_id: str) -> AsyncIterator[Cluster]:
    """A cluster found by `host:port,…`. Raises BootstrapError when nobody answers."""
    addresses = parse_bootstrap(bootstrap)
    async with background() as nursery:
        cluster = Cluster(addresses, client_id, nursery)
        try:
            await cluster.start()
            yield cluster
        finally:
            with trio.CancelScope(shield=True):
                await cluster.aclose()


async def retrying(error: KafkaError, pause: float) -> float:
    """Sleeps if the error may pass, else raises it; returns the next pause."""
    if not is_retriable(error.code):
        raise error
    await trio.sleep(pause)
    return min(pause * 2, RETRY_PAUSE_S_MAX)


def _pauses(total_s: float) -> Iterable[float]:
    """Growing pauses for about `total_s` seconds."""
    pause = RETRY_PAUSE_S
    spent = 0.0
    while spent < total_s:
        yield pause
        spent += pause
        pause = min(pause * 2, RETRY_PAUSE_S_MAX)


def _why(error: BaseException) -> str:
    """The reason alone: trio repeats the address, and hides the reason behind it."""
    for hidden in (error.__cause__, error.__context__):
        if isinstance(hidden, BaseExceptionGroup):
            return _why(hidden.exceptions[0])
        if isinstance(hidden, OSError):
            return _why(hidden)
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror or ""  # negative: the resolver's
        return text.lower()
    return str(error)
