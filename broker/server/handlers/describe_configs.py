"""DescribeConfigs (32), versions 0-4: the configuration of topics and brokers.

Behaviour: a topic's keys with where each value comes from, read from the tree; of a broker, the keys that its file
sets and its defaults, answered by that broker alone.
Version notes: v1 adds sources and synonyms, v3 types and documentation; v0 says only whether a value is the default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

from broker.log.config import ConfigKind
from broker.server.config import BrokerConfig
from broker.server.dispatch import Request, handles
from broker.server.topic_configs import ConfigSource, described, read
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode, message_of
from broker.wire.messages import (
    DescribeConfigsRequest,
    DescribeConfigsRequestResource,
    DescribeConfigsResponse,
    DescribeConfigsResponseConfig,
    DescribeConfigsResponseResult,
    DescribeConfigsResponseSynonym,
)
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["describe_configs"]

TOPIC, BROKER = 2, 4


@handles(ApiKey.DESCRIBE_CONFIGS, versions=(0, 4))
async def describe_configs(
    broker: Broker, request: Request, message: DescribeConfigsRequest
) -> DescribeConfigsResponse:
    """Describes each resource."""
    return DescribeConfigsResponse(
        results=[
            await _describe(broker, request.version, message, resource) for resource in message.resources
        ]
    )


async def _describe(
    broker: Broker, version: int, message: DescribeConfigsRequest, resource: DescribeConfigsRequestResource
) -> DescribeConfigsResponseResult:
    kind, name = resource.resource_type, resource.resource_name
    error, text = ErrorCode.NONE, ""
    configs: Iterable[DescribeConfigsResponseConfig] = ()
    if kind == TOPIC and name not in broker.metadata.image.topics:
        error, text = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message_of(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    elif kind == TOPIC:
        try:
            configs = await _of_topic(broker, message, name)
        except CoordError as failure:
            error, text = (
                ErrorCode.UNKNOWN_SERVER_ERROR,
                f"The coordination service did not answer: {failure}",
            )
    elif kind == BROKER and name in ("", str(broker.config.broker_id)):
        configs = _of_broker(broker.config) if name else ()
    else:
        error, text = (
            ErrorCode.INVALID_REQUEST,
            f"Nothing is known here of {name!r}, a resource of type {kind}.",
        )
    wanted = resource.configuration_keys
    shown = [config for config in configs if not wanted or config.name in wanted]
    if version == 0:
        for config in shown:
            config.is_default = config.config_source == ConfigSource.DEFAULT
    return DescribeConfigsResponseResult(error, text, kind, name, shown)


async def _of_topic(
    broker: Broker, message: DescribeConfigsRequest, name: str
) -> list[DescribeConfigsResponseConfig]:
    overrides = await read(broker.session.client, name)
    return [
        DescribeConfigsResponseConfig(
            entry.name,
            entry.value,
            config_source=entry.source,
            synonyms=[DescribeConfigsResponseSynonym(*synonym) for synonym in entry.synonyms]
            if message.include_synonyms
            else [],
            config_type=entry.key.kind,
            documentation=entry.key.doc if message.include_documentation else None,
        )
        for entry in described(overrides, broker.config)
    ]


def _of_broker(config: BrokerConfig) -> list[DescribeConfigsResponseConfig]:
    """The file's keys, and the defaults of the others that this broker reads."""
    values = {
        field.metadata["key"]: _text(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if "key" in field.metadata
    }
    values.update(config.properties)
    return [
        DescribeConfigsResponseConfig(
            name,
            value,
            read_only=True,
            config_source=ConfigSource.STATIC_BROKER if name in config.properties else ConfigSource.DEFAULT,
            config_type=ConfigKind.STRING,
        )
        for name, value in sorted(values.items())
    ]


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return str(value)
