"""Where the cluster's state lies in the tree: Apache Kafka's paths and JSON, and the only file that knows them.

Keys are written in the versions that Apache Kafka 3.9 writes (and 2.4 reads): see `ZkData` there. Integers that Kafka
keeps as JSON strings (timestamps, producer-id blocks, the cluster id's version) are strings here too. Reading is
lenient about keys that are missing or unknown, because the tree is shared with brokers of other versions; JSON that is
no object, or lacks what its kind must have, raises `ZnodeError`, which names the path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from broker.wire.api import uuid_bytes, uuid_text
from broker.wire.fields import NO_UUID

from .image import Broker, Endpoint, PartitionState, Topic

__all__ = [
    "ADMIN_DELETE_TOPICS",
    "BROKER_IDS",
    "BROKER_TOPICS",
    "CLUSTER_ID",
    "CONFIG_TOPICS",
    "CONTROLLER",
    "CONTROLLER_EPOCH",
    "NO_CONTROLLER_EPOCH",
    "PERSISTENT_PATHS",
    "PRODUCER_ID_BLOCK",
    "ZnodeError",
    "broker_path",
    "decode_broker",
    "decode_cluster_id",
    "decode_config",
    "decode_controller",
    "decode_controller_epoch",
    "decode_partition_state",
    "decode_topic",
    "delete_topic_path",
    "encode_broker",
    "encode_cluster_id",
    "encode_config",
    "encode_controller",
    "encode_partition_state",
    "encode_topic",
    "is_reassigned",
    "partition_path",
    "partition_state_path",
    "partitions_path",
    "topic_config_path",
    "topic_path",
]

BROKER_IDS = "/brokers/ids"
BROKER_TOPICS = "/brokers/topics"
CONTROLLER = "/controller"
CONTROLLER_EPOCH = "/controller_epoch"
CLUSTER_ID = "/cluster/id"
CONFIG_TOPICS = "/config/topics"
ADMIN_DELETE_TOPICS = "/admin/delete_topics"
PRODUCER_ID_BLOCK = "/latest_producer_id_block"

PERSISTENT_PATHS = (
    "/consumers",
    BROKER_IDS,
    BROKER_TOPICS,
    "/config/changes",
    ADMIN_DELETE_TOPICS,
    "/brokers/seqid",
    "/isr_change_notification",
    PRODUCER_ID_BLOCK,
    "/log_dir_event_notification",
    CONFIG_TOPICS,
    "/config/clients",
    "/config/users",
    "/config/brokers",
    "/config/ips",
)
"""Made, empty, by whichever broker starts first."""

NO_CONTROLLER_EPOCH = 0


class ZnodeError(ValueError):
    """A znode's data is not what its path promises."""


def broker_path(broker_id: int) -> str:
    return f"{BROKER_IDS}/{broker_id}"


def topic_path(topic: str) -> str:
    return f"{BROKER_TOPICS}/{topic}"


def partitions_path(topic: str) -> str:
    return f"{BROKER_TOPICS}/{topic}/partitions"


def partition_path(topic: str, partition: int) -> str:
    return f"{BROKER_TOPICS}/{topic}/partitions/{partition}"


def partition_state_path(topic: str, partition: int) -> str:
    return f"{BROKER_TOPICS}/{topic}/partitions/{partition}/state"


def topic_config_path(topic: str) -> str:
    return f"{CONFIG_TOPICS}/{topic}"


def delete_topic_path(topic: str) -> str:
    return f"{ADMIN_DELETE_TOPICS}/{topic}"


def encode_broker(broker: Broker, timestamp_ms: int) -> bytes:
    """/brokers/ids/N, version 5: host and port are those of the first plaintext endpoint, or null and -1."""
    plain = next((e for e in broker.endpoints if e.protocol == "PLAINTEXT"), None)
    value: dict[str, Any] = {
        "features": {},
        "listener_security_protocol_map": {e.listener: e.protocol for e in broker.endpoints},
        "endpoints": [f"{e.listener}://{e.host}:{e.port}" for e in broker.endpoints],
        "jmx_port": -1,
        "port": plain.port if plain else -1,
        "host": plain.host if plain else None,
        "version": 5,
        "timestamp": str(timestamp_ms),
    }
    if broker.rack is not None:
        value["rack"] = broker.rack
    return _dump(value)


