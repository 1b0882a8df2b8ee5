"""The shell's commands that write. `-` as data stands for what comes on standard input, in one-shot mode."""

from __future__ import annotations

from coord.client import OPEN_ACL_UNSAFE, NoNodeError
from coord.client.subtree import list_subtree
from coord.kit.nurseries import gather

from .shell_session import ShellSession
from .shell_table import command
from .shell_text import acl_of, check_path, stat_block
from .shell_words import Parsed, UsageError

__all__: list[str] = []


@command(
    "[-s] [-e] [-c] [-t ttl] path [data] [acl]",
    "creates a node; -s sequential, -e ephemeral, -c container, -t with a time to live in ms",
    flags="s e c",
    valued="t",
    least=1,
    most=3,
)
async def create(shell: ShellSession, parsed: Parsed) -> None:
    flags, path = parsed.flags, parsed.arguments[0]
    if "c" in flags and flags & {"s", "e"}:
        raise UsageError("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.")
    ttl = parsed.number("t") if "t" in parsed.values else None
    if ttl is not None and flags & {"e", "c"}:
        raise UsageError("TTLs cannot be used with Ephemeral znodes or containers")
    check_path(path if "s" not in flags else path + "0")
    acl = parsed.argument(2)
    created = await shell.client.create(
        path,
        _data(shell, parsed.argument(1)),
        acl=OPEN_ACL_UNSAFE if acl is None else acl_of(acl),
        ephemeral="e" in flags,
        sequential="s" in flags,
        container="c" in flags,
        ttl_ms=ttl,
    )
    shell.output.line(f"Created {created}")


@command(
    "[-s] [-v version] path data", "sets the data; -v if it has that version, -s shows the Stat",
    flags="s", valued="v", least=2,
)  # fmt: skip
async def set_(shell: ShellSession, parsed: Parsed) -> None:
    path, text = parsed.arguments
    found = await shell.client.set(check_path(path), _data(shell, text), parsed.number("v"))
    if "s" in parsed.flags:
        shell.output.line(stat_block(found))


@command("[-v version] path", "deletes a node without children; -v if it has that version", valued="v", least=1)
async def delete(shell: ShellSession, parsed: Parsed) -> None:
    await shell.client.delete(check_path(parsed.arguments[0]), parsed.number("v"))


@command(
    "[-b size] path", "deletes a node and everything below it; -b is zkCli's size of a batch, without effect here",
    valued="b", least=1,
)  # fmt: skip
async def deleteall(shell: ShellSession, parsed: Parsed) -> None:
    path = check_path(parsed.arguments[0])
    parsed.number("b")
    if await shell.client.exists(path) is None:
        raise NoNodeError(path)
    await shell.client.delete_all(path)


@command("path", "deletes a node and everything below it, as `deleteall`", least=1)
async def rmr(shell: ShellSession, parsed: Parsed) -> None:
    await deleteall(shell, parsed)


@command(
    "[-s] [-v version] [-R] path acl",
    "sets the ACL (scheme:id:perms,…); -v if the ACL has that version, -R of all below too, -s shows the Stat",
    flags="s R",
    valued="v",
    least=2,
)
async def set_acl(shell: ShellSession, parsed: Parsed) -> None:
    path, acl = check_path(parsed.arguments[0]), acl_of(parsed.arguments[1])
    version, client = parsed.number("v"), shell.client
    if "R" not in parsed.flags:
        found = await client.set_acl(path, acl, version)
        if "s" in parsed.flags:
            shell.output.line(stat_block(found))
        return
    for level in await list_subtree(client, path):
        found_ones = await gather(lambda each: client.set_acl(each, acl, version), level)
        if "s" in parsed.flags:
            for found in found_ones:
                shell.output.line(stat_block(found))


def _data(shell: ShellSession, text: str | None) -> bytes | None:
    if text != "-":
        return None if text is None else text.encode("utf-8", "surrogateescape")
    if shell.stdin_data is None:
        raise UsageError("- takes the data from standard input, which here holds the commands: use quotes")
    return shell.stdin_data
