"""ControlledShutdown (7), versions 0-3: a broker that wants to stop asks the controller to move its leaders.

Behaviour: NOT_CONTROLLER on any other broker; the partitions that cannot be moved come back, and the broker asks again.
Version notes: v0 has a request header without a client id; v2 carries the broker's epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.messages import (
    ControlledShutdownRequest,
    ControlledShutdownResponse,
    ControlledShutdownResponsePartition,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["controlled_shutdown"]


@handles(ApiKey.CONTROLLED_SHUTDOWN, versions=(0, 3), urgent=True)
async def controlled_shutdown(
    broker: Broker, request: Request, message: ControlledShutdownRequest
) -> ControlledShutdownResponse:
    """Asks the controller."""
    error, remaining = await broker.controller.controlled_shutdown(message.broker_id, message.broker_epoch)
    return ControlledShutdownResponse(
        error_code=error,
        remaining_partitions=[
            ControlledShutdownResponsePartition(topic, index) for topic, index in remaining
        ],
    )
