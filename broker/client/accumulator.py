"""Records on their way out, gathered into batches for each partition. No I/O.

A `Lane` is one partition: the batch that is being filled, and full ones behind it. At most one batch of a lane is under
way at a time, so that order holds whatever is sent again; while it is, the next one fills. Records are packed as they
come, so that a batch is ready to be sealed and its size is known.

An idempotent producer numbers the batches of a lane (`base_sequence`) when they are first sent; what is sent again keeps
its number, and the broker drops what it has already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from broker.wire.batches import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, read_header
from broker.wire.records import Headers, Record, build_batch, pack_record, seal_batch, unpack_records

__all__ = ["Accumulator", "Batch", "Lane", "Producing"]

BATCH_OVERHEAD = 61
RECORD_OVERHEAD = 20
_SEQUENCE_MASK = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Producing:
    """Who numbers the batches: a producer id and its epoch; the default numbers nothing."""

    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


@dataclass(slots=True)
class Batch:
    """Packed records of one partition, in order."""

    base_timestamp: int
    packed: list[bytes] = field(default_factory=list)
    size: int = BATCH_OVERHEAD
    max_timestamp: int = -1
    deadline: float = 0.0
    """When it is given up (the caller's clock)."""
    producing: Producing | None = None
    base_sequence: int = NO_SEQUENCE
    tries: int = 0
    """How often it came back."""

    def add(self, key: bytes | None, value: bytes | None, headers: Headers, timestamp: int) -> int:
        """Packs one more record; returns its size."""
        packed = pack_record(len(self.packed), timestamp - self.base_timestamp, key, value, headers)
        self.packed.append(packed)
        self.max_timestamp = max(self.max_timestamp, timestamp)
        size = len(packed)
        self.size += size
        return size

    def seal(self, codec: int) -> bytearray:
        """The batch as it travels."""
        producing = self.producing or Producing()
        count = len(self.packed)
        return seal_batch(
            b"".join(self.packed),
            count,
            count - 1,
            self.base_timestamp,
            self.max_timestamp,
            codec=codec,
            producer_id=producing.producer_id,
            producer_epoch=producing.producer_epoch,
            base_sequence=self.base_sequence,
        )

    def split(self) -> list[Batch]:
        """Two halves with the same records and sequence numbers, for a broker that finds the whole too large."""
        sealed = build_batch([Record(0, self.base_timestamp, None, None)])  # a header to read the records by
        del sealed[BATCH_OVERHEAD:]
        for record in self.packed:
            sealed += record
        header = read_header(sealed)._replace(
            length=len(sealed) - 12, record_count=len(self.packed), base_timestamp=self.base_timestamp
        )
        records = unpack_records(sealed, 0, header)
        middle = len(records) // 2
        return [self._part(records[:middle], 0), self._part(records[middle:], middle)]

    def _part(self, records: Sequence[Record], at: int) -> Batch:
        part = Batch(records[0].timestamp, deadline=self.deadline, producing=self.producing)
        if self.base_sequence != NO_SEQUENCE:
            part.base_sequence = (self.base_sequence + at) & _SEQUENCE_MASK
        for _, timestamp, key, value, headers in records:
            part.add(key, value, headers, timestamp)
        return part


class Lane:
    """One partition's batches. `sending` is the one under way, if any."""

    __slots__ = ("_next_sequence", "_producing", "filling", "full", "partition", "retry_at", "sending", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.filling: Batch | None = None
        self.full: deque[Batch] = deque()
        self.sending: Batch | None = None
        self.retry_at = 0.0
        self._producing: Producing | None = None
        self._next_sequence = 0

    @property
    def waiting(self) -> bool:
        """Whether there is anything that is not under way."""
        return bool(self.full) or self.filling is not None

    def take(self, producing: Producing | None) -> Batch:
        """The next batch, from now on under way, numbered if it has no number yet."""
        assert self.sending is None
        if self.full:
            batch = self.full.popleft()
        else:
            assert self.filling is not None
            batch, self.filling = self.filling, None
        if producing is not None and batch.producing is None:
            if producing != self._producing:
                self._producing, self._next_sequence = producing, 0
            batch.producing = producing
            batch.base_sequence = self._next_sequence
            self._next_sequence = (self._next_sequence + len(batch.packed)) & _SEQUENCE_MASK
        self.sending = batch
        return batch

    def give_back(self, *batches: Batch) -> None:
        """What was under way is to be sent again, first."""
        self.sending = None
        self.full.extendleft(reversed(batches))

    def done(self) -> None:
        """What was under way is settled."""
        self.sending = None


class Accumulator:
    """All lanes of a producer, and how many bytes they hold."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        self.held = 0
        """Bytes in all lanes, under way included."""
        self._lanes: dict[tuple[str, int], Lane] = {}

    def lanes(self) -> Iterator[Lane]:
        """All lanes, in the order in which they were first used."""
        return iter(list(self._lanes.values()))

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers, timestamp: int, deadline: float
    ) -> bool:
        """Packs a record into its lane; returns whether that filled a batch."""
        lane = self._lanes.get((topic, partition))
        if lane is None:
            lane = self._lanes[topic, partition] = Lane(topic, partition)
        batch = lane.filling
        filled = False
        if batch is not None:
            coming = (0 if key is None else len(key)) + (0 if value is None else len(value)) + RECORD_OVERHEAD
            if batch.size + coming > self.batch_size:
                lane.full.append(batch)
                batch = None
                filled = True
        if batch is None:
            batch = lane.filling = Batch(timestamp, deadline=deadline)
            self.held += BATCH_OVERHEAD
        self.held += batch.add(key, value, headers, timestamp)
        return filled

    def settle(self, batch: Batch) -> None:
        """The batch is written, or given up: its bytes are free."""
        self.held -= batch.size
