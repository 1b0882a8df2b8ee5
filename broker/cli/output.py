"""Standard output that cannot be written: a full disk, a reader that went away, a terminal that is gone.

What a command prints goes through `say`, so that a failure of standard output is told apart from every other OSError. It
ends the command: with one line and exit code 1, or, where the reader of a pipe has had enough (`| head -1`), without a word and
with the exit code that a shell gives a program which SIGPIPE ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import click

from coord.kit.cliutil import EXIT_FAILED

__all__ = ["OutputError", "output_failed", "say"]


class OutputError(Exception):
    """Standard output cannot be written; the text says why. `reader_left`: nobody reads the pipe any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror or error}")
        self.reader_left = isinstance(error, BrokenPipeError)


def say(text: str) -> None:
    """Prints a line at once. Raises OutputError."""
    try:
        click.echo(text)
    except OSError as error:
        raise OutputError(error) from error


def output_failed(program: str, error: OutputError) -> int:
    """Tells that standard output failed, if that is worth a word; returns the exit code of the process."""
    # What could not be written is still in the buffer, and the interpreter tries once more on its way out.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if error.reader_left:
        return 128 + signal.SIGPIPE
    with contextlib.suppress(OSError):  # a terminal that is gone takes both with it
        print(f"{program}: {error}", file=sys.stderr, flush=True)
    return EXIT_FAILED
