# Written by `python -m broker.wire.generate` from schema/40_expire_delegation_token.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Ends a delegation token, now or at a given time."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["ExpireDelegationTokenRequest", "ExpireDelegationTokenResponse"]


class ExpireDelegationTokenRequest(Message):
    __slots__ = ("hmac", "expiry_time_period_ms")
    API_KEY = 40
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("hmac", "bytes", 0, 2, default=b""),
        Field("expiry_time_period_ms", "int64", 0, 2, default=0),
    )

    def __init__(
        self,
        hmac: bytes = b"",
        expiry_time_period_ms: int = 0,
    ) -> None:
        self.hmac = hmac
        self.expiry_time_period_ms = expiry_time_period_ms


class ExpireDelegationTokenResponse(Message):
    __slots__ = ("error_code", "expiry_timestamp_ms", "throttle_time_ms")
    API_KEY = 40
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
