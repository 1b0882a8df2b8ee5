"""`broker server`: one broker in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import click
import trio

from broker.server.config import BrokerConfig, load_config
from broker.server.node import run
from coord.kit.cliutil import fail, reason_of
from coord.kit.logs import set_up_logging
from coord.kit.posix import PosixDisk
from coord.kit.properties import ConfigError
from coord.kit.serve import rest_collector, serve_until_stopped, wake_collector
from coord.kit.system import system_host
from coord.kit.tcp import open_network

__all__ = ["server_command"]

log = logging.getLogger(__name__)


@click.command("server")
@click.argument("config", metavar="SERVER_PROPERTIES")
@click.option(
    "--override",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Sets a key, over its value in the file.",
)
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True,
    help="The least important messages to show.",
)  # fmt: skip
def server_command(config: str, overrides: tuple[str, ...], log_level: str) -> None:
    """Runs one broker in the foreground; SIGTERM or Ctrl-C stops it.

    SERVER_PROPERTIES is a configuration file as Apache Kafka reads it.
    """
    rest_collector()
    try:
        loaded, unknown = _load(os.path.abspath(config), overrides)
        set_up_logging(f"broker-{loaded.broker_id}", log_level)
        if unknown:
            log.warning("%s: keys without a meaning to this broker: %s", config, ", ".join(unknown))
        trio.run(serve_until_stopped, lambda: _node(loaded))
    except Exception as error:
        fail("broker server", reason_of(error))


def _load(path: str, overrides: Sequence[str]) -> tuple[BrokerConfig, list[str]]:
    try:
        data = PosixDisk().read(path)
    except OSError as error:
        raise ConfigError(f"{path}: the configuration cannot be read: {error.strerror or error}") from error
    return load_config(data, path, [_pair(override) for override in overrides])


def _pair(override: str) -> tuple[str, str]:
    name, equals, value = override.partition("=")
    if not name or not equals:
        raise ConfigError(f"--override {override}: expected KEY=VALUE")
    return name.strip(), value


async def _node(config: BrokerConfig) -> None:
    async with open_network() as network, trio.open_nursery() as nursery:
        await nursery.start(run, system_host(network), config)
        wake_collector()
