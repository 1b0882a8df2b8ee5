"""ApiVersions (18), versions 0-4: what this broker serves, as the handlers have registered it.

Behaviour: a version that is not known gets the body of version 0 with UNSUPPORTED_VERSION and this API's own range, so
that any client can go on (KIP-511); the listener calls `unsupported_version` for that. The response header is version 0
in all versions.
Version notes: v3 is flexible and names the client's software; features are tagged and none are finalised here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.server.dispatch import APIS, Request, handles
from broker.wire.api import ApiKey
from broker.wire.errors import ErrorCode
from broker.wire.messages import ApiVersionsRequest, ApiVersionsResponse, ApiVersionsResponseApiKey

if TYPE_CHECKING:
    from broker.server.broker import Broker

__all__ = ["api_versions", "unsupported_version"]


@handles(ApiKey.API_VERSIONS, versions=(0, 4))
def api_versions(broker: Broker, request: Request, message: ApiVersionsRequest) -> ApiVersionsResponse:
    """Every registered API with its range."""
    return ApiVersionsResponse(
        api_keys=[ApiVersionsResponseApiKey(key, APIS[key].low, APIS[key].high) for key in sorted(APIS)]
    )


def unsupported_version() -> ApiVersionsResponse:
    """The answer to a version of ApiVersions that is not served, to be sent in version 0."""
    own = APIS[ApiKey.API_VERSIONS]
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[ApiVersionsResponseApiKey(own.key, own.low, own.high)],
    )
