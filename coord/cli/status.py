"""`coord status`: whether the server of a configuration file serves, and as what; as `zkServer.sh status` tells it."""

from __future__ import annotations

import os
import socket
import sys

import click

from coord.kit.cliutil import definitions, fail, reason_of
from coord.kit.posix import PosixDisk
from coord.server.config import ServerConfig, read_config

__all__ = ["status_command"]

TIMEOUT_S = 5.0
ANSWER_MAX = 64 * 1024
ANYWHERE = ("", "0.0.0.0", "::")


@click.command(name="status")
@click.argument("config", metavar="ZOO_CFG")
@click.option("-D", "options", multiple=True, metavar="KEY=VALUE", help="Sets a key, over its value in the file.")
def status_command(config: str, options: tuple[str, ...]) -> None:
    """Tells whether the server of ZOO_CFG serves, and as what.

    It asks the server's client port with the word srvr, which 4lw.commands.whitelist has to allow. Exit codes: 0 it
    serves, 1 it does not answer, or has no quorum, 2 the file is wrong.
    """
    try:
        found = read_config(PosixDisk(), os.path.abspath(config), definitions(options))
    except Exception as error:
        fail("coord status", reason_of(error))
    click.echo(f"Using config: {found.path}", err=True)
    host = "localhost" if found.client_host in ANYWHERE else found.client_host
    click.echo(f"Client port found: {found.client_port}. Client address: {host}. Client SSL: false.")
    answer = _asked(found, host)
    for line in answer.splitlines():
        if line.startswith("Mode: "):
            click.echo(line)
            return
    if "whitelist" in answer:
        reason = "It answers, but 4lw.commands.whitelist does not allow srvr."
    elif answer:
        reason = "It runs, but serves no clients: there is no quorum."
    else:
        reason = "It is probably not running."
    click.echo(f"Error contacting service. {reason}", err=True)
    sys.exit(1)


def _asked(config: ServerConfig, host: str) -> str:
    """The answer to srvr; empty where there is none."""
    answer = b""
    try:
        with socket.create_connection((host, config.client_port), timeout=TIMEOUT_S) as connection:
            connection.sendall(b"srvr")
            while len(answer) < ANSWER_MAX and (chunk := connection.recv(ANSWER_MAX)):
                answer += chunk
    except (OSError, UnicodeError):  # UnicodeError: the host can be no name
        return ""
    return answer.decode(errors="replace")
