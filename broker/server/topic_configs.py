"""The configuration of topics: what each overrides in /config/topics/T, and how it looks from outside.

A change is announced as a znode under /config/changes that names the entity ({"version":2,"entity_path":"topics/T"}).
Every broker watches that folder and reads the topic's configuration again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import trio

from broker.controller import znodes
from broker.log.config import TOPIC_KEYS, ConfigKey
from coord.client import Client, NoNodeError

from .config import BrokerConfig
from .session import CoordSession

__all__ = ["ConfigSource", "DescribedConfig", "TopicConfigs", "described"]

log = logging.getLogger(__name__)

CHANGES = "/config/changes"
TOPIC_ENTITY = "topics/"


class ConfigSource(IntEnum):
    """Where a value comes from, by the code that DescribeConfigs reports."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class DescribedConfig:
    """One key of a topic: the value in force, where it comes from, and what it would be without it, strongest first."""

    key: ConfigKey
    value: str
    source: ConfigSource
    synonyms: tuple[tuple[str, str, ConfigSource], ...]

    @property
    def name(self) -> str:
        """The topic key."""
        return self.key.name


def described(overrides: Mapping[str, str], config: BrokerConfig) -> Iterator[DescribedConfig]:
    """Every topic key as it stands for a topic with these overrides on this broker."""
    for key in TOPIC_KEYS.values():
        synonyms: list[tuple[str, str, ConfigSource]] = []
        if key.name in overrides:
            synonyms.append((key.name, overrides[key.name], ConfigSource.TOPIC))
        set_here = [name for name, _ in key.server if name in config.properties]
        if set_here:
            synonyms.append((set_here[0], config.topic_defaults[key.name], ConfigSource.STATIC_BROKER))
        if len(key.server) == 1:  # where several units serve a key, the first has no default of its own
            synonyms.append((key.server[0][0], key.default, ConfigSource.DEFAULT))
        _, value, source = synonyms[0] if synonyms else (key.name, key.default, ConfigSource.DEFAULT)
        yield DescribedConfig(key, value, source, tuple(synonyms))


class TopicConfigs:
    """What topics override, as far as this broker has needed it."""

    def __init__(self, session: CoordSession, changed: Callable[[str, Mapping[str, str]], None]) -> None:
        """`changed(topic, overrides)` is called when a topic's configuration was changed."""
        self._session = session
        self._changed = changed
        self._overrides: dict[str, Mapping[str, str]] = {}

    def overrides(self, topic: str) -> Mapping[str, str]:
        """What the topic overrides, as it was last read; nothing when it was not."""
        return self._overrides.get(topic, {})

    async def load(self, client: Client) -> None:
        """Reads the configuration of all topics. Raises CoordError."""
        try:
            names = await client.children(znodes.CONFIG_TOPICS)
        except NoNodeError:
            return
        for name in names:
            self._overrides[name] = await read(client, name)

    async def fetch(self, topics: Iterable[str]) -> None:
        """Reads the configuration of these topics. Raises CoordError."""
        for topic in topics:
            self._overrides[topic] = await read(self._session.client, topic)

    def forget(self, topic: str) -> None:
        """The topic is deleted; another of its name begins anew."""
        self._overrides.pop(topic, None)

    async def run(self, client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        """Follows announced changes for the length of a session."""
        seen: set[str] | None = None
        async for names in client.watch_children(CHANGES):
            present = set(names or ())
            if seen is None:
                task_status.started()
            else:
                for name in sorted(present - seen):
                    await self._apply(client, f"{CHANGES}/{name}")
            seen = present

    async def _apply(self, client: Client, path: str) -> None:
        try:
            data, _ = await client.get(path)
            entity = str(json.loads(data)["entity_path"])
        except (NoNodeError, ValueError, KeyError, TypeError):
            log.warning("%s announces a change that cannot be read; passed over", path)
            return
        if entity.startswith(TOPIC_ENTITY):
            topic = entity.removeprefix(TOPIC_ENTITY)
            self._overrides[topic] = await read(client, topic)
            log.info("topic %s has a new configuration: %s", topic, dict(self._overrides[topic]))
            self._changed(topic, self._overrides[topic])


async def read(client: Client, topic: str) -> Mapping[str, str]:
    """What a topic overrides, from the tree; nothing where that cannot be read. Raises CoordError."""
    path = znodes.topic_config_path(topic)
    try:
        data, _ = await client.get(path)
        return znodes.decode_config(path, data)
    except NoNodeError:
        return {}
    except znodes.ZnodeError as error:
        log.warning("the configuration of topic %s is passed over: %s", topic, error)
        return {}
