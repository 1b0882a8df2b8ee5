# Written by `python -m broker.wire.generate` from schema/38_create_delegation_token.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Creates a delegation token. v3 can create it for another owner."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["CreateDelegationTokenRequest", "CreateDelegationTokenRequestRenewer", "CreateDelegationTokenResponse"]


class CreateDelegationTokenRequestRenewer(Struct):
    __slots__ = ("principal_type", "principal_name")
    FIELDS = (
        Field("principal_type", "string", 0, 3, default=""),
        Field("principal_name", "string", 0, 3, default=""),
    )

    def __init__(
        self,
        principal_type: str = "",
        principal_name: str = "",
    ) -> None:
        self.principal_type = principal_type
        self.principal_name = principal_name


class CreateDelegationTokenRequest(Message):
    __slots__ = ("owner_principal_type", "owner_principal_name", "renewers", "max_lifetime_ms")
    API_KEY = 38
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("owner_principal_type", "string", 3, 3, nullable_from=3, default=""),
        Field("owner_principal_name", "string", 3, 3, nullable_from=3, default=""),
        Field("renewers", "struct", 0, 3, array=True, struct=CreateDelegationTokenRequestRenewer),
        Field("max_lifetime_ms", "int64", 0, 3, default=0),
    )

    def __init__(
        self,
        owner_principal_type: str | None = "",
        owner_principal_name: str | None = "",
        renewers: list[CreateDelegationTokenRequestRenewer] = MISSING,
        max_lifetime_ms: int = 0,
    ) -> None:
        self.owner_principal_type = owner_principal_type
        self.owner_principal_name = owner_principal_name
        self.renewers: list[CreateDelegationTokenRequestRenewer] = [] if renewers is MISSING else renewers
        self.max_lifetime_ms = max_lifetime_ms


class CreateDelegationTokenResponse(Message):
    __slots__ = ("error_code", "principal_type", "principal_name", "token_requester_principal_type", "token_requester_principal_name", "issue_timestamp_ms", "expiry_timestamp_ms", "max_timestamp_ms", "token_id", "hmac", "throttle_time_ms")
    API_KEY = 38
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("principal_type", "string", 0, 3, default=""),
        Field("principal_name", "string", 0, 3, default=""),
        Field("token_requester_principal_type", "string", 3, 3, default=""),
        Field("token_requester_principal_name", "string", 3, 3, default=""),
        Field("issue_timestamp_ms", "int64", 0, 3, default=0),
        Field("expiry_timestamp_ms", "int64", 0, 3, default=0),
        Field("max_timestamp_ms", "int64", 0, 3, default=0),
        Field("token_id", "string", 0, 3, default=""),
        Field("hmac", "bytes", 0, 3, default=b""),
        Field("throttle_time_ms", "int32", 0, 3, default=0),
    )

    def __init__(
        self,
        error_code: int = 0,
        principal_type: str = "",
        principal_name: str = "",
        token_requester_principal_type: str = "",
        token_requester_principal_name: str = "",
        issue_timestamp_ms: int = 0,
        expiry_timestamp_ms: int = 0,
        max_timestamp_ms: int = 0,
        token_id: str = "",
        hmac: bytes = b"",
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
    ) -> None:
        self.error_code = error_code
        self.principal_type = principal_type
        self.principal_name = principal_name
        self.token_requester_principal_type = token_requester_principal_type
        self.token_requester_principal_name = token_requester_principal_name
        self.issue_timestamp_ms = issue_timestamp_ms
        self.expiry_timestamp_ms = expiry_timestamp_ms
        self.max_timestamp_ms = max_timestamp_ms
        self.token_id = token_id
        self.hmac = hmac
        self.throttle_time_ms = throttle_time_ms
