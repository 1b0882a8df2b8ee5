"""CreatePartitions (37), versions 0-3: gives topics more partitions; the controller's broker answers.

Behaviour: NOT_CONTROLLER on any other broker. `count` is how many partitions a topic is to have in all; fewer than it has,
or as many, are INVALID_PARTITIONS. The answer comes when every partition has a leader that this broker knows of, or when
the request's time is over (REQUEST_TIMED_OUT: the partitions are there, their leaders are on their way). Each topic has
its own error. Records stay where they are: with more partitions, keys go elsewhere from now on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.cluster import MorePartitions
from broker.server.dispatch import Request, handles
from broker.server.metadata_cache import WAIT_SECONDS_MAX
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    CreatePartitionsRequest,
    CreatePartitionsRequestTopic,
    CreatePartitionsResponse,
    CreatePartitionsResponseTopic,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["create_partitions"]


@handles(ApiKey.CREATE_PARTITIONS, versions=(0, 3))
async def create_partitions(
    broker: Broker, request: Request, message: CreatePartitionsRequest
) -> CreatePartitionsResponse:
    """Asks the controller, then waits for leaders."""
    if not broker.controller.is_active:
        return CreatePartitionsResponse(
            results=[
                CreatePartitionsResponseTopic(
                    topic.name, ErrorCode.NOT_CONTROLLER, "This broker is not the controller."
                )
                for topic in message.topics
            ]
        )
    outcomes = await broker.controller.create_partitions(
        [_more_partitions(topic) for topic in message.topics], validate_only=message.validate_only
    )
    made = {outcome.name: outcome.partitions for outcome in outcomes if outcome.error is ErrorCode.NONE}
    if message.validate_only:
        made.clear()
    if made:
        await broker.metadata.wait_until(
            lambda image: all(map(image.is_led, made, made.values())),
            min(message.timeout_ms / 1000, WAIT_SECONDS_MAX),
        )
    image = broker.metadata.image
    results = []
    for outcome in outcomes:
        error, text = outcome.error, outcome.message
        if outcome.name in made and not image.is_led(outcome.name, outcome.partitions):
            error = ErrorCode.REQUEST_TIMED_OUT
            text = "The partitions are created, but not all of them have a leader yet."
        results.append(CreatePartitionsResponseTopic(outcome.name, error, text))
    return CreatePartitionsResponse(results=results)


def _more_partitions(topic: CreatePartitionsRequestTopic) -> MorePartitions:
    given = topic.assignments
    return MorePartitions(
        topic.name, topic.count, None if given is None else [assignment.broker_ids for assignment in given]
    )
