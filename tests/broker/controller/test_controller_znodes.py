"""The tree's JSON: what Apache Kafka 3.9.1 wrote is read, what we write is the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.controller import znodes
from broker.controller.image import Broker, Endpoint, PartitionState, Topic

APACHE_BROKER = (
    b'{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://127.0.0.1:19192"],'
    b'"rack":"r1","jmx_port":-1,"port":19192,"host":"127.0.0.1","version":5,"timestamp":"1795244819291"}'
)
APACHE_TOPIC = (
    b'{"partitions":{"0":[2,1,3],"1":[3,2,1]},"topic_id":"CoEj9PGSTOy1oEBYRFPcYw","adding_replicas":{},'
    b'"removing_replicas":{},"version":3}'
)
APACHE_STATE = b'{"controller_epoch":1,"leader":1,"version":1,"leader_epoch":2,"isr":[1,2,3]}'
APACHE_CONTROLLER = b'{"version":2,"brokerid":1,"timestamp":"1795244819356","kraftControllerEpoch":-1}'


def test_a_broker_of_apaches() -> None:
    """Read and written alike; the order of JSON's keys does not matter."""
    broker = znodes.decode_broker("/brokers/ids/1", 1, 25, APACHE_BROKER)
    assert broker == Broker(1, 25, (Endpoint("PLAINTEXT", "PLAINTEXT", "127.0.0.1", 19192),), "r1")
    assert json.loads(znodes.encode_broker(broker, 1795244819291)) == json.loads(APACHE_BROKER)


def test_an_old_broker() -> None:
    """Version 1 has a host and a port alone."""
    old = znodes.decode_broker("/brokers/ids/3", 3, 1, b'{"version":1,"host":"h","port":9092,"jmx_port":-1}')
    assert old.endpoints == (Endpoint("PLAINTEXT", "PLAINTEXT", "h", 9092),)


def test_a_topic_of_apaches() -> None:
    """Assignment and topic id."""
    topic = znodes.decode_topic("/brokers/topics/test", "test", APACHE_TOPIC)
    assert topic.assignment == {0: (2, 1, 3), 1: (3, 2, 1)}
    assert json.loads(znodes.encode_topic(topic)) == json.loads(APACHE_TOPIC)


def test_a_topic_of_kafka_2_4_has_no_id() -> None:
    """Version 2 came before topic ids."""
    topic = znodes.decode_topic("/x", "x", b'{"version":2,"partitions":{"0":[1]},"adding_replicas":{},"removing_replicas":{}}')
    assert topic.topic_id == bytes(16)


def test_a_state_and_a_controller_of_apaches() -> None:
    """Read and written alike."""
    state = znodes.decode_partition_state("/s", APACHE_STATE, 4)
    assert state == PartitionState(1, 2, (1, 2, 3), 1, 4)
    assert znodes.encode_partition_state(state) == APACHE_STATE
    assert znodes.decode_controller(APACHE_CONTROLLER) == 1
    assert znodes.encode_controller(1, 1795244819356) == APACHE_CONTROLLER


@given(st.text(min_size=1), st.dictionaries(st.integers(0, 99), st.lists(st.integers(0, 9), min_size=1), min_size=1))
def test_topics_round_trip(name: str, assignment: dict[int, list[int]]) -> None:
    """What is written is read."""
    topic = Topic(name, bytes(range(16)), {n: tuple(replicas) for n, replicas in assignment.items()})
    assert znodes.decode_topic("/t", name, znodes.encode_topic(topic)) == topic


def test_a_topic_without_an_id_stays_without_one() -> None:
    """A broker before 2.8 made it; an id of zeros would be one that several topics have."""
    topic = Topic("t", bytes(16), {0: (1,)})
    data = znodes.encode_topic(topic)
    assert b"topic_id" not in data
    assert znodes.decode_topic("/t", "t", data) == topic


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"leader":"x","leader_epoch":0,"isr":[]}', b'{"leader":1,"leader_epoch":0,"isr":[[]]}'])
def test_a_state_that_is_none_names_its_path(data: bytes) -> None:
    """JSON that nests too deeply, and values that are no numbers."""
    with pytest.raises(znodes.ZnodeError, match="/p"):
        znodes.decode_partition_state("/p", data, 0)


@given(st.binary(max_size=40))
def test_garbage_names_its_path(data: bytes) -> None:
    """Whatever lies in a node, the error says where."""
    for read in (
        lambda: znodes.decode_topic("/p", "t", data),
        lambda: znodes.decode_partition_state("/p", data, 0),
        lambda: znodes.decode_broker("/p", 1, 1, data),
    ):
        with pytest.raises(znodes.ZnodeError, match="/p"):
            read()
