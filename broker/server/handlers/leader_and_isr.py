"""LeaderAndIsr (4), versions 0-7: the controller tells this broker which partitions to lead and which to follow.

Behaviour: STALE_BROKER_EPOCH for an earlier life of this broker, STALE_CONTROLLER_EPOCH from a deposed controller; each
partition has its own error. The configuration of topics that are new here is read from the tree first; the controller
has one request under way at a time, so its orders stay in order.
Version notes: v2 groups partitions by topic and carries the broker's epoch; v5 adds topic ids, and answers by them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import LeaderAndIsrRequest, LeaderAndIsrResponse
from coord.client import CoordError

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["leader_and_isr"]


log = logging.getLogger(__name__)

BY_TOPIC_FROM = 5


@handles(ApiKey.LEADER_AND_ISR, versions=(0, 7), urgent=True)
async def leader_and_isr(
    broker: Broker, request: Request, message: LeaderAndIsrRequest
) -> LeaderAndIsrResponse:
    """Passes the order to the replicas."""
    if broker.refuses_epoch(message.broker_epoch):
        return LeaderAndIsrResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
    names = {topic.topic_name for topic in message.topic_states}
    names.update(state.topic_name for state in message.ungrouped_partition_states)
    try:
        await broker.topic_configs.fetch(name for name in names if not broker.replicas.has(name))
    except CoordError as error:
        log.warning("the configuration of new topics cannot be read (%s); the broker's defaults hold", error)
    response = broker.replicas.become_leader_or_follower(message)
    if request.version >= BY_TOPIC_FROM:
        response.partition_errors = []
    else:
        response.topics = []
    return response
