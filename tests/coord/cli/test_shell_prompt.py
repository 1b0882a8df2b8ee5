"""The prompt: keys in, commands run, completion of commands, options and paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from coord.cli.shell_prompt import HISTORY_FILE, ShellCompleter, converse
from coord.cli.shell_session import ShellSession


class Kept:
    """An output that is kept."""

    failed = False

    def __init__(self) -> None:
        self.text = ""

    def line(self, text: str) -> None:
        self.text += text + "\n"

    def data(self, data: bytes) -> None:
        self.text += data.decode() + "\n"

    error = line


def with_shell(hosts: str, test: Callable[[ShellSession, Kept], Awaitable[None]]) -> str:
    """Runs a test with a shell; returns what it printed."""
    kept = Kept()

    async def main() -> None:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                shell = ShellSession(nursery, kept, hosts, timeout=10.0, tell_state=True)
                await test(shell, kept)
                await shell.close()
                nursery.cancel_scope.cancel()

    trio.run(main)
    return kept.text


def typed(hosts: str, *keys: str) -> str:
    """What a conversation prints: each string is typed when the one before has been dealt with."""

    async def test(shell: ShellSession, kept: Kept) -> None:
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            async with trio.open_nursery() as nursery:

                async def type_all() -> None:
                    for number, text in enumerate(keys):
                        while shell.number < number or (number == 0 and "SyncConnected" not in kept.text):
                            await trio.sleep(0.01)
                        pipe.send_text(text)

                nursery.start_soon(type_all)
                assert await converse(shell) == 0

    return with_shell(hosts, test)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_conversation(server: str, home: Path) -> None:
    """Lines are run, quoted data may span lines, Ctrl-C drops a line, quit ends; the history keeps no password."""
    printed = typed(
        server,
        'create /p "a\rb"\r',
        "get /p\r",
        "half a line\x03addauth digest u:secret\r",
        "delete /p\r",
        "quit\r",
    )
    assert "WatchedEvent state:SyncConnected type:None path:null" in printed
    assert "Created /p\na\nb\n" in printed
    assert "half" not in printed
    history = (home / HISTORY_FILE).read_text()
    assert "get /p" in history
    assert "secret" not in history
    assert (home / HISTORY_FILE).stat().st_mode & 0o077 == 0


def test_end_of_input(server: str) -> None:
    """Ctrl-D ends; without a home folder the history is in memory."""
    assert "[zookeeper]" in typed(server, "ls /\r", "\x04")


def test_without_a_server() -> None:
    """The prompt comes all the same: connect may follow."""

    async def test(shell: ShellSession, kept: Kept) -> None:
        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_text("ls /\r")
            pipe.send_text("quit\r")
            assert await converse(shell) == 0

    printed = with_shell("127.0.0.1:1", test)
    assert "no server of 127.0.0.1:1 answered" in printed
    assert "Not connected" in printed


def completions(hosts: str, *texts: str) -> list[list[str]]:
    """What is offered after each text."""
    offered: list[list[str]] = []

    async def test(shell: ShellSession, kept: Kept) -> None:
        await shell.connect(hosts)
        await shell.client.ensure_path("/comp/alpha/x")
        await shell.client.ensure_path("/comp/beta")
        completer = ShellCompleter(shell, trio.lowlevel.current_trio_token())

        def complete(text: str) -> list[str]:
            return [each.text for each in completer.get_completions(Document(text), CompleteEvent())]

        for text in texts:
            offered.append(await trio.to_thread.run_sync(complete, text))
        await shell.close()
        assert await trio.to_thread.run_sync(complete, "ls /comp/") == []

    with_shell(hosts, test)
    return offered


def test_completion(server: str) -> None:
    """Commands, options after a dash, paths; nothing where nothing fits."""
    assert completions(
        server, "del", "cre", "create -", "ls /comp/", "ls -s /comp/a", "ls /comp/alpha", "get ", "addauth /",
        "bogus /", "ls /none/",
    ) == [
        ["delete", "deleteall", "delquota"], ["create "], ["-s", "-e", "-c", "-t"], ["/comp/alpha", "/comp/beta"], ["/comp/alpha"],
        ["/comp/alpha/x"], ["/"], [], [], [],
    ]  # fmt: skip
