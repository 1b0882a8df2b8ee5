"""`broker produce` and `kafka-console-producer`: lines of standard input to records of a topic."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import click
import trio

from broker.client.cluster import open_cluster
from broker.client.producer import Failure, Producer, ProducerOptions, open_producer
from broker.wire.batches import Codec
from coord.kit.cliutil import EXIT_FAILED, EXIT_USAGE, fail
from coord.kit.properties import ConfigError
from coord.kit.system import SystemWall

from .clients import bootstrap_option, client_settings, invoked_as, key_values, run_client
from .lines import LineError, LineFormat

__all__ = ["produce_command"]

CLIENT_ID = "console-producer"
READ_SIZE = 256 * 1024
LINE_MAX = 64 * 1024 * 1024
REPORTS_MAX = 10
"""Failures that are reported one by one; the rest is a number at the end."""
PROMPT = b">"

# accepted as Kafka's flags are, without a meaning here
IGNORED = ("--line-reader", "--max-block-ms", "--metadata-expiry-ms", "--retry-backoff-ms", "--socket-buffer-size")


def _ignored_options(command: Any) -> Any:
    for flag in IGNORED:
        command = click.option(flag, hidden=True, expose_value=False)(command)
    return command


@click.command("produce", context_settings={"help_option_names": ["-h", "--help"]})
@bootstrap_option
@click.option("--topic", required=True, help="The topic to write to.")
@click.option("--property", "--reader-property", "properties", multiple=True, metavar="KEY=VALUE",
              help="How lines are read: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, "
                   "headers.key.separator, null.marker, ignore.error.")
@click.option("--compression-codec", is_flag=False, flag_value="gzip", default="none", metavar="CODEC",
              help="none, gzip, snappy, lz4 or zstd; gzip if the option stands alone.")
@click.option("--request-required-acks", "acks", default=None, metavar="ACKS", help="0, 1 or all.  [default: all]")
@click.option("--sync", is_flag=True, help="Wait for each record before the next one is sent.")
@click.option("--batch-size", "--max-partition-memory-bytes", type=click.IntRange(1), metavar="BYTES", help="Size of a batch.")
@click.option("--max-memory-bytes", type=click.IntRange(1), metavar="BYTES", help="How much may be under way.")
@click.option("--timeout", "linger_ms", type=click.IntRange(0), metavar="MS", help="How long a batch waits for more records.")
@click.option("--request-timeout-ms", type=click.IntRange(1), metavar="MS", help="How long a request may take.")
@click.option("--message-send-max-retries", "retries", type=click.IntRange(0), metavar="N", help="How often a batch is sent again.")
@click.option("--producer-property", "producer_properties", multiple=True, metavar="KEY=VALUE", help="A property of the producer.")
@click.option("--producer.config", "producer_config", type=click.Path(dir_okay=False), help="A file of such properties.")
@_ignored_options
@click.version_option(package_name="quorate")
def produce_command(
    bootstrap: str, topic: str, properties: tuple[str, ...], producer_properties: tuple[str, ...],
    producer_config: str | None, sync: bool, **given: Any,
) -> None:  # fmt: skip
    """Writes each line of standard input to a topic, as one record.

    A line ends with a newline, and everything before it is the record's, byte for byte: also a carriage return, which
    Kafka's own tool takes off. Ends with exit code 1 if any of them could not be written.
    """
    program = invoked_as()
    try:
        form = LineFormat.of(key_values(properties, "--property"))
        settings = client_settings(producer_config, producer_properties, "--producer-property")
        options = _options(settings, given)
    except (ConfigError, LineError) as error:
        fail(program, error, EXIT_USAGE)
    job = _Job(program, bootstrap, settings.get("client.id", CLIENT_ID), topic, form, options, sync)
    run_client(program, lambda interruptible: _produce(job, interruptible))


@dataclass(frozen=True, slots=True)
class _Job:
    """The command line, checked."""

    program: str
    bootstrap: str
    client_id: str
    topic: str
    form: LineFormat
    options: ProducerOptions
    sync: bool


async def _produce(job: _Job, interruptible: trio.CancelScope) -> int:
    """Reads until the end, a signal or a line that makes no sense; delivers what was read in any case."""
    reports = _Reports(job.program)
    problem: LineError | None = None
    async with (
        open_cluster(job.bootstrap, job.client_id) as cluster,
        open_producer(cluster, SystemWall(), job.options, reports.add) as producer,
    ):
        with interruptible:
            await producer.prepare(job.topic)
            try:
                await _copy_lines(producer, job)
            except LineError as error:
                problem = error
    if problem is not None:
        print(f"{job.program}: {problem}", file=sys.stderr)
    reports.finish(producer.acknowledged)
    return EXIT_FAILED if producer.failed or problem else 0


async def _copy_lines(producer: Producer, job: _Job) -> None:
    """Hands all lines of standard input to the producer. Raises LineError."""
    number = 0
    topic, plain = job.topic, job.form.plain
    async for lines in _lines_of_stdin():
        for line in lines:
            number += 1
            if plain:
                producer.append(topic, None, line)
            else:
                key, value, headers = job.form.parse(line, number)
                producer.append(topic, key, value, headers)
            if job.sync:
                await producer.flush()
        await producer.room()


async def _lines_of_stdin() -> AsyncIterator[list[bytes]]:
    """Lines without their newlines, as many at a time as one read brings; prompts when a person types."""
    prompting = sys.stdin.isatty() and sys.stdout.isatty()
    tail = b""
    while True:
        if prompting:
            os.write(1, PROMPT)
        data = await trio.to_thread.run_sync(os.read, 0, READ_SIZE, abandon_on_cancel=True)
        if not data:
            if tail:
                yield [tail]
            return
        lines = (tail + data).split(b"\n")
        tail = lines.pop()
        if len(tail) > LINE_MAX:
            raise LineError(f"a line is longer than {LINE_MAX} bytes")
        if lines:
            yield lines


class _Reports:
    """Failures on standard error: the first ones as they come, the rest as a number."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.partitions = 0
        self.records = 0

    def add(self, failure: Failure) -> None:
        self.partitions += 1
        self.records += failure.records
        if self.partitions <= REPORTS_MAX:
            what = "1 record" if failure.records == 1 else f"{failure.records} records"
            print(f"{self.program}: {what} for {failure.topic}-{failure.partition} not written: {failure.error}", file=sys.stderr)

    def finish(self, acknowledged: int) -> None:
        if self.records:
            print(f"{self.program}: {self.records} of {self.records + acknowledged} records were not written", file=sys.stderr)


