"""The recipes, on our server and on Apache's, and beside kazoo's of the same name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio
from kazoo.client import KazooClient

from coord.client import Client, SessionExpiredError, connect
from coord.client.recipes import (
    Barrier,
    Counter,
    DoubleBarrier,
    Election,
    Lock,
    Party,
    Queue,
    TreeCache,
    while_certain,
)

Test = Callable[[list[Client]], Awaitable[None]]


def with_clients(count: int, hosts: str, root: str, test: Test, **options: object) -> None:
    """Runs a test with several clients whose chroot is the test's own."""

    async def main() -> None:
        with trio.fail_after(100):
            async with AsyncExitStack() as stack:
                clients = [
                    await stack.enter_async_context(connect(hosts + root, **options))  # type: ignore[arg-type]
                    for _ in range(count)
                ]
                await clients[0].ensure_path("/")
                await test(clients)

    trio.run(main)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    while not condition():
        await trio.sleep(0.005)


def test_lock_excludes_and_is_fair(server: str, root: str) -> None:
    """One at a time, in the order of arrival; one who gives up lets the others pass."""

    async def test(clients: list[Client]) -> None:
        order: list[int] = []
        inside = 0

        async def work(number: int) -> None:
            nonlocal inside
            async with Lock(clients[number % 3], "/lock", b"%d" % number):
                inside += 1
                assert inside == 1
                order.append(number)
                await trio.sleep(0.01)
                inside -= 1

        watcher = Lock(clients[0], "/lock")
        async with trio.open_nursery() as nursery, Lock(clients[0], "/lock", b"first"):
            for number in range(6):
                nursery.start_soon(work, number)
                while len(await watcher.contenders()) < number + 2:
                    await trio.sleep(0.005)
            with trio.move_on_after(0.05):
                await watcher.acquire()
            assert not await watcher.try_acquire()
            assert await watcher.contenders() == [b"first", *(b"%d" % n for n in range(6))]
        assert order == list(range(6))
        assert await clients[0].children("/lock") == []
        assert await watcher.try_acquire()
        await watcher.release()
        await watcher.release()

    with_clients(3, server, root, test)


def test_lock_goes_with_its_session(server: str, root: str) -> None:
    """The next one gets the lock of a client that goes."""

    async def test(clients: list[Client]) -> None:
        async with connect(server + root) as other:
            await Lock(other, "/lock").acquire()
            async with trio.open_nursery() as nursery:
                mine = Lock(clients[0], "/lock")
                nursery.start_soon(mine.acquire)
                await until(lambda: mine.node is not None)
                await other.close()
        assert len(await clients[0].children("/lock")) == 1

    with_clients(1, server, root, test)


def test_lock_with_kazoo(server: str, root: str) -> None:
    """kazoo's Lock and ours exclude each other."""

    async def test(clients: list[Client]) -> None:
        kazoo = KazooClient(server + root)
        await trio.to_thread.run_sync(kazoo.start)
        try:
            theirs = kazoo.Lock("/lock", "kazoo")
            async with Lock(clients[0], "/lock", b"ours") as ours:
                assert not await trio.to_thread.run_sync(lambda: theirs.acquire(blocking=False))
                assert await trio.to_thread.run_sync(theirs.contenders) == ["ours"]
            assert await trio.to_thread.run_sync(lambda: theirs.acquire(timeout=60))
            assert not await ours.try_acquire()
            assert await ours.contenders() == [b"kazoo"]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.acquire)
                await until(lambda: ours.node is not None)
                await trio.to_thread.run_sync(theirs.release)
            await ours.release()
        finally:
            await trio.to_thread.run_sync(kazoo.stop)
            await trio.to_thread.run_sync(kazoo.close)

    with_clients(1, server, root, test)


