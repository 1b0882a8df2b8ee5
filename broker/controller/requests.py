"""The three requests by which the controller tells brokers what it decided, built from the image.

LeaderAndIsr goes to the replicas of the partitions named, UpdateMetadata to every broker, StopReplica to brokers that
must stop serving a partition, or delete it. Versions are those that Kafka 3.9 speaks between brokers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from broker.wire.fields import NO_UUID
from broker.wire.messages import (
    LeaderAndIsrRequest,
    LeaderAndIsrRequestLiveLeader,
    LeaderAndIsrRequestPartition,
    LeaderAndIsrRequestTopic,
    StopReplicaRequest,
    StopReplicaRequestPartition,
    StopReplicaRequestTopic,
    UpdateMetadataRequest,
    UpdateMetadataRequestBroker,
    UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartition,
    UpdateMetadataRequestTopic,
)

from .image import NO_LEADER, Broker, ClusterImage, Partition, PartitionState

__all__ = [
    "LEADER_AND_ISR_VERSION",
    "LEADER_DURING_DELETE",
    "STOP_REPLICA_VERSION",
    "UPDATE_METADATA_VERSION",
    "leader_and_isr",
    "metadata_of_deleted",
    "stop_replicas",
    "update_metadata",
]

LEADER_AND_ISR_VERSION = 7
STOP_REPLICA_VERSION = 4
UPDATE_METADATA_VERSION = 8

LEADER_DURING_DELETE = -2
"""In UpdateMetadata: the topic is being deleted, forget the partition."""
EPOCH_DURING_DELETE = -2

INCREMENTAL = 1
FULL = 2
SECURITY_PROTOCOLS = {"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}


def leader_and_isr(
    image: ClusterImage,
    controller: tuple[int, int],
    broker: Broker,
    partitions: Iterable[Partition],
    *,
    new: Collection[Partition] = (),
    full: bool = False,
) -> LeaderAndIsrRequest | None:
    """The request for one broker, of those partitions that it has a replica of; None when there is none of them.

    controller: (broker id, controller epoch). new: partitions that were just created. full: the request names every
    partition that the broker should have, so that it may drop the others.
    """
    topics: dict[str, LeaderAndIsrRequestTopic] = {}
    leaders: set[int] = set()
    for partition in partitions:
        state = image.states.get(partition)
        replicas = image.replicas(partition)
        if state is None or broker.broker_id not in replicas:
            continue
        name, number = partition
        topic = topics.get(name)
        if topic is None:
            topic = topics[name] = LeaderAndIsrRequestTopic(name, _topic_id(image, name))
        topic.partition_states.append(
            LeaderAndIsrRequestPartition(
                partition_index=number,
                controller_epoch=state.controller_epoch,
                leader=state.leader,
                leader_epoch=state.leader_epoch,
                isr=list(state.isr),
                partition_epoch=state.zk_version,
                replicas=list(replicas),
                is_new=partition in new,
            )
        )
        leaders.add(state.leader)
    if not topics and not full:
        return None
    return LeaderAndIsrRequest(
        controller_id=controller[0],
        controller_epoch=controller[1],
        broker_epoch=broker.epoch,
        type=FULL if full else INCREMENTAL,
        topic_states=list(topics.values()),
        live_leaders=[
            LeaderAndIsrRequestLiveLeader(b.broker_id, b.endpoints[0].host, b.endpoints[0].port)
            for b in image.brokers.values()
            if b.broker_id in leaders and b.endpoints
        ],
    )


def update_metadata(
    image: ClusterImage, controller: tuple[int, int], broker: Broker, partitions: Iterable[Partition]
) -> UpdateMetadataRequest:
    """The request for one broker: all live brokers, and the states of the partitions named."""
    topics: dict[str, UpdateMetadataRequestTopic] = {}
    for partition in partitions:
        state = image.states.get(partition)
        if state is None:
            continue
        name, number = partition
        topic = topics.get(name)
        if topic is None:
            topic = topics[name] = UpdateMetadataRequestTopic(name, _topic_id(image, name))
        topic.partition_states.append(_metadata_partition(image, partition, number, state))
    return _metadata_request(image, controller, broker, list(topics.values()))


def metadata_of_deleted(
    image: ClusterImage, controller: tuple[int, int], broker: Broker, deleted: Mapping[str, tuple[bytes, Collection[int]]]
) -> UpdateMetadataRequest:
    """The request by which a broker forgets topics. deleted: name -> (topic id, partition numbers)."""
    topics = [
        UpdateMetadataRequestTopic(
            name,
            topic_id,
            [
                UpdateMetadataRequestPartition(
                    partition_index=number,
                    controller_epoch=controller[1],
                    leader=LEADER_DURING_DELETE,
                    leader_epoch=EPOCH_DURING_DELETE,
                )
                for number in numbers
            ],
        )
        for name, (topic_id, numbers) in deleted.items()
    ]
    return _metadata_request(image, controller, broker, topics)


def stop_replicas(
    image: ClusterImage, controller: tuple[int, int], broker: Broker, partitions: Iterable[Partition], *, delete: bool
) -> StopReplicaRequest | None:
    """The request for one broker, of those partitions that it has a replica of; None when there is none of them."""
    topics: dict[str, StopReplicaRequestTopic] = {}
    for partition in partitions:
        if broker.broker_id not in image.replicas(partition):
            continue
        name, number = partition
        state = image.states.get(partition)
        topic = topics.setdefault(name, StopReplicaRequestTopic(name))
        epoch = EPOCH_DURING_DELETE if delete else state.leader_epoch if state is not None else -1
        topic.partition_states.append(StopReplicaRequestPartition(number, epoch, delete))
    if not topics:
        return None
    return StopReplicaRequest(
        controller_id=controller[0],
        controller_epoch=controller[1],
        broker_epoch=broker.epoch,
        topic_states=list(topics.values()),
    )


def _metadata_partition(
    image: ClusterImage, partition: Partition, number: int, state: PartitionState
) -> UpdateMetadataRequestPartition:
    replicas = image.replicas(partition)
    return UpdateMetadataRequestPartition(
        partition_index=number,
        controller_epoch=state.controller_epoch,
        leader=state.leader if state.leader in image.brokers else NO_LEADER,
        leader_epoch=state.leader_epoch,
        isr=list(state.isr),
        zk_version=state.zk_version,
        replicas=list(replicas),
        offline_replicas=[replica for replica in replicas if replica not in image.brokers],
    )


def _metadata_request(
    image: ClusterImage, controller: tuple[int, int], broker: Broker, topics: list[UpdateMetadataRequestTopic]
) -> UpdateMetadataRequest:
    return UpdateMetadataRequest(
        controller_id=controller[0],
        controller_epoch=controller[1],
        broker_epoch=broker.epoch,
        topic_states=topics,
        live_brokers=[
            UpdateMetadataRequestBroker(
                id=live.broker_id,
                endpoints=[
                    UpdateMetadataRequestEndpoint(e.port, e.host, e.listener, SECURITY_PROTOCOLS.get(e.protocol, 0))
                    for e in live.endpoints
                ],
                rack=live.rack,
            )
            for live in image.brokers.values()
        ],
    )


def _topic_id(image: ClusterImage, name: str) -> bytes:
    topic = image.topics.get(name)
    return topic.topic_id if topic is not None else NO_UUID
