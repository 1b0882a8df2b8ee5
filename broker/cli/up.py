"""`quorate up`: a coordination ensemble and its brokers on this machine, from nothing, in the foreground.

It writes the configuration files that a user would write, starts each node by the command that a user would type,
and shows what the nodes say of themselves. Any node can be killed: it comes back by itself after a few seconds, or at
once by hand with its own configuration file.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import click
import trio

from coord.kit.cliutil import reason_of

from .local.layout import HOST, Layout, LayoutError, Shape
from .local.nodes import Process, run_node, stop_nodes
from .local.probe import Health, probe
from .local.screen import Screen, screen_for
from .output import OutputError, output_failed, say

__all__ = ["main"]

NODES_MAX = 9
POLL_STARTING_S = 0.05
POLL_S = 1.0
START_PATIENCE_S = 60.0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorate", prog_name="quorate")
def main() -> None:
    """Quorate: a ZooKeeper-compatible ensemble and Kafka-compatible brokers."""


@main.command()
@click.option("--coord", "coords", type=click.IntRange(1, NODES_MAX), default=3, show_default=True, metavar="N",
              help="Coordination servers.")
@click.option("--brokers", type=click.IntRange(0, NODES_MAX), default=3, show_default=True, metavar="N", help="Brokers.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), default=Path("quorate-data"), show_default=True,
              metavar="DIR", help="Where configuration, data and logs are kept.")
@click.option("--fresh", is_flag=True, help="Empty the data folder first.")
@click.option("--coord-port", type=click.IntRange(1, 65000), default=2181, show_default=True, metavar="PORT",
              help="Client port of the first coordination server; the others follow.")
@click.option("--broker-port", type=click.IntRange(1, 65000), default=9092, show_default=True, metavar="PORT",
              help="Client port of the first broker; the others follow.")
@click.option("--quorum-port", type=click.IntRange(1, 65000), default=2888, show_default=True, metavar="PORT",
              help="First of the ports on which coordination servers replicate.")
@click.option("--election-port", type=click.IntRange(1, 65000), default=3888, show_default=True, metavar="PORT",
              help="First of the ports on which coordination servers elect a leader.")
@click.option("--restart/--no-restart", default=True, show_default=True, help="Start a node again when it ends by itself.")
def up(coords: int, brokers: int, data: Path, fresh: bool, coord_port: int, broker_port: int, quorum_port: int,
       election_port: int, restart: bool) -> None:
    """Start an ensemble and brokers on this machine, and show them until Ctrl-C."""
    shape = Shape(coords, brokers, coord_port, broker_port, quorum_port, election_port)
    layout = Layout(data.absolute(), shape)
    try:
        _check_ports(layout)
        layout.prepare(fresh=fresh)
    except LayoutError as error:
        click.echo(f"quorate: {error}", err=True)
        sys.exit(2)
    code = 0
    try:
        code = trio.run(_run, layout, restart)
    except* OutputError as failed:
        # Nobody sees the cluster any more: it was stopped as by Ctrl-C, as a pipe's writer ends when its reader goes.
        reason = reason_of(failed)
        assert isinstance(reason, OutputError)
        code = output_failed("quorate", reason)
    sys.exit(code)


def _check_ports(layout: Layout) -> None:
    seen: dict[int, str] = {}
    for port, owner, option in layout.ports():
        if port in seen:
            raise LayoutError(f"port {port} is wanted for {seen[port]} and for {owner}: move one of them with {option}")
        seen[port] = owner
        with socket.socket() as probe_socket:
            probe_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe_socket.bind((HOST, port))
            except OSError:
                raise LayoutError(
                    f"port {port} ({owner}) is taken: choose another first port with {option} PORT"
                ) from None


async def _run(layout: Layout, restart: bool) -> int:
    processes = [Process(node) for node in layout.nodes]
    healths: dict[str, Health] = {}
    screen = screen_for(layout)
    began = trio.current_time()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        try:
            async with trio.open_nursery() as nursery:
                for process in processes:
                    process.start()
                    nursery.start_soon(_watch, process, healths, restart)
                nursery.start_soon(_poll, processes, healths, screen, began, nursery.cancel_scope)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await stop_nodes(processes)
    screen.close()
    say(f"stopped; the data is kept in {layout.data}")
    return 1 if screen.ready_s is None else 0


async def _watch(process: Process, healths: dict[str, Health], restart: bool) -> None:
    await run_node(process, lambda: bool(healths.get(process.node.name, Health()).role), restart=restart)


async def _poll(
    processes: list[Process], healths: dict[str, Health], screen: Screen, began: float, scope: trio.CancelScope
) -> None:
    while True:
        async with trio.open_nursery() as nursery:
            for process in processes:
                nursery.start_soon(_ask, process, healths)
        if screen.ready_s is None and _ready(processes, healths):
            screen.ready_s = trio.current_time() - began
            screen.show(processes, healths)
            screen.note(_welcome(screen))
        elif screen.ready_s is None and trio.current_time() - began > START_PATIENCE_S:
            screen.note(f"not ready after {START_PATIENCE_S:.0f} s; each node's server.log in {screen.layout.data} says why")
            scope.cancel()
        screen.show(processes, healths)
        await trio.sleep(POLL_STARTING_S if screen.ready_s is None else POLL_S)


async def _ask(process: Process, healths: dict[str, Health]) -> None:
    healths[process.node.name] = await probe(process.node)


def _ready(processes: list[Process], healths: dict[str, Health]) -> bool:
    brokers = {p.node.number for p in processes if p.node.kind == "broker"}
    for process in processes:
        health = healths[process.node.name]
        if not health.role or (process.node.kind == "broker" and health.brokers != brokers):
            return False
    return True


def _welcome(screen: Screen) -> str:
    layout = screen.layout
    brokers = f", brokers {layout.broker_addresses}" if layout.brokers else ""
    return f"ready in {screen.ready_s:.1f} s: ensemble {layout.coord_addresses}{brokers}"


if __name__ == "__main__":
    main()
