# Written by `python -m broker.wire.generate` from schema/transaction_records.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Keys and values of __transaction_state. Each is preceded by its version as int16."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["TransactionLogKey", "TransactionLogValue", "TransactionLogValueTopic"]


class TransactionLogKey(Message):
    __slots__ = ("transactional_id",)
    VERSIONS = (0, 0)
    FIELDS = (
        Field("transactional_id", "string", 0, 0, default=""),
    )

    def __init__(
        self,
        transactional_id: str = "",
    ) -> None:
        self.transactional_id = transactional_id


class TransactionLogValueTopic(Struct):
    """Null where the transaction is empty."""

    __slots__ = ("topic", "partition_ids")
    FIELDS = (
        Field("topic", "string", 0, 1, default=""),
        Field("partition_ids", "int32", 0, 1, array=True),
    )

    def __init__(
        self,
        topic: str = "",
        partition_ids: list[int] = MISSING,
    ) -> None:
        self.topic = topic
        self.partition_ids: list[int] = [] if partition_ids is MISSING else partition_ids


class TransactionLogValue(Message):
    __slots__ = ("producer_id", "producer_epoch", "transaction_timeout_ms", "transaction_status", "transaction_partitions", "transaction_last_update_timestamp_ms", "transaction_start_timestamp_ms")
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("producer_id", "int64", 0, 1, default=0),
        Field("producer_epoch", "int16", 0, 1, default=0),
        Field("transaction_timeout_ms", "int32", 0, 1, default=0),
        Field("transaction_status", "int8", 0, 1, default=0),
        Field("transaction_partitions", "struct", 0, 1, array=True, nullable_from=0, struct=TransactionLogValueTopic),
        Field("transaction_last_update_timestamp_ms", "int64", 0, 1, default=0),
        Field("transaction_start_timestamp_ms", "int64", 0, 1, default=0),
    )

    def __init__(
        self,
        producer_id: int = 0,
        producer_epoch: int = 0,
        transaction_timeout_ms: int = 0,
        transaction_status: int = 0,  # 0 Empty, 1 Ongoing, 2 PrepareCommit, 3 PrepareAbort, 4 CompleteCommit, 5 CompleteAbort, 6 Dead, 7 PrepareEpochFence
        transaction_partitions: list[TransactionLogValueTopic] | None = MISSING,  # null where the transaction is empty
        transaction_last_update_timestamp_ms: int = 0,
        transaction_start_timestamp_ms: int = 0,
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.transaction_timeout_ms = transaction_timeout_ms
        self.transaction_status = transaction_status
        self.transaction_partitions: list[TransactionLogValueTopic] | None = [] if transaction_partitions is MISSING else transaction_partitions
        self.transaction_last_update_timestamp_ms = transaction_last_update_timestamp_ms
        self.transaction_start_timestamp_ms = transaction_start_timestamp_ms
