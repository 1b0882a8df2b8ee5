"""`broker consume` and `kafka-console-consumer`: the records of a topic to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click
import trio

from broker.client.admin import EARLIEST, LATEST
from broker.client.cluster import Cluster, open_cluster
from broker.client.consumer import Consumer, open_consumer
from broker.client.fetching import FetchOptions
from broker.client.group import GroupOptions
from broker.wire.errors import ErrorCode, KafkaError
from coord.kit.cliutil import EXIT_FAILED, EXIT_USAGE, fail
from coord.kit.properties import ConfigError

from .clients import bootstrap_option, client_settings, invoked_as, key_values, run_client
from .formats import FormatError, Formatter, formatter_of
from .output import OutputError
from .topics import matcher, names_of

__all__ = ["consume_command"]

LAST_WRITE_S = 0.02
"""How long a write that a signal interrupts may go on."""
CLIENT_ID = "console-consumer"


@dataclass(slots=True)
class _Wanted:
    """What to read, from where, until when."""

    program: str
    topic: str | None
    include: str | None
    partition: int | None
    start: int
    """An offset, EARLIEST or LATEST."""
    group: GroupOptions | None
    max_messages: int | None
    timeout_s: float
    client_id: str
    fetch: FetchOptions
    form: Formatter
    skip_errors: bool = False
    count: int = field(default=0)
    """Records printed so far."""


@click.command("consume", context_settings={"help_option_names": ["-h", "--help"]})
@bootstrap_option
@click.option("--topic", help="The topic to read.")
@click.option("--include", "--whitelist", metavar="REGEX", help="Read all topics whose name matches.")
@click.option("--from-beginning", is_flag=True, help="Begin with the first record, where no offset is committed.")
@click.option("--partition", type=click.IntRange(0), metavar="N", help="Read this partition alone.")
@click.option("--offset", metavar="OFFSET", help="Where to begin in that partition: a number, earliest or latest.")
@click.option("--group", metavar="ID", help="Read as a member of this group, and commit its offsets.")
@click.option("--max-messages", type=click.IntRange(0), metavar="N", help="Stop after this many records.")
@click.option("--timeout-ms", type=click.IntRange(0), metavar="MS", help="Stop when no record comes for so long.")
@click.option("--isolation-level", type=click.Choice(["read_uncommitted", "read_committed"]), help="Whether to show records of open and aborted transactions.")
@click.option("--format", "--formatter", "formatter", default="default", show_default=True, metavar="NAME", help="default, json (an object a line) or none.")
@click.option("--property", "--formatter-property", "properties", multiple=True, metavar="KEY=VALUE",
              help="What to print: print.timestamp, print.partition, print.offset, print.headers, print.key, print.value; "
                   "key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer.")
@click.option("--key-deserializer", metavar="CLASS", help="How keys are shown: String, Integer, Long, ...")
@click.option("--value-deserializer", metavar="CLASS", help="How values are shown.")
@click.option("--consumer-property", "consumer_properties", multiple=True, metavar="KEY=VALUE", help="A property of the consumer.")
@click.option("--consumer.config", "consumer_config", type=click.Path(dir_okay=False), help="A file of such properties.")
@click.option("--skip-message-on-error", "skip_errors", is_flag=True, help="Go on after a record that cannot be shown.")
@click.option("--enable-systest-events", is_flag=True, hidden=True, expose_value=False)
@click.version_option(package_name="quorate")
def consume_command(bootstrap: str, **given: Any) -> None:
    """Prints the records of a topic, until Ctrl-C or what else is asked for."""
    program = invoked_as()
    try:
        wanted = _wanted(program, given)
    except (ConfigError, FormatError) as error:
        fail(program, error, EXIT_USAGE)
    run_client(program, lambda interruptible: _consume(bootstrap, wanted, interruptible))


async def _consume(bootstrap: str, wanted: _Wanted, interruptible: trio.CancelScope) -> int:
    """Reads until there is enough, or a signal; commits what was printed in any case."""
    code = 0
    try:
        async with open_cluster(bootstrap, wanted.client_id) as cluster:
            reset = wanted.start if wanted.start < 0 else LATEST
            async with open_consumer(cluster, wanted.fetch, reset=reset) as consumer:
                with interruptible:
                    await _start(cluster, consumer, wanted)
                    await _print_all(consumer, wanted)
    except OutputError as error:
        if not error.reader_left:
            raise
        print("Unable to write to standard out, closing consumer.", file=sys.stderr)
    except FormatError as error:
        print(f"{wanted.program}: {error}", file=sys.stderr)
        code = EXIT_FAILED
    finally:
        print(f"Processed a total of {wanted.count} messages", file=sys.stderr)
    return code


async def _start(cluster: Cluster, consumer: Consumer, wanted: _Wanted) -> None:
    """Finds the topics, and reads them: as a member of a group, or all of them alone."""
    if wanted.topic is not None:
        topics = [wanted.topic]
    else:
        topics = await names_of(cluster, wanted.include, internal=False)
        if not topics:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"no topic matches {wanted.include!r}")
    counts = {topic: len((await cluster.topic(topic, create=True)).leaders) for topic in topics}
    if wanted.group is not None:
        consumer.subscribe(topics, wanted.group)
        return
    everything = {(topic, partition): wanted.start for topic in topics for partition in range(counts[topic])}
    if wanted.partition is not None:
        only = (topics[0], wanted.partition)
        if only not in everything:
            count = counts[topics[0]]
            there = "partition 0 alone" if count == 1 else f"partitions 0 to {count - 1}"
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"topic {topics[0]!r} has no partition {only[1]}: it has {there}"
            )
        everything = {only: wanted.start}
    consumer.assign(everything)


async def _print_all(consumer: Consumer, wanted: _Wanted) -> None:
    """Prints what arrives. A record counts as dealt with when it is written. Raises OutputError, FormatError."""
    while wanted.max_messages is None or wanted.count < wanted.max_messages:
        with trio.move_on_after(wanted.timeout_s) as patience:
            fetched = await consumer.next()
        if patience.cancelled_caught:
            print(f"{wanted.program}: no record came for {wanted.timeout_s * 1000:g} ms", file=sys.stderr)
            return
        records = fetched.records
        end = fetched.next_offset
        if wanted.max_messages is not None and len(records) > wanted.max_messages - wanted.count:
            records = records[: wanted.max_messages - wanted.count]
            end = records[-1].offset + 1
        if wanted.skip_errors:
            for record in records:
                try:
                    await _write(wanted.form(fetched, [record]))
                except FormatError as error:
                    print(f"{wanted.program}: offset {record.offset}: {error}", file=sys.stderr)
        elif records:
            await _write(wanted.form(fetched, records))
        wanted.count += len(records)
        consumer.mark(fetched, end)


async def _write(data: bytes) -> None:
    """Writes to standard output, in a thread: whoever reads it may be slow, and heartbeats must go on.

    A signal may come when all is written and this task does not know it yet: what was printed has to be committed.
    Raises OutputError.
    """
    left = memoryview(data)

    def write_all() -> None:
        nonlocal left
        while left:
            left = left[os.write(1, left) :]

    try:
        if data:
            await trio.to_thread.run_sync(write_all, abandon_on_cancel=True)
    except OSError as error:
        raise OutputError(error) from error
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(LAST_WRITE_S)
        if left:
            raise


# the command line


def _wanted(program: str, given: Mapping[str, Any]) -> _Wanted:
    settings = client_settings(given["consumer_config"], given["consumer_properties"], "--consumer-property")
    if (given["topic"] is None) == (given["include"] is None):
        raise ConfigError("Exactly one of --include/--topic is required.")
    if given["include"] is not None:
        matcher(given["include"], "--include")
    if given["partition"] is not None and given["topic"] is None:
        raise ConfigError("The topic is required when partition is specified.")
    if given["offset"] is not None and given["partition"] is None:
        raise ConfigError("The partition is required when offset is specified.")
    if given["offset"] is not None and given["from_beginning"]:
        raise ConfigError("Options from-beginning and offset cannot be specified together.")
    group_id = _group_id(given)
    if group_id is not None and given["partition"] is not None:
        raise ConfigError("Options group and partition cannot be specified together.")
    properties = key_values(given["properties"], "--property")
    for flag in ("key", "value"):
        if given[f"{flag}_deserializer"] is not None:
            properties[f"{flag}.deserializer"] = given[f"{flag}_deserializer"]
    return _Wanted(
        program=program,
        topic=given["topic"],
        include=given["include"],
        partition=given["partition"],
        start=_start_at(given, settings),
        group=_group(group_id, settings),
        max_messages=given["max_messages"],
        timeout_s=float("inf") if given["timeout_ms"] is None else given["timeout_ms"] / 1000,
        client_id=settings.get("client.id", CLIENT_ID),
        fetch=_fetch(given, settings),
        form=formatter_of(given["formatter"], properties),
        skip_errors=given["skip_errors"],
    )


def _group_id(given: Mapping[str, Any]) -> str | None:
    """The group to join. Raises ConfigError when it is named differently in two places, as Kafka does: which one is meant?"""
    properties = client_settings(None, given["consumer_properties"], "--consumer-property")
    file = client_settings(given["consumer_config"], (), "--consumer-property")
    named = [group for group in (given["group"], properties.get("group.id"), file.get("group.id")) if group is not None]
    if len(set(named)) > 1:
        raise ConfigError(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via "
            f"'--consumer.config') do not match. Detected group ids: {', '.join(map(repr, dict.fromkeys(named)))}"
        )
    return named[0] if named else None


def _start_at(given: Mapping[str, Any], settings: Mapping[str, str]) -> int:
    text = given["offset"]
    if text is None:
        earliest = given["from_beginning"] or settings.get("auto.offset.reset") == "earliest"
        return EARLIEST if earliest else LATEST
    if text.lower() in ("earliest", "latest"):
        return EARLIEST if text.lower() == "earliest" else LATEST
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(
            f"The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
        )
    return int(text)


def _group(group_id: str | None, settings: Mapping[str, str]) -> GroupOptions | None:
    if group_id is None:
        return None
    return GroupOptions(
        group_id,
        session_timeout_s=_number(settings, "session.timeout.ms", 45_000) / 1000,
        rebalance_timeout_s=_number(settings, "max.poll.interval.ms", 60_000) / 1000,
        heartbeat_s=_number(settings, "heartbeat.interval.ms", 3_000) / 1000,
        instance_id=settings.get("group.instance.id"),
    )


def _fetch(given: Mapping[str, Any], settings: Mapping[str, str]) -> FetchOptions:
    committed = given["isolation_level"] or settings.get("isolation.level", "read_uncommitted")
    standard = FetchOptions()
    return FetchOptions(
        max_wait_ms=_number(settings, "fetch.max.wait.ms", standard.max_wait_ms),
        min_bytes=_number(settings, "fetch.min.bytes", standard.min_bytes),
        max_bytes=_number(settings, "fetch.max.bytes", standard.max_bytes),
        partition_max_bytes=_number(settings, "max.partition.fetch.bytes", standard.partition_max_bytes),
        isolation_level=1 if committed == "read_committed" else 0,
        check_crcs=settings.get("check.crcs", "true").lower() != "false",
    )


def _number(settings: Mapping[str, str], key: str, default: int) -> int:
    text = settings.get(key)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{key}={text}: expected a whole number") from error
