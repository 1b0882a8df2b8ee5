"""`broker topics create|list|describe|alter|delete`, and the actions behind them and behind `kafka-topics`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

import click
import trio

from broker.client.admin import (
    NewTopic,
    create_partitions,
    create_topic,
    delete_topic,
    describe_topics,
    list_topics,
    reassignments,
    topic_configs,
)
from broker.client.cluster import Cluster, open_cluster
from broker.wire.errors import ErrorCode, KafkaError

from .clients import bootstrap_option, run_client
from .output import say
from .topic_lines import Shown, topic_lines

__all__ = [
    "INTERNAL",
    "alter",
    "create",
    "delete",
    "describe",
    "matcher",
    "names_of",
    "new_topic",
    "on_cluster",
    "parse_assignment",
    "topics_command",
]

CLIENT_ID = "quorate-topics"
INTERNAL = frozenset(("__consumer_offsets", "__transaction_state"))
LIVE_WITHIN_S = 5.0
FACTOR_MAX = 32767
COLLIDING = (
    "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. "
    "To avoid issues it is best to use either, but not both."
)


# actions; each raises KafkaError with a sentence for the user


def new_topic(
    name: str, partitions: int | None, factor: int | None, configs: Mapping[str, str], assignments: Sequence[Sequence[int]]
) -> NewTopic:
    """A topic as asked for; a number that is None is the broker's to choose, which one given as -1 is not. Raises KafkaError."""
    if factor is not None and not 0 < factor <= FACTOR_MAX:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR, f"The replication factor must be between 1 and {FACTOR_MAX} inclusive"
        )
    if partitions is not None and partitions < 1:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, "The partitions must be greater than 0")
    return NewTopic(
        name, -1 if partitions is None else partitions, -1 if factor is None else factor, configs, assignments
    )


async def create(cluster: Cluster, topic: NewTopic, *, if_not_exists: bool = False) -> None:
    """Creates a topic, says so, and waits until the cluster tells its leaders."""
    if "." in topic.name or "_" in topic.name:
        say(COLLIDING)
    try:
        await create_topic(cluster, topic)
    except KafkaError as error:
        if if_not_exists and error.code == ErrorCode.TOPIC_ALREADY_EXISTS:
            return
        raise
    say(f"Created topic {topic.name}.")
    with trio.move_on_after(LIVE_WITHIN_S):
        while True:
            (row,) = await cluster.refresh([topic.name])
            if row.partitions and all(partition.leader_id in cluster.nodes for partition in row.partitions):
                return
            await trio.sleep(0.05)


async def names_of(cluster: Cluster, pattern: str | None, *, internal: bool = True) -> list[str]:
    """Names of topics, those that match if there is a pattern."""
    fits = matcher(pattern)
    return [name for name in await list_topics(cluster) if fits(name) and (internal or name not in INTERNAL)]


async def existing(cluster: Cluster, pattern: str, *, internal: bool = True) -> list[str]:
    """As `names_of`, but it is an error if there is none."""
    found = await names_of(cluster, pattern, internal=internal)
    if not found:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic '{pattern}' does not exist as expected")
    return found


async def describe(cluster: Cluster, names: Sequence[str], shown: Shown) -> None:
    """Prints topics with their partitions, in Kafka's own lines."""
    rows = await describe_topics(cluster, names) if names else []
    rows.sort(key=lambda row: row.name or "")
    configs = await topic_configs(cluster, [row.name or "" for row in rows]) if rows else {}
    moving = await reassignments(cluster) if rows else {}
    for row in rows:
        if row.error_code:
            raise KafkaError(row.error_code, f"topic {row.name!r}: {ErrorCode(row.error_code).message}")
        for line in topic_lines(row, configs.get(row.name or "", []), moving, set(cluster.nodes), shown):
            say(line)


async def alter(cluster: Cluster, name: str, partitions: int, assignments: Sequence[Sequence[int]] = ()) -> None:
    """Gives a topic more partitions; `assignments` names the replicas of all of them."""
    (row,) = await describe_topics(cluster, [name])
    new = assignments[len(row.partitions) :]
    await create_partitions(cluster, name, partitions, new)


async def delete(cluster: Cluster, names: Sequence[str]) -> None:
    """Deletes topics, one after the other."""
    for name in names:
        await delete_topic(cluster, name)


# helpers of both command lines


def matcher(pattern: str | None, option: str = "--topic") -> Callable[[str], bool]:
    """Kafka's topic filters: a regular expression for the whole name, where a comma also means `or`.

    Raises click.BadParameter, which names the option that it was given by.
    """
    if pattern is None:
        return lambda name: True
    cleaned = pattern.strip().replace(",", "|").replace(" ", "").strip("\"'")
    try:
        compiled = re.compile(cleaned)
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is not a regular expression: {error}", param_hint=option) from error
    return lambda name: name == pattern or compiled.fullmatch(name) is not None


