"""DeleteTopics (20), versions 0-6: deletes topics; the controller's broker answers.

Behaviour: NOT_CONTROLLER on any other broker; TOPIC_DELETION_DISABLED without delete.topic.enable. The answer comes when
the topics are gone from the image, or when the request's time is over (REQUEST_TIMED_OUT: the deletion goes on).
Version notes: v6 names topics by name or by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.server.metadata_cache import WAIT_SECONDS_MAX
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode, message_of
from broker.wire.fields import NO_UUID
from broker.wire.messages import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicsResponseTopic

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["delete_topics"]

BY_ID_FROM = 6


@dataclass(slots=True)
class _Asked:
    name: str | None
    topic_id: bytes
    error: ErrorCode = ErrorCode.NONE
    text: str | None = None


@handles(ApiKey.DELETE_TOPICS, versions=(0, 6))
async def delete_topics(
    broker: Broker, request: Request, message: DeleteTopicsRequest
) -> DeleteTopicsResponse:
    """Asks the controller, then waits until the topics are gone."""
    asked = _asked(broker, request, message)
    refusal = ErrorCode.NONE
    if not broker.controller.is_active:
        refusal = ErrorCode.NOT_CONTROLLER
    elif not broker.config.delete_topic_enable:
        refusal = ErrorCode.TOPIC_DELETION_DISABLED
    if refusal is not ErrorCode.NONE:
        for topic in asked:
            topic.error, topic.text = refusal, message_of(refusal)
    else:
        await _delete(
            broker, [topic for topic in asked if topic.error is ErrorCode.NONE], message.timeout_ms / 1000
        )
    return DeleteTopicsResponse(
        responses=[
            DeleteTopicsResponseTopic(topic.name, topic.topic_id, topic.error, topic.text) for topic in asked
        ]
    )


def _asked(broker: Broker, request: Request, message: DeleteTopicsRequest) -> list[_Asked]:
    image = broker.metadata.image
    if request.version < BY_ID_FROM:
        return [_Asked(name, NO_UUID) for name in message.topic_names]
    asked = []
    for topic in message.topics:
        found = _Asked(topic.name, topic.topic_id)
        if topic.name is None:
            found.name = image.names.get(topic.topic_id)
            if found.name is None:
                found.error, found.text = ErrorCode.UNKNOWN_TOPIC_ID, message_of(ErrorCode.UNKNOWN_TOPIC_ID)
        elif topic.name in image.topics:
            found.topic_id = image.topics[topic.name].id
        asked.append(found)
    return asked


async def _delete(broker: Broker, asked: list[_Asked], timeout: float) -> None:
    names = {topic.name: topic for topic in asked if topic.name is not None}
    for outcome in await broker.controller.delete_topics(list(names)):
        topic = names[outcome.name]
        topic.error, topic.text = outcome.error, outcome.message
    waited_for = [name for name, topic in names.items() if topic.error is ErrorCode.NONE]
    await broker.metadata.wait_until(
        lambda image: not any(name in image.topics for name in waited_for), min(timeout, WAIT_SECONDS_MAX)
    )
    for name in waited_for:
        if name in broker.metadata.image.topics:
            topic = names[name]
            topic.error, topic.text = ErrorCode.REQUEST_TIMED_OUT, "The topic is being deleted."
