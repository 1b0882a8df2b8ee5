"""zoo.cfg and myid: Apache's keys, typed.

Apache reads some keys from the file and some as system properties; a key that it does not know in the file becomes the
property `zookeeper.<key>`. So here every key may stand in the file or be given as `-Dkey=value` or
`-Dzookeeper.key=value`, and the command line wins.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from coord.kit.config import Kind, chosen, flag, items, key, load, number, text, whole
from coord.kit.disk import Disk
from coord.kit.properties import ConfigError, Entry, Properties
from coord.zab.quorums import (
    NUMBER_MAX,
    Ensemble,
    bracketed,
    can_be_host,
    check_hosts,
    parse_ensemble,
    parse_member,
    split_host,
)

from .dynamic import next_path
from .foreign import left_out

__all__ = ["JUTE_MAXBUFFER", "ServerConfig", "client_address", "read_config"]

JUTE_MAXBUFFER = 0xFFFFF
"""Apache's default: a client frame may have one byte less than a megabyte."""
SID_MAX = 255
PORT_MAX = 65535
COMMIT_LOG_COUNT_MIN = 500
ENSEMBLE_KEY = re.compile(r"(server|group|weight)\.(.*)")
DYNAMIC_VERSION = re.compile(r"\.([0-9a-f]{1,16})$")
ENSEMBLE_PREFIXES = ("server.", "group.", "weight.")


def yes() -> Kind[bool]:
    """Apache's yes or no; true and false are taken too."""
    return Kind("yes or no", lambda value: {"yes": True, "true": True, "no": False, "false": False}[value.lower()])


