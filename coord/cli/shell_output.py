"""Where the shell writes: results to standard output, complaints to standard error."""

from __future__ import annotations

import os
import sys
from typing import Protocol

__all__ = ["Output", "PipeOutput", "ScreenOutput"]


class Output(Protocol):
    """What commands write to."""

    failed: bool
    """Results could not be written, which is said already: what was asked for has not been done."""

    def line(self, text: str) -> None:
        """A line of text."""

    def data(self, data: bytes) -> None:
        """A node's data and a line end."""

    def error(self, text: str) -> None:
        """A complaint."""


class PipeOutput:
    """For scripts: a node's data comes out byte for byte. A reader who has gone away ends the process quietly."""

    def __init__(self) -> None:
        self.failed = False

    def line(self, text: str) -> None:
        self.data(text.encode("utf-8", "surrogateescape"))

    def data(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data + b"\n")
            sys.stdout.buffer.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
            if not isinstance(error, BrokenPipeError):
                self.failed = True
                self.error(f"coord shell: standard output: {error.strerror or error}")

    def error(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class ScreenOutput:
    """For a terminal, by `print`, which the prompt redirects above itself. Bytes that are no text are shown escaped."""

    failed = False

    def line(self, text: str) -> None:
        print(text, flush=True)

    def data(self, data: bytes) -> None:
        text = data.decode("utf-8", "backslashreplace")
        print("".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text), flush=True)

    def error(self, text: str) -> None:
        print(text, flush=True)
