# Written by `python -m broker.wire.generate` from schema/22_init_producer_id.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Hands out a producer id, for idempotence and transactions.

v3 on may name the current id and epoch, to bump the epoch instead.
"""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["InitProducerIdRequest", "InitProducerIdResponse"]


class InitProducerIdRequest(Message):
    __slots__ = ("transactional_id", "transaction_timeout_ms", "producer_id", "producer_epoch")
    API_KEY = 22
    VERSIONS = (0, 5)
    FLEXIBLE = 2
    FIELDS = (
        Field("transactional_id", "string", 0, 5, nullable_from=0, default=""),
        Field("transaction_timeout_ms", "int32", 0, 5, default=0),
        Field("producer_id", "int64", 3, 5, default=-1),
        Field("producer_epoch", "int16", 3, 5, default=-1),
    )

    def __init__(
        self,
        transactional_id: str | None = "",  # null for idempotence alone
        transaction_timeout_ms: int = 0,  # after which the coordinator aborts
        producer_id: int = -1,  # the id whose epoch is to be bumped; -1 for a new id
        producer_epoch: int = -1,
    ) -> None:
        self.transactional_id = transactional_id
        self.transaction_timeout_ms = transaction_timeout_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch


class InitProducerIdResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "producer_id", "producer_epoch")
    API_KEY = 22
    VERSIONS = (0, 5)
    FLEXIBLE = 2
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 5, default=0, ignorable=True),
        Field("error_code", "int16", 0, 5, default=0),
        Field("producer_id", "int64", 0, 5, default=-1),
        Field("producer_epoch", "int16", 0, 5, default=0),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        producer_id: int = -1,
        producer_epoch: int = 0,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
