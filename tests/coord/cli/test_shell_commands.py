"""The shell on our server and on Apache's, beside zkCli: the same lines give the same output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coord.cli.shell import shell_command
from coord.cli.shell_commands import COMMANDS
from tests.coord.client.apache import need_apache

JARS = Path("/usr/share/java")
JAR_NAMES = ["zookeeper", "zookeeper-jute", "commons-cli", "netty-codec", "netty-resolver", "netty-handler", "netty-buffer", "netty-common", "netty-transport", "slf4j-log4j12", "slf4j-api", "log4j-1.2", "snappy-java", "metrics-core"]

SAME_LINES = """\
create {0} "hello world"
create {0} again
create {0}/a
create -e {0}/e data
create -s {0}/s- data
create -e -s {0}/es- 'more data'
create -c {0}/c
create -t 1000 {0}/t x
create {0}/e/child x
create {0}/none/child x
create {0}/j {{"a":1,"b":[2]}} world:anyone:cdrwa
ls {0}
ls -s {0}
ls -w {0}
ls -R {0}
ls {0}/none
get {0}
get -s {0}
get {0}/a
get {0}/j
get -w {0}
get -w {0}/none
set {0} 'a b'
set -s {0} newdata
set -v 0 {0} newdata
set {0}/none x
stat {0}
stat -w {0}
sync {0}
getAcl {0}
getAcl -s {0}
setAcl {0} world:anyone:cdrwa
setAcl -s {0} world:anyone:cdrwa
setAcl -v 9 {0} world:anyone:cdrwa
setAcl -R {0} world:anyone:cdrwa
setAcl {0}/a digest:u:cdrwa
addauth digest u:p
whoami
getEphemerals {0}
getAllChildrenNumber {0}
addWatch -m PERSISTENT {0}/a
set {0}/a 1
removewatches {0}/a
removewatches {0}/zzz
listquota {0}/a
delquota {0}/a
setquota -n 5 {0}/a
setquota -B 100 {0}/a
listquota {0}/a
setquota -n 5 {0}
setquota -n 5 {0}/a/b
create {0}/a/b
setquota -n 5 {0}/a/b
delete {0}/a/b
setquota -n 0 {0}/a
setquota -b -1 {0}/a
setquota -b 1 /zookeeper/quota
setquota -b 0 {0}/a
delquota -b {0}/a
listquota {0}/a
delquota {0}/a
ls -R /zookeeper/quota
create {0}/b
create {0}/b/y
create {0}/b/z
create {0}/b/y/x
create {0}/d
create {0}/d/x
ls -R {0}
ls -R -w {0}
create {0}/b/y/w
create {0}/f
set {0} 2
setAcl {0}/b/y world:anyone:cdwa
ls -R {0}
ls -Rw {0}/b/y
setAcl {0}/b/y world:anyone:cdrwa
create -es {0}/j-
create -et {0}/j
create -t1000 {0}/j1
create -t=1000 {0}/j2
create -st 1000 {0}/j3-
set -sv0 {0}/d x
get -sw {0}/d
set -sv 1 {0}/d y
delete -v2 {0}/b/z
delete -v=0 {0}/b/z
ls -sR {0}/d
addWatch -m PERSISTENT {0}/d
addWatch {0}/d
removewatches {0}/d
redo 1
redo 2
history
deleteall -b 5 {0}/d
delete {0}
delete -v 5 {0}/a
delete -v 1 {0}/a
delete {0}/none
deleteall {0}
deleteall {0}
get
ls
create
delete
printwatches
close
ls /
"""


def zkcli(server: str, folder: Path, lines: str, events: int) -> str:
    """What Apache's zkCli prints for the lines, standard error included. Its events come from a thread: it waits for so many."""
    (folder / "log4j.properties").write_text("log4j.rootLogger=OFF\n")
    path = ":".join([str(folder), *(str(JARS / f"{name}.jar") for name in JAR_NAMES)])
    command = ["java", "-Xshare:auto", "-cp", path, "org.apache.zookeeper.ZooKeeperMain", "-server", server]
    printed = folder / "zkcli.out"
    with printed.open("wb") as out, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(lines)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while sum(map(is_event, plain(printed.read_text()))) < events and time.monotonic() < deadline:
            time.sleep(0.05)
        process.stdin.close()
        process.wait(60)
    return printed.read_text()


