# Written by `python -m broker.wire.generate` from schema/66_list_transactions.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""Transactions whose coordinator is the receiver. v1 filters by duration."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["ListTransactionsRequest", "ListTransactionsResponse", "ListTransactionsResponseTransaction"]


class ListTransactionsRequest(Message):
    __slots__ = ("state_filters", "producer_id_filters", "duration_filter")
    API_KEY = 66
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("state_filters", "string", 0, 1, array=True),
        Field("producer_id_filters", "int64", 0, 1, array=True),
        Field("duration_filter", "int64", 1, 1, default=-1),
    )

    def __init__(
        self,
        state_filters: list[str] = MISSING,  # none for all
        producer_id_filters: list[int] = MISSING,
        duration_filter: int = -1,  # milliseconds that it has been open at least; negative for any
    ) -> None:
        self.state_filters: list[str] = [] if state_filters is MISSING else state_filters
        self.producer_id_filters: list[int] = [] if producer_id_filters is MISSING else producer_id_filters
        self.duration_filter = duration_filter


class ListTransactionsResponseTransaction(Struct):
    __slots__ = ("transactional_id", "producer_id", "transaction_state")
    FIELDS = (
        Field("transactional_id", "string", 0, 1, default=""),
        Field("producer_id", "int64", 0, 1, default=0),
        Field("transaction_state", "string", 0, 1, default=""),
    )

    def __init__(
        self,
        transactional_id: str = "",
        producer_id: int = 0,
        transaction_state: str = "",
    ) -> None:
        self.transactional_id = transactional_id
        self.producer_id = producer_id
        self.transaction_state = transaction_state


class ListTransactionsResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "unknown_state_filters", "transaction_states")
    API_KEY = 66
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("error_code", "int16", 0, 1, default=0),
        Field("unknown_state_filters", "string", 0, 1, array=True),
        Field("transaction_states", "struct", 0, 1, array=True, struct=ListTransactionsResponseTransaction),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        unknown_state_filters: list[str] = MISSING,
        transaction_states: list[ListTransactionsResponseTransaction] = MISSING,
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.unknown_state_filters: list[str] = [] if unknown_state_filters is MISSING else unknown_state_filters
        self.transaction_states: list[ListTransactionsResponseTransaction] = [] if transaction_states is MISSING else transaction_states
