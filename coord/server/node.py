"""One coordination server, put together: recovered storage, the pipeline over it, replication, clients."""

from __future__ import annotations

import errno
import logging

import trio

from coord.kit.cliutil import StartError
from coord.kit.host import Host
from coord.store.errors import StoreError
from coord.store.storage import Storage, StorageOptions
from coord.tree.acl import Guard
from coord.zab.timing import Timing

from .clients import Clients
from .config import ServerConfig, client_address
from .configuration import ClientPort, Configuration
from .driver import Driver
from .pipeline import Pipeline
from .readonly import serve_alone
from .state import State
from .stats import Statistics
from .sweeper import sweep
from .words import Learners, Words

__all__ = ["run"]

log = logging.getLogger(__name__)


async def run(
    host: Host,
    config: ServerConfig,
    *,
    stopping: trio.Event | None = None,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs the server until cancelled; `started` with the client port once clients may connect.

    stopping: once set, the server hands over what it leads and returns.

    Raises StartError when the server cannot start as configured, OSError when its disk has failed: it stops then, for it
    can keep no promise any more.
    """
    if config.left_out:
        log.warning("%s: %s", config.path, config.left_out)
    if not config.force_sync:
        log.warning(
            "%s: forceSync=no: writes are acknowledged before they are on disk. When the machine crashes or loses power, "
            "ACKNOWLEDGED WRITES ARE LOST, and an ensemble may elect a leader that lacks them", config.path,
        )  # fmt: skip
    storage = _recovered(host, config)
    try:
        await _serve(host, config, storage, trio.Event() if stopping is None else stopping, task_status)
    finally:
        storage.close()


def _recovered(host: Host, config: ServerConfig) -> Storage:
    options = StorageOptions(
        snap_count=config.snap_count, snap_size_bytes=config.snap_size_kb << 10, compression=config.snapshot_compression,
        commit_log_count=config.commit_log_count, history_ratio=config.snapshot_size_factor, force_sync=config.force_sync,
        slow_sync_seconds=config.slow_sync_ms / 1000, trust_empty=config.trust_empty, extended_types=config.extended_types,
    )  # fmt: skip
    _check_folders(host, config)
    try:
        storage = Storage(host.disk, config.data_dir, config.data_log_dir, host.random, options)
    except StoreError as error:
        raise StartError(f"{config.path}: {error}") from error
    except OSError as error:
        path = str(error.filename or config.data_dir)
        key = "dataDir" if path.startswith(config.data_dir) else "dataLogDir"
        raise StartError(f"{config.path}: {key}: {path}: {error.strerror or error}") from error
    log.info("recovered %d nodes as of 0x%x from %s", len(storage.tree.nodes) - 1, storage.last_zxid, config.data_dir)
    return storage


def _check_folders(host: Host, config: ServerConfig) -> None:
    for key, folder in (("dataDir", config.data_dir), ("dataLogDir", config.data_log_dir)):
        if not config.create_folders and not host.disk.exists(path := f"{folder.rstrip('/')}/version-2"):
            raise StartError(f"{config.path}: {key}: {path} does not exist, and datadir.autocreate=false forbids to create it")


async def _serve(
    host: Host, config: ServerConfig, storage: Storage, stopping: trio.Event, task_status: trio.TaskStatus[int]
) -> None:
    stats = Statistics()
    state = State(storage, extended_types=config.extended_types)
    guard = Guard(super_digest=config.super_digest or None, algorithm=config.digest_algorithm, skip=config.skip_acl)
    pipeline = Pipeline(host.wall, config, state, guard, stats)
    words = Words(config, pipeline, state, stats, host.disk, host.wall, trio.current_time())
    clients = Clients(config, pipeline, stats, host.wall, words.answer)
    words.connections = clients.connections
    port = ClientPort(host, config, clients)
    configuration = Configuration(host, config, state, pipeline, port)
    host.network.on_wakeup(clients.release)
    host.network.on_wakeup(pipeline.wake)  # before the driver's, which carries on what this proposes
    driver = Driver(
        pipeline, storage, storage, storage.epochs, host.network, host.random,
        sid=config.server_id, membership=configuration.membership, configurations=configuration.files,
        timing=Timing(config.tick_ms, config.init_limit, config.sync_limit),
        listen_host="" if config.listen_on_all else None,
    )  # fmt: skip
    pipeline.replication = driver
    pipeline.since = trio.current_time()
    words.learners = lambda: Learners.of(driver.leading)
    pipeline.reconfigure = configuration.reconfigure(driver)
    await _open(port, config)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pipeline.expire_sessions)
            nursery.start_soon(_sweep, host, config, pipeline)
            if config.read_only_enabled and config.ensemble is not None:
                nursery.start_soon(serve_alone, pipeline, config.tick_ms)
            nursery.start_soon(clients.close_the_silent)
            nursery.start_soon(state.write_snapshots)
            nursery.start_soon(state.purge, config.purge_hours, config.snapshots_kept)
            nursery.start_soon(port.follow)
            await _start(nursery, driver, config)
            log.info("clients are served at %s", client_address(config))
            task_status.started(port.port)
            await stopping.wait()
            await driver.leave()
            nursery.cancel_scope.cancel()
    finally:
        port.close()
        clients.close_all()


async def _start(nursery: trio.Nursery, driver: Driver, config: ServerConfig) -> None:
    try:
        await nursery.start(driver.run)
    except StartError as error:
        raise StartError(f"{config.path}: {error}") from error


async def _sweep(host: Host, config: ServerConfig, pipeline: Pipeline) -> None:
    await sweep(
        pipeline, host.wall,
        interval_ms=config.sweep_ms, per_minute=config.swept_per_minute, never_used_ms=config.never_used_ms,
    )  # fmt: skip


async def _open(port: ClientPort, config: ServerConfig) -> None:
    try:
        await port.open()
    except OSError as error:
        key = "clientPortAddress" if error.errno != errno.EADDRINUSE and config.client_host else "clientPort"
        raise StartError(f"{config.path}: {key}: {client_address(config)}: {error.strerror or error}") from error