def shell(server: str, *words: str, lines: str | bytes | None = None) -> Result:
    """Our shell, in this process."""
    return CliRunner().invoke(shell_command, ["-s", server, *words], input=lines, catch_exceptions=False)


def plain(output: str) -> list[str]:
    """The lines without what differs from run to run, and without the banners and blank lines."""
    output = re.sub(r"(?m)^([cmp]Zxid|ephemeralOwner) = 0x[1-9a-f][0-9a-f]*$", r"\1 = 0x…", output)
    output = re.sub(r"(?m)^([cm]time) = .*$", r"\1 = …", output)
    banners = ("Connecting to", "Welcome to", "JLine support", "WatchedEvent state:SyncConnected type:None")
    closed = "WatchedEvent state:Closed type:None"
    lines = [line for line in output.splitlines() if line and not line.startswith((*banners, closed))]
    return [line for line in lines if line != "WATCHER::"]


def is_event(line: str) -> bool:
    """Whether a line is of a WATCHER block."""
    return line.startswith("WatchedEvent")


@pytest.mark.apache
def test_the_same_output_as_zkcli(server: str, tmp_path: Path) -> None:
    """A session of every command, line for line; the two run on separate paths of equal length."""
    need_apache()
    result = CliRunner().invoke(
        shell_command, ["-s", server], input=SAME_LINES.format("/mine00"), catch_exceptions=False
    )
    ours = plain(result.output.replace("/mine00", "/theirs"))
    theirs = zkcli(server, tmp_path, SAME_LINES.format("/theirs"), sum(map(is_event, ours)))
    assert [line for line in ours if not is_event(line)] == [line for line in plain(theirs) if not is_event(line)]
    assert sorted(filter(is_event, ours)) == sorted(filter(is_event, plain(theirs))), "zkCli's come from a thread"
    assert result.exit_code == 2, "the worst of all: lines without arguments"


def test_one_shot(server: str) -> None:
    """One command: only the result on standard output, complaints on standard error, and the exit code."""
    assert shell(server, "create", "/one", "x y").stdout == "Created /one\n"
    result = shell(server, "get", "-s", "/one")
    assert result.stdout.startswith("x y\ncZxid = 0x")
    assert (result.exit_code, result.stderr) == (0, "")
    result = shell(server, "get", "/none")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Node does not exist: /none\n")
    result = shell(server, "get")
    assert (result.exit_code, result.stderr) == (2, "get [-s] [-w] path\n")
    result = shell(server, "gett", "/one")
    assert (result.exit_code, result.stderr) == (2, "Command not found: gett (get? help lists the commands)\n")
    assert shell(server, "getacl", "/one").stderr == "Command not found: getacl (getAcl? help lists the commands)\n"
    assert shell(server, "zzz").stderr == "Command not found: zzz (help lists the commands)\n"
    assert shell(server, "exists", "/one").exit_code == 0
    assert shell(server, "exists", "/none").exit_code == 1
    assert shell(server, "delete", "/one", "-v", "7").exit_code == 1
    assert shell(server, "rmr", "/one").exit_code == 0
    assert shell(server + "/none-such", "ls", "/").stderr == "Node does not exist: /\n"


def test_data_from_standard_input(server: str) -> None:
    """- stands for standard input, byte for byte; data that begins with a dash goes behind --."""
    data = b"line 1\nline 2\n\0\xff"
    assert shell(server, "create", "/stdin", "-", lines=data).exit_code == 0
    assert shell(server, "get", "/stdin").stdout_bytes == data + b"\n"
    assert shell(server, "set", "/stdin", "-", lines=b"").exit_code == 0
    assert shell(server, "get", "/stdin").stdout_bytes == b"\n"
    assert shell(server, "set", "--", "/stdin", "-5").exit_code == 0
    assert shell(server, "get", "/stdin").stdout == "-5\n"
    result = shell(server, lines="set /stdin -\n")
    assert result.exit_code == 2
    assert "holds the commands" in result.stderr
    shell(server, "deleteall", "/stdin")


