"""`kafka-topics`: the actions of `broker topics`, asked for by Kafka's flags, answered by Kafka's lines and exit codes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from broker.client.cluster import BootstrapError, Cluster
from broker.wire.errors import KafkaError

from . import topics
from .clients import bootstrap_option, client_settings
from .output import say
from .topic_lines import Shown

__all__ = ["kafka_topics_command"]

ACTIONS = ("list", "describe", "create", "alter", "delete")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The command line, checked."""

    action: str
    topic: str | None
    partitions: int | None
    replication_factor: int | None
    replica_assignment: str | None
    configs: tuple[str, ...]
    if_exists: bool
    if_not_exists: bool
    exclude_internal: bool
    shown: Shown


@click.command("kafka-topics", context_settings={"help_option_names": ["--help"]})
@bootstrap_option
@click.option("--list", "do_list", is_flag=True, help="List all topics.")
@click.option("--describe", "do_describe", is_flag=True, help="Describe topics.")
@click.option("--create", "do_create", is_flag=True, help="Create a topic.")
@click.option("--alter", "do_alter", is_flag=True, help="Give a topic more partitions.")
@click.option("--delete", "do_delete", is_flag=True, help="Delete topics.")
@click.option("--topic", help="The topic; a regular expression except for --create.")
@click.option("--partitions", type=int, help="Number of partitions.")
@click.option("--replication-factor", type=int, help="Replicas of each partition.")
@click.option("--replica-assignment", metavar="1:2,2:3", help="Brokers of each partition.")
@click.option("--config", "configs", multiple=True, metavar="KEY=VALUE", help="A configuration of the topic to create.")
@click.option("--if-exists", is_flag=True, help="Do nothing if there is no such topic.")
@click.option("--if-not-exists", is_flag=True, help="Do nothing if there is such a topic.")
@click.option("--exclude-internal", is_flag=True, help="Leave out internal topics.")
@click.option("--topics-with-overrides", is_flag=True, help="Describe only topics with a configuration of their own.")
@click.option("--under-replicated-partitions", is_flag=True, help="Describe only partitions that lack replicas in sync.")
@click.option("--unavailable-partitions", is_flag=True, help="Describe only partitions without a leader.")
@click.option("--under-min-isr-partitions", is_flag=True, help="Describe only partitions below min.insync.replicas.")
@click.option("--at-min-isr-partitions", is_flag=True, help="Describe only partitions at min.insync.replicas.")
@click.option("--command-config", type=click.Path(dir_okay=False), help="Properties of the client.")
@click.version_option(package_name="quorate", prog_name="kafka-topics")
def kafka_topics_command(bootstrap: str, command_config: str | None, **given: Any) -> None:
    """Create, delete, describe, or change a topic."""
    asked = _check(given)
    client_settings(command_config, (), "--command-config")
    topics.on_cluster("kafka-topics", bootstrap, lambda cluster: _act(cluster, asked))


def _check(given: dict[str, Any]) -> _Asked:
    """What is asked for; ends the process with Kafka's words where that makes no sense."""
    actions = [name for name in ACTIONS if given[f"do_{name}"]]
    if len(actions) != 1:
        _usage("Command must include exactly one action: --list, --describe, --create, --alter or --delete")
    (action,) = actions
    if given["topic"] is None and action in ("create", "alter", "delete"):
        _usage('Missing required argument "[topic]"')
    if given["partitions"] is None and action == "alter":
        _usage('Missing required argument "[partitions]"')
    shown = Shown(
        given["topics_with_overrides"],
        given["under_replicated_partitions"],
        given["unavailable_partitions"],
        given["under_min_isr_partitions"],
        given["at_min_isr_partitions"],
    )
    kept = {name: given[name] for name in _Asked.__slots__ if name in given}
    return _Asked(action=action, shown=shown, **kept)


async def _act(cluster: Cluster, asked: _Asked) -> None:
    try:
        await _do(cluster, asked)
    except (KafkaError, BootstrapError) as error:
        say(f"Error while executing topic command : {error}")
        sys.exit(1)


async def _do(cluster: Cluster, asked: _Asked) -> None:
    internal = not asked.exclude_internal
    if asked.action == "list":
        for name in await topics.names_of(cluster, asked.topic, internal=internal):
            say(name)
    elif asked.action == "create":
        assert asked.topic is not None
        assignments = topics.parse_assignment(asked.replica_assignment)
        settings = topics.topic_settings(asked.configs)
        wanted = topics.new_topic(asked.topic, asked.partitions, asked.replication_factor, settings, assignments)
        await topics.create(cluster, wanted, if_not_exists=asked.if_not_exists)
    else:
        find = topics.names_of if asked.topic is None or asked.if_exists else topics.existing
        names = await find(cluster, asked.topic or ".*", internal=internal)
        if asked.action == "describe":
            await topics.describe(cluster, names, asked.shown)
        elif asked.action == "delete":
            await topics.delete(cluster, names)
        else:
            assert asked.partitions is not None
            for name in names:
                await topics.alter(cluster, name, asked.partitions, topics.parse_assignment(asked.replica_assignment))


def _usage(message: str) -> NoReturn:
    click.echo(message, err=True)
    click.echo(click.get_current_context().get_help(), err=True)
    sys.exit(1)
