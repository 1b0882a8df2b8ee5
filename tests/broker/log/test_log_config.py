"""Topic configuration: names, values, and where defaults come from."""

from __future__ import annotations

import pytest

from broker.log.config import TOPIC_KEYS, ConfigError, ConfigKind, LogConfig, check_overrides, server_defaults


def test_every_default_is_valid() -> None:
    """The table does not contradict itself, and is in the order that DescribeConfigs shows."""
    assert list(TOPIC_KEYS) == sorted(TOPIC_KEYS)
    for key in TOPIC_KEYS.values():
        key.parse(key.default)
        assert key.doc.endswith(".")
    assert len(TOPIC_KEYS) == 36


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("retention.ms", "abc", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("retention.ms", "9223372036854775808", "Not a number of type LONG"),
        ("segment.bytes", "13", "Value must be at least 14"),
        ("segment.bytes", "2147483648", "Not a number of type INT"),
        ("segment.bytes", "", "Not a number of type INT"),
        ("min.cleanable.dirty.ratio", "1.5", "Value must be no more than 1"),
        ("cleanup.policy", "delete,shred", "String must be one of: compact, delete"),
        ("message.timestamp.type", "createtime", "String must be one of: CreateTime, LogAppendTime"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("min.insync.replicas", "0", "Value must be at least 1"),
    ],
)
def test_a_bad_value_is_refused_with_its_name(name: str, value: str, why: str) -> None:
    """The message names the key, the value and the limit."""
    with pytest.raises(ConfigError) as caught:
        check_overrides({name: value})
    assert str(caught.value) == f"Invalid value {value} for configuration {name}: {why}"


def test_unknown_names_are_refused_where_a_user_gives_them() -> None:
    """CreateTopics refuses a name it does not know; a log that finds one in the tree goes on."""
    with pytest.raises(ConfigError, match=r"^Unknown topic config name: retention$"):
        check_overrides({"retention": "1"})
    assert LogConfig.of({"retention": "1"}) == LogConfig.of()


def test_good_values_are_taken() -> None:
    """Lists, booleans and limits, as tools write them."""
    check_overrides({"cleanup.policy": "compact, delete", "preallocate": "TRUE", "retention.ms": "-1", "retention.bytes": None})
    assert TOPIC_KEYS["cleanup.policy"].parse("compact,delete") == ("compact", "delete")
    assert TOPIC_KEYS["leader.replication.throttled.replicas"].parse("") == ()
    assert TOPIC_KEYS["preallocate"].kind == ConfigKind.BOOLEAN == 1


def test_the_limits_of_compaction_may_not_cross() -> None:
    """min.compaction.lag.ms stays below max.compaction.lag.ms, given or default."""
    with pytest.raises(ConfigError, match=r"min.compaction.lag.ms \(10\) is larger"):
        check_overrides({"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"})
    check_overrides({"min.compaction.lag.ms": "10"})


def test_overrides_stand_above_the_servers_defaults() -> None:
    """A topic's own value, then the server's, then the built-in one."""
    config = LogConfig.of({"retention.ms": "5"}, {"retention.ms": "7", "segment.bytes": "99"})
    assert (config.retention_ms, config.segment_bytes, config.retention_bytes) == (5, 99, -1)
    assert config.delete
    assert not config.compact
    assert not config.log_append_time
    assert not config.limits_timestamps


def test_keys_that_depend_on_one_another() -> None:
    """A compacted topic rolls within its compaction lag; the old limit of timestamps is the new ones' default."""
    config = LogConfig.of({"cleanup.policy": "compact", "max.compaction.lag.ms": "1000"})
    assert (config.segment_ms, config.compact, config.delete) == (1000, True, False)
    config = LogConfig.of({"message.timestamp.difference.max.ms": "50", "message.timestamp.after.max.ms": "20"})
    assert (config.timestamp_before_max_ms, config.timestamp_after_max_ms) == (50, 20)
    assert config.limits_timestamps


def test_server_properties_give_defaults_in_their_own_units() -> None:
    """log.retention.ms is stronger than minutes, and those than hours."""
    found = server_defaults({"log.retention.hours": "2", "log.segment.bytes": "1000", "message.max.bytes": "77", "other": "1"})
    assert found == {"retention.ms": "7200000", "segment.bytes": "1000", "max.message.bytes": "77"}
    assert server_defaults({"log.retention.hours": "2", "log.retention.minutes": "1"}) == {"retention.ms": "60000"}
    assert server_defaults({"log.retention.hours": "-1"}) == {"retention.ms": "-1"}
    for name, value in (("log.segment.bytes", "x"), ("log.retention.hours", "x"), ("log.roll.hours", "0")):
        with pytest.raises(ConfigError, match=rf"^Invalid value {value} for configuration {name}: "):
            server_defaults({name: value})
