"""Which broker is the controller: whoever holds the ephemeral /controller.

A broker that wins writes /controller and raises /controller_epoch in one multi, so that of two that try at the same
time one loses both. Losers watch /controller and try again when it goes. All of it is bound to one session of the
coordination client: when the session ends, so does the reign.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from random import Random

import trio

from broker.controller import znodes
from broker.wire.errors import ErrorCode
from coord.client import (
    BadVersionError,
    Client,
    ConnectionLossError,
    CoordError,
    Create,
    NodeExistsError,
    NoNodeError,
    SetData,
)
from coord.kit.host import Wall
from coord.kit.net import Network

from .cluster import MorePartitions, NewTopic, TopicOutcome
from .reign import Reign
from .topic_admin import TopicAdmin

__all__ = ["ClusterController"]

log = logging.getLogger(__name__)


class ClusterController:
    """The controller's side of one broker: see `cluster.Controller`."""

    def __init__(
        self,
        broker_id: int,
        *,
        network: Network,
        wall: Wall,
        random: Random,
        num_partitions: int,
        replication_factor: int,
        unclean: bool = False,
    ) -> None:
        self._broker_id = broker_id
        self._network = network
        self._wall = wall
        self._unclean = unclean
        self._client: Client | None = None
        self._reign: Reign | None = None
        self._topics = TopicAdmin(lambda: self._client, random, num_partitions, replication_factor)

    @property
    def is_active(self) -> bool:
        """Whether this broker holds /controller now."""
        return self._reign is not None

    async def serve(self, client: Client) -> None:
        """Takes part in elections, and reigns when elected, for as long as the session lives; raises its end."""
        self._client = client
        try:
            while True:
                try:
                    reign = await self._elect(client)
                    if reign is not None:
                        await self._rule(reign)
                except ConnectionLossError:
                    await client.wait_connected()
        finally:
            self._client = None

    async def create_topics(self, topics: Sequence[NewTopic], *, validate_only: bool = False) -> list[TopicOutcome]:
        """See `cluster.Controller`."""
        return await self._topics.create(topics, validate_only=validate_only)

    async def create_partitions(
        self, topics: Sequence[MorePartitions], *, validate_only: bool = False
    ) -> list[TopicOutcome]:
        """See `cluster.Controller`."""
        return await self._topics.create_partitions(topics, validate_only=validate_only)

    async def delete_topics(self, names: Sequence[str]) -> list[TopicOutcome]:
        """See `cluster.Controller`."""
        return await self._topics.delete(names)

    async def controlled_shutdown(self, broker_id: int, broker_epoch: int) -> tuple[ErrorCode, list[tuple[str, int]]]:
        """See `cluster.Controller`. A broker epoch of -1 is not checked."""
        reign = self._reign
        if reign is None:
            return ErrorCode.NOT_CONTROLLER, []
        broker = reign.image.brokers.get(broker_id)
        if broker is None:
            return ErrorCode.BROKER_NOT_AVAILABLE, []
        if broker_epoch not in (-1, broker.epoch):
            return ErrorCode.STALE_BROKER_EPOCH, []
        try:
            return ErrorCode.NONE, await reign.move_leaders_from(broker_id)
        except CoordError as error:
            log.warning("the leaders of broker %d could not be moved: %s", broker_id, error)
            return ErrorCode.UNKNOWN_SERVER_ERROR, []

    async def _elect(self, client: Client) -> Reign | None:
        """A reign when this broker wins; None when it is worth trying again, after another's has ended."""
        gone = trio.Event()
        stat = await client.exists(znodes.CONTROLLER, watch=lambda event: gone.set())
        if stat is not None and stat.ephemeral_owner == client.session_id:
            # written by us in a multi whose answer was lost, or left by an earlier reign: begin anew with a new epoch
            await _delete_if_there(client, znodes.CONTROLLER, stat.version)
            return None
        if stat is not None:
            await gone.wait()
            return None
        epoch, version = await self._epoch(client)
        mine = znodes.encode_controller(self._broker_id, self._wall.now_ms())
        try:
            await client.multi(
                [
                    Create(znodes.CONTROLLER, mine, ephemeral=True),
                    SetData(znodes.CONTROLLER_EPOCH, str(epoch + 1).encode(), version),
                ]
            )
        except (NodeExistsError, BadVersionError):
            return None
        return Reign(
            client, self._broker_id, epoch + 1, version + 1, self._network, unclean=self._unclean
        )

    async def _epoch(self, client: Client) -> tuple[int, int]:
        """(epoch, version of its znode); made when missing."""
        try:
            data, stat = await client.get(znodes.CONTROLLER_EPOCH)
        except NoNodeError:
            try:
                await client.create(znodes.CONTROLLER_EPOCH, str(znodes.NO_CONTROLLER_EPOCH).encode())
            except NodeExistsError:
                pass
            data, stat = await client.get(znodes.CONTROLLER_EPOCH)
        return znodes.decode_controller_epoch(data), stat.version

    async def _rule(self, reign: Reign) -> None:
        self._reign = reign
        try:
            await reign.run()
        finally:
            self._reign = None


async def _delete_if_there(client: Client, path: str, version: int) -> None:
    try:
        await client.delete(path, version)
    except (NoNodeError, BadVersionError):
        pass
