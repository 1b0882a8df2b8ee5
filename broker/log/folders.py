"""The names and the small files of a log folder: what makes a folder Kafka's.

Each of log.dirs holds `meta.properties` (whose folder it is), `.kafka_cleanshutdown` (after a clean shutdown, until the
next start) and a folder `topic-partition` for each replica, which holds `partition.metadata` (the topic's id) beside its
segments. A folder that is being deleted is `topic-partition.<32 hex digits>-delete` (reference: Kafka, on disk).
"""

from __future__ import annotations

import base64
import json
import re
from random import Random

from coord.kit.disk import Disk, replace_file

from .checkpoints import rewrite
from .errors import LogDirError

__all__ = [
    "CLEAN_FILE",
    "LOCK_FILE",
    "METADATA_FILE",
    "check_owner",
    "deleted_name",
    "is_deleted",
    "is_passed_over",
    "partition_of",
    "read_topic_id",
    "write_clean",
    "write_topic_id",
]

META_FILE = "meta.properties"
CLEAN_FILE = ".kafka_cleanshutdown"
LOCK_FILE = ".lock"
METADATA_FILE = "partition.metadata"
NAME_MAX = 255
PARTITION = re.compile(r"([a-zA-Z0-9._-]{1,249})-(\d{1,10})")
DELETED = re.compile(r".+-\d+\.[0-9a-f]{32}-delete")
PASSED_OVER = re.compile(r".+\.[0-9a-f]{32}-(future|stray)|remote-log-index-cache")


def partition_of(name: str) -> tuple[str, int] | None:
    """Topic and partition of a replica's folder; None for another name."""
    match = PARTITION.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def is_deleted(name: str) -> bool:
    """Whether the folder was being deleted."""
    return DELETED.fullmatch(name) is not None


def is_passed_over(name: str) -> bool:
    """Whether the folder is one of Apache's that is neither served nor in the way: moving replicas, strays."""
    return PASSED_OVER.fullmatch(name) is not None


def deleted_name(topic: str, partition: int, random: Random) -> str:
    """A new name for a folder that is being deleted."""
    suffix = f"-{partition}.{random.getrandbits(128):032x}-delete"
    return topic[: NAME_MAX - len(suffix)] + suffix


def check_owner(disk: Disk, folder: str, broker_id: int, cluster_id: str) -> None:
    """Makes sure that a log folder is this broker's, or makes it so when it is nobody's. Raises LogDirError."""
    path = f"{folder}/{META_FILE}"
    if not disk.exists(path):
        replace_file(disk, path, f"#\nbroker.id={broker_id}\nversion=0\ncluster.id={cluster_id}\n".encode())
        return
    found = dict(
        line.split("=", 1)
        for line in disk.read(path).decode("utf-8", "replace").splitlines()
        if "=" in line and not line.startswith(("#", "!"))
    )
    owner = found.get("broker.id", found.get("node.id", "")).strip()
    if owner != str(broker_id):
        raise LogDirError(f"{path} belongs to broker {owner or 'nobody'}, but broker.id={broker_id}: one of log.dirs is another's")
    cluster = found.get("cluster.id", "").strip()
    if cluster and cluster != cluster_id:
        raise LogDirError(
            f"{path} belongs to cluster {cluster}, but /cluster/id is {cluster_id}: "
            "zookeeper.connect or log.dirs point to another cluster"
        )


def write_clean(disk: Disk, folder: str, broker_epoch: int) -> None:
    """Says that everything in the folder is whole; the last thing a shutdown does."""
    replace_file(disk, f"{folder}/{CLEAN_FILE}", json.dumps({"version": 0, "brokerEpoch": broker_epoch}).encode())


def read_topic_id(disk: Disk, folder: str) -> bytes | None:
    """The 16 bytes of a partition's topic id; None when the file is not there or was torn by a crash."""
    path = f"{folder}/{METADATA_FILE}"
    if not disk.exists(path):
        return None
    match = re.search(rb"^topic_id: ([A-Za-z0-9_-]{22})$", disk.read(path), re.MULTILINE)
    return base64.urlsafe_b64decode(match[1] + b"==") if match else None


def write_topic_id(disk: Disk, folder: str, topic_id: bytes) -> None:
    """Writes `partition.metadata`. It is not synced: the controller knows the id."""
    text = base64.urlsafe_b64encode(topic_id).rstrip(b"=").decode()
    rewrite(disk, f"{folder}/{METADATA_FILE}", f"version: 0\ntopic_id: {text}".encode())
