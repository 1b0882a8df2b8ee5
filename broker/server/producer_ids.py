"""Producer ids for idempotent producers: unique in the cluster, taken from the tree in blocks of 1000.

`/latest_producer_id_block` holds the block that was taken last; the next one is taken by compare-and-set, so two
brokers never hold the same block. Ids of a block that were not used when a broker stops are lost, as in Kafka.
"""

from __future__ import annotations

import json

import trio

from coord.client import BadVersionError, CoordError, NodeExistsError, NoNodeError

from .session import CoordSession

__all__ = ["BLOCK_SIZE", "ProducerIds"]

PATH = "/latest_producer_id_block"
BLOCK_SIZE = 1000
PRODUCER_ID_MAX = (1 << 63) - 1


class ProducerIds:
    """Gives out producer ids."""

    def __init__(self, broker_id: int, session: CoordSession) -> None:
        self._broker_id = broker_id
        self._session = session
        self._next = 0
        self._end = 0
        self._lock = trio.Lock()

    async def take(self) -> int:
        """A producer id that nobody else has. Raises CoordError when the tree cannot be reached."""
        async with self._lock:
            if self._next == self._end:
                self._next = await self._take_block()
                self._end = self._next + BLOCK_SIZE
        taken = self._next
        self._next += 1
        return taken

    async def _take_block(self) -> int:
        client = self._session.client
        while True:
            try:
                data, stat = await client.get(PATH)
            except NoNodeError:
                data, stat = b"", None
            start = int(json.loads(data)["block_end"]) + 1 if data else 0
            if start > PRODUCER_ID_MAX - BLOCK_SIZE:
                raise CoordError
            block = self._block(start)
            try:
                if stat is None:
                    await client.create(PATH, block)
                else:
                    await client.set(PATH, block, stat.version)
            except (BadVersionError, NodeExistsError):
                continue  # another broker was faster: take the next one
            return start

    def _block(self, start: int) -> bytes:
        block = {
            "version": 1,
            "broker": self._broker_id,
            "block_start": str(start),
            "block_end": str(start + BLOCK_SIZE - 1),
        }
        return json.dumps(block, separators=(",", ":")).encode()
