"""Topic configuration: every key of Kafka 3.9, its kind, default and limits, and the typed values a log works by.

`TOPIC_KEYS` is the one table: CreateTopics and AlterConfigs check against it (`check_overrides`), DescribeConfigs
lists it, and server.properties supplies the defaults through each key's server names (`server_defaults`). A log
itself holds a `LogConfig`, which is parsed once for each change.

Keys that belong to tiered storage, down-conversion and the cleaner are accepted, checked and described, so that
topics and tools move between this broker and Apache's; a key that nothing here reads has no field in `LogConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

__all__ = ["TOPIC_KEYS", "ConfigError", "ConfigKey", "ConfigKind", "LogConfig", "check_overrides", "server_defaults"]

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
LONG_MIN = -(2**63)
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
WEEK_MS = 7 * 24 * HOUR_MS


class ConfigError(ValueError):
    """A configuration name or value that is refused (INVALID_CONFIG, 40). The text says which and why."""


class ConfigKind(IntEnum):
    """The type of a value, by the code that DescribeConfigs reports."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One topic key: how its text is checked, and which server keys give its default."""

    name: str
    kind: ConfigKind
    default: str
    doc: str
    lowest: float | None = None
    highest: float | None = None
    choices: tuple[str, ...] = ()
    server: tuple[tuple[str, int], ...] = ()
    """Server keys that set the default, the strongest first, each with the factor from its unit to this key's."""

    def parse(self, text: str) -> bool | int | float | str | tuple[str, ...]:
        """The typed value of `text`. Raises ConfigError."""
        match self.kind:
            case ConfigKind.BOOLEAN:
                return self._boolean(text)
            case ConfigKind.INT | ConfigKind.LONG | ConfigKind.DOUBLE:
                return self._number(text)
            case ConfigKind.LIST:
                items = tuple(item.strip() for item in text.split(",")) if text.strip() else ()
                for item in items:
                    self._check_choice(item, text)
                return items
            case ConfigKind.STRING:
                self._check_choice(text, text)
                return text

    def _boolean(self, text: str) -> bool:
        lowered = text.strip().lower()
        if lowered not in ("true", "false"):
            raise self._refused(text, "Expected value to be either true or false")
        return lowered == "true"

    def _number(self, text: str) -> int | float:
        try:
            value: int | float = float(text) if self.kind is ConfigKind.DOUBLE else int(text.strip())
        except ValueError:
            raise self._refused(text, f"Not a number of type {self.kind.name}") from None
        top = {ConfigKind.INT: INT_MAX, ConfigKind.LONG: LONG_MAX}.get(self.kind)
        if top is not None and not -top - 1 <= value <= top:
            raise self._refused(text, f"Not a number of type {self.kind.name}")
        if self.lowest is not None and value < self.lowest:
            raise self._refused(text, f"Value must be at least {self.lowest:g}")
        if self.highest is not None and value > self.highest:
            raise self._refused(text, f"Value must be no more than {self.highest:g}")
        return value

    def _check_choice(self, item: str, text: str) -> None:
        if self.choices and item not in self.choices:
            raise self._refused(text, f"String must be one of: {', '.join(self.choices)}")

    def _refused(self, text: str, why: str) -> ConfigError:
        return ConfigError(f"Invalid value {text} for configuration {self.name}: {why}")


def _log(name: str) -> tuple[tuple[str, int], ...]:
    return (("log." + name, 1),)


def _same(name: str) -> tuple[tuple[str, int], ...]:
    return ((name, 1),)


_B, _S, _I, _L, _D, _LIST = ConfigKind
_UNLIMITED = str(LONG_MAX)
_CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")

