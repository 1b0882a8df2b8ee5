"""Who may do what: the schemes, the check of a permission, and what becomes of the ACL in a request.

Schemes: world (only "anyone"), auth (stands for the caller's own identities, and never reaches a node), digest
("user:base64(sha1(user:password))"), ip ("address[/bits]"), x509 and sasl (names that a transport has verified), super
(an identity, never an entry: it may do everything). The rules are Apache's `checkACL` and `fixupACL`, except that an
unknown scheme never matches.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from coord.errors import AuthFailedError, InvalidACLError, NoAuthError
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, WORLD_ANYONE, Id

__all__ = ["SUPER", "Guard", "digest_id", "masked", "shown_user"]

SUPER = Id("super", "")
_CREATOR_SCHEMES = frozenset(("digest", "x509", "sasl"))
"""Schemes whose identities prove who the caller is; an address proves nothing, so `auth` does not expand to it."""


def digest_id(credentials: bytes, algorithm: str = "sha1") -> Id:
    """The identity that `user:password` gives."""
    user = credentials.decode(errors="replace").partition(":")[0]
    digest = hashlib.new(algorithm, credentials).digest()
    return Id("digest", f"{user}:{b64encode(digest).decode()}")


def shown_user(who: Id) -> str:
    """What whoAmI tells of an identity: never the hash of a password."""
    if who.scheme == "digest":
        return who.id.partition(":")[0]
    return who.id if who.scheme in _SCHEMES else ""


def _valid_digest(text: str) -> bool:
    _, colon, rest = text.partition(":")
    return bool(colon and rest) and ":" not in rest


@lru_cache(maxsize=1024)
def _network(pattern: str) -> IPv4Network | IPv6Network | None:
    _, slash, bits = pattern.partition("/")
    if slash and not (bits.isascii() and bits.isdigit()):
        return None  # the library would take a netmask, Apache takes a count of bits alone
    try:
        return ip_network(pattern, strict=False)
    except ValueError:
        return None


def _valid_ip(text: str) -> bool:
    return _network(text) is not None


def _match_ip(address: str, pattern: str) -> bool:
    network = _network(pattern)
    if network is None:
        return False
    try:
        return ip_address(address) in network
    except ValueError:
        return False


def _valid_name(text: str) -> bool:
    return bool(text)


def _never(text: str) -> bool:
    return False


def _equal(text: str, pattern: str) -> bool:
    return text == pattern


_SCHEMES: dict[str, tuple[Callable[[str], bool], Callable[[str, str], bool]]] = {
    "digest": (_valid_digest, _equal),
    "ip": (_valid_ip, _match_ip),
    "x509": (_valid_name, _equal),
    "sasl": (_valid_name, _equal),
    "super": (_never, _equal),
}
"""scheme -> (may the id stand in an ACL, does the caller's id match the entry's)."""


class Guard:
    """The access rules of one server.

    super_digest: the "user:hash" whose owner may do everything, if there is one. algorithm: of the digest scheme.
    skip: no check at all (Apache's skipACL).
    """

    __slots__ = ("_algorithm", "_skip", "_super_digest")

    def __init__(self, *, super_digest: str | None = None, algorithm: str = "sha1", skip: bool = False) -> None:
        hashlib.new(algorithm)  # an unknown name is a mistake in the configuration: say so at start
        self._super_digest = super_digest
        self._algorithm = algorithm
        self._skip = skip

    def authenticate(self, scheme: str, credentials: bytes, address: str) -> tuple[Id, ...]:
        """The identities that an auth packet gives to its connection. Raises AuthFailedError.

        address: the client's, for the scheme ip.
        """
        if scheme == "digest":
            who = digest_id(credentials, self._algorithm)
            return (SUPER, who) if who.id == self._super_digest else (who,)
        if scheme == "ip":
            return (Id("ip", address),)
        raise AuthFailedError

    def permits(self, acl: Sequence[ACL], perms: int, auth: Sequence[Id]) -> bool:
        """Whether one of the caller's identities has one of `perms`. An empty ACL permits everything."""
        if acl is OPEN_ACL_UNSAFE or not acl or self._skip:
            return True
        for who in auth:
            if who.scheme == "super":
                return True
        for entry in acl:
            if not entry.perms & perms:
                continue
            if entry.id == WORLD_ANYONE:
                return True
            scheme = _SCHEMES.get(entry.id.scheme)
            if scheme is None:
                continue
            for who in auth:
                if who.scheme == entry.id.scheme and scheme[1](who.id, entry.id.id):
                    return True
        return False

    def check(self, acl: Sequence[ACL], perms: int, auth: Sequence[Id], path: str) -> None:
        """Raises NoAuthError unless `permits`."""
        if acl is not OPEN_ACL_UNSAFE and not self.permits(acl, perms, auth):
            raise NoAuthError(path)

    def fix(self, acl: tuple[ACL, ...], auth: Sequence[Id], path: str) -> tuple[ACL, ...]:
        """The ACL that a node gets: duplicates removed and `auth` replaced by who the caller is.

        Raises InvalidACLError when nothing is left, or for an entry that could never match.
        """
        if acl is OPEN_ACL_UNSAFE:
            return acl
        if not acl:
            raise InvalidACLError(path)
        fixed: list[ACL] = []
        for entry in dict.fromkeys(acl):
            if entry.id == WORLD_ANYONE:
                fixed.append(entry)
            elif entry.id.scheme == "auth":
                fixed.extend(self._expand(entry.perms, auth, path))
            else:
                scheme = _SCHEMES.get(entry.id.scheme)
                if scheme is None or not scheme[0](entry.id.id):
                    raise InvalidACLError(path)
                fixed.append(entry)
        return tuple(fixed)

    def _expand(self, perms: int, auth: Sequence[Id], path: str) -> list[ACL]:
        entries = [ACL(perms, who) for who in auth if who.scheme in _CREATOR_SCHEMES]
        if not entries:
            raise InvalidACLError(path)
        return entries


def masked(acl: Sequence[ACL]) -> tuple[ACL, ...]:
    """The ACL as getACL shows it to those who may read but not administer: without the hashes of passwords."""
    return tuple(ACL(entry.perms, _masked_id(entry.id)) for entry in acl)


def _masked_id(who: Id) -> Id:
    if who.scheme != "digest":
        return who
    user, colon, _ = who.id.partition(":")
    return Id("digest", f"{user}:x" if colon else who.id)
