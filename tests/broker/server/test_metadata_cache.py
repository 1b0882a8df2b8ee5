"""The image of the cluster, as UpdateMetadata requests of any version make it."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from broker.server.metadata_cache import MetadataCache
from broker.wire.codec import decode, encode
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    UpdateMetadataRequest,
    UpdateMetadataRequestBroker,
    UpdateMetadataRequestEndpoint,
    UpdateMetadataRequestPartition,
    UpdateMetadataRequestTopic,
)

ID_A, ID_B = b"a" * 16, b"b" * 16


def broker(number: int, *listeners: str) -> UpdateMetadataRequestBroker:
    endpoints = [
        UpdateMetadataRequestEndpoint(9000 + number, f"h{number}", name, 0)
        for name in listeners or ("PLAINTEXT",)
    ]
    return UpdateMetadataRequestBroker(number, endpoints=endpoints)


def state(partition: int, leader: int, epoch: int = 0, name: str = "") -> UpdateMetadataRequestPartition:
    return UpdateMetadataRequestPartition(name, partition, 1, leader, epoch, [leader], 0, [leader])


def update(
    *topics: UpdateMetadataRequestTopic,
    brokers: tuple[int, ...] = (1, 2),
    epoch: int = 1,
    controller: int = 1,
) -> UpdateMetadataRequest:
    return UpdateMetadataRequest(
        controller, controller_epoch=epoch, topic_states=list(topics), live_brokers=[*map(broker, brokers)]
    )


def test_an_update_adds_and_keeps_what_it_does_not_name() -> None:
    """Brokers are replaced, topics and partitions are added to."""
    cache = MetadataCache()
    assert (
        cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(1, 1), state(0, 2)])))
        is ErrorCode.NONE
    )
    cache.update(update(UpdateMetadataRequestTopic("b", ID_B, [state(0, 3)]), brokers=(1,)))
    cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(0, 1, 5)])))
    image = cache.image
    assert list(image.topics["a"].partitions) == [0, 1]
    assert image.topics["a"].partitions[0].leader_epoch == 5
    assert image.names == {ID_A: "a", ID_B: "b"}
    assert set(image.brokers) == {1, 2}
    assert image.brokers[1].endpoints == {"PLAINTEXT": ("h1", 9001)}
    assert image.leader_of("a", 1) == 1
    assert image.leader_of("b", 0) is None, "broker 3 does not live"
    assert image.is_led("a", 2)
    assert not image.is_led("a", 3)


def test_deleted_partitions_go_and_the_last_takes_the_topic_along() -> None:
    """The leader -2 means that the partition is being deleted."""
    cache = MetadataCache()
    cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(0, 1), state(1, 1)])))
    cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(0, -2)])))
    assert list(cache.image.topics["a"].partitions) == [1]
    cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(1, -2)])))
    assert cache.image.topics == {}
    assert cache.image.names == {}


def test_another_id_is_another_topic() -> None:
    """A topic that was deleted and made again does not keep the old one's partitions."""
    cache = MetadataCache()
    cache.update(update(UpdateMetadataRequestTopic("a", ID_A, [state(0, 1), state(1, 1)])))
    cache.update(update(UpdateMetadataRequestTopic("a", ID_B, [state(0, 1)])))
    assert list(cache.image.topics["a"].partitions) == [0]
    assert cache.image.names == {ID_B: "a"}


def test_a_deposed_controller_is_refused() -> None:
    """Its epoch is lower than one that was seen."""
    cache = MetadataCache()
    cache.update(update(epoch=5, controller=2))
    before = cache.image
    assert cache.update(update(epoch=4, brokers=())) is ErrorCode.STALE_CONTROLLER_EPOCH
    assert cache.image is before
    assert (before.controller_id, before.controller_epoch) == (2, 5)


def test_every_version_says_the_same() -> None:
    """Ungrouped before version 5, names of listeners from 3, ids from 7."""
    for version in range(1, 9):
        request = update(epoch=3)
        if version < 5:
            request.ungrouped_partition_states = [state(0, 1, 2, "a"), state(1, 2, 3, "a")]
        else:
            topic_id = ID_A if version >= 7 else bytes(16)
            request.topic_states = [
                UpdateMetadataRequestTopic("a", topic_id, [state(0, 1, 2), state(1, 2, 3)])
            ]
        cache = MetadataCache()
        cache.update(decode(UpdateMetadataRequest, version, encode(request, version))[0])
        image = cache.image
        assert image.topics["a"].partitions[1].leader_epoch == 3
        assert image.brokers[2].endpoints == {"PLAINTEXT": ("h2", 9002)}


def test_waiting_for_an_image() -> None:
    """A condition is looked at after each update; time limits the wait."""

    async def main() -> None:
        cache = MetadataCache()
        async with trio.open_nursery() as nursery:

            async def updates() -> None:
                await trio.sleep(0.01)
                cache.update(update(brokers=(1,)))
                await trio.sleep(0.01)
                cache.update(update(brokers=(1, 2)))

            nursery.start_soon(updates)
            assert await cache.wait_until(lambda image: 2 in image.brokers, 5)
        assert not await cache.wait_until(lambda image: 3 in image.brokers, 0.01)

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_listeners_see_before_and_after() -> None:
    """In the order of their registration, at every accepted update."""
    cache = MetadataCache()
    seen = []
    cache.on_change(lambda before, after: seen.append((set(before.brokers), set(after.brokers))))
    cache.update(update(brokers=(1,)))
    cache.update(update(brokers=(2,)))
    cache.update(update(brokers=(3,), epoch=0))
    assert seen == [(set(), {1}), ({1}, {2})]
