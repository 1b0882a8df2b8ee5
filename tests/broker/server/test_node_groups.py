"""Groups on a cluster: offsets in the tree, coordinators that fail over, and claims that fence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio
from trio.testing import MockClock

from broker.group.answers import Join
from broker.group.membership import GroupLimits, Membership
from broker.group.offsets import GroupOffsets, OffsetEntry
from broker.group.slots import slot_of
from broker.server.metadata_cache import MetadataCache
from broker.server.offset_upkeep import OffsetUpkeep
from broker.wire import messages as m
from broker.wire.errors import ErrorCode
from tests.broker.server.harness import Cluster, Wire, in_cluster

SLOTS = 50


def commit_of(
    group_id: str, *offsets: int, metadata: str = "", generation: int = -1, member: str = ""
) -> m.OffsetCommitRequest:
    partitions = [
        m.OffsetCommitRequestPartition(number, offset, committed_metadata=metadata)
        for number, offset in enumerate(offsets)
    ]
    return m.OffsetCommitRequest(
        group_id, generation, member, topics=[m.OffsetCommitRequestTopic("t", partitions)]
    )


async def commit(wire: Wire, group_id: str, *offsets: int, **rest: object) -> list[int]:
    response = await wire.ask(commit_of(group_id, *offsets, **rest), 6, m.OffsetCommitResponse)  # type: ignore[arg-type]
    return [partition.error_code for partition in response.topics[0].partitions]


async def committed(wire: Wire, group_id: str) -> tuple[int, dict[int, tuple[int, str | None]]]:
    """(error, partition -> offset and metadata) of all that the group has committed."""
    response = await wire.ask(m.OffsetFetchRequest(group_id, topics=None), 5, m.OffsetFetchResponse)
    return response.error_code, {
        partition.partition_index: (partition.committed_offset, partition.metadata)
        for topic in response.topics
        for partition in topic.partitions
    }


async def join(wire: Wire, group_id: str) -> tuple[str, int]:
    """A lone member, in the generation it leads; its id and the generation."""
    protocols = [m.JoinGroupRequestProtocol("range", b"meta")]
    first = await wire.ask(
        m.JoinGroupRequest(group_id, 10_000, 10_000, "", None, "consumer", protocols), 5, m.JoinGroupResponse
    )
    assert first.error_code == ErrorCode.MEMBER_ID_REQUIRED
    again = m.JoinGroupRequest(group_id, 10_000, 10_000, first.member_id, None, "consumer", protocols)
    joined = await wire.ask(again, 5, m.JoinGroupResponse)
    assert joined.error_code == 0
    assignment = [m.SyncGroupRequestAssignment(joined.member_id, b"everything")]
    synced = await wire.ask(
        m.SyncGroupRequest(group_id, joined.generation_id, joined.member_id, assignments=assignment),
        3,
        m.SyncGroupResponse,
    )
    assert (synced.error_code, synced.assignment) == (0, b"everything")
    return joined.member_id, joined.generation_id


def test_offsets_lie_in_the_tree_as_text(tmp_path: Path) -> None:
    """As any ZooKeeper client can read them; what the consumer noted lies beside them."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 2)
        wire = await cluster.coordinator("g/1")
        assert await commit(wire, "g/1", 7, 11, metadata="é") == [0, 0]
        assert await commit(wire, "g/1", 8) == [0]
        assert await commit(wire, "g/1", 1, 2, 3) == [0, 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
        assert await commit(wire, "g/1", 9, metadata="x" * 4097) == [ErrorCode.OFFSET_METADATA_TOO_LARGE]
        assert await committed(wire, "g/1") == (0, {0: (1, ""), 1: (2, "")})
        async with cluster.tree() as tree:
            assert (await tree.get("/consumers/g%2F1/offsets/t/0"))[0] == b"1"
            assert (await tree.get("/consumers/g%2F1/offsets/t/1"))[0] == b"2"
            assert await tree.children("/consumers/g%2F1/metadata/t") == []
            slot = slot_of("g/1", SLOTS)
            assert (await tree.get(f"/brokers/coordinators/{slot}/owner"))[0] == b'{"version":1,"brokerid":1}'

    in_cluster(test, tmp_path)


def test_a_member_commits_and_another_generation_does_not(tmp_path: Path) -> None:
    """And what administrators see of the group meanwhile."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 2)
        wire = await cluster.coordinator("g")
        member, generation = await join(wire, "g")
        assert await commit(wire, "g", 5, generation=generation, member=member) == [0]
        assert await commit(wire, "g", 5, generation=generation + 1, member=member) == [
            ErrorCode.ILLEGAL_GENERATION
        ]
        assert await commit(wire, "g", 5, generation=generation, member="other") == [
            ErrorCode.UNKNOWN_MEMBER_ID
        ]
        assert await commit(wire, "g", 5) == [ErrorCode.UNKNOWN_MEMBER_ID]
        described = await wire.ask(m.DescribeGroupsRequest(["g", "nobody"]), 4, m.DescribeGroupsResponse)
        assert [(group.group_state, group.protocol_data) for group in described.groups] == [
            ("Stable", "range"),
            ("Dead", ""),
        ]
        assert described.groups[0].members[0].member_assignment == b"everything"
        assert described.groups[0].members[0].client_host == "/127.0.0.1"
        deleted = await wire.ask(m.DeleteGroupsRequest(["g"]), 1, m.DeleteGroupsResponse)
        assert deleted.results[0].error_code == ErrorCode.NON_EMPTY_GROUP
        await wire.ask(m.LeaveGroupRequest("g", member), 1, m.LeaveGroupResponse)
        listed = await wire.ask(m.ListGroupsRequest(), 4, m.ListGroupsResponse)
        assert [(group.group_id, group.group_state, group.protocol_type) for group in listed.groups] == [
            ("g", "Empty", "consumer")
        ]
        deleted = await wire.ask(m.DeleteGroupsRequest(["g", "nobody"]), 1, m.DeleteGroupsResponse)
        assert [result.error_code for result in deleted.results] == [0, ErrorCode.GROUP_ID_NOT_FOUND]
        assert await committed(wire, "g") == (0, {})
        async with cluster.tree() as tree:
            assert await tree.exists("/consumers/g") is None

    in_cluster(test, tmp_path)


def test_another_broker_takes_the_groups_of_one_that_stops(tmp_path: Path) -> None:
    """The offsets are read again from the tree, and a broker that is not the coordinator says so."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 3)
        wire = await cluster.coordinator("g")
        assert await commit(wire, "g", 4, 5) == [0, 0]
        async with cluster.tree() as tree:
            owner = await holder(tree, "g")
            other = next(broker for broker in cluster.running if broker != owner)
            error, _ = await committed(await cluster.wire(other), "g")
            assert error == ErrorCode.NOT_COORDINATOR
            await cluster.stop(owner)
            wire = await cluster.coordinator("g")
            assert await committed(wire, "g") == (0, {0: (4, ""), 1: (5, "")})
            assert await commit(wire, "g", 6, 5) == [0, 0]
            assert await holder(tree, "g") in cluster.running
            assert (await tree.get("/consumers/g/offsets/t/0"))[0] == b"6"

    in_cluster(test, tmp_path, 2)


async def holder(tree: object, group_id: str) -> int:
    data, _ = await tree.get(f"/brokers/coordinators/{slot_of(group_id, SLOTS)}/owner")  # type: ignore[attr-defined]
    return int(data[len(b'{"version":1,"brokerid":') : -1])


def test_a_coordinator_that_was_replaced_cannot_commit(tmp_path: Path) -> None:
    """Its check of the claim's version fails; it gives the slot up, and what it remembers of it."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 1)
        wire = await cluster.coordinator("g")
        member, generation = await join(wire, "g")
        assert await commit(wire, "g", 4, generation=generation, member=member) == [0]
        async with cluster.tree() as tree:
            await tree.set(
                f"/brokers/coordinators/{slot_of('g', SLOTS)}", b""
            )  # as another broker's claim does
            await tree.set("/consumers/g/offsets/t/0", b"44")
            assert await commit(wire, "g", 5, generation=generation, member=member) == [
                ErrorCode.NOT_COORDINATOR
            ]
            assert (await tree.get("/consumers/g/offsets/t/0"))[0] == b"44"
            heartbeat = await wire.ask(m.HeartbeatRequest("g", generation, member), 1, m.HeartbeatResponse)
            assert heartbeat.error_code == ErrorCode.UNKNOWN_MEMBER_ID
            assert await committed(wire, "g") == (0, {0: (44, "")})

    in_cluster(test, tmp_path)


def test_znodes_that_were_removed_by_hand_are_made_again(tmp_path: Path) -> None:
    """What the coordinator remembers of them is read again."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 2)
        wire = await cluster.coordinator("g")
        assert await commit(wire, "g", 4, 5) == [0, 0]
        async with cluster.tree() as tree:
            await tree.delete_all("/consumers/g")
            assert await commit(wire, "g", 6) == [0]
            assert await committed(wire, "g") == (0, {0: (6, "")})
            await tree.create("/consumers/g/offsets/t/1", b"no number")
            assert await commit(wire, "g", 7, 8) == [0, 0]
            assert (await tree.get("/consumers/g/offsets/t/1"))[0] == b"8"

    in_cluster(test, tmp_path)


def test_commits_that_arrive_together_are_written_together(tmp_path: Path) -> None:
    """Two hundred groups commit at once; the tree sees far fewer transactions, and every offset."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 1)
        groups = [f"g{number}" for number in range(200)]
        wires = {group: await cluster.coordinator(group) for group in groups}
        for group, wire in wires.items():
            assert await commit(wire, group, 1) == [0]
        async with cluster.tree() as tree:
            before = (await tree.create2("/before", b""))[1].czxid
            async with trio.open_nursery() as nursery:
                for number, group in enumerate(groups):
                    nursery.start_soon(commit, wires[group], group, number)
            after = (await tree.create2("/after", b""))[1].czxid
            assert after - before < len(groups) / 4
            for number, group in enumerate(groups):
                assert (await tree.get(f"/consumers/{group}/offsets/t/0"))[0] == b"%d" % number

    in_cluster(test, tmp_path)


def test_a_deleted_topic_takes_its_offsets_along(tmp_path: Path) -> None:
    """A later topic of its name is read from its beginning; other topics' offsets stay."""

    async def test(cluster: Cluster) -> None:
        await cluster.create("t", 2)
        await cluster.create("other", 1)
        wire = await cluster.coordinator("g")
        assert await commit(wire, "g", 4, 5, metadata="note") == [0, 0]
        kept = m.OffsetCommitRequest(
            "g", topics=[m.OffsetCommitRequestTopic("other", [m.OffsetCommitRequestPartition(0, 9)])]
        )
        await wire.ask(kept, 6, m.OffsetCommitResponse)
        await cluster.delete("t")
        async with cluster.tree() as tree:
            with trio.fail_after(60):
                while await tree.children("/consumers/g/offsets/t"):
                    await trio.sleep(0.02)
            assert await tree.children("/consumers/g/metadata/t") == []
        await cluster.create("t", 2)
        assert await committed(wire, "g") == (0, {0: (9, "")})
        assert await commit(wire, "g", 1) == [0]

    in_cluster(test, tmp_path, 2)


def test_what_a_group_committed_goes_when_it_has_been_idle_for_long(tmp_path: Path) -> None:
    """offsets.retention.minutes after the last commit, while it has no members."""
    commits: dict[str, list[OffsetEntry]] = {}

    class Store:
        """Two groups, of which one has an old and a young offset."""

        offsets = {
            "idle": GroupOffsets(
                9, [OffsetEntry("t", 0, 1, "", time_ms=0), OffsetEntry("t", 1, 1, "", time_ms=500_000)]
            ),
            "busy": GroupOffsets(9, [OffsetEntry("t", 0, 1, "", time_ms=0)]),
        }

        async def groups(self) -> list[str]:
            return list(self.offsets)

        async def load(self, group_id: str) -> GroupOffsets:
            return self.offsets[group_id]

        def commit(
            self, group_id: str, entries: list[OffsetEntry], done: Callable[[ErrorCode], None]
        ) -> None:
            commits[group_id] = entries
            self.offsets[group_id].apply(entries)

        async def delete(self, group_id: str) -> None:
            del self.offsets[group_id]

    class Claims:
        async def find(self, slot: int) -> tuple[ErrorCode, int]:
            return ErrorCode.NONE, 1

    class Wall:
        def now_ms(self) -> int:
            return int(trio.current_time() * 1000) - begin_ms

    begin_ms = 0

    async def main() -> None:
        nonlocal begin_ms
        begin_ms = int(trio.current_time() * 1000)
        store = Store()
        membership = Membership(GroupLimits(0.0), lambda: "1")
        membership.join(
            Join("busy", "", None, "c", "h", "consumer", (("range", b""),), 1800.0, 60.0), None, 0.0
        )
        upkeep = OffsetUpkeep(
            1, store, Claims(), membership, MetadataCache(), len, Wall(), retention=600.0, interval=60.0,  # type: ignore[arg-type]
        )  # fmt: skip
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upkeep.run)
            await trio.sleep(650)
            assert commits == {}
            await trio.sleep(60)
            assert [entry.partition for entry in commits.pop("idle")] == [0]
            await trio.sleep(450)
            assert [entry.partition for entry in commits.pop("idle")] == [1]
            assert list(store.offsets) == ["busy"]
            assert commits == {}
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
