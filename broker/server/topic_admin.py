"""Creating, widening and deleting topics: checks, and the znodes that ask for them. Any broker may do it.

A creation writes /config/topics/T and /brokers/topics/T in one multi, so that a topic never appears without its
configuration; the controller sees the new child and makes its leaders. More partitions are written over what stands in
/brokers/topics/T, at the version that was read, and the controller sees that too. A deletion is a znode under
/admin/delete_topics that the controller works off.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import TypeVar

from broker.controller import znodes
from broker.controller.image import Topic
from broker.controller.topics import TopicRefused, check_name, plan_assignment, plan_more
from broker.log.config import ConfigError, check_overrides
from broker.wire.errors import ErrorCode
from coord.client import (
    BadVersionError,
    Client,
    ConnectionLossError,
    CoordError,
    Create,
    NodeExistsError,
    NoNodeError,
    SetData,
)

from .cluster import MorePartitions, NewTopic, TopicOutcome

__all__ = ["TopicAdmin"]

log = logging.getLogger(__name__)

T = TypeVar("T", NewTopic, MorePartitions)


class TopicAdmin:
    """Topic requests of one broker.

    client: the coordination client of the present session, or None when there is none.
    num_partitions, replication_factor: the broker's defaults, for requests that leave them open.
    """

    def __init__(
        self, client: Callable[[], Client | None], random: Random, num_partitions: int, replication_factor: int
    ) -> None:
        self._client = client
        self._random = random
        self._num_partitions = num_partitions
        self._replication_factor = replication_factor

    async def create(self, topics: Sequence[NewTopic], *, validate_only: bool) -> list[TopicOutcome]:
        """One outcome for each topic, in order."""
        return await self._each(topics, lambda wanted: self._create(wanted, validate_only))

    async def create_partitions(self, topics: Sequence[MorePartitions], *, validate_only: bool) -> list[TopicOutcome]:
        """One outcome for each topic, in order."""
        return await self._each(topics, lambda wanted: self._widen(wanted, validate_only))

    async def delete(self, names: Sequence[str]) -> list[TopicOutcome]:
        """One outcome for each topic, in order."""
        return [await self._guarded(name, partial(self._delete, name)) for name in names]

    async def _each(self, topics: Sequence[T], operation: Callable[[T], Awaitable[TopicOutcome]]) -> list[TopicOutcome]:
        names = Counter(topic.name for topic in topics)
        outcomes = []
        for wanted in topics:
            if names[wanted.name] > 1:
                outcomes.append(
                    TopicOutcome(wanted.name, ErrorCode.INVALID_REQUEST, "The topic is named twice in one request.")
                )
                continue
            outcomes.append(await self._guarded(wanted.name, partial(operation, wanted)))
        return outcomes

    async def _guarded(self, name: str, operation: Callable[[], Awaitable[TopicOutcome]]) -> TopicOutcome:
        try:
            return await operation()
        except TopicRefused as refused:
            return TopicOutcome(name, refused.error, refused.message)
        except ConnectionLossError:
            return TopicOutcome(
                name, ErrorCode.REQUEST_TIMED_OUT, "The connection to the coordination service was lost meanwhile."
            )
        except CoordError as error:
            log.warning("topic %s: %s", name, error)
            return TopicOutcome(name, ErrorCode.UNKNOWN_SERVER_ERROR, f"The coordination service refused: {error}")

    async def _create(self, wanted: NewTopic, validate_only: bool) -> TopicOutcome:
        client = self._connected()
        existing = set(await client.children(znodes.BROKER_TOPICS))
        check_name(wanted.name, existing)
        _check_configs(wanted.configs)
        partitions = self._num_partitions if wanted.partitions == -1 else wanted.partitions
        factor = self._replication_factor if wanted.replication_factor == -1 else wanted.replication_factor
        assignment = plan_assignment(await _live(client), partitions, factor, wanted.assignment, self._random)
        topic = Topic(wanted.name, self._random.randbytes(16), assignment)
        if not validate_only:
            await self._write(client, topic, wanted.configs)
            log.info("topic %s is created with %d partitions", topic.name, len(assignment))
        return TopicOutcome(
            topic.name, topic_id=topic.topic_id, partitions=len(assignment), replication_factor=len(assignment[0])
        )

    async def _write(self, client: Client, topic: Topic, configs: Mapping[str, str]) -> None:
        config_path = znodes.topic_config_path(topic.name)
        config = znodes.encode_config(configs)
        made = Create(znodes.topic_path(topic.name), znodes.encode_topic(topic))
        # a configuration may be there without its topic, left by hand or by another implementation
        left = await client.exists(config_path) is not None
        try:
            await client.multi([SetData(config_path, config) if left else Create(config_path, config), made])
        except NodeExistsError:
            raise TopicRefused(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.") from None

    async def _widen(self, wanted: MorePartitions, validate_only: bool) -> TopicOutcome:
        client = self._connected()
        path = znodes.topic_path(wanted.name)
        try:
            data, stat = await client.get(path)
            topic = znodes.decode_topic(path, wanted.name, data)
            if znodes.is_reassigned(path, data):
                raise TopicRefused(ErrorCode.REASSIGNMENT_IN_PROGRESS, "A partition reassignment is in progress.")
            if await client.exists(znodes.delete_topic_path(wanted.name)) is not None:
                raise TopicRefused(ErrorCode.INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion.")
            more = plan_more(await _live(client), topic.assignment, wanted.count, wanted.assignment)
            if not validate_only:
                wider = replace(topic, assignment={**more, **topic.assignment})
                await client.set(path, znodes.encode_topic(wider), stat.version)
                log.info("topic %s has %d partitions, %d of them new", wanted.name, wanted.count, len(more))
        except NoNodeError:
            raise TopicRefused(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{wanted.name}' does not exist."
            ) from None
        except BadVersionError:
            return await self._widen(wanted, validate_only)  # somebody else has widened it meanwhile
        except znodes.ZnodeError as error:
            raise TopicRefused(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from error
        return TopicOutcome(wanted.name, topic_id=topic.topic_id, partitions=wanted.count)

    async def _delete(self, name: str) -> TopicOutcome:
        client = self._connected()
        if await client.exists(znodes.topic_path(name)) is None:
            raise TopicRefused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
        try:
            await client.create(znodes.delete_topic_path(name), b"")
        except NodeExistsError:
            pass  # it is being deleted already
        return TopicOutcome(name)

    def _connected(self) -> Client:
        client = self._client()
        if client is None:
            raise ConnectionLossError
        return client


async def _live(client: Client) -> list[int]:
    return [int(name) for name in await client.children(znodes.BROKER_IDS) if name.isdecimal()]


def _check_configs(configs: Mapping[str, str]) -> None:
    try:
        check_overrides(configs)
    except ConfigError as error:
        raise TopicRefused(ErrorCode.INVALID_CONFIG, str(error)) from error
