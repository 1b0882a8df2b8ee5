# Written by `python -m broker.wire.generate` from schema/principal.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Who sent a request that is forwarded in an Envelope. Preceded by its version as int16."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["DefaultPrincipalData"]


class DefaultPrincipalData(Message):
    __slots__ = ("type", "name", "token_authenticated")
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("type", "string", 0, 0, default=""),
        Field("name", "string", 0, 0, default=""),
        Field("token_authenticated", "bool", 0, 0, default=False),
    )

    def __init__(
        self,
        type: str = "",
        name: str = "",
        token_authenticated: bool = False,  # by a delegation token
    ) -> None:
        self.type = type
        self.name = name
        self.token_authenticated = token_authenticated
