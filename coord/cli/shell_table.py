"""The shell's table of commands: each module of commands adds its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .shell_words import Parsed

if TYPE_CHECKING:
    from .shell_session import ShellSession

__all__ = ["COMMANDS", "Command", "command"]

Run = Callable[["ShellSession", Parsed], Awaitable[int | None]]
"""Does the work; the exit code, None for 0. Failures are exceptions."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `flags` and `valued` are its options without and with a value; `least` and `most` count arguments."""

    name: str
    usage: str
    summary: str
    flags: str
    valued: str
    least: int
    most: int
    run: Run
    takes_path: bool

    @property
    def synopsis(self) -> str:
        """The name and what may follow it."""
        return f"{self.name} {self.usage}".strip()


COMMANDS: dict[str, Command] = {}


def command(
    usage: str, summary: str, *, flags: str = "", valued: str = "", least: int = 0, most: int | None = None
) -> Callable[[Run], Run]:
    """Adds the decorated function as the command of its name, in which a final underscore is dropped."""

    def add(run: Run) -> Run:
        name = getattr(run, "__name__", "").rstrip("_")
        name = NAMES.get(name, name)
        assert name not in COMMANDS, f"two commands {name}"
        limit = least if most is None else most
        COMMANDS[name] = Command(name, usage, summary, flags, valued, least, limit, run, "path" in usage)
        return run

    return add


NAMES = {
    "get_acl": "getAcl",
    "set_acl": "setAcl",
    "add_watch": "addWatch",
    "get_ephemerals": "getEphemerals",
    "get_all_children_number": "getAllChildrenNumber",
}
"""zkCli's names that are not Python's."""
