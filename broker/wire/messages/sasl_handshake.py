# Written by `python -m broker.wire.generate` from schema/17_sasl_handshake.msg; edit that file instead.
"""Chooses a SASL mechanism. v0 is followed by raw SASL frames, v1 by SaslAuthenticate."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message

__all__ = ["SaslHandshakeRequest", "SaslHandshakeResponse"]


class SaslHandshakeRequest(Message):
    __slots__ = ("mechanism",)
    API_KEY = 17
    VERSIONS = (0, 1)
    FIELDS = (
        Field("mechanism", "string", 0, 1, default=""),
    )

    def __init__(
        self,
        mechanism: str = "",
    ) -> None:
        self.mechanism = mechanism


class SaslHandshakeResponse(Message):
    __slots__ = ("error_code", "mechanisms")
    API_KEY = 17
    VERSIONS = (0, 1)
    FIELDS = (
        Field("error_code", "int16", 0, 1, default=0),
        Field("mechanisms", "string", 0, 1, array=True),
    )

    def __init__(
        self,
        error_code: int = 0,
        mechanisms: list[str] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.mechanisms: list[str] = [] if mechanisms is MISSING else mechanisms