def decode_broker(path: str, broker_id: int, epoch: int, data: bytes) -> Broker:
    """A registered broker, of any version from 1 on; `epoch` is the czxid of its znode."""
    value = _load(path, data)
    rack = value.get("rack")
    if value.get("version", 0) < 2 or "endpoints" not in value:
        host, port = _need(path, value, "host"), _need(path, value, "port")
        return Broker(broker_id, epoch, (Endpoint("PLAINTEXT", "PLAINTEXT", str(host), int(port)),), rack)
    protocols = value.get("listener_security_protocol_map", {})
    endpoints = []
    for text in value["endpoints"]:
        listener, separator, address = str(text).partition("://")
        host, colon, port = address.rpartition(":")
        if not separator or not colon or not port.isdecimal():
            raise ZnodeError(f"{path}: {text!r} is not LISTENER://host:port")
        endpoints.append(Endpoint(listener, str(protocols.get(listener, listener)), host.strip("[]"), int(port)))
    return Broker(broker_id, epoch, tuple(endpoints), rack)


def encode_topic(topic: Topic) -> bytes:
    """/brokers/topics/T, version 3; a topic that an older broker made may have no id."""
    topic_id = {} if topic.topic_id == NO_UUID else {"topic_id": uuid_text(topic.topic_id)}
    return _dump(
        {
            "partitions": {str(p): list(replicas) for p, replicas in sorted(topic.assignment.items())},
            **topic_id,
            "adding_replicas": {},
            "removing_replicas": {},
            "version": 3,
        }
    )


def decode_topic(path: str, name: str, data: bytes) -> Topic:
    """A topic's assignment, of any version; before version 3 the topic has no id."""
    value = _load(path, data)
    partitions = _need(path, value, "partitions")
    try:
        assignment = {int(p): tuple(int(r) for r in replicas) for p, replicas in partitions.items()}
        topic_id = uuid_bytes(value["topic_id"]) if "topic_id" in value else NO_UUID
    except (ValueError, TypeError, AttributeError) as error:
        raise ZnodeError(f"{path}: {error}") from error
    return Topic(name, topic_id, assignment)


def is_reassigned(path: str, data: bytes) -> bool:
    """Whether a topic's replicas are on their way to other brokers: a controller of another kind has begun that."""
    value = _load(path, data)
    return bool(value.get("adding_replicas") or value.get("removing_replicas"))


def encode_partition_state(state: PartitionState) -> bytes:
    """/brokers/topics/T/partitions/P/state, version 1."""
    return _dump(
        {
            "controller_epoch": state.controller_epoch,
            "leader": state.leader,
            "version": 1,
            "leader_epoch": state.leader_epoch,
            "isr": list(state.isr),
        }
    )


def decode_partition_state(path: str, data: bytes, zk_version: int) -> PartitionState:
    """`zk_version` is the data version of the znode: the partition's epoch, for compare-and-set."""
    value = _load(path, data)
    leader, epoch = _need(path, value, "leader"), _need(path, value, "leader_epoch")
    try:
        isr = tuple(int(replica) for replica in _need(path, value, "isr"))
        return PartitionState(int(leader), int(epoch), isr, int(value.get("controller_epoch", 0)), zk_version)
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, ZnodeError) else ZnodeError(f"{path}: {error}") from error


def encode_controller(broker_id: int, timestamp_ms: int) -> bytes:
    """/controller, version 2."""
    return _dump({"version": 2, "brokerid": broker_id, "timestamp": str(timestamp_ms), "kraftControllerEpoch": -1})


def decode_controller(data: bytes) -> int:
    """The broker id in /controller."""
    return int(_need(CONTROLLER, _load(CONTROLLER, data), "brokerid"))


def decode_controller_epoch(data: bytes) -> int:
    """/controller_epoch is plain decimal text."""
    try:
        return int(data)
    except ValueError:
        raise ZnodeError(f"{CONTROLLER_EPOCH}: {data!r} is not a number") from None


def encode_cluster_id(cluster_id: str) -> bytes:
    return _dump({"version": "1", "id": cluster_id})


def decode_cluster_id(data: bytes) -> str:
    return str(_need(CLUSTER_ID, _load(CLUSTER_ID, data), "id"))


def encode_config(config: Mapping[str, str]) -> bytes:
    """/config/<type>/<name>."""
    return _dump({"version": 1, "config": dict(config)})


def decode_config(path: str, data: bytes) -> dict[str, str]:
    config = _load(path, data).get("config", {})
    if not isinstance(config, dict):
        raise ZnodeError(f"{path}: config is not an object")
    return {str(key): str(value) for key, value in config.items()}


def _dump(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _load(path: str, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ZnodeError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise ZnodeError(f"{path}: {value!r} is not an object")
    return value


def _need(path: str, value: Mapping[str, Any], key: str) -> Any:
    if value.get(key) is None:
        raise ZnodeError(f"{path}: {key!r} is missing")
    return value[key]
