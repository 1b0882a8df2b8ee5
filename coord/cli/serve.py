"""`coord server`: one server in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import trio

from coord.kit.cliutil import definitions, fail, reason_of
from coord.kit.logs import set_up_logging
from coord.kit.posix import PosixDisk
from coord.kit.serve import rest_collector, serve_until_stopped, wake_collector
from coord.kit.system import system_host
from coord.kit.tcp import open_network
from coord.server.config import ServerConfig, read_config
from coord.server.node import run

__all__ = ["serve"]


def serve(path: str, options: Sequence[str], level: str) -> None:
    """Runs the server of the configuration file `path`; returns when it was stopped, exits otherwise."""
    rest_collector()
    try:
        config = read_config(PosixDisk(), os.path.abspath(path), definitions(options))
        set_up_logging(f"coord-{config.server_id}" if config.ensemble is not None else "coord", level)
        stopping = trio.Event()
        trio.run(serve_until_stopped, lambda: _node(config, stopping), stopping)
    except Exception as error:
        fail("coord server", reason_of(error))


async def _node(config: ServerConfig, stopping: trio.Event) -> None:
    async with open_network() as network, trio.open_nursery() as nursery:
        await nursery.start(partial(run, stopping=stopping), system_host(network), config)
        wake_collector()
