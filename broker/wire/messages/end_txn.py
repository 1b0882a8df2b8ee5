# Written by `python -m broker.wire.generate` from schema/26_end_txn.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Commits or aborts a transaction."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["EndTxnRequest", "EndTxnResponse"]


class EndTxnRequest(Message):
    __slots__ = ("transactional_id", "producer_id", "producer_epoch", "committed")
    API_KEY = 26
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("transactional_id", "string", 0, 4, default=""),
        Field("producer_id", "int64", 0, 4, default=0),
        Field("producer_epoch", "int16", 0, 4, default=0),
        Field("committed", "bool", 0, 4, default=False),
    )

    def __init__(
        self,
        transactional_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        committed: bool = False,  # false aborts
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.committed = committed


class EndTxnResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code")
    API_KEY = 26
    VERSIONS = (0, 4)
    FLEXIBLE = 3
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 4, default=0),
        Field("error_code", "int16", 0, 4, default=0),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
