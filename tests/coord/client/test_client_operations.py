"""Every operation, on our server and on Apache's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from coord.client import (
    ACL,
    CREATOR_ALL_ACL,
    OPEN_ACL_UNSAFE,
    BadArgumentsError,
    BadVersionError,
    Check,
    Client,
    Create,
    Delete,
    EventType,
    GetChildren,
    GetData,
    Id,
    InvalidACLError,
    KeeperState,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    NoWatcherError,
    Perms,
    SessionExpiredError,
    SetData,
    Stat,
    State,
    UnimplementedError,
    WatchEvent,
    connect,
)


def with_client(hosts: str, root: str, test: Callable[[Client], Awaitable[None]], **options: object) -> None:
    """Runs a test with a client whose chroot is the test's own."""

    async def main() -> None:
        with trio.fail_after(100):
            async with connect(hosts + root, **options) as client:  # type: ignore[arg-type]
                await client.ensure_path("/")
                await test(client)

    trio.run(main)


def test_create_get_set_delete(server: str, root: str) -> None:
    """The life of a node, with versions; null data is kept apart from empty data."""

    async def test(client: Client) -> None:
        assert await client.create("/a", b"1") == "/a"
        data, stat = await client.get("/a")
        assert (data, stat.version, stat.data_length, stat.czxid) == (b"1", 0, 1, stat.mzxid)
        assert (await client.set("/a", b"22", 0)).version == 1
        with pytest.raises(BadVersionError, match="/a"):
            await client.set("/a", b"3", 0)
        with pytest.raises(NodeExistsError):
            await client.create("/a")
        with pytest.raises(BadVersionError):
            await client.delete("/a", 0)
        await client.delete("/a", 1)
        assert await client.exists("/a") is None
        for operation in (client.get, client.children, client.children2, client.get_acl, client.delete):
            with pytest.raises(NoNodeError):
                await operation("/a")  # type: ignore[operator]
        await client.create("/null", None)
        assert (await client.get_nullable("/null"))[0] is None
        assert (await client.get("/null"))[0] == b""
        await client.set("/null", b"")
        assert (await client.get_nullable("/null"))[0] == b""

    with_client(server, root, test)


def test_kinds_of_nodes(server: str, root: str) -> None:
    """Ephemeral, sequential, container; create2's Stat."""

    async def test(client: Client) -> None:
        path, stat = await client.create2("/e", b"x", ephemeral=True)
        assert path == "/e"
        assert stat == await client.exists("/e")
        assert stat.ephemeral_owner == client.session_id
        with pytest.raises(NoChildrenForEphemeralsError):
            await client.create("/e/f")
        assert await client.create("/s-", sequential=True) == "/s-0000000001"
        assert await client.create("/s-", sequential=True, ephemeral=True) == "/s-0000000002"
        assert await client.create("/c", container=True) == "/c"
        assert sorted(await client.get_ephemerals()) == ["/e", "/s-0000000002"]
        assert await client.count_all_children("/") == 4
        with pytest.raises(UnimplementedError):
            await client.create("/t", ttl_ms=1000)

    with_client(server, root, test)


def test_children(server: str, root: str) -> None:
    """Names only; with the parent's Stat; a node with children stays."""

    async def test(client: Client) -> None:
        for name in ("x", "y", "ü"):
            await client.create(f"/{name}")
        await client.create("/x/z")
        assert sorted(await client.children("/")) == ["x", "y", "ü"]
        names, stat = await client.children2("/")
        assert (sorted(names), stat.num_children, stat.cversion) == (["x", "y", "ü"], 3, 3)
        with pytest.raises(NotEmptyError):
            await client.delete("/x")
        await client.delete_all("/x")
        await client.delete_all("/x")
        assert await client.exists("/x") is None
        await client.ensure_path("/p/q/r")
        await client.ensure_path("/p/q/r")
        assert await client.children("/p/q") == ["r"]

    with_client(server, root, test)


@pytest.mark.parametrize("path", ["", "a", "/a/", "//", "/a//b", "/./a", "/../a", "/a\0", "/a\u0001"])
def test_paths_that_are_none(server: str, root: str, path: str) -> None:
    """The server's or our own refusal, one error."""

    async def test(client: Client) -> None:
        with pytest.raises(BadArgumentsError):
            await client.create(path)
        with pytest.raises(BadArgumentsError):
            await client.multi([Create("/x"), Delete(path)])

    with_client(server, "/bad-paths", test)


