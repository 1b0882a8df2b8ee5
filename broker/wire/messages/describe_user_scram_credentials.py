# Written by `python -m broker.wire.generate` from schema/50_describe_user_scram_credentials.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""SCRAM mechanisms and iterations of users; never their secrets."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeUserScramCredentialsRequest", "DescribeUserScramCredentialsRequestUser", "DescribeUserScramCredentialsResponse", "DescribeUserScramCredentialsResponseCredential", "DescribeUserScramCredentialsResponseResult"]


class DescribeUserScramCredentialsRequestUser(Struct):
    """Null or none for all."""

    __slots__ = ("name",)
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
    )

    def __init__(
        self,
        name: str = "",
    ) -> None:
        self.name = name


class DescribeUserScramCredentialsRequest(Message):
    __slots__ = ("users",)
    API_KEY = 50
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("users", "struct", 0, 0, array=True, nullable_from=0, struct=DescribeUserScramCredentialsRequestUser),
    )

    def __init__(
        self,
        users: list[DescribeUserScramCredentialsRequestUser] | None = MISSING,  # null or none for all
    ) -> None:
        self.users: list[DescribeUserScramCredentialsRequestUser] | None = [] if users is MISSING else users


class DescribeUserScramCredentialsResponseCredential(Struct):
    __slots__ = ("mechanism", "iterations")
    FIELDS = (
        Field("mechanism", "int8", 0, 0, default=0),
        Field("iterations", "int32", 0, 0, default=0),
    )

    def __init__(
        self,
        mechanism: int = 0,  # 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
        iterations: int = 0,
    ) -> None:
        self.mechanism = mechanism
        self.iterations = iterations


class DescribeUserScramCredentialsResponseResult(Struct):
    __slots__ = ("user", "error_code", "error_message", "credential_infos")
    FIELDS = (
        Field("user", "string", 0, 0, default=""),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
        Field("credential_infos", "struct", 0, 0, array=True, struct=DescribeUserScramCredentialsResponseCredential),
    )

    def __init__(
        self,
        user: str = "",
        error_code: int = 0,
        error_message: str | None = "",
        credential_infos: list[DescribeUserScramCredentialsResponseCredential] = MISSING,
    ) -> None:
        self.user = user
        self.error_code = error_code
        self.error_message = error_message
        self.credential_infos: list[DescribeUserScramCredentialsResponseCredential] = [] if credential_infos is MISSING else credential_infos


class DescribeUserScramCredentialsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "results")
    API_KEY = 50
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
        Field("results", "struct", 0, 0, array=True, struct=DescribeUserScramCredentialsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = "",
        results: list[DescribeUserScramCredentialsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.results: list[DescribeUserScramCredentialsResponseResult] = [] if results is MISSING else results
