# Written by `python -m broker.wire.generate` from schema/24_add_partitions_to_txn.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Adds partitions to a transaction. v4 on is for brokers, several transactions at a time."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["AddPartitionsToTxnRequest", "AddPartitionsToTxnRequestTopic", "AddPartitionsToTxnRequestTransaction", "AddPartitionsToTxnResponse", "AddPartitionsToTxnResponsePartition", "AddPartitionsToTxnResponseTopic", "AddPartitionsToTxnResponseTransaction"]


class AddPartitionsToTxnRequestTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 5, default=""),
        Field("partitions", "int32", 0, 5, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[int] = [] if partitions is MISSING else partitions


class AddPartitionsToTxnRequestTransaction(Struct):
    __slots__ = ("transactional_id", "producer_id", "producer_epoch", "verify_only", "topics")
    FIELDS = (
        Field("transactional_id", "string", 4, 5, default=""),
        Field("producer_id", "int64", 4, 5, default=0),
        Field("producer_epoch", "int16", 4, 5, default=0),
        Field("verify_only", "bool", 4, 5, default=False),
        Field("topics", "struct", 4, 5, array=True, struct=AddPartitionsToTxnRequestTopic),
    )

    def __init__(
        self,
        transactional_id: str = "",
        producer_id: int = 0,
        producer_epoch: int = 0,
        verify_only: bool = False,  # look, and add nothing
        topics: list[AddPartitionsToTxnRequestTopic] = MISSING,
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.verify_only = verify_only
        self.topics: list[AddPartitionsToTxnRequestTopic] = [] if topics is MISSING else topics


class AddPartitionsToTxnRequest(Message):
    __slots__ = ("transactions", "v3_and_below_transactional_id", "v3_and_below_producer_id", "v3_and_below_producer_epoch", "v3_and_below_topics")
    API_KEY = 24
    VERSIONS = (0, 5)
    FLEXIBLE = 3
    FIELDS = (
        Field("transactions", "struct", 4, 5, array=True, struct=AddPartitionsToTxnRequestTransaction),
        Field("v3_and_below_transactional_id", "string", 0, 3, default=""),
        Field("v3_and_below_producer_id", "int64", 0, 3, default=0),
        Field("v3_and_below_producer_epoch", "int16", 0, 3, default=0),
        Field("v3_and_below_topics", "struct", 0, 3, array=True, struct=AddPartitionsToTxnRequestTopic),
    )

    def __init__(
        self,
        transactions: list[AddPartitionsToTxnRequestTransaction] = MISSING,
        v3_and_below_transactional_id: str = "",
        v3_and_below_producer_id: int = 0,
        v3_and_below_producer_epoch: int = 0,
        v3_and_below_topics: list[AddPartitionsToTxnRequestTopic] = MISSING,
    ) -> None:
        self.transactions: list[AddPartitionsToTxnRequestTransaction] = [] if transactions is MISSING else transactions
        self.v3_and_below_transactional_id = v3_and_below_transactional_id
        self.v3_and_below_producer_id = v3_and_below_producer_id
        self.v3_and_below_producer_epoch = v3_and_below_producer_epoch
        self.v3_and_below_topics: list[AddPartitionsToTxnRequestTopic] = [] if v3_and_below_topics is MISSING else v3_and_below_topics


class AddPartitionsToTxnResponsePartition(Struct):
    __slots__ = ("partition_index", "partition_error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 5, default=0),
        Field("partition_error_code", "int16", 0, 5, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        partition_error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.partition_error_code = partition_error_code


class AddPartitionsToTxnResponseTopic(Struct):
    __slots__ = ("name", "results_by_partition")
    FIELDS = (
        Field("name", "string", 0, 5, default=""),
        Field("results_by_partition", "struct", 0, 5, array=True, struct=AddPartitionsToTxnResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        results_by_partition: list[AddPartitionsToTxnResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.results_by_partition: list[AddPartitionsToTxnResponsePartition] = [] if results_by_partition is MISSING else results_by_partition


class AddPartitionsToTxnResponseTransaction(Struct):
    __slots__ = ("transactional_id", "topic_results")
    FIELDS = (
        Field("transactional_id", "string", 4, 5, default=""),
        Field("topic_results", "struct", 4, 5, array=True, struct=AddPartitionsToTxnResponseTopic),
    )

    def __init__(
        self,
        transactional_id: str = "",
        topic_results: list[AddPartitionsToTxnResponseTopic] = MISSING,
    ) -> None:
        self.transactional_id = transactional_id
        self.topic_results: list[AddPartitionsToTxnResponseTopic] = [] if topic_results is MISSING else topic_results


class AddPartitionsToTxnResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "results_by_transaction", "results_by_topic_v3_and_below")
    API_KEY = 24
    VERSIONS = (0, 5)
    FLEXIBLE = 3
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 5, default=0),
        Field("error_code", "int16", 4, 5, default=0, ignorable=True),
        Field("results_by_transaction", "struct", 4, 5, array=True, struct=AddPartitionsToTxnResponseTransaction),
        Field("results_by_topic_v3_and_below", "struct", 0, 3, array=True, struct=AddPartitionsToTxnResponseTopic),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        results_by_transaction: list[AddPartitionsToTxnResponseTransaction] = MISSING,
        results_by_topic_v3_and_below: list[AddPartitionsToTxnResponseTopic] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.results_by_transaction: list[AddPartitionsToTxnResponseTransaction] = [] if results_by_transaction is MISSING else results_by_transaction
        self.results_by_topic_v3_and_below: list[AddPartitionsToTxnResponseTopic] = [] if results_by_topic_v3_and_below is MISSING else results_by_topic_v3_and_below