def parse_assignment(text: str | None) -> list[list[int]]:
    """`1:2,2:3`: brokers of the first partition, then of the second. Raises click.BadParameter."""
    if text is None:
        return []
    try:
        found = [[int(broker) for broker in part.split(":")] for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is not like 1:2,2:3", param_hint="--replica-assignment") from error
    for number, brokers in enumerate(found):
        if len(set(brokers)) != len(brokers):
            raise click.BadParameter(f"partition {number} names a broker twice", param_hint="--replica-assignment")
        if len(brokers) != len(found[0]):
            raise click.BadParameter(
                f"partition {number} has another number of replicas than partition 0", param_hint="--replica-assignment"
            )
    return found


def on_cluster(program: str, bootstrap: str, act: Callable[[Cluster], Awaitable[None]]) -> None:
    """Runs an action on the cluster and ends the process."""

    async def work(interruptible: trio.CancelScope) -> int:
        with interruptible:
            async with open_cluster(bootstrap, CLIENT_ID) as cluster:
                await act(cluster)
        return 0

    run_client(program, work)


def _one_name(name: str | None, option: str | None) -> str:
    if name is not None and option is not None and name != option:
        raise click.UsageError("the topic is named twice")
    found = name or option
    if not found:
        raise click.UsageError("which topic? Name it: --topic TOPIC")
    return found


# the commands


@click.group("topics", context_settings={"help_option_names": ["-h", "--help"]})
def topics_command() -> None:
    """Creates, lists, describes, alters and deletes topics."""


@topics_command.command("create")
@bootstrap_option
@click.argument("name", required=False)
@click.option("--topic", help="The topic's name.")
@click.option("--partitions", type=int, metavar="N", help="Number of partitions; the broker's default unless given.")
@click.option("--replication-factor", type=int, metavar="N", help="Replicas of each partition; likewise.")
@click.option("--replica-assignment", metavar="1:2,2:3", help="Brokers of each partition, the preferred leader first.")
@click.option("--config", "configs", multiple=True, metavar="KEY=VALUE", help="A configuration of this topic.")
@click.option("--if-not-exists", is_flag=True, help="Do nothing if there is such a topic.")
def create_command(
    bootstrap: str, name: str | None, topic: str | None, partitions: int | None, replication_factor: int | None,
    replica_assignment: str | None, configs: tuple[str, ...], if_not_exists: bool,
) -> None:  # fmt: skip
    """Creates a topic."""
    wanted, settings, assignments = _one_name(name, topic), topic_settings(configs), parse_assignment(replica_assignment)

    async def act(cluster: Cluster) -> None:
        made = new_topic(wanted, partitions, replication_factor, settings, assignments)
        await create(cluster, made, if_not_exists=if_not_exists)

    on_cluster("broker topics", bootstrap, act)


def topic_settings(pairs: Sequence[str]) -> Mapping[str, str]:
    """The `--config` options. Raises click.BadParameter."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not key=value", param_hint="--config")
        found[key.strip()] = value.strip()
    return found


@topics_command.command("list")
@bootstrap_option
@click.option("--topic", metavar="REGEX", help="Only topics whose name matches.")
@click.option("--exclude-internal", is_flag=True, help="Leave out __consumer_offsets and its like.")
def list_command(bootstrap: str, topic: str | None, exclude_internal: bool) -> None:
    """Lists topics, one each line."""

    async def act(cluster: Cluster) -> None:
        for name in await names_of(cluster, topic, internal=not exclude_internal):
            say(name)

    on_cluster("broker topics", bootstrap, act)


@topics_command.command("describe")
@bootstrap_option
@click.argument("name", required=False)
@click.option("--topic", metavar="REGEX", help="Only topics whose name matches.")
@click.option("--exclude-internal", is_flag=True, help="Leave out __consumer_offsets and its like.")
@click.option("--under-replicated-partitions", "under_replicated", is_flag=True, help="Only partitions that lack replicas in sync.")
@click.option("--unavailable-partitions", "unavailable", is_flag=True, help="Only partitions without a leader.")
def describe_command(
    bootstrap: str, name: str | None, topic: str | None, exclude_internal: bool, under_replicated: bool, unavailable: bool
) -> None:
    """Describes topics and their partitions."""
    pattern = name or topic
    shown = Shown(under_replicated=under_replicated, unavailable=unavailable)

    async def act(cluster: Cluster) -> None:
        find = names_of if pattern is None else existing
        await describe(cluster, await find(cluster, pattern or ".*", internal=not exclude_internal), shown)

    on_cluster("broker topics", bootstrap, act)


@topics_command.command("alter")
@bootstrap_option
@click.argument("name", required=False)
@click.option("--topic", help="The topic's name.")
@click.option("--partitions", type=int, required=True, metavar="N", help="How many partitions the topic is to have in all.")
@click.option("--replica-assignment", metavar="1:2,2:3", help="Brokers of every partition.")
def alter_command(bootstrap: str, name: str | None, topic: str | None, partitions: int, replica_assignment: str | None) -> None:
    """Gives a topic more partitions."""
    wanted, assignments = _one_name(name, topic), parse_assignment(replica_assignment)
    on_cluster("broker topics", bootstrap, lambda cluster: alter(cluster, wanted, partitions, assignments))


@topics_command.command("delete")
@bootstrap_option
@click.argument("name", required=False)
@click.option("--topic", metavar="REGEX", help="The topic's name, or a regular expression for the names of several.")
@click.option("--if-exists", is_flag=True, help="Do nothing if there is no such topic.")
def delete_command(bootstrap: str, name: str | None, topic: str | None, if_exists: bool) -> None:
    """Deletes topics with all their records."""
    wanted = _one_name(name, topic)

    async def act(cluster: Cluster) -> None:
        await delete(cluster, await (names_of if if_exists else existing)(cluster, wanted))

    on_cluster("broker topics", bootstrap, act)
