"""What every command line of ours does alike: exit codes, and errors as one line without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from .properties import ConfigError

__all__ = ["EXIT_FAILED", "EXIT_USAGE", "StartError", "definitions", "fail", "reason_of"]

EXIT_FAILED = 1
"""It was tried and did not succeed."""
EXIT_USAGE = 2
"""What was asked for cannot be done as asked: arguments, configuration, a port in use, a folder that cannot be written."""


class StartError(Exception):
    """A node that cannot start on this machine as configured; the text is one sentence for the operator."""


def fail(program: str, error: BaseException | str, code: int = EXIT_FAILED) -> NoReturn:
    """Ends the process with one line on standard error. Configuration and start errors exit with 2 whatever `code` is."""
    if isinstance(error, ConfigError | StartError):
        code = EXIT_USAGE
    print(f"{program}: {error}", file=sys.stderr, flush=True)
    sys.exit(code)


def reason_of(error: BaseException) -> BaseException:
    """What stands behind a group of exceptions: the first that is not itself a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def definitions(values: Sequence[str]) -> list[tuple[str, str]]:
    """`key=value` arguments of `-D`; a key alone is `true`, as Java has it. Raises ConfigError."""
    pairs = []
    for value in values:
        key, found, text = value.partition("=")
        if not key:
            raise ConfigError(f"-D{value}: expected -Dkey=value")
        pairs.append((key, text if found else "true"))
    return pairs
