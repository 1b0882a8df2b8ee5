"""The status screen of `quorate up`: what a terminal of 80 or 60 columns shows."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from broker.cli.local.layout import Layout, Shape
from broker.cli.local.nodes import Process
from broker.cli.local.probe import Health
from broker.cli.local.screen import PlainScreen, TerminalScreen, table_lines
from broker.cli.output import OutputError

REASON = "server.properties line 9: broker.id=x: expected a whole number of at least 0"
NODES = [
    ("coord-1", "follower", "127.0.0.1:33181", "1234567", "zxid 0x100000043, 30 znodes"),
    ("broker-2", "controller", "127.0.0.1:34093", "4194304", "sees 3 brokers"),
]


def layout(folder: Path) -> Layout:
    return Layout(folder, Shape(coords=3, brokers=3, coord_port=33181, broker_port=34092, quorum_port=33288, election_port=33388))


def ended(folder: Path, code: int, *words: str) -> Process:
    """The third broker, which said this and ended by itself."""
    node = layout(folder).brokers[2]
    node.folder.mkdir()
    node.log.write_text("2026-11-21 18:14:29.000 ERROR   broker-3 of the start before\n")
    process = Process(node, log_began=node.log.stat().st_size, exit_code=code)
    with node.log.open("a") as log:
        log.writelines(f"{line}\n" for line in words)
    return process


@pytest.mark.parametrize("width", [80, 70, 60])
def test_the_columns_of_a_node_never_shrink(width: int) -> None:
    """However long the detail is; the detail is cut, or left out where too little of it would be seen."""
    long = [(*row[:4], row[4] + " and " * 30) for row in NODES]
    for rows in (NODES, long):
        lines = table_lines(rows, width)
        assert len(lines) == 3
        for row, line in zip(rows, lines[1:], strict=True):
            assert line.plain.split()[:4] == list(row[:4])
            assert line.cell_len <= width
    cut = [line.plain.rstrip().endswith("…") for line in table_lines(long, width)[1:]]
    assert cut == [width >= 70] * 2


def test_a_healthy_cluster_fits_its_details_in_80_columns() -> None:
    assert [line.plain.endswith(row[4]) for row, line in zip(NODES, table_lines(NODES, 80)[1:], strict=True)] == [True, True]


@pytest.mark.parametrize("width", [80, 60])
def test_why_a_node_is_down_stands_under_it(width: int) -> None:
    """In full, where the line has no room for it; beside it where it has."""
    lines = [line.plain for line in table_lines([*NODES, ("broker-3", "down", "127.0.0.1:34094", "-", f"exit code 2: {REASON}")], width)]
    assert lines[3].split() == ["broker-3", "down", "127.0.0.1:34094", "-"]
    assert " ".join(" ".join(lines[4:]).split()) == f"exit code 2: {REASON}"
    assert max(map(len, lines)) <= width
    beside = table_lines([("broker-3", "down", "127.0.0.1:34094", "-", "killed")], width)
    assert beside[-1].plain.endswith("killed")


def test_the_last_words_are_short_and_of_this_start(tmp_path: Path) -> None:
    """Without time, level and name, which the screen has already; and nothing that moves the cursor."""
    assert ended(tmp_path, 2, "first", f"broker server: {REASON}").last_words() == REASON
    node = layout(tmp_path).brokers[2]
    node.log.write_text("x" * 10_000 + "\n2026-11-21 18:14:30.962 ERROR   broker-3 no \x1b[2J space\n")
    assert Process(node).last_words() == "no  [2J space"
    assert Process(node, log_began=node.log.stat().st_size).last_words() == ""


@pytest.mark.parametrize("width", [80, 60])
def test_the_screen_of_a_cluster_with_a_node_that_ended(width: int, tmp_path: Path) -> None:
    """Every node with its role and port, and the reason."""
    shown = io.StringIO()
    screen = TerminalScreen(layout(tmp_path), Console(file=shown, force_terminal=True, width=width, height=24, color_system=None))
    process = ended(tmp_path, 2, f"broker server: {REASON}")
    others = [Process(node) for node in screen.layout.nodes if node != process.node]
    screen.show([*others, process], {other.node.name: Health("follower", "zxid 0x100000043, 30 znodes") for other in others})
    screen.close()
    for node in screen.layout.nodes:
        role = "down" if node == process.node else "follower"
        assert any(line.split()[:3] == [node.name, role, node.address] for line in shown.getvalue().splitlines())
    assert f"exit code 2: {REASON}" in " ".join(shown.getvalue().split())
    assert "Ctrl-C stops everything" in shown.getvalue()


def test_lines_tell_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    process = ended(tmp_path, 2, f"broker server: {REASON}")
    PlainScreen(layout(tmp_path)).show([process], {})
    assert capsys.readouterr().out == f"broker-3 127.0.0.1:34094 down (exit code 2: {REASON})\n"


def test_a_screen_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A full disk on either screen, in words for a person."""
    terminal = f"TerminalScreen(place, Console(file=open('/dev/full', 'w', buffering=1), force_terminal=True)).note('{'x' * 10_000}')"
    for use in ("PlainScreen(place).note('x')", terminal):
        script = (
            "from pathlib import Path; from rich.console import Console\n"
            "from broker.cli.local.layout import Layout, Shape; from broker.cli.local.screen import PlainScreen, TerminalScreen\n"
            f"from broker.cli.output import {OutputError.__name__}, output_failed\n"
            f"place = Layout(Path({str(tmp_path)!r}), Shape(1, 1, 1, 2, 3, 4))\n"
            f"try:\n    {use}\nexcept OutputError as error:\n    raise SystemExit(output_failed('quorate', error)) from None\n"
        )
        with open("/dev/full", "w") as full:
            done = subprocess.run([sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
        assert (done.returncode, done.stderr.splitlines()[0]) == (1, "quorate: standard output: No space left on device")
