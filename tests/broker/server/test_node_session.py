"""A broker and its session with the coordination service."""

from __future__ import annotations

from pathlib import Path

import trio

from broker.wire import messages as m
from tests.broker.server.harness import Cluster, in_cluster
from tests.broker.server.test_node_groups import commit, committed


def test_a_broker_whose_session_expires_begins_another(tmp_path: Path) -> None:
    """It registers again with a new epoch, takes part in the election again, and claims its groups again."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 1)
        wire = await cluster.coordinator("g")
        assert await commit(wire, "g", 3) == [0]
        async with cluster.tree() as tree:
            _, before = await tree.get("/brokers/ids/1")
            await cluster.expire(1)
            with trio.fail_after(60):
                while (stat := await tree.exists("/brokers/ids/1")) is None or stat.czxid == before.czxid:
                    await trio.sleep(0.05)
                while (await wire.ask(m.MetadataRequest(), 9, m.MetadataResponse)).controller_id != 1:
                    await trio.sleep(0.05)
        wire = await cluster.coordinator("g")
        assert await committed(wire, "g") == (0, {0: (3, "")})
        assert await commit(wire, "g", 4) == [0]

    in_cluster(test, tmp_path)
