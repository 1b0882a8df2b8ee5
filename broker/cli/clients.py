"""What the client commands share: the bootstrap option, properties, signals, errors as one line, exit codes.

A signal interrupts the command's work; what it does on its way out (commit, flush) is bounded in time. The exit code
is then 128 plus the signal's number, as shells have it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import click
import trio

from broker.client.background import background
from broker.client.cluster import BootstrapError
from broker.wire.errors import KafkaError
from broker.wire.fields import WireError
from coord.kit.cliutil import fail
from coord.kit.properties import ConfigError, Properties

from .output import OutputError, output_failed

__all__ = ["DEFAULT_BOOTSTRAP", "bootstrap_option", "client_settings", "invoked_as", "key_values", "run_client"]

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
STOP_PATIENCE_S = 5.0
"""How long a command may take to end after a signal; a second signal ends it at once."""
SECURITY_KEYS = ("security.protocol", "sasl.mechanism", "sasl.jaas.config")


def bootstrap_option(command: F) -> F:
    """--bootstrap-server; unlike Kafka's it need not be given."""
    return click.option(
        "--bootstrap-server", "--broker-list", "bootstrap", default=DEFAULT_BOOTSTRAP, show_default=True, metavar="HOST:PORT,...",
        help="Brokers to ask first; any of the cluster will do.",
    )(command)  # fmt: skip


def invoked_as() -> str:
    """What the user typed for the command that runs now: `broker consume`, or a name of Kafka's such as kafka-console-consumer."""
    context = click.get_current_context()
    return f"{context.info_name}" if context.parent is None else f"broker {context.info_name}"


Work = Callable[[trio.CancelScope], Awaitable[int]]
"""A command's work: it enters the scope around what a signal shall interrupt, and returns the exit code."""


def run_client(program: str, work: Work) -> NoReturn:
    """Runs a command's work and ends the process with the code that it returns, or with what an error or a signal says."""
    try:
        code = trio.run(_until_signal, work)
    except (BootstrapError, KafkaError, WireError, ConfigError) as error:
        fail(program, error)
    except OutputError as error:
        code = output_failed(program, error)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    sys.exit(code)


async def _until_signal(work: Work) -> int:
    interruptible = trio.CancelScope()
    signalled = 0
    code = 0
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with background() as nursery:

            async def watch() -> None:
                nonlocal signalled
                signalled = await anext(signals)
                interruptible.cancel()
                with trio.move_on_after(STOP_PATIENCE_S):
                    await anext(signals)
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            code = await work(interruptible)
    return 128 + signalled if signalled else code


def key_values(pairs: Iterable[str], option: str) -> dict[str, str]:
    """`key=value` arguments of an option. Raises click.BadParameter."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not key=value", param_hint=option)
        found[key] = value
    return found


def client_settings(path: str | None, pairs: Iterable[str], option: str) -> dict[str, str]:
    """A client's properties: those of a file, and over them those of the command line. Raises ConfigError."""
    found: dict[str, str] = {}
    if path is not None:
        try:
            with click.open_file(path, "rb") as file:
                data: bytes = file.read()
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
        found = {key: entry.value for key, entry in Properties.parse(data, path).items()}
    found |= key_values(pairs, option)
    _refuse_security(found)
    return found


def _refuse_security(settings: Mapping[str, str]) -> None:
    for key in SECURITY_KEYS:
        if settings.get(key, "PLAINTEXT").upper() != "PLAINTEXT":
            raise ConfigError(f"{key}={settings[key]}: this client speaks PLAINTEXT only")
