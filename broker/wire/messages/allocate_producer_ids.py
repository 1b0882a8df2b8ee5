# Written by `python -m broker.wire.generate` from schema/67_allocate_producer_ids.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""A broker takes a block of producer ids from the controller."""

from __future__ import annotations

from broker.wire.fields import Field, Message

__all__ = ["AllocateProducerIdsRequest", "AllocateProducerIdsResponse"]


class AllocateProducerIdsRequest(Message):
    __slots__ = ("broker_id", "broker_epoch")
    API_KEY = 67
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("broker_id", "int32", 0, 0, default=0),
        Field("broker_epoch", "int64", 0, 0, default=-1),
    )

    def __init__(
        self,
        broker_id: int = 0,
        broker_epoch: int = -1,  # the registration's epoch: its znode's czxid
    ) -> None:
        self.broker_id = broker_id
        self.broker_epoch = broker_epoch


class AllocateProducerIdsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "producer_id_start", "producer_id_len")
    API_KEY = 67
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("error_code", "int16", 0, 0, default=0),
        Field("producer_id_start", "int64", 0, 0, default=0),
        Field("producer_id_len", "int32", 0, 0, default=0),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        producer_id_start: int = 0,
        producer_id_len: int = 0,  # ids in the block
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.producer_id_start = producer_id_start
        self.producer_id_len = producer_id_len
