"""The four-letter words: what a client may send to the client port instead of a handshake, and Apache's answers to it.

Only words of `4lw.commands.whitelist` are answered (`*` stands for all). The formats are those that exporters, kazoo and
Kafka's tools parse.
"""

from __future__ import annotations

import os
import resource
import struct
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

import trio

from coord.kit.disk import Disk
from coord.kit.host import Wall
from coord.wire.codes import OpCode
from coord.zab.application import Role
from coord.zab.leader import Leader

from .clients import TICK_SECONDS
from .config import ServerConfig
from .connection import WORD_MAX, Connection
from .pipeline import Pipeline
from .state import State
from .stats import Statistics

__all__ = ["VERSION", "Learners", "Words"]

VERSION = "3.8.0-quorate, built on 2026-11-20 00:00 UTC"
"""First the version of Apache's whose protocols and formats these are: that is what tools parse."""
NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
MODES = {
    Role.LEADING: "leader",
    Role.FOLLOWING: "follower",
    Role.OBSERVING: "observer",
    Role.STANDALONE: "standalone",
}
PEER_STATES = {
    Role.LEADING: "leading - broadcast",
    Role.FOLLOWING: "following - broadcast",
    Role.OBSERVING: "observing - broadcast",
}
LAST_OPERATIONS: dict[int, str] = {
    OpCode.CLOSE_SESSION: "CLOS",
    OpCode.CREATE: "CREA",
    OpCode.CREATE2: "CREA",
    OpCode.DELETE: "DELE",
    OpCode.EXISTS: "EXIS",
    OpCode.GET_DATA: "GETD",
    OpCode.SET_DATA: "SETD",
    OpCode.GET_ACL: "GETA",
    OpCode.SET_ACL: "SETA",
    OpCode.GET_CHILDREN: "GETC",
    OpCode.GET_CHILDREN2: "GETC",
    OpCode.SYNC: "SYNC",
    OpCode.PING: "PING",
    OpCode.MULTI: "MULT",
    OpCode.MULTI_READ: "MULT",
}


SIGN = 1 << 63
TRACE_MASK = 0o462
"""Apache's, before anybody has set another."""


class Learners(NamedTuple):
    """What a leader knows of those who follow it, by mntr's names."""

    learners: int = 0
    synced_followers: int = 0
    synced_non_voting_followers: int = 0
    synced_observers: int = 0
    pending_syncs: int = 0

    @classmethod
    def of(cls, leading: Leader | None) -> Learners:
        """None: this server does not lead."""
        if leading is None:
            return cls()
        synced = leading.following.serving()
        observers = sum(learner.observer for learner in synced)
        voters = sum(learner.votes for learner in synced)
        return cls(len(leading.learners), voters, len(synced) - voters - observers, observers, len(leading.syncs))


