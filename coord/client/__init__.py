"""The client of the coordination service, and all that its users need to import.

`connect` and `Client` are the way in; `recipes` has locks, elections and the like. Errors are `CoordError`s.
"""

from __future__ import annotations

from coord.errors import (
    ApiError,
    AuthFailedError,
    BadArgumentsError,
    BadVersionError,
    ConnectionLossError,
    CoordError,
    InvalidACLError,
    MarshallingError,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    NotReadOnlyError,
    NoWatcherError,
    QuotaExceededError,
    RuntimeInconsistencyError,
    SessionExpiredError,
    SessionMovedError,
    ThrottledOpError,
    UnimplementedError,
)
from coord.kit.names import open_stream
from coord.wire.ops import CreateMode, EventType, KeeperState, Perms, WatcherType
from coord.wire.records import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, WORLD_ANYONE, Id, Stat

from .calls import Credentials
from .client import Client, connect
from .failures import ClientLimitError, ConnectFailedError, RequestTooLargeError, WatchOverflowError
from .hosts import Address, parse_connect_string
from .link import ConnectStream
from .multi import Check, Create, Delete, GetChildren, GetData, MultiOp, ReadOp, Result, SetData
from .operations import Watcher
from .states import State
from .watches import WatchEvent
from .watching import ChildrenWatch, DataWatch, EventStream

__all__ = [
    "ACL",
    "CREATOR_ALL_ACL",
    "OPEN_ACL_UNSAFE",
    "READ_ACL_UNSAFE",
    "WORLD_ANYONE",
    "Address",
    "ApiError",
    "AuthFailedError",
    "BadArgumentsError",
    "BadVersionError",
    "Check",
    "ChildrenWatch",
    "Client",
    "ClientLimitError",
    "ConnectFailedError",
    "ConnectStream",
    "ConnectionLossError",
    "CoordError",
    "Create",
    "CreateMode",
    "Credentials",
    "DataWatch",
    "Delete",
    "EventStream",
    "EventType",
    "GetChildren",
    "GetData",
    "Id",
    "InvalidACLError",
    "KeeperState",
    "MarshallingError",
    "MultiOp",
    "NoAuthError",
    "NoChildrenForEphemeralsError",
    "NoNodeError",
    "NoWatcherError",
    "NodeExistsError",
    "NotEmptyError",
    "NotReadOnlyError",
    "Perms",
    "QuotaExceededError",
    "ReadOp",
    "RequestTooLargeError",
    "Result",
    "RuntimeInconsistencyError",
    "SessionExpiredError",
    "SessionMovedError",
    "SetData",
    "Stat",
    "State",
    "ThrottledOpError",
    "UnimplementedError",
    "WatchEvent",
    "WatchOverflowError",
    "Watcher",
    "WatcherType",
    "connect",
    "open_stream",
    "parse_connect_string",
]
