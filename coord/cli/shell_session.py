"""One run of the shell: its connection, its history, and how a line becomes a command's work and an exit code."""

from __future__ import annotations

from difflib import get_close_matches

import trio

from coord.client import (
    Client,
    ConnectFailedError,
    CoordError,
    EventType,
    KeeperState,
    State,
    WatchEvent,
    open_stream,
    parse_connect_string,
)
from coord.client.failures import words_of
from coord.kit.cliutil import EXIT_FAILED, EXIT_USAGE

from .shell_output import Output
from .shell_table import COMMANDS
from .shell_text import error_line, event_block
from .shell_words import UsageError, parse, split

__all__ = ["HISTORY_MAX", "NotConnectedError", "ShellSession"]

HISTORY_MAX = 10_000
"""Lines that `redo` can find."""
REFUSALS = 2
"""Times that every server must have refused the connection before the shell says that nothing listens."""
START_TIMEOUT = 10.0
"""Seconds for a first connection where something listens."""

_KEEPER_STATES = {
    State.CONNECTED: KeeperState.SYNC_CONNECTED,
    State.CONNECTED_READ_ONLY: KeeperState.CONNECTED_READ_ONLY,
    State.SUSPENDED: KeeperState.DISCONNECTED,
    State.EXPIRED: KeeperState.EXPIRED,
    State.CLOSED: KeeperState.CLOSED,
    State.AUTH_FAILED: KeeperState.AUTH_FAILED,
}


class NotConnectedError(Exception):
    """A command that needs a server, without one."""


class ShellSession:
    """What commands work on.

    nursery: where connections live. timeout: the session timeout, seconds. patient: wait for servers that refuse.
    tell_state: show changes of the connection as WATCHER blocks, as zkCli does (interactive mode).
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        output: Output,
        hosts: str,
        *,
        timeout: float,
        read_only: bool = False,
        patient: bool = False,
        tell_state: bool = False,
    ) -> None:
        self.output = output
        self.hosts = hosts
        self.client_or_none: Client | None = None
        self.history: dict[int, str] = {}
        self.print_watches = True
        self.quitting = False
        self.stdin_data: bytes | None = None
        """What `-` stands for as data, in one-shot mode."""
        self._nursery = nursery
        self._timeout = timeout
        self._read_only = read_only
        self._patient = patient
        self._tell_state = tell_state
        self._count = 0

    # The connection

    @property
    def client(self) -> Client:
        """The connected client. Raises NotConnectedError."""
        if self.client_or_none is None:
            raise NotConnectedError
        return self.client_or_none

    @property
    def state_text(self) -> str:
        """For the prompt: CONNECTED, SUSPENDED, …"""
        return "CLOSED" if self.client_or_none is None else self.client_or_none.state.name.replace("_", " ")

    async def connect(self, hosts: str) -> None:
        """Leaves the old connection and makes a new one. Raises UsageError or ConnectFailedError."""
        try:
            count = len(parse_connect_string(hosts)[0])
        except ValueError as error:
            raise UsageError(str(error)) from None
        await self.close()
        self.hosts = hosts
        refused, problem = 0, ""

        async def dial(host: str, port: int) -> trio.abc.Stream:
            nonlocal refused, problem
            try:
                stream = await open_stream(host, port)
            except OSError as error:
                refused, problem = refused + 1, words_of(error)
                if refused >= REFUSALS * count and not self._patient:
                    scope.cancel()
                raise
            scope.deadline = trio.current_time() + START_TIMEOUT  # somebody is there: an election may be under way
            return stream

        timeout = self._timeout if self._patient else START_TIMEOUT
        client = Client(
            hosts,
            session_timeout=self._timeout,
            start_timeout=timeout,
            read_only=self._read_only,
            connect_stream=dial,
        )
        if self._tell_state:
            client.on_state(self._state_changed)
        with trio.CancelScope() as scope:
            await self._nursery.start(client.run)
        if scope.cancelled_caught:
            raise ConnectFailedError(hosts, problem)
        self.client_or_none = client

    async def close(self) -> None:
        """Closes the connection, if there is one."""
        client, self.client_or_none = self.client_or_none, None
        if client is not None:
            await client.close()

    def watcher(self, event: WatchEvent) -> None:
        """The callback of every watch set from the shell."""
        if self.print_watches and event.type is not EventType.NONE:
            self.output.line(event_block(event))

    def _state_changed(self, state: State) -> None:
        if self.print_watches and state in _KEEPER_STATES:
            self.output.line(event_block(WatchEvent(EventType.NONE, _KEEPER_STATES[state], "")))

    # Lines

    async def run_line(self, line: str) -> int:
        """Runs a line and remembers it; returns an exit code."""
        try:
            words = split(line)
        except UsageError as error:
            self.output.error(str(error))
            return EXIT_USAGE
        if not words:
            return 0
        self._count += 1
        self.history[self._count] = line
        if len(self.history) > HISTORY_MAX:
            del self.history[min(self.history)]
        return await self.run_words(words)

    async def run_again(self, line: str) -> int:
        """Runs a line of the history, which takes the place of the line that asked for it; returns an exit code."""
        self.history[self._count] = line
        return await self.run_words(split(line))

    async def run_words(self, words: list[str]) -> int:
        """Runs a command; returns an exit code: 0 done, 1 it failed, 2 it was not given as it must be."""
        code = await self._run_words(words)
        return max(code, EXIT_FAILED) if self.output.failed else code

    async def _run_words(self, words: list[str]) -> int:
        command = COMMANDS.get(words[0])
        if command is None:
            self.output.error(f"Command not found: {words[0]} ({_meant(words[0])}help lists the commands)")
            return EXIT_USAGE
        try:
            parsed = parse(words[1:], command.flags, command.valued)
            if not command.least <= len(parsed.arguments) <= command.most:
                raise UsageError(command.synopsis)
            return await command.run(self, parsed) or 0
        except UsageError as error:
            self.output.error(str(error))
            return EXIT_USAGE
        except NotConnectedError:
            self.output.error("Not connected")
            return EXIT_FAILED
        except CoordError as error:
            self.output.error(error_line(error))
            return EXIT_FAILED

    @property
    def number(self) -> int:
        """The number of the next line."""
        return self._count


def _meant(word: str) -> str:
    """A question after the command that looks most like the word, if one does."""
    names = {name.lower(): name for name in COMMANDS}
    close = get_close_matches(word.lower(), names, n=1)
    return f"{names[close[0]]}? " if close else ""