class Words:
    """connections: every client's. learners: asked on the leader."""

    def __init__(
        self,
        config: ServerConfig,
        pipeline: Pipeline,
        state: State,
        stats: Statistics,
        disk: Disk,
        wall: Wall,
        started: float,
    ) -> None:
        self.connections: Iterable[Connection] = ()
        self.learners: Callable[[], Learners] = Learners
        self._config = config
        self._pipeline = pipeline
        self._state = state
        self._stats = stats
        self._disk = disk
        self._wall = wall
        self._trace_mask = TRACE_MASK
        self._started = started
        asked_for = {"isro"} if config.read_only_enabled else set()  # clients look for a server that writes by it
        self._allowed = frozenset(ANSWERS) if "*" in config.words else frozenset(config.words) | asked_for

    def answer(self, data: bytes, connection: Connection) -> bytes | None:
        """The answer to the word that `data` begins with, None when that is none, b"" when some of it is missing."""
        word = data[:4].decode("latin-1")
        if word not in ANSWERS:
            return None
        if word == "stmk" and word in self._allowed:
            if len(data) < WORD_MAX:
                return b""
            self._trace_mask = struct.unpack_from(">q", data, 4)[0]
        self._stats.received += 1
        connection.received_count += 1
        if word not in self._allowed:
            text = f"{word} is not executed because it is not in the whitelist.\n"
        elif not (self._pipeline.serving or self._pipeline.read_only) and word not in ALWAYS:
            text = NOT_SERVING
        else:
            text = ANSWERS[word](self, connection)
        return text.encode()

    # ---- is it there -------------------------------------------------------------------------------------------------

    def _ruok(self, asking: Connection) -> str:
        return "imok"

    def _isro(self, asking: Connection) -> str:
        return "ro" if self._pipeline.read_only else "rw" if self._pipeline.serving else "null"

    # ---- how is it ---------------------------------------------------------------------------------------------------

    def _srvr(self, asking: Connection) -> str:
        return f"Zookeeper version: {VERSION}\n" + self._summary()

    def _stat(self, asking: Connection) -> str:
        clients = "".join(f" {_client(each, asking)})\n" for each in self.connections)
        return f"Zookeeper version: {VERSION}\nClients:\n{clients}\n" + self._summary()

    def _summary(self) -> str:
        stats, pipeline = self._stats, self._pipeline
        text = (
            f"Latency min/avg/max: {max(stats.latency_least, 0)}/{stats.latency_average}/{stats.latency_greatest}\n"
            f"Received: {stats.received}\n"
            f"Sent: {stats.sent}\n"
            f"Connections: {len(list(self.connections))}\n"
            f"Outstanding: {pipeline.outstanding}\n"
            f"Zxid: {pipeline.last_zxid:#x}\n"
            f"Mode: {_mode(pipeline)}\n"
            f"Node count: {len(pipeline.tree.nodes)}\n"
        )
        if pipeline.role == Role.LEADING:
            sizes = stats.proposals
            text += f"Proposal sizes last/min/max: {sizes.last}/{sizes.least}/{sizes.greatest}\n"
        return text

    def _mntr(self, asking: Connection) -> str:
        facts = {**self._server_facts(), **self._role_facts()}
        return "".join(f"zk_{key}\t{value}\n" for key, value in facts.items())

    def _server_facts(self) -> dict[str, object]:
        stats, pipeline = self._stats, self._pipeline
        tree = pipeline.tree
        return {
            "version": VERSION,
            "server_state": _mode(pipeline),
            "ephemerals_count": sum(map(len, tree.ephemerals.values())),
            "num_alive_connections": len(list(self.connections)),
            "avg_latency": stats.latency_average,
            "min_latency": max(stats.latency_least, 0),
            "max_latency": stats.latency_greatest,
            "outstanding_requests": pipeline.outstanding,
            "znode_count": len(tree.nodes),
            "global_sessions": len(tree.sessions),
            "local_sessions": len(pipeline.locals),
            "packets_received": stats.received,
            "packets_sent": stats.sent,
            "watch_count": pipeline.watches.count,
            "approximate_data_size": tree.data_size,
            "open_file_descriptor_count": len(os.listdir("/proc/self/fd")),
            "max_file_descriptor_count": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            "uptime": self._uptime_ms(),
            "connection_rejected": stats.connections_refused,
            "auth_failed_count": stats.auth_failures,
            "digest_mismatches_count": tree.digest_mismatches,
            "snap_count": self._state.snapshots,
        }

    def _role_facts(self) -> dict[str, object]:
        role, sizes = self._pipeline.role, self._stats.proposals
        if role not in PEER_STATES:
            return {}
        ensemble = self._pipeline.ensemble
        facts: dict[str, object] = {
            "peer_state": PEER_STATES[role],
            "quorum_size": len(ensemble.voters) if ensemble is not None else 1,
        }
        if role == Role.LEADING:
            facts |= self.learners()._asdict()
            facts |= {
                "last_proposal_size": sizes.last,
                "min_proposal_size": sizes.least,
                "max_proposal_size": sizes.greatest,
                "leader_uptime": int((trio.current_time() - self._pipeline.since) * 1000),
            }
        return facts

    def _uptime_ms(self) -> int:
        return int((trio.current_time() - self._started) * 1000)

    def _dirs(self, asking: Connection) -> str:
        return f"datadir_size: {self._size(self._data_folder)}\nlogdir_size: {self._size(self._log_folder)}\n"

    def _wchs(self, asking: Connection) -> str:
        watchers, paths, watches = self._pipeline.watches.summary()
        return f"{watchers} connections watching {paths} paths\nTotal watches:{watches}\n"

    def _wchc(self, asking: Connection) -> str:
        lines = [
            f"{_hex(client.session_id)}\n" + "".join(f"\t{path}\n" for path in paths)
            for client, paths in self._pipeline.watches.by_watcher().items()
        ]
        return "".join(lines) + "\n"

    def _wchp(self, asking: Connection) -> str:
        lines = [
            f"{path}\n" + "".join(f"\t{_hex(client.session_id)}\n" for client in clients)
            for path, clients in self._pipeline.watches.by_path().items()
        ]
        return "".join(lines) + "\n"

    def _cons(self, asking: Connection) -> str:
        return "".join(f" {_client(each, asking)}{_details(each)})\n" for each in self.connections) + "\n"

    def _srst(self, asking: Connection) -> str:
        self._stats.clear()
        return "Server stats reset.\n"

    def _crst(self, asking: Connection) -> str:
        for each in self.connections:
            each.received_count = each.sent_count = 0
            each.latency.clear()
        return "Connection stats reset.\n"

    # ---- what is it --------------------------------------------------------------------------------------------------

    def _conf(self, asking: Connection) -> str:
        config = self._config
        facts: dict[str, object] = {
            "clientPort": config.client_port,
            "secureClientPort": -1,
            "dataDir": self._data_folder,
            "dataDirSize": self._size(self._data_folder),
            "dataLogDir": self._log_folder,
            "dataLogSize": self._size(self._log_folder),
            "tickTime": config.tick_ms,
            "maxClientCnxns": config.connections_of_host_max,
            "minSessionTimeout": config.min_timeout_ms,
            "maxSessionTimeout": config.max_timeout_ms,
            "clientPortListenBacklog": -1,
            "serverId": config.server_id,
        }
        ensemble = self._pipeline.ensemble
        if ensemble is None:
            return "".join(f"{key}={value}\n" for key, value in facts.items())
        own = ensemble.members.get(config.server_id)
        facts |= {"initLimit": config.init_limit, "syncLimit": config.sync_limit, "electionAlg": 3}
        if own is not None:  # it may have been removed, and still be there
            facts |= {
                "electionPort": own.address.election_port,
                "quorumPort": own.address.quorum_port,
                "peerType": 0 if own.participant else 1,
            }
        lines = "".join(f"{key}={value}\n" for key, value in facts.items())
        return f"{lines}membership: \n{ensemble.text()}"

    def _envi(self, asking: Connection) -> str:
        machine = os.uname()
        facts = {
            "zookeeper.version": VERSION,
            "host.name": machine.nodename,
            "python.version": sys.version.split()[0],
            "os.name": machine.sysname,
            "os.arch": machine.machine,
            "os.version": machine.release,
            "user.name": os.environ.get("USER", ""),
            "user.home": os.path.expanduser("~"),
            "user.dir": os.getcwd(),
        }
        return "Environment:\n" + "".join(f"{key}={value}\n" for key, value in facts.items())

    def _trace(self, asking: Connection) -> str:
        """Nothing is traced here; but a mask that was set is the mask."""
        return str(self._trace_mask)

    def _hash(self, asking: Connection) -> str:
        return "".join(f"{zxid:x}: {(digest ^ SIGN) - SIGN}\n" for zxid, digest in self._pipeline.digests)

    # ---- who is there ------------------------------------------------------------------------------------------------

    def _dump(self, asking: Connection) -> str:
        return (
            f"SessionTracker dump:\n{self._sessions()}"
            f"ephemeral nodes dump:\n{self._ephemerals()}"
            f"Connections dump:\n{self._expiring_connections()}"
        )

    def _sessions(self) -> str:
        """When they expire is known to the leader alone, of local sessions to their server."""
        pipeline = self._pipeline
        now, text = trio.current_time(), ""
        if pipeline.locals.enabled:
            text = "Local " + self._sets("Session", now, pipeline.locals.by_expiry())
        if pipeline.tracker is not None:
            return text + ("Global " if text else "") + self._sets("Session", now, pipeline.tracker.by_expiry())
        sessions = pipeline.tree.sessions
        lines = [f"{_hex(session_id)}\t{timeout_ms}ms\n" for session_id, timeout_ms in sorted(sessions.items())]
        return f"{text}Global Sessions({len(sessions)}):\n" + "".join(lines)

    def _ephemerals(self) -> str:
        owners = self._pipeline.tree.ephemerals
        lines = [f"{_hex(owner)}:\n" + "".join(f"\t{path}\n" for path in paths) for owner, paths in owners.items()]
        return f"Sessions with Ephemerals ({len(owners)}):\n" + "".join(lines)

    def _expiring_connections(self) -> str:
        """As seconds from now; a connection is closed when nothing was heard on it for as long as its session may last."""
        sets: dict[int, list[str]] = {}
        for each in self.connections:
            lasting = each.session.timeout_ms if each.session is not None else self._config.mute_ms
            left = lasting / 1000 - each.silent_ticks * TICK_SECONDS
            sets.setdefault(int(left) + 1, []).append(f"ip: /{each.transport.peer} sessionId: {_hex(each.session_id)}")
        return self._sets("Connections", 0.0, sorted(sets.items()))

    def _sets(self, what: str, now: float, sets: Iterable[tuple[float, list[int]]] | Iterable[tuple[int, list[str]]]) -> str:
        """What expires when, by Java's way of printing a date. now: the time that the sets' seconds are counted from."""
        wall, count, lines = self._wall.now_ms() / 1000, 0, []
        for seconds, items in sets:
            when = datetime.fromtimestamp(wall + seconds - now).astimezone()
            lines.append(f"{len(items)} expire at {when:%a %b %d %H:%M:%S %Z %Y}:\n")
            lines += [f"\t{item if isinstance(item, str) else _hex(item)}\n" for item in items]
            count += len(items)
        return f"{what} Sets ({len(lines) - count})/({count}):\n" + "".join(lines)

    @property
    def _data_folder(self) -> str:
        return f"{self._config.data_dir.rstrip('/')}/version-2"

    @property
    def _log_folder(self) -> str:
        return f"{self._config.data_log_dir.rstrip('/')}/version-2"

    def _size(self, folder: str) -> int:
        return sum(self._disk.size(f"{folder}/{name}") for name in self._disk.names(folder))


