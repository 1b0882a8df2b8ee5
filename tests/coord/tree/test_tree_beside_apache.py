"""Random requests to a real ZooKeeper, many in flight; then its log beside our decisions, byte for byte.

The log says in which order and at which times Apache took the requests. Ours decides the same requests in that order:
every transaction must come out with the same bytes (names, versions, errors, digests), and applying Apache's must give
the replies that its clients have read. Three things are left out, since Apache 3.8.0 does them differently from its own
later versions, or from itself: create2 within a multi (ZOOKEEPER-4026); a change of ACL, which it forgets about for the
requests that are decided before it is applied; and a delete while the end of a session is in flight, where it still counts
the ephemerals that go with the session as children (NOTEMPTY, or not, as the moment has it).
"""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from random import Random

import pytest

from coord.tree.acl import Guard, digest_id
from coord.tree.applied import reply_body
from coord.tree.decide import Decider, Request
from coord.tree.sessions import SessionTracker, password_of
from coord.tree.tree import Tree
from coord.wire.codes import OpCode
from coord.wire.data import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE, WORLD_ANYONE, Id
from coord.wire.jute import Reader
from coord.wire.records import (
    AuthPacket,
    ConnectResponse,
    CreateRequest,
    CreateSessionRequest,
    ReconfigRequest,
)
from coord.wire.txns import CloseSessionTxn, CreateSessionTxn, TxnHeader, decode_txn
from tests.coord.tree.tree_world import (
    CLOSE,
    Op,
    check,
    container,
    delete,
    encode,
    multi,
    set_acl,
    set_data,
    ttl,
)
from tests.e2e.local import free_ports
from tests.e2e.mixed import APACHE, Server, needs_apache
from tests.e2e.raw import frame, reply

pytestmark = pytest.mark.apache

REQUESTS = 2500
IN_FLIGHT_MAX = 150
IP = Id("ip", "127.0.0.1")
ODD_PATHS = (
    "/", "//a", "/a/", "", "a", "/a/../b", "/a/./b", "/..", "/a\x01", "/a\ue000", "/é", "/\U0001f600",
    "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/x",
)  # fmt: skip
ODD_ACLS: tuple[tuple[ACL, ...], ...] = (
    (),
    CREATOR_ALL_ACL,
    READ_ACL_UNSAFE,
    (ACL(31, Id("digest", "user:hash")),),
    (ACL(31, Id("digest", "nocolon")),),
    (ACL(31, Id("nope", "x")),),
    (ACL(7, WORLD_ANYONE), ACL(7, WORLD_ANYONE)),
    (ACL(31, Id("ip", "127.0.0.0/8")),),
    (ACL(31, Id("ip", "1.2.3")),),
    (ACL(1, WORLD_ANYONE), ACL(31, Id("auth", ""))),
)


def some_path(random: Random) -> str:
    if random.random() < 0.02:
        return random.choice(ODD_PATHS)
    return "".join("/" + random.choice("abcd") for _ in range(random.choice((1, 1, 2, 2, 3))))


def some_create(random: Random, *, in_multi: bool) -> Op:
    path = some_path(random)
    flags = random.choice((0, 0, 0, 1, 1, 2, 3, 7, -1))
    if flags in (2, 3):
        path += random.choice(("", "/", "-"))
    acl = OPEN_ACL_UNSAFE if random.random() < 0.7 else random.choice(ODD_ACLS)
    op = OpCode.CREATE if in_multi else random.choice((OpCode.CREATE, OpCode.CREATE2))
    return op, CreateRequest(path, random.choice((None, b"", b"x", b"hello" * 9)), acl, flags)


def some_single(random: Random, *, in_multi: bool = False) -> Op:
    path = some_path(random)
    version = random.choice((-1, -1, -1, -1, 0, 1, 2))
    kind = random.randrange(16)
    if kind < 5:
        return some_create(random, in_multi=in_multi)
    if kind < 8:
        return delete(path, version)
    if kind < 11:
        return set_data(path, random.choice((None, b"", b"y")), version)
    if kind < 12:
        return container(path)
    if kind < 13:
        return ttl(path, random.choice((1, 60_000, 0, -5, 1 << 40, (1 << 40) - 1)), random.choice((5, 6)))
    if in_multi:
        return check(path, version)
    return set_acl(path, random.choice((OPEN_ACL_UNSAFE, (), (ACL(31, Id("nope", "x")),))), version)


def some_request(random: Random) -> Op:
    chance = random.random()
    if chance < 0.25:
        return multi(*(some_single(random, in_multi=True) for _ in range(random.choice((0, 1, 2, 3, 4, 6)))))
    if chance < 0.27:
        return OpCode.RECONFIG, ReconfigRequest(None, None, None)
    return some_single(random)


