"""The seam between the request handlers and the controller: what each side calls of the other.

Handlers decide nothing about the cluster. They ask a `Controller` to create, widen or delete topics, and they hand the
controller's own three requests on:

    key 4  LeaderAndIsr     -> ReplicaManager.become_leader_or_follower
    key 5  StopReplica      -> ReplicaManager.stop_replicas
    key 6  UpdateMetadata   -> MetadataCache.update

The active controller sends these over the real wire to every broker, itself included, so that there is one path and
not two. Every broker has a `Controller` object; `is_active` says whether it holds `/controller` now. Writing a new
topic's znodes needs no controller (Metadata's automatic creation does it on any broker); making its leaders does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.wire.errors import ErrorCode
from coord.client import Client

__all__ = ["NO_TOPIC_ID", "Controller", "MorePartitions", "NewTopic", "TopicOutcome"]

NO_TOPIC_ID = bytes(16)


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic that a client asks for, as it came: nothing about it is checked yet."""

    name: str
    partitions: int = -1
    """-1: the broker's num.partitions, or as many as `assignment` names."""
    replication_factor: int = -1
    """-1: the broker's default.replication.factor, or what `assignment` says."""
    assignment: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Partition -> broker ids, first the preferred leader. Empty: the controller chooses."""
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MorePartitions:
    """Partitions that a client asks for, as it came."""

    name: str
    count: int
    """How many the topic is to have in all."""
    assignment: Sequence[Sequence[int]] | None = None
    """Broker ids of each new partition, first the preferred leader. None: the controller chooses."""


@dataclass(frozen=True, slots=True)
class TopicOutcome:
    """What became of one topic of a request to create, widen or delete some."""

    name: str
    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    """A sentence for the user when `error` is set."""
    topic_id: bytes = NO_TOPIC_ID
    partitions: int = -1
    replication_factor: int = -1


class Controller(Protocol):
    """The controller's side, on every broker. Errors of the coordination service come back as outcomes, never raised."""

    @property
    def is_active(self) -> bool:
        """Whether this broker holds /controller. The handlers of admin requests answer NOT_CONTROLLER without it."""
        ...

    async def serve(self, client: Client) -> None:
        """Takes part in elections, and reigns when elected, for as long as the session lives; raises its end."""

    async def create_topics(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> list[TopicOutcome]:
        """Checks, assigns and writes /config/topics/T and /brokers/topics/T; one outcome for each, in order.

        Returns when the znodes are there: leaders follow, and the caller waits for them in the metadata cache.
        """
        ...

    async def create_partitions(
        self, topics: Sequence[MorePartitions], *, validate_only: bool = False
    ) -> list[TopicOutcome]:
        """Checks, assigns and writes /brokers/topics/T anew; leaders follow, as with `create_topics`."""
        ...

    async def delete_topics(self, names: Sequence[str]) -> list[TopicOutcome]:
        """Writes /admin/delete_topics/T; the caller waits until the topics leave the metadata cache."""
        ...

    async def controlled_shutdown(
        self, broker_id: int, broker_epoch: int
    ) -> tuple[ErrorCode, list[tuple[str, int]]]:
        """Moves leaders away from a broker that wants to stop; returns the partitions it still leads."""
        ...
