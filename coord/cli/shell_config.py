"""The shell's commands about the ensemble: its configuration, and another one."""

from __future__ import annotations

from pathlib import Path

from .shell_session import ShellSession
from .shell_table import command
from .shell_text import stat_block
from .shell_words import Parsed, UsageError

__all__: list[str] = []


@command(
    "[-c] [-s] [-w]",
    "shows the ensemble's configuration; -c as a connect string, -s with Stat, -w with a watch",
    flags="c s w",
)
async def config(shell: ShellSession, parsed: Parsed) -> None:
    data, stat = await shell.client.get_config(shell.watcher if "w" in parsed.flags else None)
    if "c" in parsed.flags:
        shell.output.line(_connect_string(data.decode()))
    else:
        shell.output.data(data)
    if "s" in parsed.flags:
        shell.output.line(stat_block(stat))


@command(
    "[-s] [-v version] [-file name | -members server,… | [-add server,…] [-remove id,…]]",
    "changes the ensemble: the whole of it, or servers N=host:port:port[:role];port to add and ids to remove",
    flags="s",
    valued="v file members add remove",
)
async def reconfig(shell: ShellSession, parsed: Parsed) -> None:
    values = parsed.values
    whole = values.keys() & {"file", "members"}
    if not values.keys() - {"v"}:
        raise UsageError("reconfig wants -file, -members, -add or -remove")
    if len(whole) == 2:
        raise UsageError("Can't use -file and -members together (conflicting non-incremental modes)")
    if whole and values.keys() & {"add", "remove"}:
        raise UsageError(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)"
        )
    members = values.get("members") if "file" not in values else _members(values["file"])
    text, stat = await shell.client.reconfigure(values.get("add"), values.get("remove"), members, _version(values.get("v")))
    shell.output.line("Committed new configuration:")
    shell.output.data(text)
    if "s" in parsed.flags:
        shell.output.line(stat_block(stat))


def _version(text: str | None) -> int:
    try:
        return -1 if text is None else int(text, 16)
    except ValueError:
        raise UsageError("-v must be followed by a long (configuration version)") from None


def _members(path: str) -> str:
    """The server lines of a file, which may be a dynamic one or a whole zoo.cfg."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Error processing {path}: {error}") from error
    found = [line.strip() for line in lines if line.strip().startswith(("server.", "group.", "weight."))]
    if not found:
        raise UsageError(f"Error processing {path}: it has no server lines")
    return "\n".join(found)


def _connect_string(text: str) -> str:
    """The version, then host:port of every server that tells where clients connect."""
    pairs = [line.partition("=")[::2] for line in text.splitlines()]
    version = next((value for key, value in pairs if key == "version"), "")
    clients = [value.partition(";")[2] for key, value in pairs if key.startswith("server.")]
    return f"{version} " + ",".join(filter(None, clients))
