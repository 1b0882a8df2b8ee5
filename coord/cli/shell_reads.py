"""The shell's commands that read."""

from __future__ import annotations

from coord.client import NoAuthError, NoNodeError, Watcher, WatcherType
from coord.client.subtree import children_below

from .shell_session import ShellSession
from .shell_table import command
from .shell_text import acl_lines, check_path, list_line, stat_block
from .shell_words import Parsed, UsageError

__all__: list[str] = []


@command("[-s] [-w] [-R] path", "lists the children; -s with Stat, -w with a watch, -R all below", flags="s w R", least=1)
async def ls(shell: ShellSession, parsed: Parsed) -> None:
    path = check_path(parsed.arguments[0])
    watch = shell.watcher if "w" in parsed.flags else None
    if "R" in parsed.flags:
        await _list_all(shell, path, watch)
        return
    names, stat = await shell.client.children2(path, watch)
    shell.output.line(list_line(names))
    if "s" in parsed.flags:
        shell.output.line(stat_block(stat))


async def _list_all(shell: ShellSession, path: str, watch: Watcher | None) -> None:
    """zkCli's order: a node's children, then what is below each of them, up to the first that must not be read.

    As there, a watch is of the children of every node, and of the data of the first.
    """
    if watch is not None:
        await shell.client.get(path, watch)
    found = await children_below(shell.client, path, watch)
    shell.output.line(path)
    pending = [path]
    while pending:
        children = found[pending.pop()]
        if isinstance(children, NoAuthError):
            raise children
        for each in children:
            shell.output.line(each)
        pending.extend(reversed(children))


@command("path", "lists the children with the Stat, as `ls -s`", flags="s w R", least=1)
async def ls2(shell: ShellSession, parsed: Parsed) -> None:
    parsed.flags.add("s")
    await ls(shell, parsed)


@command("[-s] [-w] path", "shows the data; -s with Stat, -w with a watch", flags="s w", least=1)
async def get(shell: ShellSession, parsed: Parsed) -> None:
    path = check_path(parsed.arguments[0])
    data, stat = await shell.client.get_nullable(path, shell.watcher if "w" in parsed.flags else None)
    shell.output.data(b"null" if data is None else data)
    if "s" in parsed.flags:
        shell.output.line(stat_block(stat))


@command("[-w] path", "shows the Stat; -w with a watch", flags="w", least=1)
async def stat(shell: ShellSession, parsed: Parsed) -> None:
    path = check_path(parsed.arguments[0])
    found = await shell.client.exists(path, shell.watcher if "w" in parsed.flags else None)
    if found is None:
        raise NoNodeError(path)
    shell.output.line(stat_block(found))


@command("[-w] path", "shows the Stat, fails if there is no node; -w with a watch, for its creation too", flags="w", least=1)
async def exists(shell: ShellSession, parsed: Parsed) -> None:
    await stat(shell, parsed)


@command("[-s] path", "shows the ACL; -s with Stat", flags="s", least=1)
async def get_acl(shell: ShellSession, parsed: Parsed) -> None:
    acl, found = await shell.client.get_acl(check_path(parsed.arguments[0]))
    shell.output.line(acl_lines(acl))
    if "s" in parsed.flags:
        shell.output.line(stat_block(found))


@command("path", "lets the server catch up with the leader", least=1)
async def sync(shell: ShellSession, parsed: Parsed) -> None:
    await shell.client.sync(check_path(parsed.arguments[0]))
    shell.output.line("Sync is OK")


@command("[path]", "lists this session's ephemeral nodes", most=1)
async def get_ephemerals(shell: ShellSession, parsed: Parsed) -> None:
    shell.output.line(list_line(await shell.client.get_ephemerals(check_path(parsed.argument(0) or "/"))))


@command("path", "counts the nodes below, at any depth", least=1)
async def get_all_children_number(shell: ShellSession, parsed: Parsed) -> None:
    shell.output.line(str(await shell.client.count_all_children(check_path(parsed.arguments[0]))))


@command(
    "[-m mode] path",
    "sets a watch that stays; mode: PERSISTENT, or PERSISTENT_RECURSIVE (the default)",
    valued="m",
    least=1,
)
async def add_watch(shell: ShellSession, parsed: Parsed) -> None:
    mode = parsed.values.get("m", "PERSISTENT_RECURSIVE")
    if mode not in ("PERSISTENT", "PERSISTENT_RECURSIVE"):
        raise UsageError(f"{mode} is no mode: PERSISTENT or PERSISTENT_RECURSIVE is expected")
    path = check_path(parsed.arguments[0])
    await shell.client.add_watch(path, shell.watcher, recursive=mode == "PERSISTENT_RECURSIVE")


@command(
    "[-c|-d|-a] path", "ends watches: -c of children, -d of data, -a (the default) all", flags="c d a l", least=1
)
async def removewatches(shell: ShellSession, parsed: Parsed) -> None:
    kinds = {"c": WatcherType.CHILDREN, "d": WatcherType.DATA}
    kind = next((kinds[flag] for flag in kinds if flag in parsed.flags), WatcherType.ANY)
    await shell.client.remove_watches(check_path(parsed.arguments[0]), kind)


@command("", "shows the identities the server knows of this connection")
async def whoami(shell: ShellSession, parsed: Parsed) -> None:
    del parsed
    shell.output.line("Auth scheme: User")
    for scheme, user in await shell.client.who_am_i():
        shell.output.line(f"{scheme}: {user}")


