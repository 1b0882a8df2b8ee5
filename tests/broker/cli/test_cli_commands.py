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
