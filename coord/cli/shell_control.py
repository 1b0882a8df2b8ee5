"""The shell's commands about itself: connections, identities, history, help."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from .shell_session import ShellSession
from .shell_table import COMMANDS, command
from .shell_words import Parsed, UsageError

__all__ = ["HISTORY_SHOWN"]

HISTORY_SHOWN = 11
"""Lines that `history` shows, as many as zkCli."""
SECRET = "addauth"
"""A command whose line is not repeated in `history`."""


@command("host:port[,host:port…][/chroot]", "leaves this connection for another", most=1)
async def connect(shell: ShellSession, parsed: Parsed) -> None:
    await shell.connect(parsed.argument(0) or shell.hosts)


@command("", "closes the connection")
async def close(shell: ShellSession, parsed: Parsed) -> None:
    del parsed
    await shell.close()


@command("", "leaves the shell")
async def quit_(shell: ShellSession, parsed: Parsed) -> None:
    del parsed
    shell.quitting = True


@command("scheme auth", "adds an identity, such as `addauth digest user:password`", least=1, most=2)
async def addauth(shell: ShellSession, parsed: Parsed) -> None:
    auth = parsed.argument(1) or ""
    await shell.client.add_auth(parsed.arguments[0], auth.encode("utf-8", "surrogateescape"))


@command("on|off", "shows watch events, or not", most=1)
async def printwatches(shell: ShellSession, parsed: Parsed) -> None:
    word = parsed.argument(0)
    if word is None:
        shell.output.line(f"printwatches is {'on' if shell.print_watches else 'off'}")
    elif word in ("on", "off"):
        shell.print_watches = word == "on"
    else:
        raise UsageError("printwatches on|off")


@command("", "shows the last lines with their numbers")
async def history(shell: ShellSession, parsed: Parsed) -> None:
    del parsed
    for number in sorted(shell.history)[-HISTORY_SHOWN:]:
        line = shell.history[number]
        shell.output.line(f"{number - 1} - {SECRET if line.lstrip().startswith(SECRET) else line}")


@command("number", "runs a line of the history again", least=1)
async def redo(shell: ShellSession, parsed: Parsed) -> int:
    text = parsed.arguments[0]
    line = shell.history.get(int(text) + 1) if text.isascii() and text.isdigit() else None
    if line is None:
        raise UsageError(f"Command index out of range: {text}")
    if line.split()[0] == "redo":
        raise UsageError("No redoing a redo: it could go on for ever")
    return await shell.run_again(line)


@command("[command]", "lists the commands, or tells about one", most=1)
async def help_(shell: ShellSession, parsed: Parsed) -> None:
    wanted = parsed.argument(0)
    if wanted is not None and wanted not in COMMANDS:
        raise UsageError(f"Command not found: {wanted}")
    for name in [wanted] if wanted else sorted(COMMANDS, key=str.lower):
        each = COMMANDS[name]
        shell.output.line(f"  {each.synopsis}\n        {each.summary}")
    if wanted is None:
        shell.output.line('Words with blanks or line ends go into quotes, "…" or \'…\'; inside them nothing is escaped.')


@command("", "shows the version of this shell")
async def version(shell: ShellSession, parsed: Parsed) -> None:
    del parsed
    try:
        number = version_of("quorate")
    except PackageNotFoundError:
        number = "unknown (not installed)"
    shell.output.line(f"coord shell version: {number}")
