"""The connect string: `host:port,host:port/chroot`, and paths below a chroot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from coord.errors import BadArgumentsError

__all__ = ["DEFAULT_PORT", "Address", "Chroot", "Rota", "parse_connect_string"]

DEFAULT_PORT = 2181

_PATH = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff]+)+")
"""The rules of ZooKeeper's PathUtils: absolute, no empty, "." or ".." name, no character that cannot be displayed."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens for clients."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Chroot:
    """Maps the user's paths into the tree and back; `prefix` is "" for the whole tree."""

    __slots__ = ("prefix",)

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def full(self, path: str) -> str:
        """The server's path. Raises BadArgumentsError for what is none: servers answer some of these with NoNode."""
        if _PATH.fullmatch(path) is None:
            raise BadArgumentsError(path)
        if not self.prefix:
            return path
        return self.prefix if path == "/" else self.prefix + path

    def full_sequential(self, path: str) -> str:
        """`full` for a path that the server completes by a number: `/queue/` is the start of one."""
        return self.full(path + "0")[:-1]

    def local(self, path: str) -> str:
        """The user's path for a server's."""
        prefix = self.prefix
        if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
            return path[len(prefix) :] or "/"
        return path


class Rota:
    """The servers in the order in which they are tried: shuffled once, so that clients spread, then round and round."""

    def __init__(self, addresses: list[Address], random: Random) -> None:
        self._addresses = list(addresses)
        random.shuffle(self._addresses)
        self._next = 0

    def one_round(self) -> Iterator[Address]:
        """Each server once, beginning behind the one that was tried last."""
        for _ in self._addresses:
            address = self._addresses[self._next]
            self._next = (self._next + 1) % len(self._addresses)
            yield address

    def prefer(self, address: Address) -> None:
        """This one is tried next."""
        self._next = self._addresses.index(address)

    def others(self, address: Address) -> list[Address]:
        """All but one, in the order in which they are tried."""
        start = self._next
        return [each for each in self._addresses[start:] + self._addresses[:start] if each != address]

    def __len__(self) -> int:
        return len(self._addresses)

    def __str__(self) -> str:
        return ",".join(sorted(map(str, self._addresses)))


def parse_connect_string(text: str) -> tuple[list[Address], Chroot]:
    """`host[:port][,host[:port]…][/chroot]`; IPv6 addresses in brackets. Raises ValueError with what is wrong."""
    hosts, slash, rest = text.strip().partition("/")
    prefix = (slash + rest).rstrip("/")
    if prefix and _PATH.fullmatch(prefix) is None:
        raise ValueError(f"the chroot in {text!r} is not a path")
    addresses = [_parse_address(part.strip(), text) for part in hosts.split(",") if part.strip()]
    if not addresses:
        raise ValueError(f"no server is named in {text!r}: host:port[,host:port…][/chroot] is expected")
    return addresses, Chroot(prefix)


def _parse_address(part: str, text: str) -> Address:
    if part.startswith("["):
        host, bracket, port = part[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError(f"{part!r} in {text!r} is not [address]:port")
        port = port[1:]
    else:
        host, _, port = part.partition(":")
    if not host:
        raise ValueError(f"{part!r} in {text!r} names no host")
    if not port:
        return Address(host, DEFAULT_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{port!r} in {text!r} is not a port")
    return Address(host, int(port))
