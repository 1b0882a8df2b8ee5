"""The status of a local cluster: one live screen on a terminal, plain lines in a pipe.

On a narrow terminal a node keeps its name, role, address and process id; what else is known of it is cut or left out. Why a
node is down is never left out: it stands under the node where there is no room beside it. Standard output may fail at
any time; that is an OutputError.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from broker.cli.output import OutputError, say

from .layout import Layout
from .nodes import Process
from .probe import Health

__all__ = ["PlainScreen", "Screen", "TerminalScreen", "screen_for"]

Row = tuple[str, str, str, str, str]
"""Name, role, address, process id, detail."""

HEADINGS: Row = ("NODE", "ROLE", "CLIENTS", "PID", "")
GAP = "  "
INDENT = "    "
DOWN = "down"
COLORS = {"leader": "green", "controller": "green", DOWN: "red", "starting": "yellow"}
DETAIL_MIN = 16
"""With fewer columns left, a detail that does not fit says nothing."""
REASON_LINES_MAX = 3


class Screen:
    """What is told, wherever it goes."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.ready_s: float | None = None

    def show(self, processes: Sequence[Process], healths: Mapping[str, Health]) -> None:
        """Shows the present state. Raises OutputError."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Tells one event. Raises OutputError."""
        raise NotImplementedError

    def close(self) -> None:
        """The last words have been said. Raises OutputError."""


def screen_for(layout: Layout) -> Screen:
    """The screen that fits standard output. Raises OutputError."""
    return TerminalScreen(layout) if sys.stdout.isatty() else PlainScreen(layout)


def state_of(process: Process, health: Health) -> tuple[str, str]:
    """(role or state, what to know about it) of one node."""
    if process.pid is None and health.role:
        return health.role, "started by hand"
    if process.pid is None:
        return DOWN, _why_down(process)
    if not health.role:
        return "starting", health.detail
    return health.role, health.detail


def _why_down(process: Process) -> str:
    code = process.exit_code
    if code is None:
        return ""
    killed = code < 0
    said = "killed" if killed else f"exit code {code}"
    if process.returns_at is not None:
        said += f", back in {max(0, round(process.returns_at - trio.current_time()))} s"
    words = "" if killed else process.last_words()  # who is killed has no time to say why
    return f"{said}: {words}" if words else said


class PlainScreen(Screen):
    """One line for each change, for pipes and logs."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._shown: dict[str, str] = {}

    def show(self, processes: Sequence[Process], healths: Mapping[str, Health]) -> None:
        for process in processes:
            role, detail = state_of(process, healths.get(process.node.name, Health()))
            if self._shown.get(process.node.name) != role:
                self._shown[process.node.name] = role
                more = f" ({detail})" if role == DOWN and detail else ""
                self.note(f"{process.node.name} {process.node.address} {role}{more}")

    def note(self, text: str) -> None:
        say(text)


class TerminalScreen(Screen):
    """A table that is drawn again in place."""

    def __init__(self, layout: Layout, console: Console | None = None) -> None:
        super().__init__(layout)
        self._console = console or Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        with _telling():
            self._live.start()

    def show(self, processes: Sequence[Process], healths: Mapping[str, Health]) -> None:
        rows = []
        for process in processes:
            role, detail = state_of(process, healths.get(process.node.name, Health()))
            pid = str(process.pid) if process.pid is not None else "-"
            rows.append((process.node.name, role, process.node.address, pid, detail))
        width, height = self._console.size
        lines = [self._headline(), *table_lines(rows, width)]
        footer = self._footer(width)
        if len(lines) + len(self._console.render_lines(footer)) < height:
            lines.append(footer)
        with _telling():
            self._live.update(Group(*lines), refresh=True)

    def note(self, text: str) -> None:
        with _telling():
            self._console.print(text, highlight=False)

    def close(self) -> None:
        with _telling():
            self._live.stop()

    def _headline(self) -> Text:
        if self.ready_s is None:
            return Text("quorate: starting …", "bold yellow")
        return Text(f"quorate: ready in {self.ready_s:.1f} s", "bold green")

    def _footer(self, width: int) -> Text:
        layout = self.layout
        coord = layout.coords[0].address
        lines = [
            "",
            f"znodes    coord shell -s {coord}",
            _fitting(width, "          kazoo: KazooClient('{}')", layout.coord_addresses, coord),
        ]
        if layout.brokers:
            broker = layout.brokers[0].address
            lines += [
                f"topics    broker topics list --bootstrap-server {broker}",
                _fitting(width, "          any Kafka client: {}", layout.broker_addresses, broker),
            ]
        lines += [f"data      {layout.data} (with configurations and logs)", "Ctrl-C stops everything and keeps the data."]
        return Text("\n".join(lines), "dim")


def table_lines(rows: Sequence[Row], width: int) -> list[Text]:
    """A heading and the rows, one below the other; no line is wider than `width`."""
    widths = [max(len(row[at]) for row in (HEADINGS, *rows)) for at in range(4)]
    left = width - sum(widths) - len(GAP) * 4
    lines = [Text(GAP.join(f"{cell:<{size}}" for cell, size in zip(HEADINGS, widths, strict=False)), "bold")]
    for row in rows:
        name, role, address, pid = (f"{cell:<{size}}{GAP}" for cell, size in zip(row, widths, strict=False))
        detail = row[4]
        line = Text.assemble(name, (role, COLORS.get(row[1], "cyan")), address, pid)
        under = row[1] == DOWN and len(detail) > left
        if len(detail) <= left or (left >= DETAIL_MIN and not under):
            line.append(detail, "dim")
        lines.append(line)
        if under:
            lines += [Text(INDENT + part, "dim") for part in _wrapped(detail, width - len(INDENT))]
    for line in lines:
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, max(width, DETAIL_MIN), max_lines=REASON_LINES_MAX, placeholder=" …", break_on_hyphens=False
    )


def _fitting(width: int, form: str, addresses: str, first: str) -> str:
    """With all addresses if they fit in one line; the first is enough to find the others."""
    text = form.format(addresses)
    return text if len(text) <= width else form.format(first)


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(error) from error
