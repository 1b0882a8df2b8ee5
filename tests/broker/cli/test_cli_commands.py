"""The commands as processes, against a broker in the test: what they print, where, and how they end."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
import trio

from broker.cli import consume
from broker.wire.errors import ErrorCode
from broker.wire.messages import ProduceResponse, ProduceResponsePartition, ProduceResponseTopic
from broker.wire.records import read_records
from tests.broker.client.fake_broker import FakeBroker, fake_broker

Done = subprocess.CompletedProcess[bytes]


def with_broker(body: Callable[[FakeBroker], Awaitable[None]], **topics: int) -> None:
    async def main() -> None:
        with trio.fail_after(100):
            async with fake_broker(topics) as broker:
                await body(broker)

    trio.run(main)


async def run(broker: FakeBroker | None, *words: str, stdin: bytes = b"") -> Done:
    where = [] if broker is None else ["--bootstrap-server", f"127.0.0.1:{broker.port}"]
    command = [sys.executable, "-m", "broker", *words, *where]
    return await trio.run_process(command, stdin=stdin, capture_stdout=True, capture_stderr=True, check=False)


async def kafka(broker: FakeBroker, function: str, *words: str) -> Done:
    script = f"import sys; from broker.cli.main import {function}; {function}()"
    command = [sys.executable, "-c", script, *words, "--bootstrap-server", f"127.0.0.1:{broker.port}"]
    return await trio.run_process(command, stdin=b"", capture_stdout=True, capture_stderr=True, check=False)


def values(broker: FakeBroker, topic: str, partition: int = 0) -> list[bytes | None]:
    return [record.value for batch in broker.logs[topic, partition] for record in read_records(batch)]


def test_topics_are_created_and_listed() -> None:
    """Kafka's lines; an error on standard error and exit code 1, or where kafka-topics has it."""

    async def body(broker: FakeBroker) -> None:
        made = await run(broker, "topics", "create", "--topic", "new", "--partitions", "2")
        assert (made.returncode, made.stdout, made.stderr) == (0, b"Created topic new.\n", b"")
        again = await run(broker, "topics", "create", "new")
        assert (again.returncode, again.stdout) == (1, b"")
        assert again.stderr == b"broker topics: Topic 'new' already exists.\n"
        theirs = await kafka(broker, "kafka_topics", "--create", "--topic", "new")
        assert (theirs.returncode, theirs.stdout) == (1, b"Error while executing topic command : Topic 'new' already exists.\n")
        listed = await run(broker, "topics", "list")
        assert listed.stdout == b"new\nold\n"
        nothing = await kafka(broker, "kafka_topics", "--list", "--create")
        assert nothing.returncode == 1
        assert nothing.stderr.startswith(b"Command must include exactly one action")

    with_broker(body, old=1)


def test_numbers_that_make_no_topic_are_refused() -> None:
    """-1 is what `not given` is on the wire, but not what a user who types it is understood to say."""

    async def body(broker: FakeBroker) -> None:
        for option, why in (
            (("--partitions", "-1"), b"The partitions must be greater than 0"),
            (("--partitions", "0"), b"The partitions must be greater than 0"),
            (("--replication-factor", "-1"), b"The replication factor must be between 1 and 32767 inclusive"),
            (("--replication-factor", "0"), b"The replication factor must be between 1 and 32767 inclusive"),
            (("--replication-factor", "32768"), b"The replication factor must be between 1 and 32767 inclusive"),
        ):
            made = await run(broker, "topics", "create", "--topic", "new", *option)
            assert (made.returncode, made.stdout, made.stderr) == (1, b"", b"broker topics: " + why + b"\n")
            theirs = await kafka(broker, "kafka_topics", "--create", "--topic", "new", *option)
            assert (theirs.returncode, theirs.stdout) == (1, b"Error while executing topic command : " + why + b"\n")
        assert (await run(broker, "topics", "list")).stdout == b""

    with_broker(body)


def test_errors_carry_the_name_that_was_typed() -> None:
    """And tell which partitions there are."""

    async def body(broker: FakeBroker) -> None:
        for topic, there in (("one", "partition 0 alone"), ("three", "partitions 0 to 2")):
            words = ("--topic", topic, "--partition", "7")
            why = f"topic '{topic}' has no partition 7: it has {there}\n".encode()
            ours = await run(broker, "consume", *words)
            assert (ours.returncode, ours.stderr.splitlines(keepends=True)[-1]) == (1, b"broker consume: " + why)
            theirs = await kafka(broker, "kafka_console_consumer", *words)
            assert (theirs.returncode, theirs.stderr.splitlines(keepends=True)[-1]) == (1, b"kafka-console-consumer: " + why)
        form = await kafka(broker, "kafka_console_producer", "--topic", "one", "--property", "bogus=1")
        assert form.returncode == 2
        assert form.stderr.startswith(b"kafka-console-producer: unknown property bogus")

    with_broker(body, one=1, three=3)