def test_a_sequence_may_follow_a_slash(server: str, root: str) -> None:
    """`/queue/` is no path, and yet the start of one."""

    async def test(client: Client) -> None:
        assert await client.create("/", sequential=True) == "/0000000000"
        assert await client.multi([Create("/", sequential=True)]) == ["/0000000001"]

    with_client(server, root, test)


def test_acls(server: str, root: str) -> None:
    """getACL, setACL with versions, a credential that opens a node."""

    async def test(client: Client) -> None:
        await client.create("/a")
        assert await client.get_acl("/a") == (OPEN_ACL_UNSAFE, await client.exists("/a"))
        with pytest.raises(InvalidACLError):
            await client.create("/b", acl=[])
        with pytest.raises(InvalidACLError):
            await client.create("/b", acl=CREATOR_ALL_ACL)
        await client.add_auth("digest", b"user:secret")
        assert Id("digest", "user") in await client.who_am_i()
        await client.create("/mine", b"x", acl=CREATOR_ALL_ACL)
        async with connect(server + root) as stranger:
            with pytest.raises(NoAuthError):
                await stranger.get("/mine")
        async with connect(server + root, auth=[("digest", b"user:secret")]) as friend:
            assert (await friend.get("/mine"))[0] == b"x"
        readable = [ACL(Perms.READ | Perms.ADMIN, Id("world", "anyone"))]
        assert (await client.set_acl("/mine", readable, 0)).aversion == 1
        with pytest.raises(BadVersionError):
            await client.set_acl("/mine", readable, 0)
        assert (await client.get_acl("/mine"))[0] == tuple(readable)

    with_client(server, root, test)


def test_multi(server: str, root: str) -> None:
    """All or nothing; results by operation; the error of the one that failed."""

    async def test(client: Client) -> None:
        results = await client.multi(
            [
                Create("/a", b"1"),
                Create("/a/s-", sequential=True, ephemeral=True),
                Create("/b", container=True),
                SetData("/a", b"2"),
                Check("/a", 1),
                Delete("/b"),
            ]
        )
        assert results[:3] == ["/a", "/a/s-0000000000", "/b"]
        assert isinstance(results[3], Stat)
        assert results[4:] == [None, None]
        with pytest.raises(BadVersionError, match="/a") as caught:
            await client.multi([Create("/c"), Check("/a", 7), Delete("/a")])
        assert caught.value.__notes__ == ["operation 2 of 3 in a multi, all undone: Check"]
        assert await client.exists("/c") is None
        reads = await client.multi_read([GetData("/a"), GetChildren("/a"), GetData("/none")])
        assert isinstance(reads[0], tuple)
        assert reads[0][0] == b"2"
        assert reads[1] == ["s-0000000000"]
        assert isinstance(reads[2], NoNodeError)
        assert await client.multi([]) == []

    with_client(server, root, test)


def test_watches(server: str, root: str) -> None:
    """Each kind fires once, for its reason, before the reply that shows the change, with the chroot taken off."""

    async def test(client: Client) -> None:
        seen: list[tuple[EventType, str]] = []

        def note(event: WatchEvent) -> None:
            assert event.state is KeeperState.SYNC_CONNECTED
            seen.append((event.type, event.path))

        await client.exists("/a", note)
        await client.create("/a")
        await client.get("/a", note)
        await client.children("/a", note)
        await client.set("/a", b"1")
        await client.set("/a", b"2")
        await client.create("/a/b")
        await client.create("/a/c")
        await client.children2("/a/c", note)
        await client.exists("/a/c", note)
        await client.delete("/a/c")
        assert seen == [
            (EventType.NODE_CREATED, "/a"),
            (EventType.NODE_DATA_CHANGED, "/a"),
            (EventType.NODE_CHILDREN_CHANGED, "/a"),
            (EventType.NODE_DELETED, "/a/c"),
        ]

    with_client(server, root, test)


