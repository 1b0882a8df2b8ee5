"""Every API in every version that is served: a request is answered with bytes that are that version, and nothing more.

A field that a version cannot carry shows here: the codec refuses to write it, and the connection closes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from broker.server.dispatch import APIS
from broker.wire import messages as m
from broker.wire.api import ApiKey, parse_response_header, response_class
from broker.wire.codec import decode
from broker.wire.fields import Message
from broker.wire.records import Record, build_batch
from tests.broker.server.harness import Cluster, in_cluster

K = ApiKey
TOPIC, GROUP = "t", "g"


def batch() -> bytes:
    return bytes(
        build_batch([Record(0, 1_700_000_000_000, b"k", b"v"), Record(1, 1_700_000_000_001, b"k", b"w")])
    )


def fetch(version: int, topic: str = TOPIC) -> m.FetchRequest:
    return m.FetchRequest(
        max_wait_ms=1,
        min_bytes=1,
        max_bytes=1 << 20 if version >= 3 else 0x7FFFFFFF,
        isolation_level=1 if version >= 4 else 0,
        topics=[
            m.FetchRequestTopic(
                topic, partitions=[m.FetchRequestPartition(p, partition_max_bytes=1 << 20) for p in (0, 9)]
            )
        ],
    )


def requests(version: int) -> dict[ApiKey, list[Message]]:
    """For each API a request that is served and one that is refused, where it can be."""
    group = m.OffsetFetchRequestGroup(GROUP, topics=[m.OffsetFetchRequestGroupTopic(TOPIC, [0, 1])])
    other = m.OffsetFetchRequestGroup(GROUP, topics=None)
    by_topic = [m.OffsetFetchRequestTopic(TOPIC, [0, 1])]
    committed = [
        m.OffsetCommitRequestTopic(
            TOPIC, [m.OffsetCommitRequestPartition(p, 5, committed_metadata="n") for p in (0, 9)]
        )
    ]
    leaver = m.LeaveGroupRequestMember("nobody")
    return {
        K.PRODUCE: [
            m.ProduceRequest(
                acks=1,
                topic_data=[
                    m.ProduceRequestTopic(name, [m.ProduceRequestPartition(0, batch())])
                    for name in (TOPIC, "no")
                ],
            )
        ],
        K.FETCH: [fetch(version), fetch(version, "no")],
        K.LIST_OFFSETS: [
            m.ListOffsetsRequest(
                -1,
                topics=[m.ListOffsetsRequestTopic(name, [m.ListOffsetsRequestPartition(0, timestamp=time)])],
            )
            for name, time in ((TOPIC, -1), (TOPIC, -2), (TOPIC, -3), (TOPIC, 0), ("no", -1))
        ],
        K.METADATA: [
            m.MetadataRequest([m.MetadataRequestTopic(name=TOPIC), m.MetadataRequestTopic(name="no/t")]),
            m.MetadataRequest([] if version == 0 else None),
        ],
        K.LEADER_AND_ISR: [m.LeaderAndIsrRequest(controller_epoch=0)],
        K.STOP_REPLICA: [m.StopReplicaRequest(controller_epoch=0)],
        K.UPDATE_METADATA: [m.UpdateMetadataRequest(controller_epoch=0)],
        K.CONTROLLED_SHUTDOWN: [m.ControlledShutdownRequest(77)],
        K.OFFSET_COMMIT: [m.OffsetCommitRequest(GROUP, topics=committed)],
        K.OFFSET_FETCH: [
            m.OffsetFetchRequest(groups=[group, other])
            if version >= 8
            else m.OffsetFetchRequest(GROUP, topics=by_topic)
        ],
        K.FIND_COORDINATOR: [
            m.FindCoordinatorRequest(coordinator_keys=[GROUP, ""])
            if version >= 4
            else m.FindCoordinatorRequest(GROUP)
        ],
        K.JOIN_GROUP: [
            m.JoinGroupRequest(GROUP, 10_000, 10_000 if version >= 1 else -1, "", None, "consumer", []),
            m.JoinGroupRequest(
                f"g{version}",
                10_000,
                10_000 if version >= 1 else -1,
                "",
                None,
                "consumer",
                [m.JoinGroupRequestProtocol("range", b"m")],
            ),
        ],
        K.HEARTBEAT: [m.HeartbeatRequest(GROUP, 1, "nobody")],
        K.LEAVE_GROUP: [
            m.LeaveGroupRequest(GROUP, members=[leaver])
            if version >= 3
            else m.LeaveGroupRequest(GROUP, member_id="nobody")
        ],
        K.SYNC_GROUP: [m.SyncGroupRequest(GROUP, 1, "nobody")],
        K.DESCRIBE_GROUPS: [m.DescribeGroupsRequest([GROUP, "g1", "no"])],
        K.LIST_GROUPS: [m.ListGroupsRequest()],
        K.API_VERSIONS: [m.ApiVersionsRequest()],
        K.CREATE_TOPICS: [
            m.CreateTopicsRequest(
                [
                    m.CreateTopicsRequestTopic(name, 1, factor)
                    for name, factor in ((f"new{version}", 1), ("bad", 3), (TOPIC, 1))
                ],
                5000,
            )
        ],
        K.CREATE_PARTITIONS: [
            m.CreatePartitionsRequest(
                [m.CreatePartitionsRequestTopic(name, count, None) for name, count in (("wide", 2 + version), ("no", 1))], 5000
            )
        ],
        K.DELETE_TOPICS: [
            m.DeleteTopicsRequest(
                [m.DeleteTopicsRequestTopic("no"), m.DeleteTopicsRequestTopic(None, b"x" * 16)],
                timeout_ms=1000,
            )
            if version >= 6
            else m.DeleteTopicsRequest(topic_names=[f"new{version}", "no"], timeout_ms=1000)
        ],
        K.INIT_PRODUCER_ID: [m.InitProducerIdRequest(None, 1000), m.InitProducerIdRequest("txn", 1000)],
        K.OFFSET_FOR_LEADER_EPOCH: [
            m.OffsetForLeaderEpochRequest(
                topics=[
                    m.OffsetForLeaderEpochRequestTopic(
                        name, [m.OffsetForLeaderEpochRequestPartition(0, leader_epoch=0)]
                    )
                ]
            )
            for name in (TOPIC, "no")
        ],
        K.DESCRIBE_CONFIGS: [
            m.DescribeConfigsRequest(
                [
                    m.DescribeConfigsRequestResource(kind, name, None)
                    for kind, name in ((2, TOPIC), (2, "no"), (4, "1"), (4, "9"))
                ],
                include_synonyms=version >= 1,
                include_documentation=version >= 3,
            )
        ],
        K.DELETE_GROUPS: [m.DeleteGroupsRequest([f"g{version}", "no", ""])],
        K.DESCRIBE_CLUSTER: [m.DescribeClusterRequest()],
    }


def test_every_version_is_answered_in_its_own_shape(tmp_path: Path) -> None:
    """All bytes of the response belong to it."""

    async def test(cluster: Cluster) -> None:
        await cluster.create(TOPIC)
        await cluster.create("wide")
        await cluster.coordinator(GROUP)
        for key, api in sorted(APIS.items()):
            for version in range(api.low, api.high + 1):
                wire = await cluster.wire()
                for request in requests(version)[ApiKey(key)]:
                    if key == K.FETCH and version >= 13:
                        request = await with_ids(cluster, request)
                    await wire.send(request, version)
                    await check(wire.frame, key, version)
                await wire.stream.aclose()

    in_cluster(test, tmp_path)


async def check(frame: Callable[[], object], key: int, version: int) -> None:
    data = await frame()  # type: ignore[misc]
    _, offset = parse_response_header(key, version, data)
    _, end = decode(response_class(key), version, data, offset)
    assert end == len(data), f"{ApiKey(key).name} v{version} has {len(data) - end} bytes too many"


async def with_ids(cluster: Cluster, request: Message) -> Message:
    """From version 13 on Fetch names topics by id."""
    assert isinstance(request, m.FetchRequest)
    wire = await cluster.wire()
    metadata = await wire.ask(m.MetadataRequest([m.MetadataRequestTopic(name=TOPIC)]), 10)
    ids = {topic.name: topic.topic_id for topic in metadata.topics}  # type: ignore[attr-defined]
    for topic in request.topics:
        topic.topic_id = ids.get(topic.topic, b"x" * 16)
        topic.topic = ""
    return request
