"""The command `broker`, and the names that Kafka's users type: kafka-topics, kafka-console-producer and so on.

Commands are imported when they are called for, so that a client starts without the server's modules and `--help`
without any of them.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

__all__ = ["kafka_console_consumer", "kafka_console_producer", "kafka_server_start", "kafka_topics", "main"]

COMMANDS = {
    "server": ("broker.cli.serve", "server_command", "Runs one broker in the foreground."),
    "topics": ("broker.cli.topics", "topics_command", "Creates, lists, describes, alters and deletes topics."),
    "produce": ("broker.cli.produce", "produce_command", "Writes lines of standard input to a topic."),
    "consume": ("broker.cli.consume", "consume_command", "Prints the records of a topic."),
}
"""name -> (module, attribute, what `broker --help` says)."""


class _Commands(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, _, says) in COMMANDS.items()])


def _command(name: str) -> click.Command:
    module, attribute, _ = COMMANDS[name]
    found: click.Command = getattr(import_module(module), attribute)
    return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorate", prog_name="broker")
def main() -> None:
    """A message broker that speaks Apache Kafka's protocol."""


def kafka_server_start() -> None:
    """kafka-server-start [-daemon] SERVER_PROPERTIES [--override KEY=VALUE]...: `broker server`."""
    if "-daemon" in sys.argv[1:]:
        sys.exit("kafka-server-start: -daemon is not supported: leave that to systemd, or to the shell's &")
    _command("server")(prog_name="kafka-server-start")


def kafka_topics() -> None:
    """kafka-topics --create|--list|--describe|--alter|--delete ..., with Kafka's flags."""
    from .kafka_topics import kafka_topics_command

    kafka_topics_command(prog_name="kafka-topics")


def kafka_console_producer() -> None:
    """kafka-console-producer: `broker produce`."""
    _command("produce")(prog_name="kafka-console-producer")


def kafka_console_consumer() -> None:
    """kafka-console-consumer: `broker consume`."""
    _command("consume")(prog_name="kafka-console-consumer")
