"""What goes wrong on the client's side alone; everything else is an error of `coord.errors`."""

from __future__ import annotations

from coord.errors import BadArgumentsError, ConnectionLossError, CoordError

__all__ = ["ClientLimitError", "ConnectFailedError", "RequestTooLargeError", "WatchOverflowError"]


class ConnectFailedError(ConnectionLossError):
    """No server could be reached in the time given: nothing was sent, and there is no session."""

    def __init__(self, servers: str, problem: str) -> None:
        super().__init__()
        self.servers = servers
        self.problem = problem

    def __str__(self) -> str:
        return f"no server of {self.servers} answered: {self.problem}"


class RequestTooLargeError(BadArgumentsError):
    """The request is longer than servers accept (their jute.maxbuffer); sent, it would cost the connection."""

    def __init__(self, path: str | None, size: int, size_max: int) -> None:
        super().__init__(path)
        self.size = size
        self.size_max = size_max

    def __str__(self) -> str:
        return f"{self.path}: a request of {self.size} bytes; servers accept {self.size_max} (jute.maxbuffer)"


class WatchOverflowError(CoordError):
    """Events came faster than they were taken, and some were dropped: read the state anew."""

    text = "more events came than the watch may hold, and some were dropped"


class ClientLimitError(CoordError):
    """One session has as many watches or credentials as it may have."""

    text = "the client's limit of watches or credentials is reached"
