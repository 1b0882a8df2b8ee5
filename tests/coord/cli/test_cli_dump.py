"""`coord dump` shows what is in the files of either origin, and its exit code says whether they are whole."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
import trio
from click.testing import CliRunner, Result

from coord.cli.dump import dump_command
from coord.kit.posix import PosixDisk
from coord.store.logfile import HEADER, encode_records
from coord.store.storage import Storage
from tests.coord.store.samples import GOLDEN, Author, synced

LOG = GOLDEN / "zookeeper_log.100000001"
SNAPSHOT = GOLDEN / "zookeeper_snapshot.0"


def dump(*arguments: object) -> Result:
    return CliRunner().invoke(dump_command, [str(argument) for argument in arguments])


def objects(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_apaches_log_as_json() -> None:
    """One object for each transaction, and a summary behind them."""
    result = dump("--json", LOG)
    assert result.exit_code == 0
    *txns, summary = objects(result)
    assert txns[1] == {
        "offset": 77, "zxid": "0x100000002", "time": "2026-11-20T10:49:42.754+00:00", "session": "0x100002440c20000",
        "cxid": 1, "type": "create2", "path": "/e1", "data": "x", "acl": ["world:anyone:cdrwa"], "ephemeral": True,
        "parent_cversion": 1, "digest": "18a9448bf",
    }  # fmt: skip
    assert txns[3]["ops"][1] == {"type": "error", "error": -101}
    assert [txn["type"] for txn in txns[5:8]] == ["createContainer", "createTTL", "createTTL"]
    assert summary == {
        "file": str(LOG), "kind": "log", "transactions": 19, "first": "0x100000001", "last": "0x100000013",
        "repeated": 0, "end": 0x687, "padding": LOG.stat().st_size - 0x687, "unfinished": None,
    }  # fmt: skip


def test_transactions_that_are_there_twice_are_counted(tmp_path: Path) -> None:
    """Apache's learner writes such logs."""
    author = Author()
    txns = [author.create(f"/{name}", b"") for name in "abc"]
    log = tmp_path / "log.1"
    log.write_bytes(HEADER + encode_records(txns[:2] + txns))
    assert objects(dump("--json", log))[-1]["repeated"] == 2
    assert f"5 transactions, {txns[0][0]:#x} to {txns[2][0]:#x}, 2 of them once more, end at " in dump(log).stdout


def test_apaches_files_as_text() -> None:
    """Lines that a person reads and grep finds things in."""
    result = dump(LOG, SNAPSHOT)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1].startswith("0x100000002 2026-11-20T10:49:42.754+00:00 create2 /e1 session=0x100002440c20000 cxid=1 data='x'(1) ")
    assert "multi session=0x100002440c20000 cxid=5 (create /m1 data=''(0) acl=world:anyone:cdrwa" in lines[3]
    assert "(error error=-101)" in lines[3]
    assert f"{LOG}: 19 transactions, 0x100000001 to 0x100000013, end at 1671, 64 bytes of padding" in lines
    assert any(line.startswith("/zookeeper/config data='server.1=127.0.0.1:22801") for line in lines)
    assert lines[-1].startswith(f"{SNAPSHOT}: 4 nodes and 0 sessions as of 0x0")


def test_our_own_files(tmp_path: Path) -> None:
    """With sessions, private nodes and data that is no text."""
    author = Author()

    async def write() -> None:
        storage = Storage(PosixDisk(), str(tmp_path), None, Random(1))
        storage.append([author.session(-5), author.create("/private", b"\xff\xfe", private=True), *author.some(Random(1), 30)])
        await synced(storage)
        await storage.snapshot(author.tree.freeze())

    trio.run(write)
    files = sorted(path for path in (tmp_path / "version-2").iterdir() if path.name != ".lock")
    result = dump("--json", *files)
    assert result.exit_code == 0, result.stderr
    found = objects(result)
    assert [line["kind"] for line in found if "kind" in line] == ["log", "snapshot", "snapshot"]
    assert {"session": "0xfffffffffffffffb", "timeout_ms": 4000} in found
    private = next(line for line in found if line.get("path") == "/private" and "mzxid" in line)
    assert private["data_base64"] == "//4="
    assert private["acl"][0].startswith("digest:user:")
    assert found[-1]["digest"] == f"{author.tree.digest:x}"
    assert found[-1]["nodes"] == len(author.tree.nodes) - 1


def test_an_unfinished_write_is_shown_and_is_no_damage(tmp_path: Path) -> None:
    """As in the log of a server that is running, or was killed."""
    path = tmp_path / "log.100000001"
    path.write_bytes(LOG.read_bytes()[:0x680])
    result = dump(path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("end at 1610, then a record is unfinished")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("log.1", LOG.read_bytes()[:0x70] + b"?" + LOG.read_bytes()[0x71:], "damaged at offset 77"),
        ("log.2", b"", "at offset 0"),
        ("log.3", b"something else", "neither as a transaction log nor as a snapshot"),
        ("snapshot.0", SNAPSHOT.read_bytes()[:-7], "it does not end in a seal"),
        ("snapshot.1", SNAPSHOT.read_bytes()[:50] + b"?" + SNAPSHOT.read_bytes()[51:], "damaged at offset"),
        ("snapshot.2.gz", b"ZKSN", "incorrect header"),
        ("snapshot.3.snappy", b"x", "snappy"),
    ],
)
def test_damage_is_named_and_exits_1(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """One line on standard error; the other files are shown all the same."""
    path = tmp_path / name
    path.write_bytes(content)
    result = dump(path, SNAPSHOT)
    assert result.exit_code == 1
    assert result.stderr.startswith("coord dump: ")
    assert str(path) in result.stderr
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert str(SNAPSHOT) in result.stdout


def test_a_wrong_call_is_a_usage_error(tmp_path: Path) -> None:
    """No file, a folder, or a file that is not there."""
    for arguments in ((), (tmp_path,), (tmp_path / "none",)):
        assert dump(*arguments).exit_code == 2


def test_a_snapshot_that_came_by_snap(tmp_path: Path) -> None:
    """Nobody knows how far it runs ahead, so its digest cannot be checked."""
    golden = SNAPSHOT.read_bytes()
    path = tmp_path / "snapshot.5"
    path.write_bytes(golden)
    [last] = [line for line in objects(dump("--json", path)) if line.get("kind") == "snapshot"]
    assert last["fuzzy_until"] == "unknown"