def test_election(server: str, root: str) -> None:
    """One leads; when it resigns or its session ends, the next one does."""

    async def test(clients: list[Client]) -> None:
        terms: list[str] = []
        resign = trio.Event()

        async def lead(name: str) -> None:
            terms.append(name)
            await resign.wait()

        async def stand(number: int) -> None:
            name = "abc"[number]
            try:
                await Election(clients[number], "/election", name.encode()).run(lambda: lead(name))
            except SessionExpiredError:
                terms.append(name + " is gone")

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(stand, number)
                await until(lambda: bool(terms))
            watcher = Election(clients[1], "/election")
            while len(names := await watcher.contenders()) < 3:
                await trio.sleep(0.005)
            assert names[0] == b"a"
            assert terms == ["a"]
            await clients[0].close()
            await until(lambda: len(terms) == 3)
            assert terms[:2] == ["a", "a is gone"]
            resign.set()
        assert sorted(terms) == ["a", "a is gone", "b", "c"]

    with_clients(3, server, root, test)


def test_a_block_that_ends_with_certainty(server: str, root: str) -> None:
    """`while_certain` cancels its block when the session ends."""

    async def test(clients: list[Client]) -> None:
        async with while_certain(clients[0]) as scope:
            await clients[0].close()
            await trio.sleep_forever()
        assert scope.cancelled_caught
        async with while_certain(clients[1]) as scope:
            pass
        assert not scope.cancelled_caught

    with_clients(2, server, root, test)


def test_barrier(server: str, root: str) -> None:
    """Everybody waits until it is lifted."""

    async def test(clients: list[Client]) -> None:
        barrier = Barrier(clients[0], "/deep/barrier")
        await barrier.wait()
        await barrier.create()
        await barrier.create()
        passed: list[int] = []

        async def wait(number: int) -> None:
            await Barrier(clients[number], "/deep/barrier").wait()
            passed.append(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, 0)
            nursery.start_soon(wait, 1)
            await trio.sleep(0.05)
            assert passed == []
            assert await barrier.remove()
        assert sorted(passed) == [0, 1]
        assert not await barrier.remove()

    with_clients(2, server, root, test)


def test_double_barrier_twice(server: str, root: str) -> None:
    """Nobody begins before all are there, nobody ends before all have finished; and again."""

    async def test(clients: list[Client]) -> None:
        for _ in range(2):
            log: list[str] = []

            async def participate(client: Client, log: list[str] = log) -> None:
                barrier = DoubleBarrier(client, "/double", 3)
                log.append("arrived")
                await barrier.enter()
                log.append("entered")
                await trio.sleep(0.01)
                log.append("done")
                await barrier.leave()
                log.append("left")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(participate, clients[0])
                nursery.start_soon(participate, clients[1])
                await trio.sleep(0.05)
                assert "entered" not in log
                nursery.start_soon(participate, clients[2])
            assert log.index("entered") == 3
            assert log.index("left") > max(i for i, entry in enumerate(log) if entry == "done")
            assert await clients[0].children("/double") == []

    with_clients(3, server, root, test)


def test_queue(server: str, root: str) -> None:
    """First in first out within a priority; each entry once, whoever asks; get waits."""

    async def test(clients: list[Client]) -> None:
        queue = Queue(clients[0], "/deep/queue")
        assert await queue.try_get() is None
        assert await queue.size() == 0
        for number in range(5):
            await queue.put(b"%d" % number)
        await queue.put(b"urgent", priority=1)
        assert await queue.size() == 6
        assert [await queue.get() for _ in range(3)] == [b"urgent", b"0", b"1"]
        taken: list[bytes] = []

        async def consume(client: Client) -> None:
            mine = Queue(client, "/deep/queue")
            while (value := await mine.get()) != b"end":
                taken.append(value)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(consume, client)
            for number in range(5, 50):
                await queue.put(b"%d" % number)
            await until(lambda: len(taken) == 48)
            for _ in clients:
                await queue.put(b"end")
        assert sorted(taken, key=int) == [b"%d" % n for n in range(2, 50)]

    with_clients(3, server, root, test)


def test_counter(server: str, root: str) -> None:
    """Additions of several clients at once all count; another's text is an error that shows it."""

    async def test(clients: list[Client]) -> None:
        assert await Counter(clients[0], "/deep/n", start=10).value() == 10

        async def add(client: Client) -> None:
            counter = Counter(client, "/deep/n", start=10)
            for _ in range(10):
                await counter.add(2)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(add, client)
        assert await Counter(clients[0], "/deep/n").value() == 70
        assert await Counter(clients[0], "/deep/n").add(-100) == -30
        await clients[0].set("/deep/n", b"many")
        with pytest.raises(ValueError, match=r"/deep/n holds b'many'"):
            await Counter(clients[0], "/deep/n").value()

    with_clients(3, server, root, test)


