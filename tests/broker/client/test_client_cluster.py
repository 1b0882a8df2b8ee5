"""Finding a cluster, its topics and its controller; the requests of an administrator."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest
import trio

from broker.client import admin
from broker.client.cluster import BootstrapError, Cluster, open_cluster, parse_bootstrap
from broker.client.connection import Connection
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.messages import (
    CreateTopicsResponse,
    CreateTopicsResponseTopic,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
    MetadataRequest,
    MetadataResponse,
    MetadataResponseTopic,
)
from tests.broker.client.fake_broker import DROP, FakeBroker, fake_broker

Body = Callable[[FakeBroker, Cluster], Awaitable[None]]


def with_cluster(body: Body, **topics: int) -> None:
    async def main() -> None:
        with trio.fail_after(60):
            async with fake_broker(topics) as broker, open_cluster(f"127.0.0.1:{broker.port}", "test") as cluster:
                await body(broker, cluster)

    trio.run(main)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_addresses() -> None:
    """Host and port, Kafka's way of listing them, and what is none."""
    assert parse_bootstrap("a:1, b:2,") == [("a", 1), ("b", 2)]
    assert parse_bootstrap("a") == [("a", 9092)]
    assert parse_bootstrap("PLAINTEXT://a:1") == [("a", 1)]
    assert parse_bootstrap("[::1]:9,[::2]") == [("::1", 9), ("::2", 9092)]
    for broken in ("", ",", "a:b", "a:0", "a:70000", ":1"):
        with pytest.raises(BootstrapError):
            parse_bootstrap(broken)


def test_a_broker_that_is_down_is_passed_over() -> None:
    """The next address is tried; when none answers, the error says why for each."""

    async def main() -> None:
        down = unused_port()
        async with fake_broker() as broker, open_cluster(f"127.0.0.1:{down},127.0.0.1:{broker.port}", "test") as cluster:
            assert cluster.controller_id == 1
        with pytest.raises(BootstrapError, match=rf"no broker answers at 127.0.0.1:{down} \(connection refused\)"):
            async with open_cluster(f"127.0.0.1:{down}", "test"):
                pass
        with pytest.raises(BootstrapError, match=r"'a\.\.b' can be no host's name"):
            async with open_cluster("a..b:9092", "test"):
                pass

    trio.run(main)


def test_something_else_behind_the_port_is_no_broker() -> None:
    """A server that closes, or talks another protocol, is named."""

    async def main() -> None:
        async def rude(stream: trio.SocketStream) -> None:
            await stream.receive_some(100)
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await stream.aclose()

        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                lambda task_status: trio.serve_tcp(rude, 0, host="127.0.0.1", task_status=task_status)
            )
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(30), pytest.raises(BootstrapError, match="a frame of"):
                async with open_cluster(f"127.0.0.1:{port}", "test"):
                    pass
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_errors_of_the_block_come_out_bare() -> None:
    """Callers catch KafkaError, not groups of it."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "mine")

    with pytest.raises(KafkaError, match="mine"):
        with_cluster(body)


def test_a_topic_is_waited_for_while_it_is_being_created() -> None:
    """LEADER_NOT_AVAILABLE passes; a topic that is not there is an error at once."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        not_yet = MetadataResponse(topics=[MetadataResponseTopic(ErrorCode.LEADER_NOT_AVAILABLE, "t")])
        not_yet.brokers, not_yet.controller_id = broker.on_MetadataRequest(MetadataRequest(topics=[])).brokers, 1  # type: ignore[attr-defined]
        broker.faults[3].extend([not_yet, not_yet])
        assert (await cluster.topic("t")).leaders == {0: 1, 1: 1}
        assert await cluster.leader(("t", 1)) == 1
        with pytest.raises(KafkaError) as caught:
            await cluster.leader(("t", 2))
        assert caught.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        with pytest.raises(KafkaError, match="'nope'"):
            await cluster.topic("nope")
        with pytest.raises(KafkaError):
            await cluster.node(99)

    with_cluster(body, t=2)


def test_a_connection_that_ends_is_made_again() -> None:
    """The request under way fails, the next one has a new connection."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        broker.faults[3].append(DROP)
        with pytest.raises(KafkaError) as caught:
            await cluster.refresh(["t"])
        assert caught.value.code == ErrorCode.NETWORK_EXCEPTION
        assert [row.name for row in await cluster.refresh(["t"])] == ["t"]
        assert broker.connections == 2

    with_cluster(body, t=1)


def test_a_broker_that_does_not_answer_is_given_up() -> None:
    """After the time that the caller allows."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        connection = await cluster.any()
        assert isinstance(connection, Connection)

        async def silence(frame: bytes) -> bytes:
            await trio.sleep_forever()
            raise AssertionError

        broker.answer = silence  # type: ignore[method-assign]
        with pytest.raises(KafkaError) as caught:
            await connection.request(MetadataRequest(topics=[]), MetadataResponse, timeout_s=0.05)
        assert caught.value.code == ErrorCode.REQUEST_TIMED_OUT
        assert connection.closed
        with pytest.raises(KafkaError) as caught:
            await connection.request(MetadataRequest(topics=[]), MetadataResponse)
        assert caught.value.code == ErrorCode.NETWORK_EXCEPTION

    with_cluster(body)


def test_topics_are_created_by_the_controller() -> None:
    """Which is looked for again when it has moved; its refusal is told in its words."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        moved = CreateTopicsResponse(topics=[CreateTopicsResponseTopic("new", error_code=ErrorCode.NOT_CONTROLLER)])
        broker.faults[19].append(moved)
        await admin.create_topic(cluster, admin.NewTopic("new", 3))
        assert await admin.list_topics(cluster) == ["new", "t"]
        with pytest.raises(KafkaError, match="Topic 'new' already exists"):
            await admin.create_topic(cluster, admin.NewTopic("new", 3))

    with_cluster(body, t=1)


def test_offsets_are_asked_of_the_leaders() -> None:
    """And asked again while a leader is being elected."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        broker.ends["t", 1] = 7
        moving = [ListOffsetsResponsePartition(0, ErrorCode.NOT_LEADER_OR_FOLLOWER), ListOffsetsResponsePartition(1, 0, offset=7)]
        broker.faults[2].append(ListOffsetsResponse(topics=[ListOffsetsResponseTopic("t", moving)]))
        wanted = {("t", 0): admin.LATEST, ("t", 1): admin.LATEST}
        assert await admin.list_offsets(cluster, wanted) == {("t", 0): 0, ("t", 1): 7}
        with pytest.raises(KafkaError):
            await admin.list_offsets(cluster, {("nope", 0): admin.EARLIEST})

    with_cluster(body, t=2)


def test_brokers_without_reassignments_have_none() -> None:
    """A request that is not offered is not sent."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        assert await admin.reassignments(cluster) == {}

    with_cluster(body)
