"""Hosts by name. The rule: a name that nobody can have, such as a..b, is one that is not found, an OSError like any other.

Python's idna codec says UnicodeError of such a name, before the resolver is asked.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio

__all__ = ["addresses_of", "open_stream"]

_Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]]
"""As `socket.getaddrinfo` has it."""


@contextmanager
def _as_not_found(host: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError:  # not as the cause, which would be all that some messages tell
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} can be no host's name") from None


async def addresses_of(host: str, port: int, flags: int = 0) -> _Found:
    """What a name stands for. Raises OSError."""
    with _as_not_found(host):
        return await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


async def open_stream(host: str, port: int) -> trio.abc.Stream:
    """A TCP stream. Raises OSError."""
    with _as_not_found(host):
        return await trio.open_tcp_stream(host, port)