def host() -> Kind[str]:
    """A host that can be looked up, if perhaps not be found."""

    def parse(value: str) -> str:
        if "\0" in value or not can_be_host(value):
            raise ValueError
        return value

    return Kind("a host or an address", parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One server's configuration. Names with a unit are in that unit, limits of 0 mean none, as in Apache."""

    # the file's own keys
    tick_ms: int = key("tickTime", whole(1), default=3000)
    init_limit: int = key("initLimit", whole(1), default=10)
    sync_limit: int = key("syncLimit", whole(1), default=5)
    data_dir: str = key("dataDir", text("a folder"))
    data_log_dir: str = key("dataLogDir", text("a folder"), default="")
    client_port: int = key("clientPort", whole(0, PORT_MAX), default=-1)
    client_host: str = key("clientPortAddress", host(), default="")
    min_timeout_ms: int = key("minSessionTimeout", whole(-1), default=-1)
    max_timeout_ms: int = key("maxSessionTimeout", whole(-1), default=-1)
    connections_of_host_max: int = key("maxClientCnxns", whole(0), default=60)
    connections_max: int = key("maxCnxns", whole(0), default=0)
    snapshots_kept: int = key("autopurge.snapRetainCount", whole(3), default=3)
    purge_hours: int = key("autopurge.purgeInterval", whole(0), default=0)
    words: tuple[str, ...] = key("4lw.commands.whitelist", items(), default=("srvr",))
    election_algorithm: int = key("electionAlg", whole(3, 3), default=3)
    listen_on_all: bool = key("quorumListenOnAllIPs", flag(), default=False)
    standalone_enabled: bool = key("standaloneEnabled", flag(), default=True)
    reconfig_enabled: bool = key("reconfigEnabled", flag(), default=False)
    local_sessions: bool = key("localSessionsEnabled", flag(), default=False)
    local_upgrading: bool = key("localSessionsUpgradingEnabled", flag(), default=False)
    peer_type: str = key("peerType", chosen("participant", "observer"), default="participant")
    dynamic_file: str = key("dynamicConfigFile", text("a file"), default="")
    # Apache's system properties
    frame_max: int = key("jute.maxbuffer", whole(1024), default=JUTE_MAXBUFFER)
    snap_count: int = key("snapCount", whole(2), default=100_000)
    snap_size_kb: int = key("snapSizeLimitInKb", whole(-1, 1 << 40), default=4 << 20)
    snapshot_size_factor: float = key("snapshotSizeFactor", number(-1, 1e6), default=0.33)
    commit_log_count: int = key("commitLogCount", whole(0), default=COMMIT_LOG_COUNT_MIN)
    force_sync: bool = key("forceSync", yes(), default=True)
    slow_sync_ms: int = key("fsync.warningthresholdms", whole(0), default=1000)
    create_folders: bool = key("datadir.autocreate", flag(), default=True)
    leader_serves: bool = key("leaderServes", yes(), default=True)
    outstanding_max: int = key("globalOutstandingLimit", whole(1), default=1000)
    snapshot_compression: str = key("snapshot.compression.method", chosen("gz", "snappy"), default="")
    trust_empty: bool = key("snapshot.trust.empty", flag(), default=False)
    extended_types: bool = key("extendedTypesEnabled", flag(), default=False)
    read_only_enabled: bool = key("readonlymode.enabled", flag(), default=False)
    digests: bool = key("digest.enabled", flag(), default=True)
    enforce_quota: bool = key("enforceQuota", flag(), default=False)
    skip_acl: bool = key("skipACL", yes(), default=False)
    super_digest: str = key("DigestAuthenticationProvider.superDigest", text("user:hash"), default="")
    digest_algorithm: str = key("DigestAuthenticationProvider.digestAlg", chosen("SHA1", "SHA-256", "SHA-512"), default="SHA1")
    mute_ms: int = key("nio.sessionlessCnxnTimeout", whole(1), default=10_000)
    sweep_ms: int = key("znode.container.checkIntervalMs", whole(1), default=60_000)
    swept_per_minute: int = key("znode.container.maxPerMinute", whole(1), default=10_000)
    never_used_ms: int = key("znode.container.maxNeverUsedIntervalMs", whole(0), default=0)
    # what follows from them, and from myid
    path: str = "zoo.cfg"
    server_id: int = 0
    ensemble: Ensemble | None = None
    """None: this server stands alone."""
    last_seen: Ensemble | None = None
    """A configuration that was proposed when the server stopped; None where there is none."""
    left_out: str = ""
    """What the file asks for and this server does not do, for one warning."""


def read_config(disk: Disk, path: str, definitions: Iterable[tuple[str, str]] = ()) -> ServerConfig:
    """Reads `path`, the file of server lines that it may name, and myid. Raises ConfigError."""
    properties = Properties.parse(_content(disk, path, "the configuration"), path)
    properties = properties.override([(_plain(name), value) for name, value in definitions], "-D")
    config, unknown = load(ServerConfig, properties, known=ENSEMBLE_PREFIXES)
    ensemble = _ensemble(disk, config, properties)
    changes: dict[str, object] = {
        "path": path,
        "left_out": left_out(unknown, {name: entry.value for name, entry in properties.items()}),
        "commit_log_count": max(config.commit_log_count, COMMIT_LOG_COUNT_MIN),
        "data_dir": _absolute(config.data_dir),
        "data_log_dir": _absolute(config.data_log_dir or config.data_dir),
        "min_timeout_ms": config.min_timeout_ms if config.min_timeout_ms > 0 else 2 * config.tick_ms,
        "max_timeout_ms": config.max_timeout_ms if config.max_timeout_ms > 0 else 20 * config.tick_ms,
    }
    if ensemble is not None and (len(ensemble.voters) > 1 or not config.standalone_enabled):
        changes |= {"ensemble": ensemble, "server_id": _myid(disk, config, ensemble)}
        if config.reconfig_enabled:
            changes["last_seen"] = _last_seen(disk, path)
    return _with_client_port(dataclasses.replace(config, **changes), ensemble)  # type: ignore[arg-type]


def _plain(name: str) -> str:
    """The key of a system property as it would stand in the file."""
    return name.removeprefix("zookeeper.")


def _absolute(folder: str) -> str:
    """A relative folder is one of the working directory, as in Apache. From here on it has a parent, in which its own
    name can be synced; `..` stays, for what it means depends on links."""
    return folder if os.path.isabs(folder) else os.path.join(os.getcwd(), folder)


def _content(disk: Disk, path: str, what: str) -> bytes:
    try:
        return disk.read(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read {what}: {error.strerror or error}") from None


def _ensemble(disk: Disk, config: ServerConfig, properties: Properties) -> Ensemble | None:
    lines = [entry for entry in properties.values() if ENSEMBLE_KEY.fullmatch(entry.key)]
    version = 0
    if config.dynamic_file:
        if lines:
            raise ConfigError(f"{lines[0].place}: {lines[0].key} stands beside dynamicConfigFile: expected one of the two")
        dynamic = Properties.parse(_content(disk, config.dynamic_file, "the server lines"), config.dynamic_file)
        lines = list(dynamic.values())
        suffix = DYNAMIC_VERSION.search(config.dynamic_file)
        version = int(suffix[1], 16) if suffix else 0
        if version > NUMBER_MAX:
            raise properties["dynamicConfigFile"].wrong("a file whose name ends with a version of at most 63 bits")
    if not lines:
        return None
    for entry in lines:
        _check_ensemble_line(entry, by_hand=not config.dynamic_file)
    try:
        parsed = parse_ensemble("\n".join(f"{entry.key}={entry.value}" for entry in lines))
    except ValueError as error:
        raise ConfigError(f"{config.dynamic_file or properties.path}: {error}") from None
    return dataclasses.replace(parsed, version=version)


def _last_seen(disk: Disk, path: str) -> Ensemble | None:
    path = next_path(path)
    if not disk.exists(path):
        return None
    lines = Properties.parse(_content(disk, path, "the configuration that was proposed last"), path).values()
    try:
        return parse_ensemble("\n".join(f"{entry.key}={entry.value}" for entry in lines))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _check_ensemble_line(entry: Entry, *, by_hand: bool) -> None:
    """The line by itself, so that an error can name its place. by_hand: it stands in a file that people write."""
    match = ENSEMBLE_KEY.fullmatch(entry.key)
    if match is None:
        raise ConfigError(f"{entry.place}: {entry.key}={entry.value}: expected server lines, groups and weights alone")
    if not (match[2].isascii() and match[2].isdigit()):
        raise entry.wrong(f"a number after {match[1]}.")
    if match[1] != "server":
        return
    if int(match[2]) > SID_MAX:
        raise entry.wrong(f"a server id from 0 to {SID_MAX}")
    try:
        member = parse_member(int(match[2]), entry.value.strip())
    except ValueError:
        raise entry.wrong("host:quorumPort:electionPort[:participant|observer][;[clientHost:]clientPort]") from None
    if by_hand:
        try:
            check_hosts(member)
        except ValueError as error:
            raise ConfigError(f"{entry.place}: {error}") from None


def _myid(disk: Disk, config: ServerConfig, ensemble: Ensemble) -> int:
    path = f"{config.data_dir.rstrip('/')}/myid"
    example = f"; write the number of this server's line server.N into it, such as: echo {min(ensemble.members)} > {path}"
    if not disk.exists(path):
        raise ConfigError(f"{path}: this server's id is missing{example}")
    content = _content(disk, path, "this server's id").decode(errors="replace").strip()
    first = content.splitlines()[0].strip() if content else ""
    most = SID_MAX - 1 if config.extended_types else SID_MAX  # a session's top byte 255 marks the owner of a TTL node
    if not (first.isascii() and first.isdigit() and int(first) <= most):
        raise ConfigError(f"{path}: myid={first}: expected a number from 0 to {most}{example}")
    sid = int(first)
    if sid not in ensemble.members:
        if config.dynamic_file:
            example = (
                ": the ensemble goes on without this server; to have it back, write its line there, start it, and have it "
                f"added: reconfig -add server.{sid}=…"
            )
        raise ConfigError(f"{path}: myid={sid}: {config.dynamic_file or config.path} has no line server.{sid}{example}")
    return sid


def _with_client_port(config: ServerConfig, ensemble: Ensemble | None) -> ServerConfig:
    """The client address of the server's own line counts where the file names no port."""
    member = ensemble.members.get(config.server_id) if ensemble is not None else None
    if config.ensemble is None and ensemble is not None and len(ensemble.members) == 1:
        member = next(iter(ensemble.members.values()))
    if config.client_port < 0:
        if member is None or not member.client:
            raise ConfigError(f"{config.path}: clientPort is missing: expected a port")
        host, port = split_host(member.client)
        return dataclasses.replace(config, client_port=int(port), client_host=config.client_host or host)
    return config


def client_address(config: ServerConfig) -> str:
    """Where clients find this server, for log lines."""
    return f"{bracketed(config.client_host or '0.0.0.0')}:{config.client_port}"
