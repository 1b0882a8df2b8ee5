"""Every error the protocol can answer with, one class for each code.

    CoordError                          anything below; `code` is the number on the wire
    ├── SystemFailureError and the other server-side failures (codes -1 .. -99)
    └── NoNodeError and the other answers to a request (codes -101 and below)

A server raises one to refuse a request and puts its `code` into the reply; a client turns a reply's code back into one
by `error_of`. The codes are ZooKeeper's (`KeeperException.Code`), so they never change.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ApiError",
    "AuthFailedError",
    "BadArgumentsError",
    "BadVersionError",
    "ConnectionLossError",
    "CoordError",
    "DataInconsistencyError",
    "EphemeralOnLocalSessionError",
    "InvalidACLError",
    "InvalidCallbackError",
    "MarshallingError",
    "NewConfigNoQuorumError",
    "NoAuthError",
    "NoChildrenForEphemeralsError",
    "NoNodeError",
    "NoWatcherError",
    "NodeExistsError",
    "NotEmptyError",
    "NotReadOnlyError",
    "OperationTimeoutError",
    "QuotaExceededError",
    "ReconfigDisabledError",
    "ReconfigInProgressError",
    "RequestTimeoutError",
    "RuntimeInconsistencyError",
    "SessionClosedRequireAuthError",
    "SessionExpiredError",
    "SessionMovedError",
    "SystemFailureError",
    "ThrottledOpError",
    "UnimplementedError",
    "UnknownSessionError",
    "error_of",
]


class CoordError(Exception):
    """The root: a request that was refused, or whose outcome is not known (ConnectionLossError alone).

    path: the znode it is about, where there is one.
    """

    code: int = -1
    text: ClassVar[str] = "the service answered with an unknown error"

    def __init__(self, path: str | None = None) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        if self.path is None:
            return f"{self.text} (code {self.code})"
        return f"{self.path}: {self.text} (code {self.code})"


class SystemFailureError(CoordError):
    code = -1
    text = "the server failed"


class RuntimeInconsistencyError(CoordError):
    code = -2
    text = "not done, because another operation of the same multi failed"


class DataInconsistencyError(CoordError):
    code = -3
    text = "the server found its data inconsistent"


class ConnectionLossError(CoordError):
    code = -4
    text = "the connection was lost, so the outcome of the request is not known"


class MarshallingError(CoordError):
    code = -5
    text = "the request or the reply could not be decoded"


class UnimplementedError(CoordError):
    code = -6
    text = "the server does not offer this operation"


class OperationTimeoutError(CoordError):
    code = -7
    text = "the operation took too long"


class BadArgumentsError(CoordError):
    code = -8
    text = "the path or another argument is not valid"


class UnknownSessionError(CoordError):
    code = -12
    text = "the session is not known to the server"


class NewConfigNoQuorumError(CoordError):
    code = -13
    text = "no quorum of the new configuration is connected and in sync"


class ReconfigInProgressError(CoordError):
    code = -14
    text = "another reconfiguration is under way"


class ApiError(CoordError):
    code = -100
    text = "the server could not make sense of the request"


class NoNodeError(CoordError):
    code = -101
    text = "the znode does not exist"


class NoAuthError(CoordError):
    code = -102
    text = "the ACL does not permit this to the caller's identities"


class BadVersionError(CoordError):
    code = -103
    text = "the version asked for is not the version that is there"


class NoChildrenForEphemeralsError(CoordError):
    code = -108
    text = "the parent is ephemeral, and ephemeral znodes have no children"


class NodeExistsError(CoordError):
    code = -110
    text = "the znode exists already"


class NotEmptyError(CoordError):
    code = -111
    text = "the znode has children"


class SessionExpiredError(CoordError):
    code = -112
    text = "the session has expired or was closed"


class InvalidCallbackError(CoordError):
    code = -113
    text = "the callback is not valid"


class InvalidACLError(CoordError):
    code = -114
    text = "the ACL is empty or names an unknown scheme or a malformed id"


class AuthFailedError(CoordError):
    code = -115
    text = "the credentials were not accepted"


class SessionMovedError(CoordError):
    code = -118
    text = "the session has moved to another server"


class NotReadOnlyError(CoordError):
    code = -119
    text = "the server is read-only while it has no quorum"


class EphemeralOnLocalSessionError(CoordError):
    code = -120
    text = "a local session cannot own ephemeral znodes"


class NoWatcherError(CoordError):
    code = -121
    text = "no such watch is set on the znode"


class RequestTimeoutError(CoordError):
    code = -122
    text = "the request timed out at the client"


class ReconfigDisabledError(CoordError):
    code = -123
    text = "reconfiguration is disabled (reconfigEnabled=false)"


class SessionClosedRequireAuthError(CoordError):
    code = -124
    text = "the session was closed, because the server requires authentication"


class QuotaExceededError(CoordError):
    code = -125
    text = "the quota would be exceeded"


class ThrottledOpError(CoordError):
    code = -127
    text = "the server is throttling operations"


_BY_CODE: dict[int, type[CoordError]] = {kind.code: kind for kind in CoordError.__subclasses__()}


def error_of(code: int, path: str | None = None) -> CoordError:
    """The error for a reply's code. A code this version does not know gives a plain `CoordError` that carries it."""
    kind = _BY_CODE.get(code)
    if kind is not None:
        return kind(path)
    error = CoordError(path)
    error.code = code
    return error