def test_a_carriage_return_is_the_records() -> None:
    """What goes in comes out, byte for byte; --help tells that Kafka's tool does otherwise."""

    async def body(broker: FakeBroker) -> None:
        assert (await run(broker, "produce", "--topic", "t", stdin=b"x\r\n\r\ny\n")).returncode == 0
        assert values(broker, "t") == [b"x\r", b"\r", b"y"]
        assert b"carriage return" in (await run(None, "produce", "--help")).stdout

    with_broker(body, t=1)


def test_standard_output_that_cannot_be_written() -> None:
    """A full disk is one line; a reader that went away is none, and SIGPIPE's exit code."""

    async def body(broker: FakeBroker) -> None:
        await run(broker, "produce", "--topic", "t", stdin=b"x\n")
        address = f"--bootstrap-server 127.0.0.1:{broker.port}"
        for words, count in (("topics list", 0), ("topics create new", 0), ("consume --topic t --from-beginning", 1)):
            done = await trio.run_process(
                ["bash", "-c", f"{sys.executable} -m broker {words} {address} > /dev/full"], capture_stderr=True, check=False
            )
            told = b"Processed a total of 0 messages\n" * count
            why = f"broker {words.split()[0]}: standard output: No space left on device\n".encode()
            assert (done.returncode, done.stderr) == (1, told + why)
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "broker", "topics", "list", *address.split()]
        done = await trio.run_process(command, stdout=writer, capture_stderr=True, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")

    with_broker(body, t=1)


def test_lines_go_in_and_come_out() -> None:
    """From a pipe, with keys, in order; to a pipe; and the count on standard error."""

    async def body(broker: FakeBroker) -> None:
        lines = b"".join(b"key\tline %d \xff\n" % number for number in range(5000)) + b"key\tlast"
        sent = await run(broker, "produce", "--topic", "t", "--property", "parse.key=true", "--compression-codec", "gzip", stdin=lines)
        assert (sent.returncode, sent.stdout, sent.stderr) == (0, b"", b"")
        expected = [b"line %d \xff" % number for number in range(5000)] + [b"last"]
        assert values(broker, "t") == expected

        read = await run(broker, "consume", "--topic", "t", "--from-beginning", "--max-messages", "5001", "--property", "print.key=true")
        assert read.stdout.splitlines() == [b"key\t" + value for value in expected]
        assert (read.returncode, read.stderr) == (0, b"Processed a total of 5001 messages\n")

        some = await run(broker, "consume", "--topic", "t", "--partition", "0", "--offset", "4999", "--timeout-ms", "5000", "--format", "json")
        assert [json.loads(line)["offset"] for line in some.stdout.splitlines()] == [4999, 5000]
        assert some.stderr.endswith(b"Processed a total of 2 messages\n")

    with_broker(body, t=1)


def test_records_that_are_refused_end_in_exit_code_1() -> None:
    """The reason is told, and how many; what went well is kept."""

    def refuse(request: object) -> ProduceResponse:
        row = ProduceResponsePartition(0, ErrorCode.INVALID_RECORD, error_message="no key")
        return ProduceResponse(responses=[ProduceResponseTopic("t", [row])])

    async def body(broker: FakeBroker) -> None:
        broker.faults[0].append(refuse)
        failed = await run(broker, "produce", "--topic", "t", "--sync", stdin=b"a\nb\n")
        assert failed.returncode == 1
        assert failed.stderr == (
            b"broker produce: 1 record for t-0 not written: no key\nbroker produce: 1 of 2 records were not written\n"
        )
        assert values(broker, "t") == [b"b"]

        form = await run(broker, "produce", "--topic", "t", "--property", "parse.key=true", stdin=b"k\tv\nnokey\nk\tw\n")
        assert (form.returncode, form.stderr) == (1, b"broker produce: No key separator found on line number 2: 'nokey'\n")
        assert values(broker, "t") == [b"b", b"v"]

    with_broker(body, t=1)


def test_a_group_member_that_is_stopped_commits_what_it_printed() -> None:
    """SIGTERM ends it within moments, by the shell's exit code."""

    async def body(broker: FakeBroker) -> None:
        await run(broker, "produce", "--topic", "t", stdin=b"1\n2\n3\n")
        command = [
            sys.executable, "-m", "broker", "consume", "--topic", "t", "--group", "g", "--from-beginning",
            "--bootstrap-server", f"127.0.0.1:{broker.port}",
        ]  # fmt: skip
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        seen = b""
        while seen.count(b"\n") < 3:
            seen += await process.stdout.receive_some()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
        assert seen == b"1\n2\n3\n"
        assert await process.stderr.receive_some() == b"Processed a total of 3 messages\n"
        assert broker.committed == {("t", 0): 3}

    with_broker(body, t=1)


def test_what_was_written_when_the_signal_came_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader has it and signals before the consumer knows that it is written; what is not written does not count."""
    scope = trio.CancelScope()

    def write(_fd: int, data: bytes) -> int:
        trio.from_thread.run_sync(scope.cancel)
        return len(data)

    async def main() -> list[str]:
        story = []
        with scope:
            await consume._write(b"1\n")
            story.append("counted")
            await consume._write(b"2\n")
            story.append("never")
        return story

    monkeypatch.setattr(consume.os, "write", write)
    assert trio.run(main) == ["counted"]


def test_a_reader_that_goes_away_ends_the_consumer() -> None:
    """As `| head -1` does."""

    async def body(broker: FakeBroker) -> None:
        await run(broker, "produce", "--topic", "t", stdin=b"x" * 200 + b"\n" + b"line\n" * 100_000)
        command = f"{sys.executable} -m broker consume --topic t --from-beginning --bootstrap-server 127.0.0.1:{broker.port} | head -c 3"
        done = await trio.run_process(["sh", "-c", command], capture_stdout=True, capture_stderr=True, check=False)
        assert done.stdout == b"xxx"
        assert done.stderr.startswith(b"Unable to write to standard out, closing consumer.\nProcessed a total of ")

    with_broker(body, t=1)


def test_a_person_is_prompted() -> None:
    """On a terminal each line is sent as it is typed, and Ctrl-D ends it."""

    async def body(broker: FakeBroker) -> None:
        ours, its = pty.openpty()
        command = [sys.executable, "-m", "broker", "produce", "--topic", "t", "--bootstrap-server", f"127.0.0.1:{broker.port}"]
        process = await trio.lowlevel.open_process(command, stdin=its, stdout=its)
        shown = b""
        for line in (b"first", b"second"):
            while shown.count(b">") <= len(values(broker, "t")):
                shown += await trio.to_thread.run_sync(os.read, ours, 1000)
            os.write(ours, line + b"\n")
            while line not in values(broker, "t"):
                await trio.sleep(0.01)
        os.write(ours, b"\x04")
        assert await process.wait() == 0
        os.close(its)
        os.close(ours)
        assert values(broker, "t") == [b"first", b"second"]

    with_broker(body, t=1)


def test_nobody_at_the_address_is_one_line() -> None:
    """Which names the address and the reason."""

    async def body(broker: FakeBroker) -> None:
        for words in (("topics", "list"), ("produce", "--topic", "t"), ("consume", "--topic", "t")):
            done = await run(None, *words, "--bootstrap-server", "127.0.0.1:1")
            assert done.returncode == 1
            assert f"broker {words[0]}: no broker answers at 127.0.0.1:1 (connection refused)\n".encode() in done.stderr
            assert b"Traceback" not in done.stderr

    with_broker(body)


def test_wrong_arguments_are_one_line_and_exit_code_2() -> None:
    """Kafka's words where Kafka has some."""

    async def body(broker: FakeBroker) -> None:
        for words, why in (
            (("consume",), "Exactly one of --include/--topic is required."),
            (("consume", "--topic", "t", "--offset", "1"), "The partition is required when offset is specified."),
            (("consume", "--topic", "t", "--property", "nonsense"), "'nonsense' is not key=value"),
            (("consume", "--topic", "t", "--property", "bogus=1"), "unknown property bogus"),
            (("consume", "--topic", "t", "--format", "bad"), "there is no formatter 'bad'"),
            (("consume", "--topic", "t", "--property", "value.deserializer=bogus"), "there is no deserializer 'bogus'"),
            (("consume", "--include", "("), "Invalid value for --include: '(' is not a regular expression"),
            (("topics", "list", "--topic", "("), "Invalid value for --topic: '(' is not a regular expression"),
            (("consume", "--topic", "t", "--group", "g2", "--consumer-property", "group.id=g1"), "do not match. Detected group ids: 'g2', 'g1'"),
            (
                ("consume", "--topic", "t", "--partition", "0", "--consumer-property", "group.id=g1"),
                "Options group and partition cannot be specified together.",
            ),
            (("produce", "--topic", "t", "--compression-codec", "rar"), "--compression-codec=rar: not a value of this property"),
            (("produce", "--topic", "t", "--producer-property", "security.protocol=SSL"), "this client speaks PLAINTEXT only"),
            (("topics", "create"), "which topic?"),
        ):
            done = await run(broker, *words)
            assert done.returncode == 2, words
            assert why in done.stderr.decode(), words
            assert b"Traceback" not in done.stderr

    with_broker(body)


def test_help_names_every_command() -> None:
    """Without importing any of them."""

    async def body(broker: FakeBroker) -> None:
        done = await run(None, "--help")
        assert done.returncode == 0
        for name in (b"server", b"topics", b"produce", b"consume"):
            assert b"  " + name in done.stdout

    with_broker(body)
