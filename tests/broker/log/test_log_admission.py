"""What a leader refuses of a client, with the protocol's code."""

from __future__ import annotations

import pytest

from broker.log.admission import admit, written_before
from broker.log.config import LogConfig
from broker.log.producers import Producers
from broker.wire.batches import BatchError, stamp_append_time
from broker.wire.errors import ErrorCode
from broker.wire.records import ControlType, control_batch
from tests.broker.log.samples import NOW_MS, batch, stamped

CONFIG = LogConfig.of()


def refused(data: bytearray, config: LogConfig = CONFIG) -> ErrorCode:
    """The code with which a batch is refused."""
    with pytest.raises(BatchError) as caught:
        admit(data, config, "t-0", NOW_MS)
    return ErrorCode(caught.value.code)


def test_good_batches_are_admitted() -> None:
    """Positions and headers of all of them."""
    data = batch(2) + batch(3, codec=1)
    found = admit(data, CONFIG, "t-0", NOW_MS)
    assert [(at, header.last_offset_delta) for at, header in found] == [(0, 1), (len(batch(2)), 2)]


def test_damage_is_refused() -> None:
    """Every flipped bit behind the leader epoch, and every cut, is noticed; nothing else is ever raised."""
    good = batch(2)
    for position in range(16, len(good)):
        bad = bytearray(good)
        bad[position] ^= 0x10
        assert refused(bad) in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT)
    for size in range(len(good)):
        assert refused(good[:size]) in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)
    assert refused(good + good[:30]) == ErrorCode.CORRUPT_MESSAGE


def test_sizes_are_bounded() -> None:
    """max.message.bytes for a batch, segment.bytes for all of them; the limit itself is allowed."""
    data = batch(5, size=100)
    limits = [(str(len(data)), "100000", None), (str(len(data) - 1), "100000", ErrorCode.MESSAGE_TOO_LARGE)]
    limits += [("100000", str(len(data)), None), ("100000", str(len(data) - 1), ErrorCode.RECORD_LIST_TOO_LARGE)]
    for max_message, segment, code in limits:
        config = LogConfig.of({"max.message.bytes": max_message, "segment.bytes": segment})
        if code is None:
            admit(data, config, "t-0", NOW_MS)
        else:
            assert refused(data, config) == code


def test_a_client_may_not_claim_what_is_the_brokers() -> None:
    """Offsets, markers and append times are the broker's to give."""
    assert refused(stamped(5)) == ErrorCode.INVALID_RECORD
    marker = control_batch(ControlType.COMMIT, now_ms=NOW_MS, producer_id=1, producer_epoch=0, coordinator_epoch=0)
    assert refused(marker) == ErrorCode.INVALID_RECORD
    claims = batch(1)
    stamp_append_time(claims, 0, NOW_MS)
    assert refused(claims) == ErrorCode.INVALID_TIMESTAMP
    admit(claims, LogConfig.of({"message.timestamp.type": "LogAppendTime"}), "t-0", NOW_MS)


def test_timestamps_are_bounded_when_the_topic_asks() -> None:
    """message.timestamp.before.max.ms and after.max.ms, against the broker's clock; no timestamp is no offence."""
    config = LogConfig.of({"message.timestamp.before.max.ms": "100", "message.timestamp.after.max.ms": "50"})
    admit(batch(1, time_ms=NOW_MS - 100), config, "t-0", NOW_MS)
    admit(batch(1, time_ms=NOW_MS + 50), config, "t-0", NOW_MS)
    admit(batch(1, time_ms=-1), config, "t-0", NOW_MS)
    assert refused(batch(1, time_ms=NOW_MS - 101), config) == ErrorCode.INVALID_TIMESTAMP
    assert refused(batch(1, time_ms=NOW_MS + 51), config) == ErrorCode.INVALID_TIMESTAMP
    assert refused(batch(52, time_ms=NOW_MS), config) == ErrorCode.INVALID_TIMESTAMP


def test_an_idempotent_producer_sends_one_batch_with_sequence_and_epoch() -> None:
    """Anything else cannot be told from a duplicate."""
    producers = Producers("t-0")
    for data in (batch(1, producer=(5, 0, 0)) + batch(1, producer=(5, 0, 1)), batch(1, producer=(5, 0, -1)), batch(1, producer=(5, -1, 0))):
        found = admit(data, CONFIG, "t-0", NOW_MS)
        with pytest.raises(BatchError) as caught:
            written_before(found, producers, "t-0")
        assert caught.value.code == ErrorCode.INVALID_RECORD
