"""StopReplica (5), versions 0-4: the controller tells this broker to stop serving partitions, and to delete some.

Behaviour: STALE_BROKER_EPOCH for an earlier life of this broker, STALE_CONTROLLER_EPOCH from a deposed controller; each
partition has its own error. A partition that is not here is stopped already.
Version notes: v1 carries the broker's epoch; v3 says for each partition whether to delete it, and its leader epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import StopReplicaRequest, StopReplicaResponse

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["stop_replica"]


@handles(ApiKey.STOP_REPLICA, versions=(0, 4))
def stop_replica(broker: Broker, request: Request, message: StopReplicaRequest) -> StopReplicaResponse:
    """Passes the order to the replicas."""
    if broker.refuses_epoch(message.broker_epoch):
        return StopReplicaResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
    return broker.replicas.stop_replicas(message)
