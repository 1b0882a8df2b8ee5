"""From a server that only reads to one that writes: asks the others by `isro` until one says "rw"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from .hosts import Address

__all__ = ["find_writer"]

PAUSE_MIN, PAUSE_MAX = 0.1, 60.0
"""Seconds between rounds of asking; doubled each time."""
ANSWER_BYTES = 16
WORD = b"isro"
YES = b"rw"


async def find_writer(
    others: Sequence[Address],
    connect: Callable[[str, int], Awaitable[trio.abc.Stream]],
    attempt_timeout: float,
) -> Address:
    """The first of `others` that says that it writes. attempt_timeout: seconds that each has to answer."""
    pause = PAUSE_MIN
    while True:
        await trio.sleep(pause)
        pause = min(pause * 2, PAUSE_MAX)
        for address in others:
            with trio.move_on_after(attempt_timeout):
                if await _writes(address, connect):
                    return address


async def _writes(address: Address, connect: Callable[[str, int], Awaitable[trio.abc.Stream]]) -> bool:
    answer = b""
    try:
        async with await connect(address.host, address.port) as stream:
            await stream.send_all(WORD)
            while len(answer) < ANSWER_BYTES and (data := await stream.receive_some(ANSWER_BYTES)):
                answer += data
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    return answer == YES
