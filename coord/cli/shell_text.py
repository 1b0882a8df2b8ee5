"""How zkCli writes things: statistics, lists, ACLs, watch events, errors. Values to text and back, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from coord.client import ACL, CoordError, EventType, Id, KeeperState, Perms, Stat, WatchEvent

from .shell_words import UsageError

__all__ = [
    "acl_lines",
    "acl_of",
    "check_path",
    "error_line",
    "event_block",
    "list_line",
    "stat_block",
]

_PERMS = (("c", Perms.CREATE), ("d", Perms.DELETE), ("r", Perms.READ), ("w", Perms.WRITE), ("a", Perms.ADMIN))

_ERRORS = {
    -8: "Arguments are not valid : {}",
    -101: "Node does not exist: {}",
    -102: "Insufficient permission : {}",
    -103: "version No is not valid : {}",
    -108: "Ephemerals cannot have children: {}",
    -110: "Node already exists: {}",
    -111: "Node not empty: {}",
    -114: "Acl is not valid : {}",
    -119: "Not a read-only call: {}",
}
_NAMES = {
    -1: "SystemError",
    -2: "RuntimeInconsistency",
    -3: "DataInconsistency",
    -4: "ConnectionLoss",
    -5: "MarshallingError",
    -6: "Unimplemented",
    -7: "OperationTimeout",
    -112: "Session expired",
    -115: "AuthFailed",
    -118: "Session moved",
    -120: "Ephemeral node on local session",
    -121: "No such watcher",
    -122: "Request timeout",
    -123: "Reconfig is disabled",
    -124: "Session closed because client failed to authenticate",
    -125: "Quota has exceeded",
    -127: "Op throttled due to high load",
}


def stat_block(stat: Stat) -> str:
    """The eleven lines of a node's statistics."""
    return "\n".join(
        (
            f"cZxid = {_hex(stat.czxid)}",
            f"ctime = {_date(stat.ctime)}",
            f"mZxid = {_hex(stat.mzxid)}",
            f"mtime = {_date(stat.mtime)}",
            f"pZxid = {_hex(stat.pzxid)}",
            f"cversion = {stat.cversion}",
            f"dataVersion = {stat.version}",
            f"aclVersion = {stat.aversion}",
            f"ephemeralOwner = {_hex(stat.ephemeral_owner)}",
            f"dataLength = {stat.data_length}",
            f"numChildren = {stat.num_children}",
        )
    )


def list_line(names: Iterable[str]) -> str:
    """`[a, b]`, sorted."""
    return f"[{', '.join(sorted(names))}]"


def acl_lines(acl: Iterable[ACL]) -> str:
    """Two lines for each entry: `'world,'anyone` and `: cdrwa`."""
    return "\n".join(
        f"'{who.scheme},'{who.id}\n: {''.join(letter for letter, bit in _PERMS if perms & bit)}" for perms, who in acl
    )


def acl_of(text: str) -> list[ACL]:
    """`scheme:id:perms`, separated by commas; the id may hold colons. Raises UsageError."""
    entries = []
    for entry in text.split(","):
        scheme, first, rest = entry.partition(":")
        name, last, letters = rest.rpartition(":")
        if not first or not last:
            raise UsageError(f"{entry} does not have the form scheme:id:perm")
        perms = 0
        for letter in letters:
            bit = dict(_PERMS).get(letter)
            if bit is None:
                raise UsageError(f"Unknown perm type: {letter} (in {entry}; c, d, r, w and a are known)")
            perms |= bit
        entries.append(ACL(perms, Id(scheme, name)))
    return entries


def event_block(event: WatchEvent) -> str:
    """A watch event as zkCli shows it, with an empty line around."""
    kind = "".join(word.capitalize() for word in EventType(event.type).name.split("_"))
    state = "".join(word.capitalize() for word in KeeperState(event.state).name.split("_"))
    return f"\nWATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{event.path or 'null'}"


def error_line(error: CoordError) -> str:
    """zkCli's sentence for an error of the service; the client's own errors speak for themselves."""
    if type(error).__module__ != CoordError.__module__:
        return str(error)
    if error.code in _ERRORS and error.path is not None:
        return _ERRORS[error.code].format(error.path)
    where = "" if error.path is None else f" for {error.path}"
    return f"KeeperErrorCode = {_NAMES.get(error.code, f'Unknown error {error.code}')}{where}"


def check_path(path: str) -> str:
    """The path, if its ends are right; the server judges the rest. Raises UsageError with zkCli's words."""
    if not path.startswith("/"):
        raise UsageError("Path must start with / character")
    if len(path) > 1 and path.endswith("/"):
        raise UsageError("Path must not end with / character")
    return path


def _hex(value: int) -> str:
    return f"0x{value & 0xFFFFFFFFFFFFFFFF:x}"


def _date(ms: int) -> str:
    """Java's Date.toString in the local time zone."""
    try:
        return datetime.fromtimestamp(ms // 1000).astimezone().strftime("%a %b %d %H:%M:%S %Z %Y")
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms since 1970"  # a clock gone wild when the node was written
