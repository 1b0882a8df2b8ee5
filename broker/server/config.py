"""server.properties: Apache Kafka's keys, typed.

A wrong value is one line that names the key and the file; keys that nobody knows are named in one warning. Keys that
Apache's broker needs for its threads and sockets, and that have no meaning here, are accepted: a configuration file
moves between the two unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from broker.group.membership import GroupLimits
from broker.log.config import TOPIC_KEYS, LogConfig, server_defaults
from coord.kit.config import Kind, chosen, flag, items, key, load, text, whole
from coord.kit.properties import ConfigError, Properties

__all__ = ["BrokerConfig", "Endpoint", "load_config"]

DEFAULT_LOG_DIR = "/tmp/kafka-logs"
ANY_HOSTS = ("", "0.0.0.0", "::")

WITHOUT_EFFECT = frozenset(
    {
        "auto.leader.rebalance.enable", "background.threads", "broker.id.generation.enable",
        "connection.failed.authentication.delay.ms", "controller.socket.timeout.ms",
        "fetch.purgatory.purge.interval.requests", "inter.broker.protocol.version", "log.cleaner.backoff.ms",
        "log.cleaner.dedupe.buffer.size", "log.cleaner.enable", "log.cleaner.io.buffer.load.factor",
        "log.cleaner.io.buffer.size", "log.cleaner.io.max.bytes.per.second", "log.cleaner.threads",
        "max.incremental.fetch.session.cache.slots", "num.io.threads", "num.network.threads",
        "num.recovery.threads.per.data.dir", "num.replica.alter.log.dirs.threads", "num.replica.fetchers",
        "offsets.commit.required.acks", "offsets.load.buffer.size", "offsets.topic.compression.codec",
        "offsets.topic.segment.bytes",
        "producer.purgatory.purge.interval.requests", "queued.max.request.bytes", "queued.max.requests",
        "request.timeout.ms", "reserved.broker.max.id", "security.inter.broker.protocol",
        "socket.listen.backlog.size", "socket.receive.buffer.bytes",
        "transaction.state.log.min.isr", "transaction.state.log.num.partitions",
        "transaction.state.log.replication.factor", "zookeeper.max.in.flight.requests", "zookeeper.set.acl",
        "zookeeper.sync.time.ms",
    }
)  # fmt: skip
"""Keys of Apache's that change nothing here."""
RESERVED = ("replica.", "transactional.id.", "leader.imbalance.", "controlled.shutdown.", "producer.id.")
"""Prefixes of Apache's keys for replication, transactions and the controller."""

_ENDPOINT = re.compile(r"(?P<name>\w+)://(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:/\[\]]*)):(?P<port>\d{1,5})")