def _mode(pipeline: Pipeline) -> str:
    return "read-only" if pipeline.read_only else MODES[pipeline.role]


def _client(connection: Connection, asking: Connection) -> str:
    """Up to the counters, without the closing bracket."""
    listens = 0 if connection is asking else 1
    queued = len(connection.session.waiting) if connection.session is not None else 0
    counts = f"recved={connection.received_count},sent={connection.sent_count}"
    return f"/{connection.transport.peer}[{listens}](queued={queued},{counts}"


def _details(connection: Connection) -> str:
    session = connection.session
    if session is None:
        return ""
    operation = LAST_OPERATIONS.get(connection.last_op, "NA")
    latency = connection.latency
    asked = f",lcxid={connection.last_xid:#x}" if connection.last_xid >= 0 else ""
    return (
        f",sid={_hex(session.id)},lop={operation},est={connection.since_ms},to={session.timeout_ms}{asked}"
        f",lzxid=0x{int.from_bytes(connection.last_zxid, 'big'):x},lresp={int(connection.answered * TICK_SECONDS * 1000)}"
        f",llat={latency.last},minlat={max(latency.least, 0)},avglat={latency.average},maxlat={latency.greatest}"
    )


def _hex(session_id: int) -> str:
    return f"{session_id & (1 << 64) - 1:#x}"


ANSWERS: dict[str, Callable[[Words, Connection], str]] = {
    "conf": Words._conf,
    "cons": Words._cons,
    "crst": Words._crst,
    "dirs": Words._dirs,
    "dump": Words._dump,
    "envi": Words._envi,
    "gtmk": Words._trace,
    "hash": Words._hash,
    "isro": Words._isro,
    "mntr": Words._mntr,
    "ruok": Words._ruok,
    "srst": Words._srst,
    "srvr": Words._srvr,
    "stat": Words._stat,
    "stmk": Words._trace,
    "wchc": Words._wchc,
    "wchp": Words._wchp,
    "wchs": Words._wchs,
}
"""Anything else is the length of a frame."""
ALWAYS = {"ruok", "isro", "envi", "gtmk", "stmk"}
"""Answered also by a server that does not serve."""
