# Written by `python -m broker.wire.generate` from schema/65_describe_transactions.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""State of transactions whose coordinator is the receiver."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeTransactionsRequest", "DescribeTransactionsResponse", "DescribeTransactionsResponseTopic", "DescribeTransactionsResponseTransaction"]


class DescribeTransactionsRequest(Message):
    __slots__ = ("transactional_ids",)
    API_KEY = 65
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("transactional_ids", "string", 0, 0, array=True),
    )

    def __init__(
        self,
        transactional_ids: list[str] = MISSING,
    ) -> None:
        self.transactional_ids: list[str] = [] if transactional_ids is MISSING else transactional_ids


class DescribeTransactionsResponseTopic(Struct):
    __slots__ = ("topic", "partitions")
    FIELDS = (
        Field("topic", "string", 0, 0, default=""),
        Field("partitions", "int32", 0, 0, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class DescribeTransactionsResponseTransaction(Struct):
    __slots__ = ("error_code", "transactional_id", "transaction_state", "transaction_timeout_ms", "transaction_start_time_ms", "producer_id", "producer_epoch", "topics")
    FIELDS = (
        Field("error_code", "int16", 0, 0, default=0),
        Field("transactional_id", "string", 0, 0, default=""),
        Field("transaction_state", "string", 0, 0, default=""),
        Field("transaction_timeout_ms", "int32", 0, 0, default=0),
        Field("transaction_start_time_ms", "int64", 0, 0, default=0),
        Field("producer_id", "int64", 0, 0, default=0),
        Field("producer_epoch", "int16", 0, 0, default=0),
        Field("topics", "struct", 0, 0, array=True, struct=DescribeTransactionsResponseTopic),
    )

    def __init__(
        self,
        error_code: int = 0,
        transactional_id: str = "",
        transaction_state: str = "",
        transaction_timeout_ms: int = 0,
        transaction_start_time_ms: int = 0,  # -1 for none
        producer_id: int = 0,
        producer_epoch: int = 0,
        topics: list[DescribeTransactionsResponseTopic] = MISSING,
    ) -> None:
        self.error_code = error_code
        self.transactional_id = transactional_id
        self.transaction_state = transaction_state
        self.transaction_timeout_ms = transaction_timeout_ms
        self.transaction_start_time_ms = transaction_start_time_ms
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.topics: list[DescribeTransactionsResponseTopic] = [] if topics is MISSING else topics


class DescribeTransactionsResponse(Message):
    __slots__ = ("throttle_time_ms", "transaction_states")
    API_KEY = 65
    VERSIONS = (0, 0)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 0, default=0),
        Field("transaction_states", "struct", 0, 0, array=True, struct=DescribeTransactionsResponseTransaction),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        transaction_states: list[DescribeTransactionsResponseTransaction] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.transaction_states: list[DescribeTransactionsResponseTransaction] = [] if transaction_states is MISSING else transaction_states
