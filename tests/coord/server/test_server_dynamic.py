"""The files of a configuration that changes: what is written is what a start reads, and Apache's names are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from coord.kit.posix import PosixDisk
from coord.kit.properties import ConfigError
from coord.kit.tcp import open_network
from coord.server.config import read_config
from coord.server.dynamic import DynamicFiles
from coord.server.mesh import Mesh
from coord.zab.quorums import Address, Ensemble, parse_ensemble
from tests.coord.server.replicas import ensemble_of, eventually, free_ports, patient_clock

STATIC = """# kept
tickTime=500
dataDir=DATA
clientPort=2181
  server.1=a:1:2;2181
group.1=1:\\
  2
reconfigEnabled=true
server.2=b:1:2;2182
"""
NEW = "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:observer;0.0.0.0:2182\nserver.3=c:1:2:participant;0.0.0.0:1\nversion=1f"


def files(folder: Path, static: str = STATIC) -> tuple[DynamicFiles, Path, list[Ensemble]]:
    (folder / "data").mkdir()
    (folder / "data" / "myid").write_text("1")
    path = folder / "zoo.cfg"
    path.write_text(static.replace("DATA", f"{folder}/data"))
    heard: list[Ensemble] = []
    return DynamicFiles(PosixDisk(), str(path), 1, heard.append), path, heard


def test_what_is_in_force_is_read_at_the_next_start(tmp_path: Path) -> None:
    """The static file keeps what is not the configuration's, comments too, and the old one is kept beside it."""
    kept, path, heard = files(tmp_path)
    new = parse_ensemble(NEW)
    kept.seen(new)
    assert (tmp_path / "zoo.cfg.dynamic.next").read_text() == NEW + "\n"
    kept.activated(new)
    assert heard == [new]
    assert path.read_text().splitlines() == [
        "# kept", "tickTime=500", f"dataDir={tmp_path}/data", "reconfigEnabled=true",
        f"dynamicConfigFile={path}.dynamic.1f",
    ]  # fmt: skip
    assert (tmp_path / "zoo.cfg.dynamic.1f").read_text().splitlines() == NEW.splitlines()[:-1]
    assert not (tmp_path / "zoo.cfg.dynamic.next").exists()
    assert "group.1" in (tmp_path / "zoo.cfg.bak").read_text()
    config = read_config(PosixDisk(), str(path))
    assert (config.ensemble, config.last_seen, config.client_port) == (new, None, 2181)


def test_a_proposal_is_found_again(tmp_path: Path) -> None:
    """Also when an older configuration came into force after it; a damaged file is no configuration."""
    kept, path, _ = files(tmp_path)
    new = parse_ensemble(NEW)
    kept.seen(new)
    kept.activated(parse_ensemble(NEW.replace("1f", "1e")))
    config = read_config(PosixDisk(), str(path))
    assert config.ensemble is not None
    assert (config.ensemble.version, config.last_seen) == (0x1E, new)
    (tmp_path / "zoo.cfg.dynamic.next").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"dynamic\.next"):
        read_config(PosixDisk(), str(path))


def test_a_client_port_without_a_place_in_the_configuration_stays_in_the_static_file(tmp_path: Path) -> None:
    """Apache erases it only where the server's own line tells it."""
    kept, path, _ = files(tmp_path)
    kept.activated(parse_ensemble("server.1=a:1:2\nserver.2=b:1:2;5\nversion=2"))
    assert "clientPort=2181" in path.read_text()


def test_an_election_port_moves_with_the_configuration() -> None:
    """The old one is closed, and a peer that is told of the new one reaches it."""

    async def main() -> None:
        ensemble = ensemble_of(2)
        (port,) = free_ports(1)
        member = ensemble.members[1]
        moved = Ensemble(
            {**ensemble.members, 1: type(member)(1, (Address("127.0.0.1", 1, port),))}, version=1
        )
        async with open_network() as network, trio.open_nursery() as nursery:
            mesh = Mesh(1, ensemble, network, lambda sender, note: None)
            await mesh.listen()
            nursery.start_soon(mesh.run)
            mesh.configured(moved)

            async def reachable() -> None:
                while True:
                    try:
                        await trio.open_tcp_stream("127.0.0.1", port)
                    except OSError:
                        await trio.sleep(0.01)
                    else:
                        return

            with trio.fail_after(5):
                await reachable()
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", member.address.election_port)
            await eventually(lambda: mesh.ensemble is moved)
            mesh.close()
            nursery.cancel_scope.cancel()

    trio.run(main, clock=patient_clock())
