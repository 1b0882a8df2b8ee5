"""The consumer and its group against a broker that fails on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from broker.client.cluster import Cluster, open_cluster
from broker.client.consumer import Consumer, open_consumer
from broker.client.fetching import EARLIEST, LATEST, FetchOptions
from broker.client.group import GroupOptions
from broker.wire.errors import ErrorCode, KafkaError
from broker.wire.messages import (
    FetchRequest,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
    FindCoordinatorResponse,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    OffsetCommitRequest,
    ProduceRequest,
    ProduceRequestPartition,
    ProduceRequestTopic,
    SyncGroupResponse,
)
from broker.wire.records import Record, build_batch
from tests.broker.client.fake_broker import DROP, FakeBroker, fake_broker

Body = Callable[[FakeBroker, Cluster], Awaitable[None]]
GROUP = GroupOptions("g", heartbeat_s=0.05)
SOON = FetchOptions(max_wait_ms=50)
STILL_S = 0.02
"""Time passes only when nothing has come on any connection for so long: no deadline is missed on a slow machine."""


def with_cluster(body: Body) -> None:
    async def main() -> None:
        with trio.fail_after(20):
            async with fake_broker({"t": 2}) as broker, open_cluster(f"127.0.0.1:{broker.port}", "test") as cluster:
                await body(broker, cluster)

    trio.run(main, clock=MockClock(autojump_threshold=STILL_S))


def write(broker: FakeBroker, *values: int, partition: int = 0) -> None:
    batch = build_batch([Record(at, 1000, None, b"%d" % value) for at, value in enumerate(values)])
    broker.on_ProduceRequest(ProduceRequest(topic_data=[ProduceRequestTopic("t", [ProduceRequestPartition(partition, batch)])]))


async def read(consumer: Consumer, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        fetched = await consumer.next()
        found += [int(record.value or b"") for record in fetched.records]
        consumer.mark(fetched)
    return found


def test_from_the_beginning_from_the_end_and_from_between() -> None:
    """What is written later arrives as it is written."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1, 2, 3)
        write(broker, 4)
        async with open_consumer(cluster, SOON) as consumer:
            consumer.assign({("t", 0): EARLIEST})
            assert await read(consumer, 4) == [1, 2, 3, 4]
            consumer.assign({("t", 0): 2})
            assert await read(consumer, 2) == [3, 4]
            consumer.assign({("t", 0): LATEST, ("t", 1): LATEST})
            with trio.move_on_after(0.1):
                await consumer.next()
            write(broker, 5, partition=1)
            assert await read(consumer, 1) == [5]

    with_cluster(body)


def test_passing_errors_pass() -> None:
    """A leader that moves, a connection that breaks: reading goes on where it was."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1)
        moved = FetchResponsePartition(0, ErrorCode.NOT_LEADER_OR_FOLLOWER)
        broker.faults[1].append(FetchResponse(responses=[FetchResponseTopic("t", partitions=[moved])]))
        broker.faults[1].append(DROP)
        async with open_consumer(cluster, SOON) as consumer:
            consumer.assign({("t", 0): EARLIEST, ("t", 1): EARLIEST})
            assert await read(consumer, 1) == [1]
            write(broker, 2)
            assert await read(consumer, 1) == [2]
        assert len(broker.sent(FetchRequest)) >= 4

    with_cluster(body)


def test_a_partition_without_a_leader_is_read_when_it_has_one_and_holds_up_no_other() -> None:
    """Its broker was killed, and what the client knew of the leaders then was never asked again: a member of a group read no
    more, for as long as it lived (seen in the real-input run, with the coordinator on the killed broker)."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1)
        write(broker, 2, partition=1)
        broker.leaders[0] = -1
        await cluster.refresh(["t"])
        async with open_consumer(cluster, SOON) as consumer:
            consumer.assign({("t", 0): 0, ("t", 1): 0})
            assert await read(consumer, 1) == [2]
            del broker.leaders[0]
            assert await read(consumer, 1) == [1]

    with_cluster(body)


