"""Servers that are asked to go before they go, in the core world: whatever else happens, nothing is lost by it."""

from __future__ import annotations

import pytest

from coord.zab.application import Role
from coord.zab.events import Leaving
from tests.sim.core_world import Options, World

SEEDS = 60
GO_AT_LATEST_S = 2.0
"""The driver's own limit."""


class StoppingWorld(World):
    """Half of those that would crash are asked first, and go when they may, or when it takes too long."""

    def crash(self, sid: int) -> None:
        if sid not in self.servers or self.random.random() < 0.5:
            super().crash(sid)
            return
        self.trace(f"{sid} leaves")
        server = self.servers[sid]
        server.tell(Leaving())
        deadline = self.now + GO_AT_LATEST_S

        def go() -> None:
            if self.servers.get(sid) is not server:
                return
            if server.peer.left or self.now >= deadline:
                super(StoppingWorld, self).crash(sid)
                self.after(0.1, lambda: sid in self.servers or self.start(sid))
            else:
                self.after(0.005, go)

        go()


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_worlds_with_stops(first: int) -> None:
    """All checkers of the core world hold, and it converges."""
    for seed in range(first, first + 10):
        world = StoppingWorld(seed)
        try:
            world.run()
        except AssertionError as failure:
            failure.add_note(f"seed {seed}, {world.options}\n" + "\n".join(world.traces))
            raise


@pytest.mark.parametrize("voters", [3, 5])
def test_a_calm_ensemble_changes_its_leader_at_once(voters: int) -> None:
    """No timeout and no wait: from the request to a new leader that serves it takes a few round trips and syncs."""
    world = StoppingWorld(1, Options(voters=voters, faults=(), fault_every=1e9, latency_max=0.0001, disk_max=0.002))
    for sid in sorted(world.disks):
        world.start(sid)
    assert world.run_until(5, world.serves)
    world.after(0, world._client)
    world.run_until(world.now + 0.5)
    (old,) = [server for server in world.servers.values() if server.role is Role.LEADING]
    began = world.now
    old.tell(Leaving())
    others = [server for server in world.servers.values() if server is not old]

    def served() -> bool:
        roles = sorted(server.role for server in others)
        return roles == sorted([Role.LEADING] + [Role.FOLLOWING] * (voters - 2))

    assert world.run_until(began + 5, served)
    assert world.now - began < 0.1
    assert old.peer.left
