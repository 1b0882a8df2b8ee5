# Written by `python -m broker.wire.generate` from schema/51_alter_user_scram_credentials.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Sets and removes SCRAM credentials of users."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AlterUserScramCredentialsRequest", "AlterUserScramCredentialsRequestDeletion", "AlterUserScramCredentialsRequestUpsertion", "AlterUserScramCredentialsResponse", "AlterUserScramCredentialsResponseResult"]


class AlterUserScramCredentialsRequestDeletion(Struct):
    __slots__ = ("name", "mechanism")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("mechanism", "int8", 0, 0, default=0),
    )

    def __init__(
        self,
        name: str = "",
        mechanism: int = 0,  # 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
    ) -> None:
        self.name = name
        self.mechanism = mechanism


class AlterUserScramCredentialsRequestUpsertion(Struct):
    __slots__ = ("name", "mechanism", "iterations", "salt", "salted_password")
    FIELDS = (
        Field("name", "string", 0, 0, default=""),
        Field("mechanism", "int8", 0, 0, default=0),
        Field("iterations", "int32", 0, 0, default=0),
        Field("salt", "bytes", 0, 0, default=b""),
        Field("salted_password", "bytes", 0, 0, default=b""),
    )

    def __init__(
        self,
        name: str = "",
        mechanism: int = 0,  # 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
        iterations: int = 0,
        salt: bytes = b"",
        salted_password: bytes = b"",
    ) -> None:
        self.name = name
        self.mechanism = mechanism
        self.iterations = iterations
        self.salt = salt
        self.salted_password = salted_password


class AlterUserScramCredentialsRequest(Message):
    __slots__ = ("deletions", "upsertions")
    API_KEY = 51
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("deletions", "struct", 0, 0, array=True, struct=AlterUserScramCredentialsRequestDeletion),
        Field("upsertions", "struct", 0, 0, array=True, struct=AlterUserScramCredentialsRequestUpsertion),
    )

    def __init__(
        self,
        deletions: list[AlterUserScramCredentialsRequestDeletion] = MISSING,
        upsertions: list[AlterUserScramCredentialsRequestUpsertion] = MISSING,
    ) -> None:
        self.deletions: list[AlterUserScramCredentialsRequestDeletion] = [] if deletions is MISSING else deletions
        self.upsertions: list[AlterUserScramCredentialsRequestUpsertion] = [] if upsertions is MISSING else upsertions


class AlterUserScramCredentialsResponseResult(Struct):
    __slots__ = ("user", "error_code", "error_message")
    FIELDS = (
        Field("user", "string", 0, 0, default=""),
        Field("error_code", "int16", 0, 0, default=0),
        Field("error_message", "string", 0, 0, nullable_from=0, default=""),
    )

    def __init__(
        self,
        user: str = "",
        error_code: int = 0,
        error_message: str | None = "",
    ) -> None:
        self.user = user
        self.error_code = error_code
        self.error_message = error_message


class AlterUserScramCredentialsResponse(Message):
    __slots__ = ("throttle_time_ms", "results")
    API_KEY = 51
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("results", "struct", 0, 0, array=True, struct=AlterUserScramCredentialsResponseResult),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        results: list[AlterUserScramCredentialsResponseResult] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.results: list[AlterUserScramCredentialsResponseResult] = [] if results is MISSING else results
