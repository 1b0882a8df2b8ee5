"""A cut of the tree that stays as it was while transactions go on being applied.

Taking the cut costs nothing, however large the tree is: it is a number, and whoever reads the cut walks the living tree and
leaves that number on each node that it has passed. Whoever changes a node that was not passed yet first hands it to
`keep`, which saves what it was; a deleted one is saved by `bury` and comes last; a new one is born with the number, as if
it had been passed already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from coord.wire.data import ACL

from .znode import Znode

__all__ = ["CHUNK_NODES", "Frozen", "NodeImage"]

CHUNK_NODES = 512
"""Nodes in a slice: one or two milliseconds of work for whoever encodes them."""

NodeImage = tuple[str, bytes | None, tuple[ACL, ...], bytes]
"""(path, data, ACL, the 60 bytes of StatPersisted); the root's path is ""."""


class Frozen:
    """The cut. Read it once; `close` it when done, also half way: until then every change of a node is paid for.

    number: of this cut, never used again in its tree. sessions: session id -> timeout in ms. last_zxid, digest: the
    tree's, at the cut. acl_keys: every ACL that a node of the cut has (and maybe some that none has) -> its key in a
    snapshot. size: the number of nodes.
    """

    __slots__ = ("_gone", "_nodes", "_on_close", "_saved", "acl_keys", "closed", "digest", "last_zxid", "number", "sessions", "size")

    def __init__(
        self,
        number: int,
        nodes: Mapping[str, Znode],
        sessions: dict[int, int],
        acl_keys: dict[tuple[ACL, ...], int],
        last_zxid: int,
        digest: int | None,
        on_close: Callable[[], None],
    ) -> None:
        self.number = number
        self._nodes = nodes
        self._saved: dict[Znode, tuple[bytes | None, tuple[ACL, ...], bytes]] = {}
        self._gone: list[NodeImage] = []
        """Deleted before they were passed; children before their parents, for that is how nodes are deleted."""
        self._on_close = on_close
        self.sessions = dict(sessions)
        self.acl_keys = dict(acl_keys)
        self.last_zxid = last_zxid
        self.digest = digest
        self.size = len(nodes) - 1  # the root stands in the dictionary twice, as "" and as "/"
        self.closed = False

    def keep(self, node: Znode) -> None:
        """To be called before a node changes. Only the first call for a node counts."""
        if node.passed != self.number and node not in self._saved:
            self._saved[node] = (node.data, node.acl, node.persisted())

    def bury(self, path: str, node: Znode) -> None:
        """To be called when a node was deleted."""
        if node.passed != self.number:
            self._gone.append(self._pass(path, node))

    def chunks(self, size: int = CHUNK_NODES) -> Iterator[list[NodeImage]]:
        """The nodes of the cut, parents before children, in slices of at most `size`.

        Changes to the tree may happen between slices, not while one is made. Raises RuntimeError after `close`.
        """
        part: list[NodeImage] = []
        for image in self._images():
            part.append(image)
            if len(part) >= size:
                yield part
                if self.closed:
                    raise RuntimeError("the cut of the tree was closed while somebody was still reading it")
                part = []
        if part:
            yield part

    def _images(self) -> Iterator[NodeImage]:
        nodes, number = self._nodes, self.number
        root = nodes[""]
        yield self._pass("", root)
        walk = [("", iter(list(root.children or ())))]
        while walk:
            parent, names = walk[-1]
            for name in names:
                path = f"{parent}/{name}"
                node = nodes.get(path)
                if node is None or node.passed == number:
                    continue
                yield self._pass(path, node)
                if node.children:
                    walk.append((path, iter(list(node.children))))
                    break
            else:
                walk.pop()
        yield from reversed(self._gone)

    def _pass(self, path: str, node: Znode) -> NodeImage:
        node.passed = self.number
        saved = self._saved.pop(node, None) if self._saved else None
        if saved is None:
            return (path, node.data, node.acl, node.persisted())
        return (path, *saved)

    def close(self) -> None:
        """Lets go of everything. May be called again."""
        if not self.closed:
            self.closed = True
            self._nodes = {}
            self._saved = {}
            self._gone = []
            self._on_close()