class Endpoint(NamedTuple):
    """One listener: its name and where it is."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


def _endpoints() -> Kind[tuple[Endpoint, ...]]:
    def parse(value: str) -> tuple[Endpoint, ...]:
        found = []
        for part in value.split(","):
            match = _ENDPOINT.fullmatch(part.strip())
            if match is None or int(match["port"]) > 65535:
                raise ValueError
            host = match["host"] if match["ipv6"] is None else match["ipv6"]
            found.append(Endpoint(match["name"].upper(), host, int(match["port"])))
        if len({endpoint.name for endpoint in found}) < len(found):
            raise ValueError
        return tuple(found)

    return Kind("NAME://host:port, with commas between several of different names", parse)


def _protocols() -> Kind[dict[str, str]]:
    def parse(value: str) -> dict[str, str]:
        pairs = [part.strip().split(":") for part in value.split(",") if part.strip()]
        return {name.upper(): protocol.upper() for name, protocol in pairs}

    return Kind("NAME:PROTOCOL, with commas between several", parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """What a broker works by; times are milliseconds and sizes bytes, as in the file."""

    broker_id: int = key("broker.id", whole())
    rack: str | None = key("broker.rack", text(), default=None)
    listeners: tuple[Endpoint, ...] = key(
        "listeners", _endpoints(), default=(Endpoint("PLAINTEXT", "", 9092),)
    )
    advertised_listeners: tuple[Endpoint, ...] = key("advertised.listeners", _endpoints(), default=())
    security_protocols: Mapping[str, str] = key("listener.security.protocol.map", _protocols(), default=None)
    inter_broker_listener: str = key("inter.broker.listener.name", text(), default="")
    log_dir: str = key("log.dir", text(), default=DEFAULT_LOG_DIR)
    log_dirs: tuple[str, ...] = key("log.dirs", items(), default=())

    zookeeper_connect: str = key(
        "zookeeper.connect", text("host:port, with commas between several, and a /chroot behind")
    )
    zookeeper_session_timeout_ms: int = key("zookeeper.session.timeout.ms", whole(1), default=18_000)
    zookeeper_connection_timeout_ms: int | None = key(
        "zookeeper.connection.timeout.ms", whole(1), default=None
    )

    num_partitions: int = key("num.partitions", whole(1), default=1)
    default_replication_factor: int = key("default.replication.factor", whole(1), default=1)
    auto_create_topics_enable: bool = key("auto.create.topics.enable", flag(), default=True)
    delete_topic_enable: bool = key("delete.topic.enable", flag(), default=True)

    # Left alone (-1) the kernel would take megabytes, and a consumer on the same machine gets a fifth less.
    socket_send_buffer_bytes: int = key("socket.send.buffer.bytes", whole(-1), default=256 << 10)
    socket_request_max_bytes: int = key("socket.request.max.bytes", whole(1), default=100 << 20)
    connections_max_idle_ms: int = key("connections.max.idle.ms", whole(1), default=600_000)
    max_connections: int = key("max.connections", whole(), default=(1 << 31) - 1)
    fetch_max_bytes: int = key("fetch.max.bytes", whole(1024), default=55 << 20)

    retention_check_interval_ms: int = key("log.retention.check.interval.ms", whole(1), default=300_000)
    recovery_checkpoint_interval_ms: int = key(
        "log.flush.offset.checkpoint.interval.ms", whole(0), default=60_000
    )
    start_offset_checkpoint_interval_ms: int = key(
        "log.flush.start.offset.checkpoint.interval.ms", whole(0), default=60_000
    )
    high_watermark_checkpoint_interval_ms: int = key(
        "replica.high.watermark.checkpoint.interval.ms", whole(1), default=5_000
    )
    producer_id_expiration_ms: int = key("producer.id.expiration.ms", whole(1), default=86_400_000)

    offsets_storage: str = key("offsets.storage", chosen("coord"), default="coord")
    offsets_topic_num_partitions: int = key("offsets.topic.num.partitions", whole(1), default=50)
    # Checked and no more: offsets are kept by the coordination service, as often as it has servers.
    offsets_topic_replication_factor: int = key(
        "offsets.topic.replication.factor", whole(1, (1 << 15) - 1), default=3
    )
    offsets_commit_timeout_ms: int = key("offsets.commit.timeout.ms", whole(1), default=5_000)
    offsets_retention_minutes: int = key("offsets.retention.minutes", whole(1), default=10_080)
    offsets_retention_check_interval_ms: int = key(
        "offsets.retention.check.interval.ms", whole(1), default=600_000
    )
    offset_metadata_max_bytes: int = key("offset.metadata.max.bytes", whole(), default=4096)

    group_initial_rebalance_delay_ms: int = key("group.initial.rebalance.delay.ms", whole(), default=3_000)
    group_min_session_timeout_ms: int = key("group.min.session.timeout.ms", whole(), default=6_000)
    group_max_session_timeout_ms: int = key("group.max.session.timeout.ms", whole(), default=1_800_000)
    group_max_size: int = key("group.max.size", whole(1), default=(1 << 31) - 1)

    topic_defaults: dict[str, str] = field(default_factory=dict)
    """Topic keys that server keys such as log.segment.bytes set, as `LogConfig.of` takes them."""
    properties: dict[str, str] = field(default_factory=dict)
    """The file as it was written, for DescribeConfigs."""
    path: str = ""
    """The file."""
    places: dict[str, str] = field(default_factory=dict)
    """Where in it each key stands: `server.properties line 3`, or `--override`."""

    def place(self, name: str) -> str:
        """Where the value of a key is from, for messages; the file when the key has its default."""
        return self.places.get(name, self.path)

    @property
    def directories_key(self) -> str:
        """The key that names the folders for logs."""
        return "log.dirs" if self.log_dirs else "log.dir"

    @property
    def directories(self) -> tuple[str, ...]:
        """The folders for logs."""
        return self.log_dirs or (self.log_dir,)

    @property
    def group_limits(self) -> GroupLimits:
        """The group.* keys as the core takes them."""
        return GroupLimits(
            self.group_initial_rebalance_delay_ms / 1000,
            self.group_min_session_timeout_ms / 1000,
            self.group_max_session_timeout_ms / 1000,
            self.group_max_size,
        )


def load_config(data: bytes, path: str, overrides: list[tuple[str, str]]) -> tuple[BrokerConfig, list[str]]:
    """The configuration in a file's content, with `--override` pairs on top, and the keys that nobody knows.

    Raises ConfigError, whose text is one line that names the key and the file.
    """
    properties = Properties.parse(data, path).override(overrides, "--override")
    config, unknown = load(BrokerConfig, properties, known=RESERVED)
    values = {name: entry.value.strip() for name, entry in properties.items()}
    defaults = _topic_defaults(properties, values)
    places = {name: entry.place for name, entry in properties.items()}
    config = replace(
        config, topic_defaults=defaults, properties=values, path=properties.path, places=places
    )
    log_keys = {name for topic_key in TOPIC_KEYS.values() for name, _ in topic_key.server}
    unknown = [name for name in unknown if name not in WITHOUT_EFFECT and name not in log_keys]
    return _with_listeners(config), unknown


def _topic_defaults(properties: Properties, values: dict[str, str]) -> dict[str, str]:
    try:
        defaults = server_defaults(values)
        LogConfig.of({}, defaults)
    except ValueError as error:
        raise ConfigError(f"{properties.path}: {error}") from None
    return defaults


def _with_listeners(config: BrokerConfig) -> BrokerConfig:
    """Checks that listeners, advertised listeners and their security protocols fit together, and fills in defaults."""
    protocols = config.security_protocols or {}
    names = [endpoint.name for endpoint in config.listeners]
    for name in names:
        protocol = protocols.get(name, name)
        if protocol != "PLAINTEXT":
            raise _wrong(
                config, "listeners", f"listener {name} asks for {protocol}; only PLAINTEXT is served"
            )
    advertised = config.advertised_listeners or config.listeners
    for endpoint in advertised:
        if endpoint.name not in names:
            raise _wrong(
                config,
                "advertised.listeners",
                f"{endpoint.name} is not one of listeners ({', '.join(names)})",
            )
        if config.advertised_listeners and endpoint.host in ANY_HOSTS[1:]:
            raise _wrong(
                config,
                "advertised.listeners",
                f"{endpoint.host} is no address that a client could connect to",
            )
    inter_broker = (
        config.inter_broker_listener or ("PLAINTEXT" if "PLAINTEXT" in names else names[0])
    ).upper()
    if inter_broker not in names:
        raise _wrong(
            config,
            "inter.broker.listener.name",
            f"{inter_broker} is not one of listeners ({', '.join(names)})",
        )
    return replace(
        config,
        advertised_listeners=advertised,
        security_protocols=dict.fromkeys(names, "PLAINTEXT"),
        inter_broker_listener=inter_broker,
    )


def _wrong(config: BrokerConfig, name: str, why: str) -> ConfigError:
    return ConfigError(f"{config.place(name)}: {name}: {why}")
