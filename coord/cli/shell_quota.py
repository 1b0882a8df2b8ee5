"""The shell's commands for quotas: limits on what a path and everything below it may hold.

Soft limits are noted by the server when they are passed; hard ones refuse, where it runs with `enforceQuota=true`.
"""

from __future__ import annotations

from coord.client import Client, Create, NodeExistsError, NoNodeError, NotEmptyError
from coord.client.subtree import list_subtree
from coord.tree.paths import QUOTA_NODE
from coord.tree.quota import LIMITS_NAME, Track, limits_path, stats_path

from .shell_session import ShellSession
from .shell_table import command
from .shell_text import check_path
from .shell_words import Parsed, UsageError

__all__: list[str] = []

SET_USAGE = "-n|-b|-N|-B val path"


@command(
    SET_USAGE, "limits a path: -n nodes, -b bytes; -N and -B are hard limits, which refuse", valued="n b N B", least=1
)
async def setquota(shell: ShellSession, parsed: Parsed) -> int | None:
    path, client = check_path(parsed.arguments[0]), shell.client
    if len(parsed.values) != 1:
        raise UsageError(f"setquota {SET_USAGE}")
    (option,) = parsed.values
    value = parsed.number(option)
    if path.startswith(QUOTA_NODE):
        return _refused(shell, f"cannot set a quota under the path: {QUOTA_NODE}")
    if option in "nN" and value <= 0:
        return _refused(shell, "the num quota must be greater than zero")
    if value < 0:
        return _refused(shell, "the bytes quota must be greater than or equal to zero")
    if await client.exists(path) is None:
        return _refused(shell, f"{path} does not exist.")
    if reason := await _conflict(client, path):
        return _refused(shell, reason)
    limits = await _limits(client, path)
    if limits is None:
        limits = Track.unlimited()
        limits.limit(option, value)
        await _begin(client, path, limits)
    else:
        limits.limit(option, value)
        await client.set(limits_path(path), limits.encode())
    use = Track(await _data(client, stats_path(path)))
    for name, used, soft, hard in (
        ("count", use.count, limits.count, limits.count_hard),
        ("bytes", use.size, limits.size, limits.size_hard),
    ):
        if -1 < soft < used or -1 < hard < used:
            shell.output.line(f"[Warning]: the {name} quota you create is less than the existing {name}:{used}")
    return None


@command("path", "shows the limits of a path and how much of them is used", least=1)
async def listquota(shell: ShellSession, parsed: Parsed) -> int | None:
    path, client = check_path(parsed.arguments[0]), shell.client
    shell.output.error(f"absolute path is {limits_path(path)}")
    limits = await _limits(client, path)
    if limits is None:
        return _refused(shell, f"quota for {path} does not exist.")
    use = Track(await _data(client, stats_path(path)))
    shell.output.line(f"Output quota for {path} {limits.encode().decode()}")
    shell.output.line(f"Output stat for {path} {use.encode().decode()}")
    return None


@command("[-n|-b|-N|-B] path", "ends the limits of a path, or one of them", flags="n b N B", least=1)
async def delquota(shell: ShellSession, parsed: Parsed) -> None:
    path, client = check_path(parsed.arguments[0]), shell.client
    if len(parsed.flags) > 1:
        raise UsageError("delquota [-n|-b|-N|-B] path")
    limits = await _limits(client, path)
    if limits is None:
        shell.output.line(f"Quota does not exist for {path}")
    elif parsed.flags:
        (option,) = parsed.flags
        limits.limit(option, -1)
        await client.set(limits_path(path), limits.encode())
    else:
        await _end(client, path)


def _refused(shell: ShellSession, reason: str) -> int:
    shell.output.error(reason)
    return 1


async def _data(client: Client, path: str) -> bytes | None:
    try:
        return (await client.get(path))[0]
    except NoNodeError:
        return None


async def _limits(client: Client, path: str) -> Track | None:
    data = await _data(client, limits_path(path))
    return None if data is None else Track(data)


async def _conflict(client: Client, path: str) -> str:
    """A path cannot have a limit beside one above or below it."""
    names = path.split("/")[1:-1]
    for end in range(1, len(names) + 1):
        parent = "/" + "/".join(names[:end])
        if await client.exists(limits_path(parent)) is not None:
            return f"{path} has a parent {parent} which has a quota"
    own = QUOTA_NODE + path
    if await client.exists(own) is None:
        return ""
    for level in await list_subtree(client, own):
        for each in level:
            parent, _, name = each.rpartition("/")
            if name == LIMITS_NAME and parent != own:
                return f"{path} has a child {parent.removeprefix(QUOTA_NODE)} which has a quota"
    return ""


async def _begin(client: Client, path: str, limits: Track) -> None:
    """Limits and use come together: limits alone count nothing."""
    folder = QUOTA_NODE
    for name in path.split("/")[1:]:
        folder = f"{folder}/{name}"
        try:
            await client.create(folder, None)
        except NodeExistsError:
            continue
    none_yet = Track(b"count=0,bytes=0").encode()
    await client.multi([Create(limits_path(path), limits.encode()), Create(stats_path(path), none_yet)])


async def _end(client: Client, path: str) -> None:
    """Deletes the two nodes, and the folders above them that hold nothing else."""
    for each in (limits_path(path), stats_path(path)):
        try:
            await client.delete(each)
        except NoNodeError:
            continue
    folder = QUOTA_NODE + path
    while folder != QUOTA_NODE:
        try:
            await client.delete(folder)
        except NotEmptyError:
            return
        folder = folder.rpartition("/")[0]