def test_commands_from_a_pipe(server: str) -> None:
    """Failures do not stop what follows; quoted data spans lines; quit ends; redo and history know the lines."""
    lines = 'create /pipe "a\n\nb"\n\nget /none\nget /pipe\nredo 2\nredo 9\nhistory\ndelete /pipe\nquit\nls /none\n'
    result = shell(server, lines=lines)
    assert result.stdout.startswith("Created /pipe\na\n\nb\na\n\nb\n0 - create /pipe")
    assert result.stderr == "Node does not exist: /none\nCommand index out of range: 9\n"
    assert result.exit_code == 2
    assert shell(server, lines="ls '/\n").stderr == "the quote ' is not closed\n"


def test_redo_takes_one_number(server: str) -> None:
    """The line that runs again takes the place of the one that asked for it."""
    result = shell(server, lines="whoami\nls /zookeeper\nredo 1\nredo 2\nhistory\n")
    shown = "".join(f"{number} - ls /zookeeper\n" for number in (1, 2, 3))
    assert result.stdout.endswith(f"[config, quota]\n0 - whoami\n{shown}4 - history\n")


def test_secrets_stay_out_of_the_history(server: str) -> None:
    """addauth lines are shown without their credentials."""
    result = shell(server, lines="addauth digest user:secret\nhistory\n")
    assert result.stdout == "0 - addauth\n1 - history\n"


def test_connections(server: str) -> None:
    """close, connect to another, and without a connection."""
    lines = f"ls /\nclose\nls /\nconnect {server}/zookeeper\nls /\nconnect host:x\nconnect\nls /\n"
    result = shell(server, lines=lines)
    assert result.stdout.splitlines()[1] == "[config, quota]"
    assert result.stderr == "Not connected\n'x' in 'host:x' is not a port\n"


def test_nobody_listens() -> None:
    """One clear line, soon."""
    result = shell("127.0.0.1:1,127.0.0.1:2", "ls", "/")
    assert result.exit_code == 1
    assert result.stderr == "coord shell: no server of 127.0.0.1:1,127.0.0.1:2 answered: connection refused\n"
    result = shell("127.0.0.1:99999", "ls", "/")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


def test_help(server: str) -> None:
    """help needs no server, and every command has a summary."""
    result = shell("127.0.0.1:1", "help")
    assert result.exit_code == 0
    for command in COMMANDS.values():
        assert command.synopsis in result.stdout
        assert command.summary in result.stdout
    assert shell("127.0.0.1:1", "help", "ls").stdout.startswith("  ls [-s] [-w] [-R] path\n")
    assert shell("127.0.0.1:1", "version").stdout.startswith("coord shell version: ")
    assert "-" in CliRunner().invoke(shell_command, ["--help"]).stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("create -c -e /x", "-c cannot be combined with -s or -e"),
        ("create -t x /x", "-t x: a whole number is expected"),
        ("create -t 5 -e /x", "TTLs cannot be used with Ephemeral znodes"),
        ("create x", "Path must start with / character"),
        ("ls /x/", "Path must not end with / character"),
        ("addWatch -m SOMETIMES /", "SOMETIMES is no mode"),
        ("printwatches maybe", "printwatches on|off"),
        ("help nothing", "Command not found: nothing"),
        ("redo x", "Command index out of range: x"),
        ("ls -q /", "unknown option -q"),
        ("ls -sq /", "unknown option -sq"),
        ("deleteall -b x /x", "-b x: a whole number is expected"),
    ],
)
def test_usage(server: str, line: str, message: str) -> None:
    """What is wrong is said, and the exit code is 2."""
    result = shell(server, lines=line + "\n")
    assert result.exit_code == 2
    assert message in result.stderr


