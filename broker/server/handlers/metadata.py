"""Metadata (3), versions 0-12: brokers, topics, and who leads each partition.

Behaviour: answers from the image that the controller's updates make. A topic that is not there is created when both
auto.create.topics.enable and the request allow it; the answer waits a little for its leaders, and where they do not
come in time it is LEADER_NOT_AVAILABLE, and the client asks again.
Addresses are those of the listener on which the client asks; a leader that is not alive there is LEADER_NOT_AVAILABLE.
Version notes: v0 takes an empty list as all topics, later versions null; v4 lets the client forbid the creation; v8-10
ask for authorised operations, which are not kept; v10 adds topic ids, v12 asks by them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from broker.server.cluster import NewTopic
from broker.server.dispatch import PENDING, Outcome, Request, handles
from broker.server.metadata_cache import Image, Topic
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.fields import NO_UUID, Message
from broker.wire.messages import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["metadata"]

log = logging.getLogger(__name__)

ALLOW_CREATION_FROM = 4
NULL_NAME_FROM = 12
LEADERS_SECONDS = 1.0
"""How long the answer waits for the leaders of topics that it has created."""
CREATIONS_MAX = 100
"""Topics that one request creates; the others are created by the client's next request."""


@handles(ApiKey.METADATA, versions=(0, 12))
def metadata(broker: Broker, request: Request, message: MetadataRequest) -> Message | Outcome:
    """Answers at once, or behind the creation of what is missing."""
    image = broker.metadata.image
    topics = message.topics
    if topics is None or (request.version == 0 and not topics):
        return _response(
            broker, request, image, [_topic(request, image, topic) for topic in image.topics.values()]
        )
    asked = [(topic.name, topic.topic_id) for topic in topics]
    missing = [name for name, topic_id in asked if name and topic_id == NO_UUID and name not in image.topics]
    may_create = broker.config.auto_create_topics_enable and (
        message.allow_auto_topic_creation or request.version < ALLOW_CREATION_FROM
    )
    if not missing or not may_create:
        return _response(
            broker, request, image, [_asked(request, image, name, topic_id, {}) for name, topic_id in asked]
        )

    async def create_then_answer() -> Message:
        created = await _create(broker, list(dict.fromkeys(missing)))
        image = broker.metadata.image
        return _response(
            broker,
            request,
            image,
            [_asked(request, image, name, topic_id, created) for name, topic_id in asked],
        )

    broker.tasks.start(request, create_then_answer)
    return PENDING


async def _create(broker: Broker, names: list[str]) -> dict[str, ErrorCode]:
    """Creates topics; what each is answered with until its leaders are known."""
    outcomes = await broker.controller.create_topics([NewTopic(name) for name in names[:CREATIONS_MAX]])
    errors = dict.fromkeys(names, ErrorCode.LEADER_NOT_AVAILABLE)
    for outcome in outcomes:
        if outcome.error in (ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.INVALID_REPLICATION_FACTOR):
            errors[outcome.name] = outcome.error
        if outcome.error is ErrorCode.INVALID_REPLICATION_FACTOR:
            log.warning(
                "topic %s was not created: default.replication.factor: %s", outcome.name, outcome.message
            )
    created = {
        outcome.name: outcome.partitions
        for outcome in outcomes
        if outcome.error in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS)
    }
    await broker.metadata.wait_until(
        lambda image: all(map(image.is_led, created, created.values())), LEADERS_SECONDS
    )
    return errors


def _asked(
    request: Request, image: Image, name: str | None, topic_id: bytes, created: dict[str, ErrorCode]
) -> MetadataResponseTopic:
    by_id = topic_id != NO_UUID
    if by_id:
        name = image.names.get(topic_id)
    topic = None if name is None else image.topics.get(name)
    if topic is not None:
        return _topic(request, image, topic)
    if by_id:
        absent = None if request.version >= NULL_NAME_FROM else ""
        return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=absent, topic_id=topic_id)
    error = created.get(name or "", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return MetadataResponseTopic(error_code=error, name=name or "")


def _topic(request: Request, image: Image, topic: Topic) -> MetadataResponseTopic:
    listener = request.origin.listener
    reachable = {node.id for node in image.brokers.values() if listener in node.endpoints}
    partitions = []
    for index, partition in topic.partitions.items():
        alive = partition.leader in reachable
        partitions.append(
            MetadataResponsePartition(
                ErrorCode.NONE if alive else ErrorCode.LEADER_NOT_AVAILABLE,
                index,
                partition.leader if alive else -1,
                partition.leader_epoch,
                list(partition.replicas),
                list(partition.isr),
                [
                    replica
                    for replica in partition.replicas
                    if replica not in reachable or replica in partition.offline
                ],
            )
        )
    return MetadataResponseTopic(ErrorCode.NONE, topic.name, topic.id, topic.is_internal, partitions)


def _response(
    broker: Broker, request: Request, image: Image, topics: Iterable[MetadataResponseTopic]
) -> MetadataResponse:
    listener = request.origin.listener
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(node.id, *node.endpoints[listener], node.rack)
            for node in image.brokers.values()
            if listener in node.endpoints
        ],
        cluster_id=broker.cluster_id,
        controller_id=image.controller_id,
        topics=list(topics),
    )
