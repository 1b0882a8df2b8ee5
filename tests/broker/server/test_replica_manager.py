"""The controller's orders to this broker: leading, following, stopping, deleting, and what makes them stale."""

from __future__ import annotations

from pathlib import Path

import trio

from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    LeaderAndIsrRequest,
    LeaderAndIsrRequestPartition,
    LeaderAndIsrRequestTopic,
    LeaderAndIsrResponse,
    StopReplicaRequest,
    StopReplicaRequestPartition,
    StopReplicaRequestPartitionV0,
    StopReplicaRequestTopic,
    StopReplicaRequestTopicV1,
    StopReplicaResponse,
    UpdateMetadataRequest,
    UpdateMetadataResponse,
)
from tests.broker.server.rig import TOPIC_ID, Client, Rig, batch, on_rig
from tests.broker.server.test_produce import produce


def lead(
    epoch: int, *, controller_epoch: int = 1, topic_id: bytes = TOPIC_ID, leader: int = 1
) -> LeaderAndIsrRequest:
    state = LeaderAndIsrRequestPartition("", 0, controller_epoch, leader, epoch, [leader], 0, [leader])
    return LeaderAndIsrRequest(
        2, controller_epoch=controller_epoch, topic_states=[LeaderAndIsrRequestTopic("t", topic_id, [state])]
    )


def order(rig: Rig, request: LeaderAndIsrRequest) -> ErrorCode:
    response = rig.broker.replicas.become_leader_or_follower(request)
    rig.wake()
    return ErrorCode(response.error_code or response.partition_errors[0].error_code)


def stop(client: Client, *, delete: bool, epoch: int = -1) -> int:
    topics = [StopReplicaRequestTopic("t", [StopReplicaRequestPartition(0, epoch, delete)])]
    response = client.ask(
        StopReplicaRequest(2, controller_epoch=1, topic_states=topics), 3, StopReplicaResponse
    )
    return response.error_code or response.partition_errors[0].error_code


def test_orders_of_a_deposed_controller_are_refused(tmp_path: Path) -> None:
    """Its epoch is lower than one that was seen, in any kind of order."""

    async def test(rig: Rig) -> None:
        assert order(rig, lead(0, controller_epoch=5)) is ErrorCode.NONE
        assert order(rig, lead(1, controller_epoch=4)) is ErrorCode.STALE_CONTROLLER_EPOCH
        client = rig.client()
        assert stop(client, delete=True) == ErrorCode.STALE_CONTROLLER_EPOCH
        assert produce(client, batch(b"a")) == (0, 0)

    on_rig(test, tmp_path)


def test_an_order_for_an_earlier_life_is_refused(tmp_path: Path) -> None:
    """A broker that has registered again is told anew; what was meant for it before is not for it."""

    async def test(rig: Rig) -> None:
        rig.broker.epoch = 100
        client = rig.client()
        late = LeaderAndIsrRequest(2, controller_epoch=1, broker_epoch=99)
        client.send(late, 3)
        await trio.sleep(0.01)
        answer = client.answer(LeaderAndIsrResponse, 3)
        assert answer is not None
        assert answer.error_code == ErrorCode.STALE_BROKER_EPOCH
        update = UpdateMetadataRequest(2, controller_epoch=1, broker_epoch=99)
        assert client.ask(update, 6, UpdateMetadataResponse).error_code == ErrorCode.STALE_BROKER_EPOCH
        update.broker_epoch = 100
        assert client.ask(update, 6, UpdateMetadataResponse).error_code == ErrorCode.NONE

    on_rig(test, tmp_path)


