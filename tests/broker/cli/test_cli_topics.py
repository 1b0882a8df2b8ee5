"""How topics are described and chosen."""

from __future__ import annotations

import click
import pytest

from broker.cli.topic_lines import Shown, topic_lines
from broker.cli.topics import matcher, parse_assignment
from broker.client.admin import Moving, TopicConfig
from broker.wire.api import uuid_bytes
from broker.wire.messages import MetadataResponsePartition, MetadataResponseTopic

TEST = MetadataResponseTopic(
    0, "test", uuid_bytes("CoEj9PGSTOy1oEBYRFPcYw"), partitions=[
        MetadataResponsePartition(0, 1, 3, 0, [3, 2, 1], [3]),
        MetadataResponsePartition(0, 0, 2, 0, [2, 1, 3], [2, 1, 3]),
        MetadataResponsePartition(5, 2, -1, 0, [1, 3, 2], [1, 3]),
    ],
)  # fmt: skip
CONFIGS = [TopicConfig("min.insync.replicas", "2", True), TopicConfig("retention.ms", "86400000", False)]


def lines(shown: Shown, configs: list[TopicConfig] = CONFIGS, moving: dict[tuple[str, int], Moving] | None = None) -> list[str]:
    return list(topic_lines(TEST, configs, moving or {}, {1, 2, 3}, shown))


def test_a_topic_is_described_in_kafkas_lines() -> None:
    """As a real kafka-topics 3.9 prints it."""
    assert lines(Shown()) == [
        "Topic: test\tTopicId: CoEj9PGSTOy1oEBYRFPcYw\tPartitionCount: 3\tReplicationFactor: 3\tConfigs: retention.ms=86400000",
        "\tTopic: test\tPartition: 0\tLeader: 2\tReplicas: 2,1,3\tIsr: 2,1,3\tElr: N/A\tLastKnownElr: N/A",
        "\tTopic: test\tPartition: 1\tLeader: 3\tReplicas: 3,2,1\tIsr: 3\tElr: N/A\tLastKnownElr: N/A",
        "\tTopic: test\tPartition: 2\tLeader: none\tReplicas: 1,3,2\tIsr: 1,3\tElr: N/A\tLastKnownElr: N/A",
    ]


def test_some_partitions_only() -> None:
    """Without the topic's head."""
    assert [line.split("\t")[2] for line in lines(Shown(under_replicated=True))] == ["Partition: 1", "Partition: 2"]
    assert [line.split("\t")[2] for line in lines(Shown(unavailable=True))] == ["Partition: 2"]
    assert [line.split("\t")[2] for line in lines(Shown(under_min_isr=True))] == ["Partition: 1"]
    assert [line.split("\t")[2] for line in lines(Shown(at_min_isr=True))] == ["Partition: 2"]


def test_topics_with_a_configuration_of_their_own() -> None:
    """Their heads alone; others are left out."""
    assert len(lines(Shown(overridden=True))) == 1
    assert lines(Shown(overridden=True), CONFIGS[:1]) == []


def test_a_reassignment_shows() -> None:
    """And its new replicas do not count for the factor."""
    shown = lines(Shown(), moving={("test", 0): Moving([3], [1])})
    assert "ReplicationFactor: 2" in shown[0]
    assert shown[1].split("\t")[6:8] == ["Adding Replicas: 3", "Removing Replicas: 1"]


def test_names_are_matched_whole() -> None:
    """Kafka's topic filters: a regular expression, in which a comma means `or`."""
    assert [name for name in ("test", "tests", "one") if matcher("test")(name)] == ["test"]
    assert [name for name in ("test", "tests", "one") if matcher("test.*|one")(name)] == ["test", "tests", "one"]
    assert [name for name in ("test", "tests", "one") if matcher("test, one")(name)] == ["test", "one"]
    assert matcher(None)("anything")
    with pytest.raises(click.BadParameter):
        matcher("(")


def test_assignments() -> None:
    """Brokers of each partition."""
    assert parse_assignment("1:2,2:3") == [[1, 2], [2, 3]]
    assert parse_assignment(None) == []
    for broken in ("1:x", "1:1", "1:2,3", ""):
        with pytest.raises(click.BadParameter):
            parse_assignment(broken)
