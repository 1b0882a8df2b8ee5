"""InitProducerId (22), versions 0-4: an id for an idempotent producer.

Behaviour: every request gets a new id with epoch 0, also one that names its old id (v3): its sequences then begin anew,
which is what a producer asks for after an error that it cannot judge. Transactional ids are not served yet: their
coordinators are not available.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import InitProducerIdRequest, InitProducerIdResponse
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["init_producer_id"]

log = logging.getLogger(__name__)


@handles(ApiKey.INIT_PRODUCER_ID, versions=(0, 4))
async def init_producer_id(
    broker: Broker, request: Request, message: InitProducerIdRequest
) -> InitProducerIdResponse:
    """Takes an id of this broker's block."""
    if message.transactional_id is not None:
        return InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, producer_epoch=-1)
    try:
        producer_id = await broker.producer_ids.take()
    except CoordError as error:
        log.warning("no producer id for %s: %s", request.origin.host, error)
        return InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE, producer_epoch=-1)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)
