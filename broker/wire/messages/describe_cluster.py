# Written by `python -m broker.wire.generate` from schema/60_describe_cluster.msg; edit that file instead.
# ruff: noqa: RUF023  (the order of fields is the order on the wire)
"""The cluster's id, controller and brokers. v1 can ask for brokers or for KRaft controllers."""

from __future__ import annotations

from broker.wire.fields import MISSING, Field, Message, Struct

__all__ = ["DescribeClusterRequest", "DescribeClusterResponse", "DescribeClusterResponseBroker"]


class DescribeClusterRequest(Message):
    __slots__ = ("include_cluster_authorized_operations", "endpoint_type")
    API_KEY = 60
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("include_cluster_authorized_operations", "bool", 0, 1, default=False),
        Field("endpoint_type", "int8", 1, 1, default=1),
    )

    def __init__(
        self,
        include_cluster_authorized_operations: bool = False,
        endpoint_type: int = 1,  # 1 brokers, 2 controllers
    ) -> None:
        self.include_cluster_authorized_operations = include_cluster_authorized_operations
        self.endpoint_type = endpoint_type


class DescribeClusterResponseBroker(Struct):
    __slots__ = ("broker_id", "host", "port", "rack")
    FIELDS = (
        Field("broker_id", "int32", 0, 1, default=0),
        Field("host", "string", 0, 1, default=""),
        Field("port", "int32", 0, 1, default=0),
        Field("rack", "string", 0, 1, nullable_from=0, default=None),
    )

    def __init__(
        self,
        broker_id: int = 0,
        host: str = "",
        port: int = 0,
        rack: str | None = None,
    ) -> None:
        self.broker_id = broker_id
        self.host = host
        self.port = port
        self.rack = rack


class DescribeClusterResponse(Message):
    __slots__ = ("throttle_time_ms", "error_code", "error_message", "endpoint_type", "cluster_id", "controller_id", "brokers", "cluster_authorized_operations")
    API_KEY = 60
    VERSIONS = (0, 1)
    FLEXIBLE = 0
    FIELDS = (
        Field("throttle_time_ms", "int32", 0, 1, default=0),
        Field("error_code", "int16", 0, 1, default=0),
        Field("error_message", "string", 0, 1, nullable_from=0, default=None),
        Field("endpoint_type", "int8", 1, 1, default=1),
        Field("cluster_id", "string", 0, 1, default=""),
        Field("controller_id", "int32", 0, 1, default=-1),
        Field("brokers", "struct", 0, 1, array=True, struct=DescribeClusterResponseBroker),
        Field("cluster_authorized_operations", "int32", 0, 1, default=-2147483648),
    )

    def __init__(
        self,
        throttle_time_ms: int = 0,  # how long the client should pause, and is muted, for its quota
        error_code: int = 0,
        error_message: str | None = None,
        endpoint_type: int = 1,
        cluster_id: str = "",
        controller_id: int = -1,
        brokers: list[DescribeClusterResponseBroker] = MISSING,
        cluster_authorized_operations: int = -2147483648,  # bits by operation; the default says that nobody asked
    ) -> None:
        self.throttle_time_ms = throttle_time_ms
        self.error_code = error_code
        self.error_message = error_message
        self.endpoint_type = endpoint_type
        self.cluster_id = cluster_id
        self.controller_id = controller_id
        self.brokers: list[DescribeClusterResponseBroker] = [] if brokers is MISSING else brokers
        self.cluster_authorized_operations = cluster_authorized_operations
