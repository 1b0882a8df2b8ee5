"""`coord dump`: prints transaction logs and snapshots, ours or Apache's, and checks them."""

from __future__ import annotations

import json
import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import click

from coord.kit.posix import PosixDisk
from coord.store.errors import DamagedFileError
from coord.store.layout import zxid_in_name
from coord.store.logfile import HEADER_SIZE, Ending, ending_of, header_ending, read_records
from coord.store.snapshot import read_snapshot
from coord.tree.tree import FUZZY
from coord.tree.znode import Znode
from coord.wire.codes import OpCode, Perms
from coord.wire.data import ACL
from coord.wire.txns import Body, ErrorTxn, MultiTxn, decode_txn

__all__ = ["dump_command"]

TEXT_DATA_MAX = 64
"""Bytes of a node's data that a line of text shows; `--json` shows all of it."""

LEADING = ("zxid", "time", "type", "path")

Line = dict[str, Any]


@click.command("dump")
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def dump_command(files: tuple[str, ...], as_json: bool) -> None:
    """Prints and checks transaction logs and snapshots.

    Each FILE is a log.* or snapshot.* from a version-2 folder, written by this server or by Apache ZooKeeper, and is
    only read. The exit code is 1 when one of them is damaged.
    """
    damaged = False
    for path in files:
        try:
            for line in _lines(path):
                click.echo(json.dumps(line, ensure_ascii=False) if as_json else _text(line))
        except BrokenPipeError:  # whoever reads has seen enough: `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
            break
        except (OSError, ValueError) as error:
            click.echo(f"coord dump: {error}", err=True)
            damaged = True
    sys.exit(1 if damaged else 0)


def _lines(path: str) -> Iterator[Line]:
    disk = PosixDisk(read_only=True)
    file = disk.open(path)
    magic = file.read_at(0, 4)
    file.close()
    if magic == b"ZKSN" or path.endswith((".gz", ".snappy")):
        return _snapshot_lines(disk, path)
    return _log_lines(disk, path)


# ---- logs ------------------------------------------------------------------------------------------------------------


def _log_lines(disk: PosixDisk, path: str) -> Iterator[Line]:
    file = disk.open(path)
    try:
        if header_ending(file) is not None:
            raise DamagedFileError(path, 0, "it begins neither as a transaction log nor as a snapshot does")
        at, count, repeated, end = HEADER_SIZE, 0, 0, file.size()
        first = last = 0
        for record in read_records(file, at, end):
            yield {"offset": at} | _txn_line(path, at, record.txn)
            at = record.end
            repeated += record.zxid <= last
            last = max(last, record.zxid)
            first = first or last
            count += 1
        ending, reason = ending_of(file, at, end)
        if ending is Ending.DAMAGED:
            raise DamagedFileError(path, at, reason)
        yield {
            "file": path, "kind": "log", "transactions": count, "first": hex(first), "last": hex(last), "end": at,
            "repeated": repeated,
            "padding": end - at if ending is Ending.CLEAN else 0,
            "unfinished": reason if ending is Ending.TORN else None,
        }  # fmt: skip
    finally:
        file.close()


def _txn_line(path: str, offset: int, txn: bytes) -> Line:
    try:
        header, body, digest = decode_txn(txn)
    except ValueError as error:
        raise DamagedFileError(path, offset, str(error)) from error
    return {
        "zxid": hex(header.zxid), "time": _time(header.time_ms), "session": _session(header.session_id),
        "cxid": header.cxid, "type": _type_name(header.type), **_body_line(body),
        **({} if digest is None else {"digest": f"{digest:x}"}),
    }  # fmt: skip


def _body_line(body: Body) -> Line:
    if isinstance(body, MultiTxn):
        return {"ops": [{"type": _type_name(kind)} | _body_line(inner) for kind, inner in body.txns]}
    if isinstance(body, ErrorTxn):
        return {"error": body.err}
    line: Line = {}
    for field in fields(body):
        value = getattr(body, field.name)
        if field.name == "data":
            line |= _data_line(value)
        elif field.name == "acl":
            line["acl"] = _acl_list(value)
        else:
            line[field.name] = value
    return line


# ---- snapshots -------------------------------------------------------------------------------------------------------