def test_watches(server: str) -> None:
    """Events are printed as WATCHER blocks, unless printwatches is off."""
    lines = "create /w\nget -w /w\nset /w 1\nprintwatches off\nls -w /w\ncreate /w/x\ndeleteall /w\nprintwatches\n"
    result = shell(server, lines=lines)
    block = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/w\n"
    assert result.stdout == f"Created /w\nnull\n{block}[]\nCreated /w/x\nprintwatches is off\n"


def test_all_below_is_watched(server: str) -> None:
    """`ls -R -w`: the children of every node that it lists, and the first one's data."""
    lines = "create /deep\ncreate /deep/a\nls -R -w /deep\ncreate /deep/a/b x\ncreate /deep/c\nset /deep 1\nsync /\n"
    result = shell(server, lines=lines)
    events = [line.partition("type:")[2] for line in result.stdout.splitlines() if is_event(line)]
    assert events == ["NodeChildrenChanged path:/deep/a", "NodeChildrenChanged path:/deep", "NodeDataChanged path:/deep"]
    shell(server, "deleteall", "/deep")


def test_all_below_up_to_what_must_not_be_read(server: str) -> None:
    """`ls -R` lists what it comes to before a node that it must not read, as zkCli does."""
    lines = "create /part\ncreate /part/a\ncreate /part/a/x\ncreate /part/b\ncreate /part/b/y\nsetAcl /part/b world:anyone:cdwa\n"
    assert shell(server, lines=lines).exit_code == 0
    result = shell(server, "ls", "-R", "/part")
    assert result.stdout == "/part\n/part/a\n/part/b\n/part/a/x\n"
    assert (result.stderr, result.exit_code) == ("Insufficient permission : /part/b\n", 1)
    result = shell(server, "ls", "-R", "/part/b")
    assert (result.stdout, result.stderr) == ("", "Insufficient permission : /part/b\n")
    assert shell(server, "deleteall", "/part").exit_code == 1
    assert "/part/a/x" in shell(server, "ls", "-R", "/part").stdout, "what is below must be known before anything is deleted"
    shell(server, lines="setAcl /part/b world:anyone:cdrwa\ndeleteall /part\n")


def test_removed_watches_are_told_once(server: str) -> None:
    """Both kinds of lasting watch on one path end as one."""
    lines = "create /once\naddWatch -m PERSISTENT /once\naddWatch /once\nremovewatches /once\ndelete /once\n"
    assert shell(server, lines=lines).stdout.count("PersistentWatchRemoved") == 1


@pytest.mark.parametrize("words", [["ls", "/"], ["help"], []])
def test_a_full_disk(server: str, words: list[str]) -> None:
    """Results that cannot be written: one line, exit code 1, and no more commands."""
    root = Path(__file__).resolve().parents[3]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [sys.executable, "-m", "coord", "shell", "-s", server, *words],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False, cwd=root, input="ls /\ncreate /never\n",
        )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, "coord shell: standard output: No space left on device\n")
    assert shell(server, "exists", "/never").exit_code == 1


def test_an_option_of_zkcli_that_is_not_here() -> None:
    """It is named whole, and nothing is done without it."""
    result = CliRunner().invoke(shell_command, ["-client-configuration", "x.properties", "help"])
    assert result.exit_code == 2
    assert "-client-configuration x.properties: there is no TLS or SASL here" in result.output


def test_a_reader_who_goes_away(server: str) -> None:
    """`coord shell … | head -1` ends without a traceback."""
    line = f"{sys.executable} -m coord shell -s {server} ls -R /zookeeper | head -1"
    root = Path(__file__).resolve().parents[3]
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (result.stdout, result.stderr) == ("/zookeeper\n", "")


def test_interrupted(server: str) -> None:
    """Ctrl-C in the middle: a quick end without a traceback."""
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-m", "coord", "shell", "-s", server],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"ls /zookeeper\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"[config, quota]\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"")
