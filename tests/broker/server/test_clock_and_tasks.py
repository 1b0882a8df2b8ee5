"""The broker's clock and its pool of tasks, on trio's mock clock."""

from __future__ import annotations

from types import SimpleNamespace

import trio
from trio.testing import MockClock

from broker.server.clock import Clock
from broker.server.dispatch import PENDING, Outcome
from broker.server.tasks import TaskPool
from broker.wire.fields import Message
from broker.wire.messages import HeartbeatResponse
from coord.client import ConnectionLossError


class Alarm:
    """A source with a list of deadlines."""

    def __init__(self, *times: float) -> None:
        self.times = list(times)
        self.rang: list[float] = []

    def deadline(self) -> float | None:
        return min(self.times, default=None)

    def expire(self, now: float) -> None:
        self.rang += [time for time in self.times if time <= now]
        self.times = [time for time in self.times if time > now]


def test_sources_are_called_at_their_deadlines() -> None:
    """In time, once, and what they wrote is sent once for all that were due together."""

    async def main() -> None:
        flushes = []
        clock = Clock(lambda: flushes.append(trio.current_time()))
        begin = trio.current_time()
        one, two = Alarm(begin + 1, begin + 3), Alarm(begin + 1)
        clock.add(one)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await trio.sleep(0.5)
            clock.add(two)
            await trio.sleep(1.0)
            assert one.rang == two.rang == [begin + 1]
            assert flushes == [begin + 1]
            two.times.append(begin + 2)
            clock.nudge(begin + 2)
            await trio.sleep(0.6)
            assert two.rang == [begin + 1, begin + 2]
            await trio.sleep(1.0)
            assert one.rang == [begin + 1, begin + 3]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


class FakeRequest:
    """A request whose reply is kept."""

    def __init__(self) -> None:
        self.api_key = 12
        self.replies: list[Message] = []
        self.reasons: list[str] = []
        self.origin = SimpleNamespace(gone=False, close=self.reasons.append)

    def reply(self, response: Message) -> None:
        self.replies.append(response)


def test_jobs_run_in_order_and_some_at_a_time() -> None:
    """The third of two-at-a-time waits, unless it is urgent; a client that has gone is passed over; a failure closes its
    connection alone.
    """

    async def main() -> None:
        pool = TaskPool(lambda: None, tasks_max=2)
        begun: list[int] = []

        def job(number: int, fails: bool = False):  # type: ignore[no-untyped-def]
            async def run() -> Message | Outcome:
                begun.append(number)
                await trio.sleep(1)
                if fails:
                    raise ValueError("no")
                return HeartbeatResponse(error_code=number) if number else PENDING

            return run

        requests = [FakeRequest() for _ in range(5)]
        urgent = FakeRequest()
        requests[3].origin.gone = True
        async with trio.open_nursery() as nursery:
            await nursery.start(pool.run)
            for number, request in enumerate(requests):
                pool.start(request, job(number, fails=number == 1))  # type: ignore[arg-type]
            await trio.sleep(0.5)
            assert begun == [0, 1]
            pool.start(urgent, job(9), urgent=True)  # type: ignore[arg-type]
            await trio.sleep(0.1)
            assert begun == [0, 1, 9]
            await trio.sleep(3)
            assert begun == [0, 1, 9, 2, 4]
            nursery.cancel_scope.cancel()
        assert [len(request.replies) for request in (*requests, urgent)] == [0, 0, 1, 0, 1, 1]
        assert "HEARTBEAT" in requests[1].reasons[0]
        assert "ValueError: no" in requests[1].reasons[0]

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_what_is_foreseen_is_said_in_a_sentence() -> None:
    """Without the kind of error, which says nothing to who reads the log."""

    async def main() -> None:
        pool = TaskPool(lambda: None)

        async def lost() -> Message:
            raise ConnectionLossError("/brokers")

        request = FakeRequest()
        async with trio.open_nursery() as nursery:
            await nursery.start(pool.run)
            pool.start(request, lost)  # type: ignore[arg-type]
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert request.reasons == [f"sent HEARTBEAT, which could not be served: {ConnectionLossError('/brokers')}"]

    trio.run(main, clock=MockClock(autojump_threshold=0))
