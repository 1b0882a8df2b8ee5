"""What a broker keeps in the tree beside its topics: producer ids, and configuration that changes while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio

from broker.wire import messages as m
from broker.wire.errors import ErrorCode
from tests.broker.server.harness import Cluster, in_cluster
from tests.broker.server.rig import batch


def test_producer_ids_are_unique_in_the_cluster(tmp_path: Path) -> None:
    """Each broker takes blocks of 1000 of its own; a restart wastes what is left of one."""

    async def test(cluster: Cluster) -> None:
        taken: list[int] = []

        async def take(broker_id: int) -> None:
            wire = await cluster.wire(broker_id)
            for _ in range(3):
                answer = await wire.ask(m.InitProducerIdRequest(None, 1000), 1, m.InitProducerIdResponse)
                assert (answer.error_code, answer.producer_epoch) == (0, 0)
                taken.append(answer.producer_id)

        async with trio.open_nursery() as nursery:
            for broker_id in (1, 2, 1, 2):
                nursery.start_soon(take, broker_id)
        assert len(set(taken)) == len(taken) == 12
        assert sorted(taken) == [*range(6), *range(1000, 1006)]
        async with cluster.tree() as tree:
            block = json.loads((await tree.get("/latest_producer_id_block"))[0])
        assert (block["version"], block["block_start"], block["block_end"]) == (1, "1000", "1999")

    in_cluster(test, tmp_path, 2)


def test_a_changed_configuration_holds_without_a_restart(tmp_path: Path) -> None:
    """It is written to /config/topics/T and announced under /config/changes, as Apache's tools do."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 1, max_message_bytes="200")
        wire = await cluster.wire()

        async def produce() -> int:
            partitions = [m.ProduceRequestPartition(0, batch(b"x" * 300))]
            request = m.ProduceRequest(None, -1, 1000, [m.ProduceRequestTopic("t", partitions)])
            answer = await wire.ask(request, 7, m.ProduceResponse)
            return answer.responses[0].partition_responses[0].error_code

        assert await produce() == ErrorCode.MESSAGE_TOO_LARGE
        async with cluster.tree() as tree:
            await tree.set("/config/topics/t", b'{"version":1,"config":{"max.message.bytes":"400"}}')
            change = b'{"version":2,"entity_path":"topics/t"}'
            await tree.create("/config/changes/config_change_", b"nonsense", sequential=True)
            await tree.create("/config/changes/config_change_", change, sequential=True)
        with trio.fail_after(60):
            while (error := await produce()) != 0:
                assert error == ErrorCode.MESSAGE_TOO_LARGE
                await trio.sleep(0.02)
        resource = m.DescribeConfigsRequestResource(2, "t", ["max.message.bytes", "segment.bytes"])
        request = m.DescribeConfigsRequest([resource], include_synonyms=True)
        described = await wire.ask(request, 1, m.DescribeConfigsResponse)
        assert [
            (config.name, config.value, config.config_source, [synonym.name for synonym in config.synonyms])
            for config in described.results[0].configs
        ] == [
            ("max.message.bytes", "400", 1, ["max.message.bytes", "message.max.bytes"]),
            ("segment.bytes", "1000000", 4, ["log.segment.bytes", "log.segment.bytes"]),
        ]

    in_cluster(test, tmp_path, 1, "log.segment.bytes=1000000")


