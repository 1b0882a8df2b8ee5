"""A broker's entries in the tree: the folders that every broker may need, the cluster's id, and /brokers/ids/N.

The broker's node is ephemeral, and its czxid is the broker's epoch. A broker that comes back after kill -9 finds its
own earlier node, whose session still lives: Apache Kafka's gives up there, ours waits for it to go, and says so.
"""

from __future__ import annotations

import base64
import logging
from random import Random

import trio

from broker.controller import znodes
from broker.controller.image import Broker
from coord.client import Client, NodeExistsError, NoNodeError, Watcher
from coord.kit.host import Wall

__all__ = ["cluster_id", "ensure_paths", "register"]

log = logging.getLogger(__name__)

REMIND_S = 5.0


async def ensure_paths(client: Client) -> None:
    """Makes the persistent folders that brokers expect."""
    for path in znodes.PERSISTENT_PATHS:
        await client.ensure_path(path)


async def cluster_id(client: Client, random: Random) -> str:
    """The cluster's id; the first broker ever to start here draws it."""
    try:
        data, _ = await client.get(znodes.CLUSTER_ID)
        return znodes.decode_cluster_id(data)
    except NoNodeError:
        pass
    await client.ensure_path(znodes.CLUSTER_ID.rpartition("/")[0])
    drawn = base64.urlsafe_b64encode(random.randbytes(16)).decode().rstrip("=")
    try:
        await client.create(znodes.CLUSTER_ID, znodes.encode_cluster_id(drawn))
    except NodeExistsError:
        pass  # another broker was first: its id counts
    data, _ = await client.get(znodes.CLUSTER_ID)
    return znodes.decode_cluster_id(data)


async def register(client: Client, broker: Broker, wall: Wall) -> int:
    """Makes /brokers/ids/N and returns the broker's epoch. Waits while another session holds the node.

    May be done twice: a node that this session made already counts as made.
    """
    path = znodes.broker_path(broker.broker_id)
    data = znodes.encode_broker(broker, wall.now_ms())
    while True:
        try:
            _, stat = await client.create2(path, data, ephemeral=True)
            log.info("broker %d is registered at %s, epoch %d", broker.broker_id, path, stat.czxid)
            return stat.czxid
        except NodeExistsError:
            pass
        gone = trio.Event()
        try:
            held, stat = await client.get(path, watch=_sets(gone))
        except NoNodeError:
            continue
        if stat.ephemeral_owner == client.session_id:
            # our own create was done, and its answer was lost with a connection
            return stat.czxid
        await _wait_for(gone, path, held, stat.ephemeral_owner)


async def _wait_for(gone: trio.Event, path: str, held: bytes, owner: int) -> None:
    """Waits until the node of another session goes, and says every few seconds what it waits for."""
    while not gone.is_set():
        log.warning(
            "%s is still held by session 0x%x (%s): an earlier run of this broker whose session has not expired, "
            "or another broker with the same broker.id; waiting for it to go",
            path,
            owner,
            held.decode(errors="replace"),
        )
        with trio.move_on_after(REMIND_S):
            await gone.wait()


def _sets(event: trio.Event) -> Watcher:
    return lambda _: event.set()
