"""CreateTopics (19), versions 0-7: creates topics; the controller's broker answers.

Behaviour: NOT_CONTROLLER on any other broker, and the client finds the controller by Metadata. The answer comes when
every partition has a leader that this broker knows of, or when the request's time is over (REQUEST_TIMED_OUT: the topic
is there, its leaders are on their way). Each topic has its own error.
Version notes: v1 adds messages and validate_only; v4 allows -1 for the broker's defaults; v5 reports what was made;
v7 adds the topic id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.cluster import NewTopic, TopicOutcome
from broker.server.dispatch import Request, handles
from broker.server.metadata_cache import WAIT_SECONDS_MAX, Image
from broker.server.topic_configs import described
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    CreateTopicsRequest,
    CreateTopicsRequestTopic,
    CreateTopicsResponse,
    CreateTopicsResponseConfig,
    CreateTopicsResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["create_topics"]

VALIDATE_ONLY_FROM = 1


@handles(ApiKey.CREATE_TOPICS, versions=(0, 7))
async def create_topics(
    broker: Broker, request: Request, message: CreateTopicsRequest
) -> CreateTopicsResponse:
    """Asks the controller, then waits for leaders."""
    if not broker.controller.is_active:
        return CreateTopicsResponse(
            topics=[
                CreateTopicsResponseTopic(
                    topic.name,
                    error_code=ErrorCode.NOT_CONTROLLER,
                    error_message="This broker is not the controller.",
                    configs=None,
                )
                for topic in message.topics
            ]
        )
    validate_only = message.validate_only and request.version >= VALIDATE_ONLY_FROM
    outcomes = await broker.controller.create_topics(
        [_new_topic(topic) for topic in message.topics], validate_only=validate_only
    )
    created = {outcome.name: outcome.partitions for outcome in outcomes if outcome.error is ErrorCode.NONE}
    if created and not validate_only:
        await broker.metadata.wait_until(
            lambda image: all(map(image.is_led, created, created.values())),
            min(message.timeout_ms / 1000, WAIT_SECONDS_MAX),
        )
    image = broker.metadata.image
    configs = {topic.name: topic for topic in message.topics}
    return CreateTopicsResponse(
        topics=[_result(broker, image, configs[outcome.name], outcome, validate_only) for outcome in outcomes]
    )


def _new_topic(topic: CreateTopicsRequestTopic) -> NewTopic:
    return NewTopic(
        topic.name,
        topic.num_partitions,
        topic.replication_factor,
        {assignment.partition_index: tuple(assignment.broker_ids) for assignment in topic.assignments},
        {config.name: config.value for config in topic.configs if config.value is not None},
    )


def _result(
    broker: Broker, image: Image, asked: CreateTopicsRequestTopic, outcome: TopicOutcome, validate_only: bool
) -> CreateTopicsResponseTopic:
    error, text = outcome.error, outcome.message
    if error is ErrorCode.NONE and not validate_only and not image.is_led(outcome.name, outcome.partitions):
        error, text = (
            ErrorCode.REQUEST_TIMED_OUT,
            "The topic is created, but not all of its partitions have a leader yet.",
        )
    if outcome.error is not ErrorCode.NONE:
        return CreateTopicsResponseTopic(outcome.name, error_code=error, error_message=text, configs=None)
    overrides = {config.name: config.value for config in asked.configs if config.value is not None}
    return CreateTopicsResponseTopic(
        outcome.name,
        outcome.topic_id,
        error,
        text,
        num_partitions=outcome.partitions,
        replication_factor=outcome.replication_factor,
        configs=[
            CreateTopicsResponseConfig(entry.name, entry.value, read_only=False, config_source=entry.source)
            for entry in described(overrides, broker.config)
        ],
    )
