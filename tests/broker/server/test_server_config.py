"""server.properties: defaults, every kind of wrong value, and what is warned about."""

from __future__ import annotations

import pytest

from broker.server.config import BrokerConfig, Endpoint, load_config
from coord.kit.properties import ConfigError

LEAST = b"broker.id=1\nzookeeper.connect=127.0.0.1:2181\n"

APACHES = b"""
broker.id=0
listeners=PLAINTEXT://:9092
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
"""


def config_of(text: bytes, *overrides: tuple[str, str]) -> BrokerConfig:
    config, unknown = load_config(text, "server.properties", list(overrides))
    assert unknown == []
    return config


def test_defaults_are_kafkas() -> None:
    """What is not said is as Apache documents it."""
    config = config_of(LEAST)
    assert config.broker_id == 1
    assert config.listeners == config.advertised_listeners == (Endpoint("PLAINTEXT", "", 9092),)
    assert config.directories == ("/tmp/kafka-logs",)
    assert config.group_limits.initial_rebalance_delay == 3.0
    assert config.socket_request_max_bytes == 104857600
    assert config.inter_broker_listener == "PLAINTEXT"


def test_the_file_that_kafka_ships_is_taken_without_a_warning() -> None:
    """Keys of threads and socket buffers are accepted; log.* keys become defaults of topics."""
    config = config_of(APACHES)
    assert config.topic_defaults == {"retention.ms": "604800000", "segment.bytes": "1073741824"}
    assert config.group_initial_rebalance_delay_ms == 0


def test_overrides_win() -> None:
    """--override key=value stands above the file."""
    assert config_of(LEAST, ("broker.id", "7"), ("log.dirs", "/a, /b")).directories == ("/a", "/b")


def test_every_value_has_a_place() -> None:
    """The line it stands in, the option that overrides it, or the file that does not mention it."""
    config = config_of(LEAST, ("log.dirs", "/a"))
    assert config.place("zookeeper.connect") == "server.properties line 2"
    assert config.place("log.dirs") == "--override"
    assert config.place("listeners") == "server.properties"
    assert config.directories_key == "log.dirs"
    assert config_of(LEAST).directories_key == "log.dir"


def test_unknown_keys_are_named() -> None:
    """All of them, once, for one warning."""
    _, unknown = load_config(LEAST + b"nonsense=1\nlog.nonsense=2\nreplica.fetch.max.bytes=3\n", "f", [])
    assert unknown == ["nonsense", "log.nonsense"]


def test_listeners_have_names_of_their_own() -> None:
    """The map says which protocol a name stands for; what is advertised may differ."""
    config = config_of(
        LEAST + b"listeners=in://127.0.0.1:9092,OUT://[::1]:9093\nadvertised.listeners=IN://a:1,OUT://b:2\n"
        b"listener.security.protocol.map=IN:PLAINTEXT,OUT:PLAINTEXT\ninter.broker.listener.name=IN\n"
    )
    assert config.listeners == (Endpoint("IN", "127.0.0.1", 9092), Endpoint("OUT", "::1", 9093))
    assert str(config.listeners[1]) == "OUT://[::1]:9093"
    assert config.advertised_listeners[1] == Endpoint("OUT", "b", 2)
    assert config.inter_broker_listener == "IN"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("broker.id=x", "f line 3: broker.id=x: expected a whole number of at least 0"),
        ("log.segment.bytes=no", "log.segment.bytes"),
        ("auto.create.topics.enable=maybe", "expected true or false"),
        ("listeners=9092", "expected NAME://host:port"),
        ("listeners=PLAINTEXT://:99999", "expected NAME://host:port"),
        ("listeners=A://:1,A://:2", "of different names"),
        ("listeners=SSL://:9092", "only PLAINTEXT is served"),
        ("advertised.listeners=OTHER://a:1", "f line 3: advertised.listeners: OTHER is not one of listeners"),
        ("advertised.listeners=PLAINTEXT://0.0.0.0:1", "no address that a client could connect to"),
        ("inter.broker.listener.name=X", "inter.broker.listener.name: X is not one of listeners"),
        ("group.max.size=0", "of at least 1"),
        ("offsets.topic.replication.factor=0", "f line 3: offsets.topic.replication.factor=0: expected a whole number from 1"),
        ("offsets.topic.replication.factor=-1", "offsets.topic.replication.factor=-1: expected a whole number from 1 to"),
        ("default.replication.factor=0", "f line 3: default.replication.factor=0: expected a whole number of at least 1"),
        ("offsets.storage=paper", "expected one of coord"),
    ],
)
def test_a_wrong_value_is_one_line_with_key_and_file(line: str, says: str) -> None:
    """The operator sees where, what, and what was expected."""
    with pytest.raises(ConfigError) as raised:
        load_config(LEAST + line.encode(), "f", [])
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_must_be_there_is_named() -> None:
    """zookeeper.connect and broker.id have no default."""
    with pytest.raises(ConfigError, match=r"zookeeper.connect is missing"):
        load_config(b"broker.id=1\n", "f", [])
    with pytest.raises(ConfigError, match=r"broker.id is missing"):
        load_config(b"zookeeper.connect=h:1\n", "f", [])
