# Written by `python -m broker.wire.generate` from schema/41_describe_delegation_token.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Delegation tokens of owners. v3 tells who asked for them."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeDelegationTokenRequest", "DescribeDelegationTokenRequestOwner", "DescribeDelegationTokenResponse", "DescribeDelegationTokenResponseRenewer", "DescribeDelegationTokenResponseToken"]


class DescribeDelegationTokenRequestOwner(Struct):
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


class DescribeDelegationTokenRequest(Message):
    __slots__ = ("owners",)
    API_KEY = 41
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("owners", "struct", 0, 3, array=True, nullable_from=0, struct=DescribeDelegationTokenRequestOwner),
    )

    def __init__(
        self,
        owners: list[DescribeDelegationTokenRequestOwner] | None = MISSING,
    ) -> None:
        self.owners: list[DescribeDelegationTokenRequestOwner] | None = [] if owners is MISSING else owners


class DescribeDelegationTokenResponseRenewer(Struct):
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


class DescribeDelegationTokenResponseToken(Struct):
    __slots__ = ("principal_type", "principal_name", "token_requester_principal_type", "token_requester_principal_name", "issue_timestamp", "expiry_timestamp", "max_timestamp", "token_id", "hmac", "renewers")
    FIELDS = (
        Field("principal_type", "string", 0, 3, default=""),
        Field("principal_name", "string", 0, 3, default=""),
        Field("token_requester_principal_type", "string", 3, 3, default=""),
        Field("token_requester_principal_name", "string", 3, 3, default=""),
        Field("issue_timestamp", "int64", 0, 3, default=0),
        Field("expiry_timestamp", "int64", 0, 3, default=0),
        Field("max_timestamp", "int64", 0, 3, default=0),
        Field("token_id", "string", 0, 3, default=""),
        Field("hmac", "bytes", 0, 3, default=b""),
        Field("renewers", "struct", 0, 3, array=True, struct=DescribeDelegationTokenResponseRenewer),
    )

    def __init__(
        self,
        principal_type: str = "",
        principal_name: str = "",
        token_requester_principal_type: str = "",
        token_requester_principal_name: str = "",
        issue_timestamp: int = 0,
        expiry_timestamp: int = 0,
        max_timestamp: int = 0,
        token_id: str = "",
        hmac: bytes = b"",
        renewers: list[DescribeDelegationTokenResponseRenewer] = MISSING,
    ) -> None:
        self.principal_type = principal_type
        self.principal_name = principal_name
        self.token_requester_principal_type = token_requester_principal_type
        self.token_requester_principal_name = token_requester_principal_name
        self.issue_timestamp = issue_timestamp
        self.expiry_timestamp = expiry_timestamp
        self.max_timestamp = max_timestamp
        self.token_id = token_id
        self.hmac = hmac
        self.renewers: list[DescribeDelegationTokenResponseRenewer] = [] if renewers is MISSING else renewers


class DescribeDelegationTokenResponse(Message):
    __slots__ = ("error_code", "tokens", "throttle_time_ms")
    API_KEY = 41
    VERSIONS = (0, 3)
    FLEXIBLE = 2
    FIELDS = (
        Field("error_code", "int16", 0, 3, default=0),
        Field("tokens", "struct", 0, 3, array=True, struct=DescribeDelegationTokenResponseToken),
        Field("throttle_time_ms", "int32", 0, 3, default=0),
    )

    def __init__(
        self,
        error_code: int = 0,
        tokens: list[DescribeDelegationTokenResponseToken] = MISSING,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
    ) -> None:
        self.error_code = error_code
        self.tokens: list[DescribeDelegationTokenResponseToken] = [] if tokens is MISSING else tokens
        self.throttle_time_ms = throttle_time_ms
