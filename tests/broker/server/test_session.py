"""The broker's session: what belongs to it starts in order, ends with it, and begins again with the next one."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from broker.server.session import CoordSession
from coord.client import ConnectionLossError, State


class FakeClient:
    """A client whose session the test ends."""

    def __init__(self, fails: bool = False) -> None:
        self.state = State.CONNECTING
        self._fails = fails
        self._callbacks: list[object] = []
        self._over = trio.Event()

    def on_state(self, callback: object) -> None:
        self._callbacks.append(callback)

    async def run(self, *, task_status: trio.TaskStatus[FakeClient]) -> None:
        await trio.sleep(0.1)
        if self._fails:
            raise ConnectionLossError
        self.state = State.CONNECTED
        task_status.started(self)
        await self._over.wait()

    def expire(self) -> None:
        self.state = State.EXPIRED
        for callback in self._callbacks:
            callback(self.state)  # type: ignore[operator]
        self._over.set()


def test_tasks_follow_the_session() -> None:
    """One after the other; all are cancelled when it expires and started again for the next."""

    async def main() -> None:
        clients: list[FakeClient] = []
        events: list[str] = []

        def new_client() -> FakeClient:
            clients.append(FakeClient())
            return clients[-1]

        session = CoordSession(new_client)  # type: ignore[arg-type]

        def task(name: str):  # type: ignore[no-untyped-def]
            async def run(client: FakeClient, *, task_status: trio.TaskStatus[None]) -> None:
                events.append(f"{name} starts")
                await trio.sleep(0.1)
                task_status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    events.append(f"{name} ends")

            return run

        session.each(task("one"))
        session.each(task("two"))
        with pytest.raises(ConnectionLossError):
            _ = session.client
        async with trio.open_nursery() as nursery:
            await nursery.start(session.run)
            assert events == ["one starts", "two starts"]
            assert session.client is clients[0]
            clients[0].expire()
            await trio.sleep(5)
            assert sorted(events[2:4]) == ["one ends", "two ends"]
            assert events[4:] == ["one starts", "two starts"]
            assert session.client is clients[1]  # type: ignore[comparison-overlap]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_no_first_session_is_an_error_and_no_later_one_is_waited_for() -> None:
    """At a start the operator must hear of it; a broker that runs tries again."""

    async def main() -> None:
        never = CoordSession(lambda: FakeClient(fails=True))  # type: ignore[arg-type,return-value]
        with pytest.raises(ConnectionLossError):
            await never.run()
        clients = [FakeClient(), FakeClient(fails=True), FakeClient()]
        rest = iter(clients)
        session = CoordSession(lambda: next(rest))  # type: ignore[arg-type,return-value]
        async with trio.open_nursery() as nursery:
            await nursery.start(session.run)
            clients[0].expire()
            await trio.sleep(10)
            assert session.client is clients[2]  # type: ignore[comparison-overlap]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