def _snapshot_lines(disk: PosixDisk, path: str) -> Iterator[Line]:
    zxid = zxid_in_name(PurePath(path).name) or 0
    found = read_snapshot(disk, path, zxid, extended_types=True)
    tree = found.tree
    for session_id, timeout_ms in tree.sessions.items():
        yield {"session": _session(session_id), "timeout_ms": timeout_ms}
    for name, node in tree.nodes.items():
        if name != "/":  # the root stands there as "" too
            yield _node_line(name or "/", node)
    exact = found.digest is not None and found.digest_zxid == zxid
    if exact and found.digest != tree.digest:
        raise DamagedFileError(path, disk.size(path), f"its digest is {found.digest:x}, and its nodes have {tree.digest:x}")
    yield {
        "file": path, "kind": "snapshot", "zxid": hex(zxid), "sessions": len(tree.sessions), "nodes": len(tree.nodes) - 1,
        "digest": f"{tree.digest:x}", "fuzzy_until": _fuzzy_until(found.digest_zxid, zxid),
    }  # fmt: skip


def _fuzzy_until(until: int, zxid: int) -> str | None:
    """None: it is exact."""
    if until <= zxid:
        return None
    return "unknown" if until == FUZZY else hex(until)


def _node_line(path: str, node: Znode) -> Line:
    return {
        "path": path, **_data_line(node.data), "acl": _acl_list(node.acl),
        "czxid": hex(node.czxid), "mzxid": hex(node.mzxid), "pzxid": hex(node.pzxid),
        "ctime": _time(node.ctime), "mtime": _time(node.mtime),
        "version": node.version, "cversion": node.cversion, "aversion": node.aversion, "owner": _session(node.owner),
    }  # fmt: skip


# ---- values ----------------------------------------------------------------------------------------------------------


def _data_line(data: bytes | None) -> Line:
    if data is None:
        return {"data": None}
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"data_base64": b64encode(data).decode()}


def _acl_list(acl: tuple[ACL, ...]) -> list[str]:
    return [f"{entry.id.scheme}:{entry.id.id}:{_perms(entry.perms)}" for entry in acl]


def _perms(bits: int) -> str:
    letters = ((Perms.CREATE, "c"), (Perms.DELETE, "d"), (Perms.READ, "r"), (Perms.WRITE, "w"), (Perms.ADMIN, "a"))
    return "".join(letter for bit, letter in letters if bits & bit)


def _session(session_id: int) -> str:
    return hex(session_id & (1 << 64) - 1)


def _time(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(ms)


def _type_name(kind: int) -> str:
    """The protocol's word: createSession, setACL."""
    first, *rest = OpCode(kind).name.lower().split("_")
    return first + "".join(word.upper() if word in ("acl", "ttl") else word.capitalize() for word in rest)


def _text(line: Line) -> str:
    """The same line for people: the most telling values first and without names, long data cut short."""
    if "kind" in line:
        return _summary(line)
    parts = [line[name] for name in LEADING if name in line]
    for name, value in line.items():
        if name in LEADING or name == "offset":
            continue
        if name == "ops":
            parts += [f"({_text(op)})" for op in value]
        elif isinstance(value, list):
            parts.append(f"{name}={','.join(value)}")
        else:
            parts.append(f"{name}={_short(value) if name.startswith('data') else value}")
    return " ".join(parts)


def _short(value: str | None) -> str:
    if value is None:
        return "null"
    return repr(value if len(value) <= TEXT_DATA_MAX else value[:TEXT_DATA_MAX] + "…") + f"({len(value)})"


def _summary(line: Line) -> str:
    if line["kind"] == "log":
        again = f", {line['repeated']} of them once more" if line["repeated"] else ""
        count = f"{line['transactions']} transactions, {line['first']} to {line['last']}{again}"
        text = f"{line['file']}: {count}, end at {line['end']}"
        return text + (f", then {line['unfinished']}" if line["unfinished"] else f", {line['padding']} bytes of padding")
    text = f"{line['file']}: {line['nodes']} nodes and {line['sessions']} sessions as of {line['zxid']}, digest {line['digest']}"
    return text + (f", taken while transactions up to {line['fuzzy_until']} were applied" if line["fuzzy_until"] else "")
