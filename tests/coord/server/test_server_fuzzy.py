"""A SNAP of an Apache leader runs ahead of its zxid: no digest is counted as different for that, and a real difference is."""

from __future__ import annotations

from random import Random

import trio

from coord.server.state import State
from coord.store.storage import Storage
from coord.store.treestream import SNAP_SIGNATURE, encode_tree
from coord.tree.tree import FUZZY, Tree
from coord.wire.txns import decode_txn
from tests.coord.store.samples import Author, synced
from tests.sim.disk import SimDisk


class Joining:
    """A server that gets a SNAP as of half of an author's transactions, whose nodes are those of a later moment."""

    def __init__(self, *, ahead: int = 10) -> None:
        self.disk = SimDisk(Random(1))
        self.storage = Storage(self.disk, "/data", None, Random(1))
        self.state = State(self.storage, extended_types=False)
        self.author = Author()
        self.author.some(Random(2), 40)
        self.zxid = self.author.zxid
        self.later = self.author.some(Random(3), ahead)
        self.bound = self.author.zxid

    def restore(self) -> None:
        restoration = self.state.restore()
        frozen = self.author.tree.freeze()
        data = b"".join(encode_tree(frozen)) + SNAP_SIGNATURE
        frozen.close()
        assert restoration.feed(memoryview(data)) == len(data)
        restoration.install(self.zxid)

    @property
    def tree(self) -> Tree:
        return self.state.tree

    def deliver(self, batch: list[tuple[int, bytes]]) -> None:
        for _, data in batch:
            header, body, digest = decode_txn(data)
            self.tree.apply(header, body, digest)
        self.state.delivered()


def test_what_the_snap_ran_ahead_of_is_not_compared() -> None:
    """What was committed before NEWLEADER is delivered in one piece when the server begins to serve."""
    joining = Joining()
    joining.restore()
    assert joining.tree.fuzzy_until == FUZZY
    joining.state.serve(True)
    joining.deliver(joining.later)
    assert joining.tree.digest == joining.author.tree.digest
    assert joining.tree.fuzzy_until == joining.bound
    joining.deliver(joining.author.some(Random(4), 20))
    assert joining.tree.digest_mismatches == 0


def test_a_difference_is_counted_again_behind_that() -> None:
    """A tree that is wrong for another reason is found out with the next transaction."""
    joining = Joining()
    joining.restore()
    joining.state.serve(True)
    joining.deliver(joining.later)
    joining.tree.digest ^= 1
    joining.deliver(joining.author.some(Random(4), 1))
    assert joining.tree.digest_mismatches == 1


def test_a_leader_that_is_lost_before_newleader_leaves_it_open() -> None:
    """Nobody knows how far ahead the state is; the next leader's history holds all of that."""
    joining = Joining()
    joining.restore()
    joining.deliver(joining.later[:5])
    assert joining.tree.fuzzy_until == FUZZY
    joining.state.serve(True)
    joining.deliver(joining.later[5:])
    assert joining.tree.fuzzy_until == joining.bound
    assert joining.tree.digest_mismatches == 0


def test_the_doubt_outlives_a_crash() -> None:
    """The state was saved as of the SNAP's zxid. A start replays the log over it and counts nothing."""

    async def main() -> None:
        joining = Joining()
        joining.restore()
        await joining.state.save()
        joining.storage.append(joining.later[:6])
        await synced(joining.storage)
        again = Storage(joining.disk.crash(), "/data", None, Random(1))
        assert (again.tree.digest_mismatches, again.tree.fuzzy_until) == (0, FUZZY)
        joining.state = State(again, extended_types=False)
        joining.state.serve(True)
        joining.deliver(joining.later[6:])
        joining.deliver(joining.author.some(Random(4), 5))
        assert joining.tree.digest_mismatches == 0
        assert joining.tree.digest == joining.author.tree.digest

    trio.run(main)


def test_a_state_that_is_exact_is_saved_with_its_digest() -> None:
    """So that a damaged snapshot is noticed."""

    async def main() -> None:
        joining = Joining(ahead=0)
        joining.restore()
        joining.state.serve(True)
        joining.deliver(joining.author.some(Random(4), 1))
        await joining.state.save()
        again = Storage(joining.disk.crash(), "/data", None, Random(1))
        assert again.tree.fuzzy_until == again.tree.last_zxid == joining.author.zxid

    trio.run(main)
