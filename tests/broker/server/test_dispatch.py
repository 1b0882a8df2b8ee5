"""What is registered: ranges of versions that every client finds what it looks for in."""

from __future__ import annotations

import pytest

from broker.server import handlers
from broker.server.dispatch import APIS, handles
from broker.server.handlers.api_versions import unsupported_version
from broker.wire.api import ApiKey

K = ApiKey

LIBRDKAFKA_FEATURES = {
    K.PRODUCE: [(0, 0), (2, 2), (3, 3), (7, 7)],
    K.FETCH: [(2, 2), (4, 4), (10, 10)],
    K.LIST_OFFSETS: [(1, 1)],
    K.OFFSET_COMMIT: [(1, 2)],
    K.OFFSET_FETCH: [(1, 1)],
    K.FIND_COORDINATOR: [(0, 0)],
    K.JOIN_GROUP: [(0, 0)],
    K.HEARTBEAT: [(0, 0)],
    K.LEAVE_GROUP: [(0, 0)],
    K.SYNC_GROUP: [(0, 0)],
    K.INIT_PRODUCER_ID: [(0, 0)],
    K.OFFSET_FOR_LEADER_EPOCH: [(2, 2)],
}
"""What librdkafka up to 2.8 tests to switch features on; a range that misses one switches a feature off, silently."""

JAVA_4_LEAST = {
    K.PRODUCE: 3, K.FETCH: 4, K.LIST_OFFSETS: 1, K.METADATA: 0, K.OFFSET_COMMIT: 2, K.OFFSET_FETCH: 1, K.FIND_COORDINATOR: 0,
    K.JOIN_GROUP: 2, K.HEARTBEAT: 0, K.LEAVE_GROUP: 0, K.SYNC_GROUP: 0, K.DESCRIBE_GROUPS: 0, K.LIST_GROUPS: 0,
    K.API_VERSIONS: 0, K.CREATE_TOPICS: 2, K.DELETE_TOPICS: 1, K.INIT_PRODUCER_ID: 0, K.OFFSET_FOR_LEADER_EPOCH: 2,
    K.DESCRIBE_CONFIGS: 1, K.DELETE_GROUPS: 0,
}  # fmt: skip
"""The least versions that Java's clients still speak since KIP-896."""

PINNED = {
    K.METADATA: (1, 6), K.PRODUCE: (2, 7), K.FETCH: (2, 10), K.FIND_COORDINATOR: (0, 0), K.JOIN_GROUP: (1, 2),
    K.SYNC_GROUP: (0, 0), K.HEARTBEAT: (0, 0), K.LEAVE_GROUP: (0, 0), K.OFFSET_COMMIT: (2, 2), K.OFFSET_FETCH: (1, 1),
    K.LIST_OFFSETS: (1, 1), K.CREATE_TOPICS: (0, 2), K.DELETE_TOPICS: (0, 1),
}  # fmt: skip
"""What segmentio's kafka-go sends without asking."""


@pytest.mark.parametrize("key", LIBRDKAFKA_FEATURES, ids=lambda key: key.name)
def test_old_librdkafka_finds_its_features(key: ApiKey) -> None:
    """Each tested range overlaps what is served."""
    api = APIS[key]
    for low, high in LIBRDKAFKA_FEATURES[key]:
        assert api.low <= high
        assert low <= api.high


@pytest.mark.parametrize("key", JAVA_4_LEAST, ids=lambda key: key.name)
def test_java_clients_of_4_find_a_version(key: ApiKey) -> None:
    """Their least version is served."""
    assert APIS[key].low <= JAVA_4_LEAST[key] <= APIS[key].high


@pytest.mark.parametrize("key", PINNED, ids=lambda key: key.name)
def test_pinned_versions_are_served(key: ApiKey) -> None:
    """A client that does not ask is answered."""
    low, high = PINNED[key]
    assert APIS[key].low <= low
    assert high <= APIS[key].high


def test_every_handler_module_registers_one_api() -> None:
    """A module that is imported and registers nothing is a mistake."""
    assert len(APIS) == len(handlers.__all__)
    assert all(APIS[key].key == key for key in APIS)


def test_an_api_has_one_handler() -> None:
    """Registering twice is refused at import."""
    with pytest.raises(AssertionError, match="two handlers"):
        handles(ApiKey.HEARTBEAT, versions=(0, 1))(lambda broker, request, message: None)


def test_an_unknown_version_of_api_versions_learns_the_range() -> None:
    """KIP-511: error 35 and this API's own range."""
    response = unsupported_version()
    assert response.error_code == 35
    assert [(key.api_key, key.min_version, key.max_version) for key in response.api_keys] == [(18, 0, 4)]
