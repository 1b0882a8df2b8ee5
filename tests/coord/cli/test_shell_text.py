"""How zkCli writes things."""

from __future__ import annotations

import time

import pytest

from coord.cli.shell_text import acl_lines, acl_of, check_path, error_line, event_block, list_line, stat_block
from coord.cli.shell_words import UsageError
from coord.client import (
    ACL,
    BadVersionError,
    ConnectFailedError,
    CoordError,
    EventType,
    Id,
    KeeperState,
    NoNodeError,
    SessionExpiredError,
    Stat,
    WatchEvent,
)
from coord.errors import error_of


def test_stat_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apache's eleven lines, dates in the local zone as Java writes them."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        block = stat_block(Stat(0xA421, 0x1_0000_0001, 1795250210123, 0, 1, -2, 3, -1, 11, 5, 7))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert block == (
        "cZxid = 0xa421\nctime = Sat Nov 21 09:36:50 CET 2026\nmZxid = 0x100000001\n"
        "mtime = Thu Jan 01 01:00:00 CET 1970\npZxid = 0x7\ncversion = -2\ndataVersion = 1\naclVersion = 3\n"
        "ephemeralOwner = 0xffffffffffffffff\ndataLength = 11\nnumChildren = 5"
    )
    assert "ctime = 9223372036854775807 ms" in stat_block(Stat(ctime=2**63 - 1))


def test_lists() -> None:
    """Sorted, in brackets."""
    assert list_line(["b", "a", "ä"]) == "[a, b, ä]"
    assert list_line([]) == "[]"


def test_acls() -> None:
    """Both ways; the id of a digest entry holds a colon."""
    acl = [ACL(31, Id("world", "anyone")), ACL(5, Id("digest", "u:h="))]
    assert acl_lines(acl) == "'world,'anyone\n: cdrwa\n'digest,'u:h=\n: cr"
    assert acl_of("world:anyone:cdrwa,digest:u:h=:rc") == acl
    assert acl_of("auth::r") == [ACL(1, Id("auth", ""))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo", "foo does not have the form scheme:id:perm"),
        ("world:anyone", "form scheme:id:perm"),
        ("world:anyone:rx", "Unknown perm type: x"),
    ],
)
def test_acls_refused(text: str, message: str) -> None:
    """zkCli's words."""
    with pytest.raises(UsageError, match=message):
        acl_of(text)


def test_events() -> None:
    """The WATCHER block."""
    event = WatchEvent(EventType.NODE_CHILDREN_CHANGED, KeeperState.SYNC_CONNECTED, "/a")
    assert event_block(event) == (
        "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeChildrenChanged path:/a"
    )
    event = WatchEvent(EventType.NONE, KeeperState.CLOSED, "")
    assert event_block(event).endswith("WatchedEvent state:Closed type:None path:null")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NoNodeError("/x"), "Node does not exist: /x"),
        (BadVersionError("/x"), "version No is not valid : /x"),
        (SessionExpiredError("/x"), "KeeperErrorCode = Session expired for /x"),
        (SessionExpiredError(), "KeeperErrorCode = Session expired"),
        (error_of(-777, "/x"), "KeeperErrorCode = Unknown error -777 for /x"),
        (ConnectFailedError("h:1", "refused"), "no server of h:1 answered: refused"),
    ],
)
def test_errors(error: CoordError, line: str) -> None:
    """zkCli's sentences, and ours where zkCli has none."""
    assert error_line(error) == line


def test_paths() -> None:
    """Checked at the ends, with zkCli's words."""
    assert check_path("/") == "/"
    assert check_path("/a/b") == "/a/b"
    with pytest.raises(UsageError, match="Path must start with / character"):
        check_path("a")
    with pytest.raises(UsageError, match="Path must not end with / character"):
        check_path("/a/")
