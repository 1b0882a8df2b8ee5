"""DescribeCluster (60), versions 0-1: the brokers, the controller and the cluster's id.

Behaviour: addresses are those of the listener on which the client asks.
Version notes: v1 asks for brokers (1) or controllers (2); there are no controllers apart from brokers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import (
    DescribeClusterRequest,
    DescribeClusterResponse,
    DescribeClusterResponseBroker,
)

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["describe_cluster"]

BROKERS = 1


@handles(ApiKey.DESCRIBE_CLUSTER, versions=(0, 1))
def describe_cluster(
    broker: Broker, request: Request, message: DescribeClusterRequest
) -> DescribeClusterResponse:
    """Shows the image."""
    if message.endpoint_type != BROKERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message="This cluster's controllers are brokers.",
            endpoint_type=message.endpoint_type,
        )
    image = broker.metadata.image
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=image.controller_id,
        brokers=[
            DescribeClusterResponseBroker(node.id, *node.endpoints[request.origin.listener], node.rack)
            for node in image.brokers.values()
            if request.origin.listener in node.endpoints
        ],
    )