_KEYS = [
    ConfigKey("cleanup.policy", _LIST, "delete", "What happens to old data: delete drops old segments, compact keeps "
              "the last value of each key; both may be given.", choices=("compact", "delete"), server=_log("cleanup.policy")),
    ConfigKey("compression.gzip.level", _I, "-1", "Level used when compression.type is gzip; -1 is the codec's own default.",
              lowest=-1, highest=9, server=_same("compression.gzip.level")),
    ConfigKey("compression.lz4.level", _I, "9", "Level used when compression.type is lz4.", lowest=1, highest=17,
              server=_same("compression.lz4.level")),
    ConfigKey("compression.type", _S, "producer", "Codec of the batches in the log; producer keeps what the producer sent.",
              choices=_CODECS, server=_same("compression.type")),
    ConfigKey("compression.zstd.level", _I, "3", "Level used when compression.type is zstd.", lowest=-131072, highest=22,
              server=_same("compression.zstd.level")),
    ConfigKey("delete.retention.ms", _L, str(24 * HOUR_MS), "How long a deletion mark stays in a compacted topic.",
              lowest=0, server=(("log.cleaner.delete.retention.ms", 1),)),
    ConfigKey("file.delete.delay.ms", _L, str(MINUTE_MS), "How long the files of a dropped segment stay on disk.",
              lowest=0, server=_log("segment.delete.delay.ms")),
    ConfigKey("flush.messages", _L, _UNLIMITED, "Records after which the log is synced to the device.", lowest=1,
              server=_log("flush.interval.messages")),
    ConfigKey("flush.ms", _L, _UNLIMITED, "Age of the oldest unsynced record at which the log is synced to the device.",
              lowest=0, server=(("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1))),
    ConfigKey("follower.replication.throttled.replicas", _LIST, "", "Replicas whose fetching is throttled, as "
              "partition:broker pairs, or *."),
    ConfigKey("index.interval.bytes", _I, "4096", "Bytes of log for each entry of the offset index.", lowest=0,
              server=_log("index.interval.bytes")),
    ConfigKey("leader.replication.throttled.replicas", _LIST, "", "Replicas whose serving is throttled, as "
              "partition:broker pairs, or *."),
    ConfigKey("local.retention.bytes", _L, "-2", "Bytes kept on local disks when old segments live elsewhere; -2 follows "
              "retention.bytes.", lowest=-2, server=_log("local.retention.bytes")),
    ConfigKey("local.retention.ms", _L, "-2", "Time kept on local disks when old segments live elsewhere; -2 follows "
              "retention.ms.", lowest=-2, server=_log("local.retention.ms")),
    ConfigKey("max.compaction.lag.ms", _L, _UNLIMITED, "The longest a record stays out of reach of compaction.", lowest=1,
              server=(("log.cleaner.max.compaction.lag.ms", 1),)),
    ConfigKey("max.message.bytes", _I, "1048588", "The largest batch that is accepted, as it arrives.", lowest=0,
              server=_same("message.max.bytes")),
    ConfigKey("message.downconversion.enable", _B, "true", "Whether old consumers may be answered in old formats.",
              server=_log("message.downconversion.enable")),
    ConfigKey("message.format.version", _S, "3.0-IV1", "Accepted and ignored, as since Kafka 3.0: batches are format 2.",
              server=_log("message.format.version")),
    ConfigKey("message.timestamp.after.max.ms", _L, _UNLIMITED, "How far a record's timestamp may lie ahead of the "
              "broker's clock.", lowest=0, server=_log("message.timestamp.after.max.ms")),
    ConfigKey("message.timestamp.before.max.ms", _L, _UNLIMITED, "How far a record's timestamp may lie behind the "
              "broker's clock.", lowest=0, server=_log("message.timestamp.before.max.ms")),
    ConfigKey("message.timestamp.difference.max.ms", _L, _UNLIMITED, "Both limits of a record's timestamp, where they are "
              "not set themselves.", lowest=0, server=_log("message.timestamp.difference.max.ms")),
    ConfigKey("message.timestamp.type", _S, "CreateTime", "Whose clock a timestamp shows: the producer's or the broker's.",
              choices=("CreateTime", "LogAppendTime"), server=_log("message.timestamp.type")),
    ConfigKey("min.cleanable.dirty.ratio", _D, "0.5", "The share of uncompacted bytes at which compaction runs.", lowest=0,
              highest=1, server=(("log.cleaner.min.cleanable.ratio", 1),)),
    ConfigKey("min.compaction.lag.ms", _L, "0", "The least time a record stays out of reach of compaction.", lowest=0,
              server=(("log.cleaner.min.compaction.lag.ms", 1),)),
    ConfigKey("min.insync.replicas", _I, "1", "In-sync replicas without which acks=all is refused.", lowest=1,
              server=_same("min.insync.replicas")),
    ConfigKey("preallocate", _B, "false", "Whether Apache's broker sizes a new segment's file in advance; ignored here.",
              server=_log("preallocate")),
    ConfigKey("remote.log.copy.disable", _B, "false", "Stops copying segments to remote storage (no remote storage here)."),
    ConfigKey("remote.log.delete.on.disable", _B, "false", "Drops remote segments with remote storage (none here)."),
    ConfigKey("remote.storage.enable", _B, "false", "Keeps old segments in remote storage (no remote storage here)."),
    ConfigKey("retention.bytes", _L, "-1", "Bytes of a partition above which old segments are dropped; -1 is no limit.",
              server=_log("retention.bytes")),
    ConfigKey("retention.ms", _L, str(WEEK_MS), "Age at which segments are dropped; -1 is no limit.", lowest=-1,
              server=(("log.retention.ms", 1), ("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS))),
    ConfigKey("segment.bytes", _I, str(2**30), "Size at which a new segment begins.", lowest=14, server=_log("segment.bytes")),
    ConfigKey("segment.index.bytes", _I, str(10 * 2**20), "Size of an index at which a new segment begins.", lowest=4,
              server=_log("index.size.max.bytes")),
    ConfigKey("segment.jitter.ms", _L, "0", "The most by which segment.ms is shortened at random.", lowest=0,
              server=(("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS))),
    ConfigKey("segment.ms", _L, str(WEEK_MS), "Age at which a new segment begins.", lowest=1,
              server=(("log.roll.ms", 1), ("log.roll.hours", HOUR_MS))),
    ConfigKey("unclean.leader.election.enable", _B, "false", "Whether a replica that is out of sync may lead, at the price "
              "of lost records.", server=_same("unclean.leader.election.enable")),
]  # fmt: skip

TOPIC_KEYS: dict[str, ConfigKey] = {key.name: key for key in _KEYS}
"""Every topic key by name, in alphabetic order."""


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What a log works by. Sizes are bytes, times milliseconds."""

    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    retention_ms: int
    retention_bytes: int
    max_message_bytes: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    log_append_time: bool
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    delete: bool
    compact: bool
    min_insync_replicas: int

    @property
    def limits_timestamps(self) -> bool:
        """Whether a producer's timestamps may be refused at all."""
        return min(self.timestamp_before_max_ms, self.timestamp_after_max_ms) < LONG_MAX

    @classmethod
    def of(cls, overrides: Mapping[str, str] | None = None, defaults: Mapping[str, str] | None = None) -> LogConfig:
        """The configuration of a topic: its own overrides, above the server's defaults, above the built-in ones.

        Raises ConfigError for a value that does not fit. Names that are no topic key are passed over: they may come
        from a newer broker's metadata (`check_overrides` refuses them where a user names them).
        """
        given = {**(defaults or {}), **(overrides or {})}

        def number(name: str) -> int:
            value = TOPIC_KEYS[name].parse(given.get(name, TOPIC_KEYS[name].default))
            assert isinstance(value, int)
            return value

        def text(name: str) -> str:
            value = given.get(name, TOPIC_KEYS[name].default)
            TOPIC_KEYS[name].parse(value)
            return value

        policies = TOPIC_KEYS["cleanup.policy"].parse(text("cleanup.policy"))
        assert isinstance(policies, tuple)
        difference_max_ms = number("message.timestamp.difference.max.ms")
        segment_ms = number("segment.ms")
        return cls(
            segment_bytes=number("segment.bytes"),
            # a compacted topic rolls in time for its oldest record to be compacted
            segment_ms=min(segment_ms, number("max.compaction.lag.ms")) if "compact" in policies else segment_ms,
            segment_jitter_ms=min(number("segment.jitter.ms"), segment_ms),
            segment_index_bytes=number("segment.index.bytes"),
            index_interval_bytes=number("index.interval.bytes"),
            retention_ms=number("retention.ms"),
            retention_bytes=number("retention.bytes"),
            max_message_bytes=number("max.message.bytes"),
            file_delete_delay_ms=number("file.delete.delay.ms"),
            flush_messages=number("flush.messages"),
            flush_ms=number("flush.ms"),
            log_append_time=text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max_ms=min(number("message.timestamp.before.max.ms"), difference_max_ms),
            timestamp_after_max_ms=min(number("message.timestamp.after.max.ms"), difference_max_ms),
            delete="delete" in policies,
            compact="compact" in policies,
            min_insync_replicas=number("min.insync.replicas"),
        )


def check_overrides(overrides: Mapping[str, str | None]) -> None:
    """Checks the topic configuration a user asks for; None asks for the default. Raises ConfigError."""
    for name, value in overrides.items():
        key = TOPIC_KEYS.get(name)
        if key is None:
            raise ConfigError(f"Unknown topic config name: {name}")
        if value is not None:
            key.parse(value)
    lag_min, lag_max = (
        int(overrides.get(name) or TOPIC_KEYS[name].default) for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    )
    if lag_min > lag_max:
        raise ConfigError(f"min.compaction.lag.ms ({lag_min}) is larger than max.compaction.lag.ms ({lag_max})")


def server_defaults(properties: Mapping[str, str]) -> dict[str, str]:
    """The topic defaults that a server.properties sets, by topic key. Raises ConfigError, naming the server's key."""
    defaults: dict[str, str] = {}
    for key in TOPIC_KEYS.values():
        for name, factor in key.server:
            text = properties.get(name)
            if text is None:
                continue
            try:
                value = text if factor == 1 else str(_scaled(text, factor))
                key.parse(value)
            except ConfigError as error:
                raise ConfigError(f"Invalid value {text} for configuration {name}: {str(error).partition(': ')[2]}") from None
            defaults[key.name] = value
            break
    return defaults


def _scaled(text: str, factor: int) -> int:
    try:
        value = int(text.strip())
    except ValueError:
        raise ConfigError(": Not a number of type INT") from None
    return value * factor if value >= 0 else value
