"""UpdateMetadata (6), versions 0-8: the controller tells what the cluster looks like now.

Behaviour: STALE_BROKER_EPOCH for an earlier life of this broker, STALE_CONTROLLER_EPOCH from a deposed controller.
Version notes: v5 groups partitions by topic and carries the broker's epoch; v7 adds topic ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import UpdateMetadataRequest, UpdateMetadataResponse

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["update_metadata"]


@handles(ApiKey.UPDATE_METADATA, versions=(0, 8))
def update_metadata(
    broker: Broker, request: Request, message: UpdateMetadataRequest
) -> UpdateMetadataResponse:
    """Passes the update to the metadata cache."""
    if broker.refuses_epoch(message.broker_epoch):
        return UpdateMetadataResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
    return UpdateMetadataResponse(error_code=broker.metadata.update(message))