def test_a_restart_keeps_topics_records_and_configuration(tmp_path: Path) -> None:
    """The same broker on the same folder, after a clean stop."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 1, max_message_bytes="200")
        partitions = [m.ProduceRequestPartition(0, batch(b"kept"))]
        request = m.ProduceRequest(None, -1, 1000, [m.ProduceRequestTopic("t", partitions)])
        await (await cluster.wire()).ask(request, 7, m.ProduceResponse)
        await cluster.stop(1)
        await cluster.start(1)
        fetch = m.FetchRequest(
            max_wait_ms=10,
            topics=[
                m.FetchRequestTopic("t", partitions=[m.FetchRequestPartition(0, partition_max_bytes=1000)])
            ],
        )
        wire = await cluster.wire()
        with trio.fail_after(60):
            while True:
                answer = (await wire.ask(fetch, 8, m.FetchResponse)).responses[0].partitions[0]
                if answer.error_code == 0:
                    break
                assert answer.error_code in (
                    ErrorCode.NOT_LEADER_OR_FOLLOWER,
                    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
                )
                await trio.sleep(0.01)
        assert b"kept" in bytes(answer.records or b"")
        large = m.ProduceRequest(
            None, -1, 1000, [m.ProduceRequestTopic("t", [m.ProduceRequestPartition(0, batch(b"x" * 300))])]
        )
        refused = await wire.ask(large, 7, m.ProduceResponse)
        assert refused.responses[0].partition_responses[0].error_code == ErrorCode.MESSAGE_TOO_LARGE

    in_cluster(test, tmp_path)


def test_topics_that_may_not_be(tmp_path: Path) -> None:
    """Each refusal has Kafka's error and a sentence; a creation that is only checked creates nothing."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t")
        wire = await cluster.controller()

        async def create(
            name: str, partitions: int = 1, factor: int = 1, validate: bool = False, **configs: str
        ) -> int:
            settings = [
                m.CreateTopicsRequestConfig(key.replace("_", "."), value) for key, value in configs.items()
            ]
            topic = m.CreateTopicsRequestTopic(name, partitions, factor, [], settings)
            answer = (
                await wire.ask(m.CreateTopicsRequest([topic], 5000, validate), 5, m.CreateTopicsResponse)
            ).topics[0]
            assert bool(answer.error_message) == bool(answer.error_code)
            return answer.error_code

        assert await create("t") == ErrorCode.TOPIC_ALREADY_EXISTS
        assert await create("a/b") == ErrorCode.INVALID_TOPIC_EXCEPTION
        assert await create("none", 0) == ErrorCode.INVALID_PARTITIONS
        assert await create("wide", 1, 2) == ErrorCode.INVALID_REPLICATION_FACTOR
        assert await create("odd", retention_ms="soon") == ErrorCode.INVALID_CONFIG
        assert await create("odd", no_such_key="1") == ErrorCode.INVALID_CONFIG
        assert await create("checked", 3, validate=True) == ErrorCode.NONE
        metadata = await wire.ask(m.MetadataRequest(None), 9, m.MetadataResponse)
        assert [topic.name for topic in metadata.topics] == ["t"]
        other = next(broker for broker in cluster.running if cluster.ports[broker] != wire.port)
        wire = await cluster.wire(other)
        assert await create("elsewhere") == ErrorCode.NOT_CONTROLLER
        answer = await wire.ask(
            m.DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000), 3, m.DeleteTopicsResponse
        )
        assert answer.responses[0].error_code == ErrorCode.NOT_CONTROLLER

    in_cluster(test, tmp_path, 2)


