"""The parts of one broker, as handlers see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from coord.kit.host import Host

from .clock import Clock
from .config import BrokerConfig
from .metadata_cache import MetadataCache
from .session import CoordSession

if TYPE_CHECKING:
    from .cluster import Controller
    from .groups import GroupService
    from .producer_ids import ProducerIds
    from .replica_manager import ReplicaManager
    from .tasks import TaskPool
    from .topic_configs import TopicConfigs

__all__ = ["NO_BROKER_EPOCH", "Broker"]

NO_BROKER_EPOCH = -1


@dataclass(slots=True)
class Broker:
    """One broker. Built by `node.run`; every handler gets it."""

    host: Host
    config: BrokerConfig
    cluster_id: str
    clock: Clock
    session: CoordSession
    tasks: TaskPool
    metadata: MetadataCache
    topic_configs: TopicConfigs
    replicas: ReplicaManager
    groups: GroupService
    producer_ids: ProducerIds
    controller: Controller
    epoch: int = NO_BROKER_EPOCH
    """czxid of /brokers/ids/N in the present session: orders for an earlier life of this broker are refused by it."""

    def refuses_epoch(self, requested: int) -> bool:
        """Whether an order with this broker epoch is for an earlier life of this broker (STALE_BROKER_EPOCH)."""
        return requested != NO_BROKER_EPOCH and requested < self.epoch
