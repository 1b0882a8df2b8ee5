"""The status of a local cluster: one live screen on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .layout import Layout
from .nodes import Process
from .probe import Health

__all__ = ["PlainScreen", "Screen", "TerminalScreen", "screen_for"]


class Screen:
    """What is told, wherever it goes."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.ready_s: float | None = None

    def show(self, processes: Sequence[Process], healths: Mapping[str, Health]) -> None:
        """Shows the present state."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Tells one event."""
        raise NotImplementedError

    def close(self) -> None:
        """The last words have been said."""


def screen_for(layout: Layout) -> Screen:
    return TerminalScreen(layout) if sys.stdout.isatty() else PlainScreen(layout)


def state_of(process: Process, health: Health) -> tuple[str, str]:
    """(role or state, what to know about it) of one node."""
    if process.pid is None and health.role:
        return health.role, "started by hand"
    if process.pid is None:
        code = process.exit_code
        ended = "killed" if code is not None and code < 0 else f"ended with exit code {code}"
        if process.returns_at is not None:
            left = max(0, round(process.returns_at - trio.current_time()))
            return "down", f"{ended}; comes back in {left} s"
        return "down", f"{ended}: {process.last_words()}"
    if not health.role:
        return "starting", health.detail
    return health.role, health.detail


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
                more = f" ({detail})" if role == "down" else ""
                self.note(f"{process.node.name} {process.node.address} {role}{more}")

    def note(self, text: str) -> None:
        print(text, flush=True)


class TerminalScreen(Screen):
    """A table that is drawn again in place."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()

    def show(self, processes: Sequence[Process], healths: Mapping[str, Health]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("NODE", "ROLE", "CLIENTS", "PID", ""):
            table.add_column(column, no_wrap=True)
        for process in processes:
            role, detail = state_of(process, healths.get(process.node.name, Health()))
            color = {"leader": "green", "controller": "green", "down": "red", "starting": "yellow"}.get(role, "cyan")
            pid = str(process.pid) if process.pid is not None else "-"
            table.add_row(process.node.name, Text(role, color), process.node.address, pid, Text(detail, "dim"))
        self._live.update(Group(self._headline(), table, self._footer()), refresh=True)

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def close(self) -> None:
        self._live.stop()

    def _headline(self) -> Text:
        if self.ready_s is None:
            return Text("quorate: starting …", "bold yellow")
        return Text(f"quorate: ready in {self.ready_s:.1f} s", "bold green")

    def _footer(self) -> Text:
        layout = self.layout
        lines = [
            "",
            f"znodes    coord shell -s {layout.coords[0].address}        kazoo: KazooClient('{layout.coord_addresses}')",
        ]
        if layout.brokers:
            server = layout.brokers[0].address
            lines.append(f"topics    broker topics list --bootstrap-server {server}    any Kafka client: {layout.broker_addresses}")
        lines += [f"data      {layout.data}  (each node's configuration and server.log are there)", "Ctrl-C stops everything and keeps the data."]
        return Text("\n".join(lines), "dim")