def test_leader_epochs_grow(tmp_path: Path) -> None:
    """An order with an epoch that was seen already is stale; records carry the new one."""

    async def test(rig: Rig) -> None:
        client = rig.client()
        assert order(rig, lead(3)) is ErrorCode.NONE
        assert order(rig, lead(3)) is ErrorCode.STALE_CONTROLLER_EPOCH
        assert order(rig, lead(2)) is ErrorCode.STALE_CONTROLLER_EPOCH
        produce(client, batch(b"a"))
        assert order(rig, lead(4)) is ErrorCode.NONE
        produce(client, batch(b"b"))
        replica = rig.broker.replicas.find("t", 0)
        assert replica is not None
        assert replica.log.epochs.rows() == [(3, 0), (4, 1)]

    on_rig(test, tmp_path)


def test_another_topic_of_the_same_name_is_not_served_from_old_files(tmp_path: Path) -> None:
    """INCONSISTENT_TOPIC_ID, until the old replica is deleted."""

    async def test(rig: Rig) -> None:
        client = rig.client()
        assert order(rig, lead(0)) is ErrorCode.NONE
        produce(client, batch(b"old"))
        assert order(rig, lead(1, topic_id=b"n" * 16)) is ErrorCode.INCONSISTENT_TOPIC_ID
        assert stop(client, delete=True) == 0
        assert order(rig, lead(0, topic_id=b"n" * 16)) is ErrorCode.NONE
        assert produce(client, batch(b"new")) == (0, 0)

    on_rig(test, tmp_path)


def test_stopping_keeps_the_files_and_deleting_does_not(tmp_path: Path) -> None:
    """A stopped replica serves nothing; a deleted one is gone, and may be deleted again."""

    async def test(rig: Rig) -> None:
        client = rig.client()
        rig.lead("t")
        produce(client, batch(b"a"))
        assert stop(client, delete=False) == 0
        assert produce(client, batch(b"b"))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert (tmp_path / "t-0").is_dir()
        assert stop(client, delete=True) == 0
        assert not (tmp_path / "t-0").exists()
        assert stop(client, delete=True) == 0
        assert produce(client, batch(b"b"))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER

    on_rig(test, tmp_path)


def test_a_stop_that_a_newer_leader_has_overtaken_is_fenced(tmp_path: Path) -> None:
    """By its leader epoch, from version 3 on."""

    async def test(rig: Rig) -> None:
        order(rig, lead(7))
        client = rig.client()
        assert stop(client, delete=True, epoch=6) == ErrorCode.FENCED_LEADER_EPOCH
        assert produce(client, batch(b"a")) == (0, 0)
        assert stop(client, delete=True, epoch=7) == 0

    on_rig(test, tmp_path)


def test_stop_replica_of_any_version(tmp_path: Path) -> None:
    """Ungrouped in version 0, by topic after that, with a word for each partition from 3 on."""

    async def test(rig: Rig) -> None:
        client = rig.client()
        for version in range(5):
            order(rig, lead(version))
            request = StopReplicaRequest(2, controller_epoch=1)
            if version == 0:
                request.ungrouped_partitions, request.delete_partitions = (
                    [StopReplicaRequestPartitionV0("t", 0)],
                    True,
                )
            elif version < 3:
                request.topics, request.delete_partitions = [StopReplicaRequestTopicV1("t", [0])], True
            else:
                request.topic_states = [
                    StopReplicaRequestTopic("t", [StopReplicaRequestPartition(0, -1, True)])
                ]
            answer = client.ask(request, version, StopReplicaResponse)
            assert [(p.topic_name, p.partition_index, p.error_code) for p in answer.partition_errors] == [
                ("t", 0, 0)
            ]
            assert not (tmp_path / "t-0").exists()

    on_rig(test, tmp_path)


def test_a_follower_serves_no_client(tmp_path: Path) -> None:
    """Until it leads."""

    async def test(rig: Rig) -> None:
        client = rig.client()
        rig.lead("t", leader=2, isr=(1, 2))
        assert produce(client, batch(b"a"))[0] == ErrorCode.NOT_LEADER_OR_FOLLOWER
        rig.lead("t", isr=(1,))
        assert produce(client, batch(b"a")) == (0, 0)
        assert rig.broker.replicas.high_watermarks() == {("t", 0): 1}

    on_rig(test, tmp_path)
