"""FindCoordinator (10), versions 0-5: which broker coordinates a group.

Behaviour: asks the claims (`server/coordinators.py`); COORDINATOR_NOT_AVAILABLE while nobody can tell. The address is
that of the listener on which the client asks. Transactions are not served yet: their coordinators are not available.
Version notes: v1 adds the key type; v4 asks for many keys at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode, message_of
from broker.wire.messages import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    FindCoordinatorResponseCoordinator,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["find_coordinator"]

GROUP, TRANSACTION = 0, 1
BATCH_FROM = 4
KEYS_MAX = 1000
"""Groups that one request may ask for; the rest get COORDINATOR_NOT_AVAILABLE and are asked for again."""


@handles(ApiKey.FIND_COORDINATOR, versions=(0, 5))
async def find_coordinator(
    broker: Broker, request: Request, message: FindCoordinatorRequest
) -> FindCoordinatorResponse:
    """Finds the coordinator of each key."""
    if request.version < BATCH_FROM:
        found = await _find(broker, request, message.key_type, message.key)
        return FindCoordinatorResponse(
            error_code=found.error_code,
            error_message=found.error_message,
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )
    keys = message.coordinator_keys
    coordinators = [await _find(broker, request, message.key_type, key) for key in keys[:KEYS_MAX]]
    coordinators += [_failed(key, ErrorCode.COORDINATOR_NOT_AVAILABLE) for key in keys[KEYS_MAX:]]
    return FindCoordinatorResponse(coordinators=coordinators)


async def _find(
    broker: Broker, request: Request, key_type: int, key: str
) -> FindCoordinatorResponseCoordinator:
    if key_type == TRANSACTION:
        return _failed(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    if key_type != GROUP:
        return _failed(key, ErrorCode.INVALID_REQUEST)
    if not key:
        return _failed(key, ErrorCode.INVALID_GROUP_ID)
    error, broker_id = await broker.groups.claims.find(broker.groups.slot_of(key))
    if error is not ErrorCode.NONE:
        return _failed(key, error)
    node = broker.metadata.image.brokers.get(broker_id)
    endpoint = None if node is None else node.endpoints.get(request.origin.listener)
    if endpoint is None:
        return _failed(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return FindCoordinatorResponseCoordinator(key, broker_id, endpoint[0], endpoint[1], ErrorCode.NONE, "")


def _failed(key: str, error: ErrorCode) -> FindCoordinatorResponseCoordinator:
    return FindCoordinatorResponseCoordinator(key, -1, "", -1, error, message_of(error))
