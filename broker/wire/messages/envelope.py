# Written by `python -m broker.wire.generate` from schema/58_envelope.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""A request that one broker forwards to the controller on behalf of a client."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["EnvelopeRequest", "EnvelopeResponse"]


class EnvelopeRequest(Message):
    __slots__ = ("request_data", "request_principal", "client_host_address")
    API_KEY = 58
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("request_data", "bytes", 0, 0, default=b""),
        Field("request_principal", "bytes", 0, 0, nullable_from=0, default=b""),
        Field("client_host_address", "bytes", 0, 0, default=b""),
    )

    def __init__(
        self,
        request_data: bytes = b"",  # header and body of the forwarded request
        request_principal: bytes | None = b"",  # the client's principal (DefaultPrincipalData)
        client_host_address: bytes = b"",  # raw address of the client
    ) -> None:
        self.request_data = request_data
        self.request_principal = request_principal
        self.client_host_address = client_host_address


class EnvelopeResponse(Message):
    __slots__ = ("response_data", "error_code")
    API_KEY = 58
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("response_data", "bytes", 0, 0, nullable_from=0, default=None),
        Field("error_code", "int16", 0, 0, default=0),
    )

    def __init__(
        self,
        response_data: bytes | None = None,
        error_code: int = 0,
    ) -> None:
        self.response_data = response_data
        self.error_code = error_code
