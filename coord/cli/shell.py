"""`coord shell`: a zkCli for any ZooKeeper-compatible ensemble. One command and out, commands from a pipe, or a prompt."""

from __future__ import annotations

import logging
import signal
import sys

import click
import trio

from coord.client import CoordError
from coord.kit.cliutil import EXIT_FAILED, EXIT_USAGE

from .shell_commands import COMMANDS
from .shell_output import PipeOutput, ScreenOutput
from .shell_session import ShellSession
from .shell_text import error_line
from .shell_words import OpenQuote, UsageError, split

__all__ = ["shell_command"]

DEFAULT_SERVER = "127.0.0.1:2181"
DEFAULT_TIMEOUT_MS = 30_000
STDIN_MAX = 64 * 1024 * 1024
"""Bytes taken from standard input as data: more than any server accepts."""

EPILOG = """\b
Examples:
  coord shell                                  a prompt, with history and completion
  coord shell -s 127.0.0.1:2182 get /config    one command
  coord shell create /config - < config.xml    data from standard input: - stands for it, byte for byte
  coord shell < commands.txt                   a command on each line; quoted data may span lines

Exit codes: 0 done, 1 a command failed, 2 a command or an option was not given as it must be, 130 Ctrl-C.
`coord shell help` lists the commands; their names, options and output are zkCli's."""


def _no_properties(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Refuses zkCli's file of settings: most are about TLS and SASL, and a connection without them is not what was meant."""
    del option
    if value is not None:
        raise click.UsageError(f"-client-configuration {value}: there is no TLS or SASL here, nor a file to configure them", context)


@click.command(
    "shell",
    epilog=EPILOG,
    context_settings={
        "allow_interspersed_args": False,
        "ignore_unknown_options": False,
        "help_option_names": ["-h", "--help"],
    },
)
@click.option(
    "-s", "-server", "--server", "hosts", default=DEFAULT_SERVER, show_default=True,
    metavar="HOST:PORT[,…][/CHROOT]", help="The servers of the ensemble, tried in random order.",
)  # fmt: skip
@click.option(
    "-timeout", "--timeout", "timeout_ms", type=click.IntRange(1), default=DEFAULT_TIMEOUT_MS, show_default=True,
    metavar="MS", help="The session timeout.",
)  # fmt: skip
@click.option("-r", "-readonly", "--read-only", is_flag=True, help="Is content with a server without a quorum, to read.")
@click.option(
    "-waitforconnection", "--wait", "patient", is_flag=True, help="Waits for servers that do not listen yet."
)
@click.option(
    "-client-configuration", "--client-configuration", "properties", metavar="FILE", hidden=True, callback=_no_properties,
    expose_value=False,
)  # fmt: skip
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell_command(
    hosts: str, timeout_ms: int, read_only: bool, patient: bool, command: tuple[str, ...]
) -> None:
    """Looks into an ensemble and changes it, with zkCli's commands.

    Without COMMAND, commands come from the prompt, or from standard input if that is no terminal.
    """
    logging.getLogger("coord.client").addHandler(logging.NullHandler())  # what matters is printed
    logging.getLogger("coord.client").propagate = False
    interactive = not command and sys.stdin.isatty() and sys.stdout.isatty()
    try:
        code = trio.run(_main, hosts, timeout_ms / 1000, read_only, patient, list(command), interactive)
    except* KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


async def _main(
    hosts: str, timeout: float, read_only: bool, patient: bool, command: list[str], interactive: bool
) -> int:
    async with trio.open_nursery() as nursery:
        shell = ShellSession(
            nursery,
            ScreenOutput() if interactive else PipeOutput(),
            hosts,
            timeout=timeout,
            read_only=read_only,
            patient=patient,
            tell_state=interactive,
        )
        if interactive:
            from .shell_prompt import converse  # prompt_toolkit: for the prompt alone

            code = await converse(shell)
        elif command:
            code = await _one_shot(shell, command)
        else:
            code = await _from_pipe(shell)
        await shell.close()
        nursery.cancel_scope.cancel()
    return code


async def _connect(shell: ShellSession) -> int:
    try:
        await shell.connect(shell.hosts)
    except UsageError as error:
        shell.output.error(f"coord shell: {error}")
        return EXIT_USAGE
    except CoordError as error:
        shell.output.error(f"coord shell: {error_line(error)}")
        return EXIT_FAILED
    return 0


async def _one_shot(shell: ShellSession, words: list[str]) -> int:
    known = COMMANDS.get(words[0])
    if known is not None and known.name in ("help", "version"):
        return await shell.run_words(words)
    if "-" in words[1:]:
        shell.stdin_data = sys.stdin.buffer.read(STDIN_MAX)
    if known is None:
        return await shell.run_words(words)
    return await _connect(shell) or await shell.run_words(words)


async def _from_pipe(shell: ShellSession) -> int:
    """Commands from standard input; a failure does not stop those that follow, and the exit code tells of the worst."""
    code = await _connect(shell)
    if code:
        return code
    begun = ""
    while not shell.quitting and not shell.output.failed:
        line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if not line:
            break
        begun += line
        try:
            split(begun)
        except OpenQuote:
            continue
        code = max(code, await shell.run_line(begun.rstrip("\n")))
        begun = ""
    if begun and not shell.output.failed:
        code = max(code, await shell.run_line(begun))
    return code