def test_a_topic_gets_more_partitions(tmp_path: Path) -> None:
    """They go on round the brokers, are led when the answer comes, and stand in the tree as Apache's; refusals are Kafka's."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 2)
        wire = await cluster.controller()

        async def widen(name: str, count: int, given: list[list[int]] | None = None, **rest: object) -> int:
            rows = None if given is None else [m.CreatePartitionsRequestAssignment(ids) for ids in given]
            topic = m.CreatePartitionsRequestTopic(name, count, rows)
            request = m.CreatePartitionsRequest([topic], **{"timeout_ms": 10_000, **rest})  # type: ignore[arg-type]
            answer = (await wire.ask(request, 3, m.CreatePartitionsResponse)).results[0]
            assert bool(answer.error_message) == bool(answer.error_code)
            return answer.error_code

        async def leaders() -> list[int]:
            answer = await wire.ask(m.MetadataRequest([m.MetadataRequestTopic(name="t")]), 7, m.MetadataResponse)
            return [partition.leader_id for partition in answer.topics[0].partitions]

        async with cluster.tree() as tree:
            before = json.loads((await tree.get("/brokers/topics/t"))[0])
            assert await widen("t", 5, validate_only=True) == ErrorCode.NONE
            assert await leaders() == [replicas[0] for replicas in before["partitions"].values()]
            assert await widen("t", 5) == ErrorCode.NONE
            after = json.loads((await tree.get("/brokers/topics/t"))[0])
            first = before["partitions"]["0"][0]
            assert after == before | {"partitions": {str(n): [1 + (first - 1 + n) % 2] for n in range(5)}}
            assert await leaders() == [replicas[0] for replicas in after["partitions"].values()]
            assert await widen("t", 6, [[2]]) == ErrorCode.NONE
            assert (await leaders())[5] == 2
            await tree.set("/brokers/topics/t", b'{"version":3,"partitions":{"0":[1]},"adding_replicas":{"0":[2]}}')
            assert await widen("t", 7) == ErrorCode.REASSIGNMENT_IN_PROGRESS
            await tree.set("/brokers/topics/t", json.dumps(after).encode())
        for count in (5, 4, 0, -1, 10_001):
            assert await widen("t", count) == ErrorCode.INVALID_PARTITIONS
        for given in ([[2], [1]], [[9]], [[1, 2]], [[]], []):
            assert await widen("t", 6, given) == ErrorCode.INVALID_REPLICA_ASSIGNMENT
        assert await widen("no", 6) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        twice = m.CreatePartitionsRequest([m.CreatePartitionsRequestTopic("t", 9, None)] * 2, 1000)
        answers = (await wire.ask(twice, 0, m.CreatePartitionsResponse)).results
        assert [answer.error_code for answer in answers] == [ErrorCode.INVALID_REQUEST] * 2
        assert await widen("t", 40, timeout_ms=-1) in (ErrorCode.REQUEST_TIMED_OUT, ErrorCode.NONE)
        other = next(broker for broker in cluster.running if cluster.ports[broker] != wire.port)
        wire = await cluster.wire(other)
        assert await widen("t", 50) == ErrorCode.NOT_CONTROLLER

    in_cluster(test, tmp_path, 2)


def test_a_topic_that_cannot_be_read_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither while the controller reigns nor when one takes over; it is served as soon as its znode is in order."""

    async def test(cluster: Cluster) -> None:
        async with cluster.tree() as tree:
            await tree.create("/brokers/topics/torn", b'{"version":3,"partit')
            await tree.ensure_path("/brokers/topics/broken/partitions/0")
            await tree.create("/brokers/topics/broken/partitions/0/state", b'{"leader":"?","leader_epoch":0,"isr":[]}')
            await tree.set("/brokers/topics/broken", b'{"version":2,"partitions":{"0":[1],"1":[1]}}')
            await cluster.create("before")
            await cluster.stop(1)
            await cluster.start(1)
            await cluster.create("after")
            wire = await cluster.controller()

            async def leaders(name: str) -> list[int]:
                asked = m.MetadataRequest([m.MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
                answer = await wire.ask(asked, 7, m.MetadataResponse)
                return [partition.leader_id for partition in answer.topics[0].partitions]

            assert await leaders("before") == await leaders("after") == [1]
            assert await leaders("torn") == []
            assert await leaders("broken") == [1]
            assert "topic torn is passed over until its znode changes: /brokers/topics/torn" in caplog.text
            caplog.clear()
            await cluster.create("later")
            assert "torn" not in caplog.text
            await tree.set("/brokers/topics/torn", b'{"version":2,"partitions":{"0":[1]}}')
            with trio.fail_after(60):
                while await leaders("torn") != [1]:
                    await trio.sleep(0.02)

    in_cluster(test, tmp_path)
