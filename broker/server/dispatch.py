"""Requests and the table of their handlers.

A handler module registers itself:

    @handles(ApiKey.HEARTBEAT, versions=(0, 4))
    def heartbeat(broker: Broker, request: Request, message: HeartbeatRequest) -> HeartbeatResponse: ...

and ApiVersions is what has been registered. A handler is a plain function that returns

- the response, which is sent at once;
- PENDING: it has kept `request` and calls `request.reply(response)` exactly once, now or later; until then the
  connection is not read, because answers go out in the order of requests;
- NO_RESPONSE: the client expects none (Produce with acks=0).

A handler that must wait for the coordination service is an `async def`; it runs in a bounded pool of tasks and its
connection waits. Whatever a request holds of the receive buffer is valid until its handler returns or first waits.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from broker.wire.api import ApiKey, encode_response, request_class, versions
from broker.wire.fields import Message, Records

if TYPE_CHECKING:
    from .broker import Broker

__all__ = ["APIS", "NO_RESPONSE", "PENDING", "Api", "Origin", "Outcome", "Request", "handles"]


class Outcome(Enum):
    """What a handler returns when it has no response to return."""

    PENDING = "pending"
    NO_RESPONSE = "no response"


PENDING: Final = Outcome.PENDING
NO_RESPONSE: Final = Outcome.NO_RESPONSE


class Origin(Protocol):
    """Where a request came from, and where its response goes."""

    @property
    def host(self) -> str:
        """The client's address."""
        ...

    @property
    def listener(self) -> str:
        """Name of the listener it connected to."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody would read an answer."""
        ...

    def respond(self, request: Request, parts: list[Records]) -> None:
        """Sends the response to the request that waits."""

    def close(self, why: str) -> None:
        """Closes the connection and logs why."""


class Request:
    """One request that is being served."""

    __slots__ = ("answered", "api_key", "client_id", "correlation_id", "let_go", "origin", "version")

    def __init__(
        self, origin: Origin, api_key: int, version: int, correlation_id: int, client_id: str | None
    ) -> None:
        self.origin = origin
        self.api_key = api_key
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.answered = False
        self.let_go: Callable[[], None] | None = None
        """Set by a handler that keeps the request: forgets it, as nobody waits for the answer any more."""

    def reply(self, response: Message) -> None:
        """Sends the response. To be called once."""
        assert not self.answered, f"a request of API {self.api_key} is answered twice"
        self.answered = True
        self.origin.respond(self, encode_response(response, self.version, self.correlation_id))


Handler = Callable[["Broker", Request, Any], "Message | Outcome | Awaitable[Message]"]
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Api:
    """One registered API: the versions that are served and by what."""

    key: ApiKey
    low: int
    high: int
    request: type[Message]
    handle: Handler
    waits: bool
    """The handler is a coroutine function."""
    urgent: bool = False
    """It may not wait behind clients' requests, which may be waiting for it."""


APIS: dict[int, Api] = {}
"""Every registered API by its key; complete once `broker.server.handlers` is imported."""


def handles(key: ApiKey, *, versions: tuple[int, int], urgent: bool = False) -> Callable[[H], H]:
    """Registers a handler for an API and a range of versions, both included."""

    def register(handler: H) -> H:
        low, high = versions
        _check(key, low, high)
        APIS[key] = Api(
            key, low, high, request_class(key), handler, inspect.iscoroutinefunction(handler), urgent
        )
        return handler

    return register


def _check(key: ApiKey, low: int, high: int) -> None:
    assert key not in APIS, f"{key.name} has two handlers"
    known_low, known_high = versions(key)
    assert known_low <= low <= high <= known_high, f"{key.name}: no messages for versions {low} to {high}"
