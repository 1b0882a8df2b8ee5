"""The shell's prompt: history, completion of commands and paths, several lines inside quotes.

prompt_toolkit brings its own event loop, so it runs in a thread; what it needs of the tree it asks for through trio. While
it waits for a line, whatever is printed (watch events) appears above it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout

from coord.client import CoordError
from coord.kit.cliutil import EXIT_USAGE

from .shell_commands import COMMANDS
from .shell_session import NotConnectedError, ShellSession
from .shell_text import error_line
from .shell_words import OpenQuote, UsageError, split

__all__ = ["HISTORY_FILE", "ShellCompleter", "converse"]

HISTORY_FILE = ".coord_shell_history"
"""In the home folder."""
COMPLETION_SECONDS = 1.0
"""How long a completion may wait for a server."""
NAMES_MAX = 1000
"""Names offered at a time."""


async def converse(shell: ShellSession) -> int:
    """Reads lines and runs them until `quit` or the end of input. Ctrl-C drops the line, or stops the command."""
    shell.output.line(f"Connecting to {shell.hosts}")
    shell.output.line("Welcome! help lists the commands, Tab completes them and paths.")
    prompt: PromptSession[str] = PromptSession(
        history=_history(),
        completer=ShellCompleter(shell, trio.lowlevel.current_trio_token()),
        complete_in_thread=True,
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        multiline=Condition(_inside_quotes),
        prompt_continuation="> ",
    )
    with patch_stdout(raw=True):
        try:
            await shell.connect(shell.hosts)
        except UsageError as error:
            shell.output.error(str(error))
            return EXIT_USAGE
        except CoordError as error:
            shell.output.error(error_line(error))
        while not shell.quitting:
            line = await _read(shell, prompt)
            if line is None:
                break
            await _run(shell, line)
    return 0


async def _read(shell: ShellSession, prompt: PromptSession[str]) -> str | None:
    """The next line, quoted data on several lines included; None at the end of input."""

    def text() -> str:  # asked for at each drawing, so that it follows the state
        return f"[zk: {shell.hosts}({shell.state_text}) {shell.number}] "

    try:
        return await trio.to_thread.run_sync(_ask, prompt, text, abandon_on_cancel=True)
    except KeyboardInterrupt:
        return ""
    except EOFError:
        return None


def _ask(prompt: PromptSession[str], text: Callable[[], str]) -> str:
    return prompt.prompt(text, handle_sigint=False)


def _inside_quotes() -> bool:
    """Whether Enter goes on to another line."""
    try:
        split(get_app().current_buffer.text)
    except OpenQuote:
        return True
    return False


async def _run(shell: ShellSession, line: str) -> None:
    """Runs a line; Ctrl-C ends it, and not the shell."""
    async with trio.open_nursery() as nursery:

        async def interrupt() -> None:
            with trio.open_signal_receiver(signal.SIGINT) as signals:
                async for _ in signals:
                    shell.output.error("interrupted")
                    nursery.cancel_scope.cancel()

        nursery.start_soon(interrupt)
        await trio.lowlevel.checkpoint()
        await shell.run_line(line)
        nursery.cancel_scope.cancel()


def _history() -> History:
    try:
        path = Path.home() / HISTORY_FILE
        path.touch(mode=0o600)
    except (OSError, RuntimeError):
        return InMemoryHistory()
    return _DiscreetHistory(str(path))


class _DiscreetHistory(FileHistory):
    """A history file that keeps no passwords."""

    def store_string(self, string: str) -> None:
        if not string.lstrip().startswith("addauth"):
            super().store_string(string)


class ShellCompleter(Completer):
    """Commands for the first word, options after a dash, and paths from the tree."""

    def __init__(self, shell: ShellSession, token: trio.lowlevel.TrioToken) -> None:
        self._shell = shell
        self._token = token

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What may follow the text before the cursor."""
        before = document.text_before_cursor
        word = document.get_word_before_cursor(WORD=True)
        first, *rest = before.split() or [""]
        if not rest and not before.endswith(" "):
            names = [name for name in sorted(COMMANDS) if name.lower().startswith(word.lower())]
            for name in names:
                text = name + " " if len(names) == 1 else name
                yield Completion(text, -len(word), display=name, display_meta=COMMANDS[name].summary)
            return
        command = COMMANDS.get(first)
        if command is None:
            return
        if word.startswith("-"):
            for option in [*command.flags.split(), *command.valued.split()]:
                if option.startswith(word[1:]):
                    yield Completion(f"-{option}", -len(word))
        elif command.takes_path and word.startswith("/"):
            yield from self._paths(word)
        elif command.takes_path and not word:
            yield Completion("/", 0)

    def _paths(self, word: str) -> Iterator[Completion]:
        parent, _, begun = word.rpartition("/")
        names = [name for name in self._children(parent or "/") if name.startswith(begun)]
        if names == [begun]:  # a whole name: go on below it
            parent, names = word, self._children(word)
        for name in names:
            yield Completion(f"{parent}/{name}", -len(word), display=name)

    def _children(self, path: str) -> list[str]:
        """A node's children, or none when that cannot be known quickly. Runs in a thread of the prompt's."""

        async def ask() -> list[str]:
            with trio.move_on_after(COMPLETION_SECONDS):
                return sorted(await self._shell.client.children(path))[:NAMES_MAX]
            return []

        try:
            return trio.from_thread.run(ask, trio_token=self._token)
        except (CoordError, NotConnectedError, trio.RunFinishedError, trio.Cancelled):
            return []


