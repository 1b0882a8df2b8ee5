"""What goes wrong on the client's side alone; everything else is an error of `coord.errors`."""

from __future__ import annotations

import os

from coord.errors import BadArgumentsError, ConnectionLossError, CoordError

__all__ = ["ClientLimitError", "ConnectFailedError", "RequestTooLargeError", "WatchOverflowError", "words_of"]


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


def words_of(error: BaseException) -> str:
    """A failure to connect in a few words: the deepest cause says most."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(words_of(each) for each in error.exceptions))
    if isinstance(error, OSError) and error.errno is not None:
        text = os.strerror(error.errno) if error.errno > 0 else error.strerror or ""  # name resolution counts below 0
        return text.lower()
    return str(error) or type(error).__name__