def test_party(server: str, root: str) -> None:
    """Members come and go, also by losing their session; the watch shows it."""

    async def test(clients: list[Client]) -> None:
        seen: list[list[bytes]] = []

        async def follow() -> None:
            async with Party(clients[0], "/deep/party").watch() as changes:
                async for members in changes:
                    seen.append(members)

        assert await Party(clients[0], "/deep/party").members() == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            async with Party(clients[0], "/deep/party", b"a") as party:
                await party.join()
                async with connect(server + root) as other:
                    await Party(other, "/deep/party", b"b").join()
                    assert await party.members() == [b"a", b"b"]
                    await until(lambda: seen[-1:] == [[b"a", b"b"]])
                await until(lambda: seen[-1:] == [[b"a"]])
            await until(lambda: seen[-1:] == [[]])
            nursery.cancel_scope.cancel()

    with_clients(1, server, root, test)


def test_tree_cache(server: str, root: str) -> None:
    """The copy follows creations, changes and deletions at every depth, and stays equal to the tree under a storm."""

    async def test(clients: list[Client]) -> None:
        writer, reader = clients
        cache = TreeCache(reader, "/c")
        assert await anext(cache) == set()
        assert cache.nodes == {}
        await writer.ensure_path("/c/x/y")
        while set(cache.nodes) != {"/c", "/c/x", "/c/x/y"}:
            await anext(cache)
        await writer.set("/c/x/y", b"1")
        assert await anext(cache) == {"/c/x/y"}
        assert cache.nodes["/c/x/y"][0] == b"1"
        await writer.delete_all("/c/x")
        changed: set[str] = set()
        while set(cache.nodes) != {"/c"}:
            changed |= await anext(cache)
        assert changed >= {"/c/x", "/c/x/y"}

        async def storm() -> None:
            for number in range(60):
                path = f"/c/{number % 7}"
                await writer.ensure_path(path + "/sub")
                await writer.set(path, b"%d" % number)
                if number % 3 == 0:
                    await writer.delete_all(path)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(storm)
            while len(nursery.child_tasks):
                with trio.move_on_after(0.3):
                    await anext(cache)
        expected = {"/c": (await writer.get("/c"))}
        for name in await writer.children("/c"):
            expected[f"/c/{name}"] = await writer.get(f"/c/{name}")
            expected[f"/c/{name}/sub"] = await writer.get(f"/c/{name}/sub")
        with trio.move_on_after(60):
            while cache.nodes != expected:
                await anext(cache)
        assert cache.nodes == expected
        await reader.close()
        assert [changed async for changed in cache] == []

    with_clients(2, server, root, test)


def test_tree_cache_of_one_level(server: str, root: str) -> None:
    """depth=1 keeps the children and reads nothing below them."""

    async def test(clients: list[Client]) -> None:
        await clients[0].ensure_path("/c/x/y")
        cache = TreeCache(clients[0], "/c", depth=1)
        assert await anext(cache) == {"/c", "/c/x"}
        assert set(cache.nodes) == {"/c", "/c/x"}

    with_clients(1, server, root, test)


def test_recipes_end_with_the_session(server: str, root: str) -> None:
    """Whoever waits when the session ends gets its error."""

    async def test(clients: list[Client]) -> None:
        holder, waiter = clients
        await Lock(holder, "/lock").acquire()
        ended: list[type[Exception]] = []

        async def expect_the_end(wait: Callable[[], Awaitable[object]]) -> None:
            try:
                await wait()
            except SessionExpiredError:
                ended.append(SessionExpiredError)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_the_end, Lock(waiter, "/lock").acquire)
            nursery.start_soon(expect_the_end, Queue(waiter, "/queue").get)
            nursery.start_soon(expect_the_end, DoubleBarrier(waiter, "/double", 2).enter)
            await trio.sleep(0.1)
            await waiter.close()
        assert len(ended) == 3

    with_clients(2, server, root, test)
