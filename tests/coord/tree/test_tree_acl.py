"""Who may do what."""

from __future__ import annotations

import pytest

from coord.errors import AuthFailedError, InvalidACLError, NoAuthError
from coord.tree.acl import SUPER, Guard, digest_id, masked, shown_user
from coord.tree.acl_cache import AclCache
from coord.wire.data import ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, WORLD_ANYONE, Id

USER = Id("digest", "user:5w9W4eL3797Y4Wq8AcKUPPk8ha4=")
IP = Id("ip", "10.1.2.3")
GUARD = Guard()


def test_the_digest_scheme() -> None:
    """base64(sha1(user:password)), as every ZooKeeper client knows it."""
    assert digest_id(b"user:secret") == USER
    assert digest_id(b"super:test") == Id("digest", "super:D/InIHSb7yEEbrWz8b9l71RjZJU=")
    assert GUARD.authenticate("digest", b"user:secret", "10.1.2.3") == (USER,)
    assert Guard(algorithm="sha256").authenticate("digest", b"user:secret", "")[0].id != USER.id


def test_who_knows_the_super_password_is_super() -> None:
    """And whoever it is besides."""
    assert Guard(super_digest=USER.id).authenticate("digest", b"user:secret", "") == (SUPER, USER)


def test_schemes_that_authenticate() -> None:
    """An address is given, anything unknown fails."""
    assert GUARD.authenticate("ip", b"", "10.1.2.3") == (IP,)
    for scheme in ("world", "auth", "super", "sasl", "x509", "nope", ""):
        with pytest.raises(AuthFailedError):
            GUARD.authenticate(scheme, b"a:b", "10.1.2.3")


@pytest.mark.parametrize(
    ("entry", "auth", "permitted"),
    [
        (ACL(1, WORLD_ANYONE), (), True),
        (ACL(2, WORLD_ANYONE), (), False),
        (ACL(31, USER), (), False),
        (ACL(31, USER), (IP, USER), True),
        (ACL(30, USER), (USER,), False),
        (ACL(1, Id("digest", "user:other")), (USER,), False),
        (ACL(1, IP), (IP,), True),
        (ACL(1, Id("ip", "10.1.2.0/24")), (IP,), True),
        (ACL(1, Id("ip", "10.1.3.0/24")), (IP,), False),
        (ACL(1, Id("ip", "10.1.2.99/24")), (IP,), True),
        (ACL(1, Id("ip", "0.0.0.0/0")), (IP,), True),
        (ACL(1, Id("ip", "::/0")), (IP,), False),
        (ACL(1, Id("ip", "fe80::/16")), (Id("ip", "fe80::1"),), True),
        (ACL(1, Id("ip", "nonsense")), (IP,), False),
        (ACL(1, IP), (Id("ip", "nonsense"),), False),
        (ACL(1, Id("x509", "CN=a")), (Id("x509", "CN=a"),), True),
        (ACL(1, Id("sasl", "a")), (Id("x509", "a"),), False),
        (ACL(1, Id("unknown", "a")), (Id("unknown", "a"),), False),
        (ACL(0, Id("unknown", "a")), (SUPER,), True),
    ],
)
def test_an_entry_permits(entry: ACL, auth: tuple[Id, ...], permitted: bool) -> None:
    """Reading, to these identities."""
    assert GUARD.permits((entry,), 1, auth) is permitted
    if permitted:
        GUARD.check((entry,), 1, auth, "/a")
    else:
        with pytest.raises(NoAuthError, match="/a"):
            GUARD.check((entry,), 1, auth, "/a")


def test_one_permission_of_several_is_enough() -> None:
    """getACL asks for READ or ADMIN."""
    assert GUARD.permits((ACL(16, WORLD_ANYONE),), 1 | 16, ())
    assert not GUARD.permits((ACL(2, WORLD_ANYONE),), 1 | 16, ())


def test_an_empty_acl_permits_everything() -> None:
    """Old data may have one."""
    assert GUARD.permits((), 31, ())


def test_checks_can_be_switched_off() -> None:
    """Apache's skipACL."""
    assert Guard(skip=True).permits((ACL(1, USER),), 31, ())


@pytest.mark.parametrize(
    "acl",
    [
        (),
        (ACL(31, Id("auth", "")),),
        (ACL(31, Id("world", "somebody")),),
        (ACL(31, Id("super", "")),),
        (ACL(31, Id("", "")),),
        (ACL(31, Id("digest", "nocolon")),),
        (ACL(31, Id("digest", "a:b:c")),),
        (ACL(31, Id("digest", "a:")),),
        (ACL(31, Id("ip", "1.2.3")),),
        (ACL(31, Id("ip", "1.2.3.4/33")),),
        (ACL(31, Id("ip", "1.2.3.4/255.0.0.0")),),
        (ACL(31, Id("x509", "")),),
        (ACL(31, WORLD_ANYONE), ACL(31, Id("nope", "a"))),
    ],
)
def test_acls_that_are_refused(acl: tuple[ACL, ...]) -> None:
    """Empty, or with an entry that could never match anybody."""
    with pytest.raises(InvalidACLError):
        GUARD.fix(acl, (IP,), "/a")


def test_auth_is_expanded() -> None:
    """To identities that prove something: not to an address."""
    acl = (ACL(3, Id("auth", "")), ACL(1, WORLD_ANYONE), ACL(1, WORLD_ANYONE))
    assert GUARD.fix(acl, (IP, USER, Id("sasl", "s")), "/a") == (
        ACL(3, USER),
        ACL(3, Id("sasl", "s")),
        ACL(1, WORLD_ANYONE),
    )
    assert GUARD.fix(OPEN_ACL_UNSAFE, (), "/a") is OPEN_ACL_UNSAFE


def test_what_is_shown_to_others() -> None:
    """Never a hash."""
    assert shown_user(USER) == "user"
    assert shown_user(IP) == "10.1.2.3"
    assert shown_user(Id("unknown", "secret")) == ""
    assert masked((ACL(1, USER), ACL(2, IP), ACL(3, Id("digest", "odd")))) == (
        ACL(1, Id("digest", "user:x")),
        ACL(2, IP),
        ACL(3, Id("digest", "odd")),
    )


def test_the_cache_shares_and_forgets() -> None:
    """One copy for all nodes, none after the last; the open ACL is told by identity."""
    cache = AclCache()
    mine = (ACL(1, USER),)
    shared = cache.take(mine)
    assert cache.take((ACL(1, Id(*USER)),)) is shared
    assert cache.take((ACL(31, Id("world", "anyone")),)) is OPEN_ACL_UNSAFE
    assert cache.take(()) is OPEN_ACL_UNSAFE
    cache.take(READ_ACL_UNSAFE)
    assert len(cache) == len(cache.keys()) == len(set(cache.keys().values())) == 3
    for _ in range(2):
        cache.release(shared)
    cache.release(OPEN_ACL_UNSAFE)
    assert set(cache.keys()) == {OPEN_ACL_UNSAFE, READ_ACL_UNSAFE}
