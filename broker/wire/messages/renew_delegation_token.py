# Written by `python -m broker.wire.generate` from schema/39_renew_delegation_token.msg; edit that file instead.
"""Prolongs a delegation token."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["RenewDelegationTokenRequest", "RenewDelegationTokenResponse"]


class RenewDelegationTokenRequest(Message):
    __slots__ = ("hmac", "renew_period_ms")
    API_KEY = 39
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("hmac", "bytes", 0, 2, default=b""),
        Field("renew_period_ms", "int64", 0, 2, default=0),
    )

    def __init__(
        self,
        hmac: bytes = b"",
        renew_period_ms: int = 0,
    ) -> None:
        self.hmac = hmac
        self.renew_period_ms = renew_period_ms


class RenewDelegationTokenResponse(Message):
    __slots__ = ("error_code", "expiry_timestamp_ms", "throttle_time_ms")
    API_KEY = 39
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("error_code", "int16", 0, 2, default=0),
        Field("expiry_timestamp_ms", "int64", 0, 2, default=0),
        Field("throttle_time_ms", "int32", 0, 2, default=0),
    )

    def __init__(
        self,
        error_code: int = 0,
        expiry_timestamp_ms: int = 0,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
    ) -> None:
        self.error_code = error_code
        self.expiry_timestamp_ms = expiry_timestamp_ms
        self.throttle_time_ms = throttle_time_ms