class Client:
    """A connection that does not wait for its replies; it keeps what it has sent and read, by xid."""

    def __init__(self, port: int, credentials: bytes | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.sendall(frame(struct.pack(">iqiqi16s?", 0, 0, 30_000, 0, 16, bytes(16), False)))
        answer = ConnectResponse.read(Reader(reply(self.socket)))
        self.session_id = answer.session_id
        assert answer.password == password_of(self.session_id)
        self.auth: tuple[Id, ...] = (IP,)
        self.sent: dict[int, tuple[int, bytes]] = {}
        self.read: dict[int, tuple[int, bytes]] = {}
        if credentials is not None:
            self.socket.sendall(frame(struct.pack(">ii", -4, OpCode.AUTH) + encode(AuthPacket(0, "digest", credentials))))
            reply(self.socket)
            self.auth = (IP, digest_id(credentials))

    def send(self, op: Op) -> None:
        xid = len(self.sent) + 1
        body = encode(op[1])
        self.sent[xid] = (op[0], body)
        self.socket.sendall(frame(struct.pack(">ii", xid, op[0]) + body))
        if len(self.sent) - len(self.read) > IN_FLIGHT_MAX:
            self.drain()

    def drain(self) -> None:
        while len(self.read) < len(self.sent):
            data = reply(self.socket)
            xid, _, error = struct.unpack_from(">iqi", data)
            self.read[xid] = (error, data[16:])

    def close(self) -> None:
        self.send(CLOSE)
        self.drain()
        self.socket.close()


def bombard(port: int, random: Random) -> dict[int, Client]:
    """Sends everything, over clients that come and go; session id -> client."""
    open_clients = [Client(port, b"user%d:secret" % n if n < 2 else None) for n in range(4)]
    everybody = {client.session_id: client for client in open_clients}
    sent = 0
    while sent < REQUESTS:
        client = random.choice(open_clients)
        for _ in range(random.choice((1, 5, 20, 60))):
            client.send(some_request(random))
            sent += 1
        if random.random() < 0.05:
            drain(open_clients)
            client.close()
            open_clients.remove(client)
            open_clients.append(Client(port, None))
            everybody[open_clients[-1].session_id] = open_clients[-1]
    drain(open_clients)
    for client in open_clients:
        client.close()
    return everybody


def drain(clients: list[Client]) -> None:
    """Waits until nothing is in flight: so much an end of a session needs."""
    for client in clients:
        client.drain()


def transactions(folder: Path) -> list[bytes]:
    """All that is in the log files."""
    found = []
    for path in sorted((folder / "version-2").glob("log.*"), key=lambda path: int(path.suffix[1:], 16)):
        data = path.read_bytes()
        offset = 16
        while offset + 12 <= len(data) and (size := struct.unpack_from(">i", data, offset + 8)[0]):
            found.append(data[offset + 12 : offset + 12 + size])
            offset += 13 + size
    return found


def request_of(header: TxnHeader, body: object, clients: dict[int, Client]) -> Request:
    """The request that a transaction of the log has come from."""
    if isinstance(body, CreateSessionTxn):
        return Request(header.session_id, 0, OpCode.CREATE_SESSION, encode(CreateSessionRequest(body.timeout_ms)))
    client = clients[header.session_id]
    op, record = client.sent[header.cxid]
    return Request(header.session_id, header.cxid, op, record, client.auth)


def replay(log: list[bytes], clients: dict[int, Client], random: Random | None) -> Tree:
    """Decides again what Apache has decided, applying at once or, with `random`, some time later."""
    tree = Tree(extended_types=True)
    decider = Decider(tree, SessionTracker(2000, 0.0), Guard())
    in_flight: list[tuple[bytes, Request]] = []
    for data in log:
        header, body, digest = decode_txn(data)
        request = request_of(header, body, clients)
        decision = decider.decide(request, header.zxid, header.time_ms)
        if isinstance(body, CloseSessionTxn) and isinstance(decision.body, CloseSessionTxn):
            # Apache lists the paths as its hash table has them
            assert sorted(decision.body.paths or ()) == sorted(body.paths or ())
            assert decision.digest == digest
        else:
            assert decision.data == data, (request, header, body, decision.body)
        in_flight.append((data, request))
        if random is None or random.random() < 0.03 or data is log[-1]:
            for earlier, asked in in_flight:
                assert_replied(tree, earlier, asked, clients)
            decider.applied(header.zxid)
            in_flight.clear()
    assert tree.digest_mismatches == 0
    return tree


def assert_replied(tree: Tree, data: bytes, request: Request, clients: dict[int, Client]) -> None:
    header, body, digest = decode_txn(data)
    applied = tree.apply(header, body, digest)
    if request.op != OpCode.CREATE_SESSION:
        assert clients[header.session_id].read[header.cxid] == (applied.error, reply_body(applied, request.op)), request


def test_we_decide_as_apache_does(tmp_path: Path) -> None:
    """Thousands of requests, most of them refused for one reason or another."""
    needs_apache()
    server = Server(tmp_path, 1, free_ports(1))
    server.config.write_text(
        f"tickTime=2000\ndataDir={tmp_path}\nclientPort={server.port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n"
        "admin.enableServer=false\n4lw.commands.whitelist=*\nextendedTypesEnabled=true\n"
    )
    server.start(APACHE)
    try:
        deadline = time.monotonic() + 90
        while server.mode != "standalone":
            assert time.monotonic() < deadline, server.log()
            time.sleep(0.05)
        clients = bombard(server.port, Random(20))
        counted = server.words("mntr")
    finally:
        server.stop()
    log = transactions(tmp_path)
    assert len(log) > REQUESTS
    for random in (None, Random(1)):
        tree = replay(log, clients, random)
        assert len(tree.nodes) == int(counted["zk_znode_count"])
        assert tree.data_size == int(counted["zk_approximate_data_size"])
        assert tree.ephemeral_count == int(counted["zk_ephemerals_count"]) == 0