def _options(settings: Mapping[str, str], given: Mapping[str, Any]) -> ProducerOptions:
    """Flags over properties over defaults. Raises ConfigError."""
    options = ProducerOptions()
    for key, text in settings.items():
        if key in _PROPERTIES:
            name, read = _PROPERTIES[key]
            options = replace(options, **{name: _value(key, text, read)})
    if given["compression_codec"] != "none" or "compression.type" not in settings:
        options = replace(options, codec=_value("--compression-codec", given["compression_codec"], _codec))
    if given["acks"] is not None:
        options = replace(options, acks=_value("--request-required-acks", given["acks"], _acks))
    for flag, name, scale in _FLAGS:
        if given[flag] is not None:
            options = replace(options, **{name: given[flag] / scale if scale != 1 else given[flag]})
    return options


def _value(key: str, text: str, read: Any) -> Any:
    try:
        return read(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{key}={text}: not a value of this property") from error


def _codec(text: str) -> Codec:
    return Codec[text.upper()]


def _acks(text: str) -> int:
    return {"0": 0, "1": 1, "-1": -1, "all": -1}[text]


def _seconds(text: str) -> float:
    return int(text) / 1000


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_PROPERTIES: dict[str, tuple[str, Any]] = {
    "acks": ("acks", _acks),
    "batch.size": ("batch_size", int),
    "buffer.memory": ("buffer_size", int),
    "compression.type": ("codec", _codec),
    "delivery.timeout.ms": ("delivery_timeout_s", _seconds),
    "enable.idempotence": ("idempotent", _flag),
    "linger.ms": ("linger_s", _seconds),
    "request.timeout.ms": ("request_timeout_s", _seconds),
    "retries": ("retries", int),
}
_FLAGS = (
    ("batch_size", "batch_size", 1),
    ("max_memory_bytes", "buffer_size", 1),
    ("linger_ms", "linger_s", 1000),
    ("request_timeout_ms", "request_timeout_s", 1000),
    ("retries", "retries", 1),
)
