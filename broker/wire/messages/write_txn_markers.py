# Written by `python -m broker.wire.generate` from schema/27_write_txn_markers.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The transaction coordinator ends transactions on partitions that the receiver leads."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["WriteTxnMarkersRequest", "WriteTxnMarkersRequestMarker", "WriteTxnMarkersRequestTopic", "WriteTxnMarkersResponse", "WriteTxnMarkersResponseMarker", "WriteTxnMarkersResponsePartition", "WriteTxnMarkersResponseTopic"]


class WriteTxnMarkersRequestTopic(Struct):
    __slots__ = ("name", "partition_indexes")
    FIELDS = (
        Field("name", "string", 0, 1, default=""),
        Field("partition_indexes", "int32", 0, 1, array=True),
    )

    def __init__(
        self,
        name: str = "",
        partition_indexes: list[int] = MISSING,
    ) -> None:
        self.name = name
        self.partition_indexes: list[int] = [] if partition_indexes is MISSING else partition_indexes


class WriteTxnMarkersRequestMarker(Struct):
    __slots__ = ("producer_id", "producer_epoch", "transaction_result", "topics", "coordinator_epoch")
    FIELDS = (
        Field("producer_id", "int64", 0, 1, default=0),
        Field("producer_epoch", "int16", 0, 1, default=0),
        Field("transaction_result", "bool", 0, 1, default=False),
        Field("topics", "struct", 0, 1, array=True, struct=WriteTxnMarkersRequestTopic),
        Field("coordinator_epoch", "int32", 0, 1, default=0),
    )

    def __init__(
        self,
        producer_id: int = 0,
        producer_epoch: int = 0,
        transaction_result: bool = False,  # false aborts
        topics: list[WriteTxnMarkersRequestTopic] = MISSING,
        coordinator_epoch: int = 0,  # leader epoch of the transaction log
    ) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.transaction_result = transaction_result
        self.topics: list[WriteTxnMarkersRequestTopic] = [] if topics is MISSING else topics
        self.coordinator_epoch = coordinator_epoch


class WriteTxnMarkersRequest(Message):
    __slots__ = ("markers",)
    API_KEY = 27
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("markers", "struct", 0, 1, array=True, struct=WriteTxnMarkersRequestMarker),
    )

    def __init__(
        self,
        markers: list[WriteTxnMarkersRequestMarker] = MISSING,
    ) -> None:
        self.markers: list[WriteTxnMarkersRequestMarker] = [] if markers is MISSING else markers


class WriteTxnMarkersResponsePartition(Struct):
    __slots__ = ("partition_index", "error_code")
    FIELDS = (
        Field("partition_index", "int32", 0, 1, default=0),
        Field("error_code", "int16", 0, 1, default=0),
    )

    def __init__(
        self,
        partition_index: int = 0,
        error_code: int = 0,
    ) -> None:
        self.partition_index = partition_index
        self.error_code = error_code


class WriteTxnMarkersResponseTopic(Struct):
    __slots__ = ("name", "partitions")
    FIELDS = (
        Field("name", "string", 0, 1, default=""),
        Field("partitions", "struct", 0, 1, array=True, struct=WriteTxnMarkersResponsePartition),
    )

    def __init__(
        self,
        name: str = "",
        partitions: list[WriteTxnMarkersResponsePartition] = MISSING,
    ) -> None:
        self.name = name
        self.partitions: list[WriteTxnMarkersResponsePartition] = [] if partitions is MISSING else partitions


class WriteTxnMarkersResponseMarker(Struct):
    __slots__ = ("producer_id", "topics")
    FIELDS = (
        Field("producer_id", "int64", 0, 1, default=0),
        Field("topics", "struct", 0, 1, array=True, struct=WriteTxnMarkersResponseTopic),
    )

    def __init__(
        self,
        producer_id: int = 0,
        topics: list[WriteTxnMarkersResponseTopic] = MISSING,
    ) -> None:
        self.producer_id = producer_id
        self.topics: list[WriteTxnMarkersResponseTopic] = [] if topics is MISSING else topics


class WriteTxnMarkersResponse(Message):
    __slots__ = ("markers",)
    API_KEY = 27
    VERSIONS = (0, 1)
    FLEXIBLE = 1
    FIELDS = (
        Field("markers", "struct", 0, 1, array=True, struct=WriteTxnMarkersResponseMarker),
    )

    def __init__(
        self,
        markers: list[WriteTxnMarkersResponseMarker] = MISSING,
    ) -> None:
        self.markers: list[WriteTxnMarkersResponseMarker] = [] if markers is MISSING else markers
