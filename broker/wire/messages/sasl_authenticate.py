# Written by `python -m broker.wire.generate` from schema/36_sasl_authenticate.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""One step of a SASL exchange. v1 adds the session's lifetime."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["SaslAuthenticateRequest", "SaslAuthenticateResponse"]


class SaslAuthenticateRequest(Message):
    __slots__ = ("auth_bytes",)
    API_KEY = 36
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("auth_bytes", "bytes", 0, 2, default=b""),
    )

    def __init__(
        self,
        auth_bytes: bytes = b"",
    ) -> None:
        self.auth_bytes = auth_bytes


class SaslAuthenticateResponse(Message):
    __slots__ = ("error_code", "error_message", "auth_bytes", "session_lifetime_ms")
    API_KEY = 36
    VERSIONS = (0, 2)
    FLEXIBLE = 2
    FIELDS = (
        Field("error_code", "int16", 0, 2, default=0),
        Field("error_message", "string", 0, 2, nullable_from=0, default=""),
        Field("auth_bytes", "bytes", 0, 2, default=b""),
        Field("session_lifetime_ms", "int64", 1, 2, default=0, ignorable=True),
    )

    def __init__(
        self,
        error_code: int = 0,
        error_message: str | None = "",
        auth_bytes: bytes = b"",
        session_lifetime_ms: int = 0,  # after which to authenticate again; 0 for never
    ) -> None:
        self.error_code = error_code
        self.error_message = error_message
        self.auth_bytes = auth_bytes
        self.session_lifetime_ms = session_lifetime_ms