def test_an_offset_that_is_gone_starts_over() -> None:
    """Where the consumer is told to begin."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1, 2)
        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.assign({("t", 0): 99})
            assert await read(consumer, 2) == [1, 2]

    with_cluster(body)


def test_lasting_errors_are_raised() -> None:
    """No permission is no matter of time; nor are damaged records."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        refused = FetchResponsePartition(0, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        broker.faults[1].append(FetchResponse(responses=[FetchResponseTopic("t", partitions=[refused])]))
        async with open_consumer(cluster, SOON) as consumer:
            consumer.assign({("t", 0): 0})
            with pytest.raises(KafkaError, match="No permission on the topic"):
                await consumer.next()

    with_cluster(body)


def test_a_member_reads_commits_and_leaves() -> None:
    """What was marked is committed on the way out, and nothing beyond; the next member goes on there."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1, 2, 3)
        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.subscribe(["t"], GROUP)
            fetched = await consumer.next()
            consumer.mark(fetched, 2)
        assert broker.committed == {("t", 0): 2, ("t", 1): 0}
        assert len(broker.sent(LeaveGroupRequest)) == 1

        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.subscribe(["t"], GROUP)
            assert await read(consumer, 1) == [3]
        assert broker.committed["t", 0] == 3

    with_cluster(body)


def test_a_rebalance_commits_and_joins_again() -> None:
    """What was fetched before counts no more; what was marked was committed."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1)
        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.subscribe(["t"], GROUP)
            before = await consumer.next()
            consumer.mark(before)
            joined = len(broker.sent(JoinGroupRequest))
            broker.rebalance = True
            while len(broker.sent(JoinGroupRequest)) == joined:
                await trio.sleep(0.01)
            while not broker.committed.get(("t", 0)):
                await trio.sleep(0.01)
            await trio.sleep(0.1)
            consumer.mark(before, 77)  # of an earlier assignment: ignored
            write(broker, 2)
            assert await read(consumer, 1) == [2]
        assert broker.committed["t", 0] == 2

    with_cluster(body)


def test_a_coordinator_that_moves_or_loads_is_found_again() -> None:
    """Joining, sharing out, heartbeats and commits survive it."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        write(broker, 1)
        broker.faults[10].append(FindCoordinatorResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE))
        broker.faults[11].append(JoinGroupResponse(error_code=ErrorCode.NOT_COORDINATOR))
        broker.faults[14].append(SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))
        broker.faults[12].append(HeartbeatResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS))
        broker.faults[8].append(DROP)
        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.subscribe(["t"], GROUP)
            assert await read(consumer, 1) == [1]
            await trio.sleep(0.2)
            await consumer.commit()
        assert broker.committed["t", 0] == 1

    with_cluster(body)


def test_a_member_that_was_thrown_out_joins_as_a_new_one() -> None:
    """UNKNOWN_MEMBER_ID drops the old id."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        async with open_consumer(cluster, SOON, reset=EARLIEST) as consumer:
            consumer.subscribe(["t"], GROUP)
            while not broker.sent(JoinGroupRequest)[1:]:
                await trio.sleep(0.01)
            broker.faults[12].append(HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
            while len(broker.sent(JoinGroupRequest)) < 4:
                await trio.sleep(0.01)
            assert [request.member_id for request in broker.sent(JoinGroupRequest)] == ["", "m-1", "", "m-1"]

    with_cluster(body)


def test_a_group_that_refuses_is_an_error() -> None:
    """No retry cures a protocol that does not fit."""

    async def body(broker: FakeBroker, cluster: Cluster) -> None:
        broker.faults[11].append(JoinGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
        async with open_consumer(cluster, SOON) as consumer:
            consumer.subscribe(["t"], GROUP)
            with pytest.raises(KafkaError, match="group 'g'"):
                await consumer.next()
        assert broker.sent(OffsetCommitRequest) == []

    with_cluster(body)
