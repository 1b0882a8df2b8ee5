"""The command `coord`, and Apache's names for the same: zkServer and zkCli.

Commands are imported when they are called for, so that a server starts without the shell's libraries and the other way round.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

__all__ = ["main", "zk_cli", "zk_server"]

LAZY = {
    "dump": ("coord.cli.dump", "dump_command"),
    "shell": ("coord.cli.shell", "shell_command"),
    "status": ("coord.cli.status", "status_command"),
}
"""name -> (module, attribute) of commands that live in modules of their own."""

NOT_OURS = ("stop", "restart", "upgrade", "print-cmd", "version")
"""Words of zkServer.sh's that belong to a server in the background, or to Java."""


class _Commands(click.Group):
    """The group, with the lazy ones among its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *LAZY])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in LAZY:
            module, attribute = LAZY[name]
            command: click.Command = getattr(import_module(module), attribute)
            return command
        return super().get_command(ctx, name)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorate", prog_name="coord")
def main() -> None:
    """A coordination service that speaks Apache ZooKeeper's protocols."""


@main.command()
@click.argument("config", metavar="ZOO_CFG")
@click.option("-D", "options", multiple=True, metavar="KEY=VALUE", help="Sets a key, over its value in the file.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True,
    help="The least important messages to show.",
)  # fmt: skip
def server(config: str, options: tuple[str, ...], log_level: str) -> None:
    """Runs one server in the foreground; SIGTERM or Ctrl-C stops it.

    ZOO_CFG is a configuration file as Apache ZooKeeper reads it.
    """
    from .serve import serve  # the server's modules, for the server alone

    serve(config, options, log_level)


def zk_server() -> None:
    """zkServer [start-foreground|status] [ZOO_CFG]: `coord server` and `coord status`, by the words of zkServer.sh."""
    words = sys.argv[1:]
    command = "server"
    if words and words[0] in ("start-foreground", "start", "status"):
        command = "status" if words[0] == "status" else "server"
        words = words[1:]
    elif words and words[0] in NOT_OURS:
        click.echo(
            f"zkServer: no {words[0]} here: a server runs in the foreground, from `zkServer start-foreground ZOO_CFG`; "
            "Ctrl-C or SIGTERM stops it, and `zkServer status ZOO_CFG` tells how it is",
            err=True,
        )
        sys.exit(2)
    main([command, *(words or ["zoo.cfg"])], prog_name="coord")


def zk_cli() -> None:
    """zkCli [-server HOSTS] [COMMAND…]: `coord shell`, by the options of zkCli.sh."""
    words = ["-s" if word == "-server" else word for word in sys.argv[1:]]
    main(["shell", *words], prog_name="coord")
