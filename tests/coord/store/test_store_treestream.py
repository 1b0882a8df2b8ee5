"""A tree goes through the stream and comes out the same, however the bytes are cut up; garbage is refused."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.store.treestream import ITEM_SIZE_MAX, SNAP_SIGNATURE, TreeDecoder, encode_tree
from coord.tree.tree import FUZZY, Tree
from coord.wire.data import UNKNOWN_ACL
from tests.coord.store.samples import DIGEST_ACL, Author, state


def stream_of(tree: Tree) -> bytes:
    frozen = tree.freeze()
    try:
        return b"".join(encode_tree(frozen))
    finally:
        frozen.close()


def busy_tree(seed: int = 1, count: int = 60) -> Tree:
    author = Author()
    author.session(7)
    author.session(-5, 30_000)
    author.some(Random(seed), count)
    author.create("/e", b"x", ephemeral=True, private=True)
    return author.tree


def decoded(decoder: TreeDecoder, tree: Tree) -> Tree:
    assert decoder.finished
    decoder.tree.loaded(tree.last_zxid)
    return decoder.tree


@given(st.integers(0, 2**32), st.lists(st.integers(1, 200), max_size=20))
def test_a_tree_comes_out_as_it_went_in(seed: int, cuts: list[int]) -> None:
    """Fed in pieces of any size, with the unconsumed rest before each next piece, and something else behind it."""
    tree = busy_tree(seed)
    data = stream_of(tree) + SNAP_SIGNATURE
    decoder = TreeDecoder(ending=SNAP_SIGNATURE)
    buffer, fed = b"", 0
    for size in [*cuts, len(data)]:
        buffer += data[fed : fed + size]
        fed += size
        buffer = buffer[decoder.feed(memoryview(buffer)) :]
    assert buffer == b""
    assert state(decoded(decoder, tree)) == state(tree)
    assert decoder.feed(b"the next packet") == 0


def test_one_byte_at_a_time() -> None:
    """The worst network gives the same tree, and finishes with the last byte and no earlier."""
    tree = busy_tree()
    data = stream_of(tree) + SNAP_SIGNATURE
    decoder = TreeDecoder(ending=SNAP_SIGNATURE)
    buffer = b""
    for number in range(len(data)):
        assert not decoder.finished
        buffer += data[number : number + 1]
        buffer = buffer[decoder.feed(buffer) :]
    assert state(decoded(decoder, tree)) == state(tree)


def test_what_follows_is_left() -> None:
    """Bytes behind the end belong to somebody else."""
    tree = busy_tree()
    data = stream_of(tree)
    decoder = TreeDecoder()
    assert decoder.feed(data + b"more") == len(data)
    assert state(decoded(decoder, tree)) == state(tree)


def test_an_empty_tree_and_many_sessions() -> None:
    """Counts of zero, and more sessions than one piece holds."""
    tree = Tree()
    decoder = TreeDecoder()
    decoder.feed(stream_of(tree))
    assert state(decoded(decoder, tree)) == state(tree)
    tree.sessions = {number: 1000 + number for number in range(10_000)}
    decoder = TreeDecoder()
    decoder.feed(stream_of(tree))
    assert decoded(decoder, tree).sessions == tree.sessions


def test_the_cut_is_what_goes_in() -> None:
    """Changes made while the stream is read are not in it."""
    author = Author()
    author.session()
    for number in range(2000):
        author.create(f"/n{number}", b"before")
    before = state(author.tree)
    frozen = author.tree.freeze()
    pieces = []
    for piece in encode_tree(frozen):
        pieces.append(piece)
        author.set_data("/n1999", b"after")
        author.create(f"/later{len(pieces)}")
        if len(pieces) == 2:
            author.delete("/n1500")
    frozen.close()
    decoder = TreeDecoder()
    decoder.feed(b"".join(pieces))
    decoder.tree.loaded(frozen.last_zxid)
    assert state(decoder.tree) == before


@given(st.data())
def test_garbage_is_refused_or_waited_for(data: st.DataObject) -> None:
    """A changed byte or random bytes give ValueError, another tree, or a wish for more; never another exception."""
    good = stream_of(busy_tree(count=10)) + SNAP_SIGNATURE
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    for content in (bytes(bad), data.draw(st.binary(max_size=300))):
        decoder = TreeDecoder(ending=SNAP_SIGNATURE)
        try:
            decoder.feed(content)
        except ValueError:
            pass


def test_an_acl_that_is_not_in_the_list_is_learned_from_the_log() -> None:
    """ZOOKEEPER-3306, ZOOKEEPER-4846: the node is newer than the list, so its creation comes again; until then it is
    nobody's."""
    author = Author()
    _, creation = author.create("/secret", private=True)
    frozen = author.tree.freeze()
    sessions, _acls, *nodes = encode_tree(frozen)
    frozen.close()
    decoder = TreeDecoder()
    decoder.feed(b"".join([sessions, bytes(4), *nodes]))
    assert decoder.finished
    tree = decoder.tree
    tree.loaded(author.zxid - 1, FUZZY)
    assert tree.nodes["/secret"].acl == UNKNOWN_ACL
    tree.apply_bytes(creation)
    assert tree.nodes["/secret"].acl == DIGEST_ACL
    assert tree.digest == author.tree.digest


NODE = b"\0\0\0\0" + b"\0\0\0\0" + b"\xff" * 8 + bytes(60)
EMPTY = bytes(4) + bytes(4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (EMPTY + (ITEM_SIZE_MAX + 1).to_bytes(4, "big"), "a path of"),
        (EMPTY + b"\xff\xff\xff\xff", "a path of -1"),
        (EMPTY + bytes(4) + (ITEM_SIZE_MAX + 1).to_bytes(4, "big"), "data of"),
        (EMPTY + bytes(4) + b"\xff\xff\xff\xfe", "data of -2"),
        (EMPTY + NODE + NODE, "twice"),
        (EMPTY + NODE + b"\0\0\0\4/a/b" + NODE[4:], "before its parent"),
        (EMPTY + NODE + b"\0\0\0\1/" + b"\0\0\0\x0aBenIsNotHe", "instead of"),
    ],
)
def test_a_stream_that_makes_no_tree_is_refused(content: bytes, reason: str) -> None:
    """With a sentence that says what is wrong with it."""
    decoder = TreeDecoder(ending=SNAP_SIGNATURE)
    with pytest.raises(ValueError, match=reason):
        decoder.feed(content)
