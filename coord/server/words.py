"""The four-letter words: what a client may send to the client port instead of a handshake, and Apache's answers to it.

Only words of `4lw.commands.whitelist` are answered (`*` stands for all). The formats are those that exporters, kazoo and
Kafka's tools parse.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import trio

from coord.kit.disk import Disk
from coord.wire.codes import OpCode
from coord.zab.application import Role
from coord.zab.leader import Leader

from .config import ServerConfig
from .connection import Connection
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
LAST_OPERATIONS = {
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
        self, config: ServerConfig, pipeline: Pipeline, state: State, stats: Statistics, disk: Disk, started: float
    ) -> None:
        self.connections: Iterable[Connection] = ()
        self.learners: Callable[[], Learners] = Learners
        self._config = config
        self._pipeline = pipeline
        self._state = state
        self._stats = stats
        self._disk = disk
        self._started = started
        asked_for = {"isro"} if config.read_only_enabled else set()  # clients look for a server that writes by it
        self._allowed = KNOWN if "*" in config.words else frozenset(config.words) | asked_for

    def answer(self, name: bytes, connection: Connection) -> bytes | None:
        """The answer to a word, or None when `name` is none."""
        word = name.decode("latin-1")
        if word not in KNOWN:
            return None
        self._stats.received += 1
        connection.received_count += 1
        answer = ANSWERS.get(word)
        if answer is None or word not in self._allowed:
            text = f"{word} is not executed because it is not in the whitelist.\n"
        elif not (self._pipeline.serving or self._pipeline.read_only) and word not in ALWAYS:
            text = NOT_SERVING
        else:
            text = answer(self, connection)
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
            f"{client.session_id & (1 << 64) - 1:#x}\n" + "".join(f"\t{path}\n" for path in paths)
            for client, paths in self._pipeline.watches.by_watcher().items()
        ]
        return "".join(lines) + "\n"

    def _wchp(self, asking: Connection) -> str:
        lines = [
            f"{path}\n" + "".join(f"\t{client.session_id & (1 << 64) - 1:#x}\n" for client in clients)
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

    def _gtmk(self, asking: Connection) -> str:
        return "306"

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
    operation = LAST_OPERATIONS.get(OpCode(connection.last_op), "NA") if connection.last_op else "NA"
    return (
        f",sid={session.id & (1 << 64) - 1:#x},lop={operation},est={connection.since_ms},to={session.timeout_ms}"
        f",lcxid={connection.last_xid & 0xFFFFFFFF:#x}"
    )


ANSWERS: dict[str, Callable[[Words, Connection], str]] = {
    "conf": Words._conf,
    "cons": Words._cons,
    "crst": Words._crst,
    "dirs": Words._dirs,
    "envi": Words._envi,
    "gtmk": Words._gtmk,
    "isro": Words._isro,
    "mntr": Words._mntr,
    "ruok": Words._ruok,
    "srst": Words._srst,
    "srvr": Words._srvr,
    "stat": Words._stat,
    "wchc": Words._wchc,
    "wchp": Words._wchp,
    "wchs": Words._wchs,
}
KNOWN = frozenset(ANSWERS) | {"dump", "hash", "stmk"}
"""Every word that is one to Apache, answered here or not: anything else is the length of a frame."""
ALWAYS = {"ruok", "isro", "envi", "gtmk"}
"""Answered also by a server that does not serve."""