def test_persistent_watches_and_their_removal(server: str, root: str) -> None:
    """addWatch stays and reaches below; removeWatches tells the watcher."""

    async def test(client: Client) -> None:
        seen: list[tuple[EventType, str]] = []
        await client.create("/a")
        await client.add_watch("/a", lambda event: seen.append((event.type, event.path)), recursive=True)
        await client.set("/a", b"")
        await client.create("/a/b")
        await client.create("/a/b/c")
        await client.delete("/a/b/c")
        await client.remove_watches("/a")
        await client.set("/a", b"")
        assert seen == [
            (EventType.NODE_DATA_CHANGED, "/a"),
            (EventType.NODE_CREATED, "/a/b"),
            (EventType.NODE_CREATED, "/a/b/c"),
            (EventType.NODE_DELETED, "/a/b/c"),
            (EventType.PERSISTENT_WATCH_REMOVED, "/a"),
        ]
        with pytest.raises(NoWatcherError):
            await client.remove_watches("/a")

    with_client(server, root, test)


def test_state_iterators(server: str, root: str) -> None:
    """`watch_data` and `watch_children` show the newest state after each change, absence included; close ends them."""

    async def test(client: Client) -> None:
        async def follow(target: list[object], source: object) -> None:
            async for value in source:  # type: ignore[attr-defined]
                target.append(value[0] if isinstance(value, tuple) else value)

        async def reached(target: list[object], expected: object) -> None:
            while not target or target[-1] != expected:
                await trio.sleep(0.005)

        data: list[object] = []
        names: list[object] = []
        async with connect(server + root) as other, trio.open_nursery() as nursery:
            nursery.start_soon(follow, data, other.watch_data("/a"))
            nursery.start_soon(follow, names, other.watch_children("/a"))
            await reached(data, None)
            await reached(names, None)
            await client.create("/a", b"1")
            await reached(data, b"1")
            await reached(names, [])
            await client.create("/a/x")
            await client.create("/a/y")
            await reached(names, ["x", "y"])
            for number in range(100):
                await client.set("/a", b"%d" % number)
            await reached(data, b"99")
            await client.delete_all("/a")
            await reached(data, None)
            await reached(names, None)
            await other.close()

    with_client(server, root, test)


def test_event_stream(server: str, root: str) -> None:
    """`events` yields every event of a subtree in order."""

    async def test(client: Client) -> None:
        await client.create("/a")
        async with client.events("/a", recursive=True) as events:
            for number in range(3):
                await client.create(f"/a/{number}")
            seen = [await anext(events) for _ in range(3)]
        assert [event.path for event in seen] == ["/a/0", "/a/1", "/a/2"]
        await client.create("/a/unseen")

    with_client(server, root, test)


def test_many_tasks_at_once(server: str, root: str) -> None:
    """A thousand tasks share the client; everybody gets his own answer."""

    async def test(client: Client) -> None:
        async def task(number: int) -> None:
            path = f"/{number}"
            assert await client.create(path, b"%d" % number) == path
            assert (await client.get(path))[0] == b"%d" % number
            await client.delete(path)

        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(task, number)
        assert await client.children("/") == []
        assert await client.ping() < 5

    with_client(server, root, test)


def test_a_session_taken_over(server: str, root: str) -> None:
    """Credentials re-attach a session: its ephemeral nodes stay; wrong ones end it."""

    async def test(client: Client) -> None:
        await client.create("/e", ephemeral=True)
        async with connect(server + root, resume=client.credentials) as other:
            assert other.session_id == client.session_id
            stat = await other.exists("/e")
            assert stat is not None
            assert stat.ephemeral_owner == other.session_id
        wrong = client.credentials.__class__(client.session_id, bytes(16))
        with pytest.raises(SessionExpiredError):
            async with connect(server + root, resume=wrong):
                pass

    with_client(server, root, test)


def test_data_up_to_the_limit(server: str, root: str) -> None:
    """The largest request the server takes goes through; and so does its reply."""

    async def test(client: Client) -> None:
        await client.create("/big")
        around = len(root + "/big") + 4 * 3
        data = bytes(1_000_000 - around)
        await client.set("/big", data)
        assert (await client.get("/big"))[0] == data
        assert client.state is State.CONNECTED

    with_client(server, root, test)
