"""One broker, put together: logs, session with the coordination service, controller, groups, listeners.

Order of a start: the ports and the folders for logs, so that the same broker started twice does not get at its logs twice,
and so that what is wrong with this machine is said before anybody else is asked; the cluster's id from the tree; the logs
from disk; then clients are served; the registration; the election of a controller. The broker is ready when the controller
has told it about the cluster. A stop goes the other way, and closes the logs cleanly.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from broker.controller.image import Broker as Registration
from broker.controller.image import Endpoint as RegisteredEndpoint
from broker.controller.topics import REPLICATION_FACTOR_MAX
from broker.log.errors import LogDirError
from broker.log.manager import LogManager
from coord.client import Client
from coord.kit.cliutil import StartError
from coord.kit.host import Host

from . import handlers  # noqa: F401  (registers every API)
from .bootstrap import prepare_tree
from .broker import Broker
from .clock import Clock
from .config import BrokerConfig, Endpoint
from .controller import ClusterController
from .groups import GroupService
from .housekeeping import keep_logs
from .listener import Listeners
from .metadata_cache import MetadataCache
from .producer_ids import ProducerIds
from .registration import register
from .replica_manager import ReplicaManager
from .session import CoordSession
from .tasks import TaskPool
from .topic_configs import TopicConfigs

__all__ = ["assemble", "run"]

log = logging.getLogger(__name__)

ANY_HOSTS = ("", "0.0.0.0", "::")


async def run(
    host: Host, config: BrokerConfig, *, task_status: trio.TaskStatus[list[int]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Runs the broker until cancelled; started with the listeners' ports once it serves.

    Raises StartError when it cannot start as configured, LogStorageError or OSError when its disk has failed: it stops
    then, for it can keep no promise any more.
    """
    began = trio.current_time()
    _warn(config)
    broker, logs = assemble(host, config)
    listeners = Listeners(broker, host.network, broker.tasks)
    try:
        ports = await _listen(listeners, config)
        with _start_errors(config):
            logs.open()
        broker.cluster_id = await prepare_tree(config, broker.topic_configs, host.random)
        with _start_errors(config):
            logs.load(config.broker_id, broker.cluster_id, broker.topic_configs.overrides, host.wall.now_ms())
        async with trio.open_nursery() as nursery:
            await _start(broker, logs, listeners, nursery)
            try:
                await _join(broker, _endpoints(config, ports), nursery)
                log.info("broker %d is ready after %.2f s", config.broker_id, trio.current_time() - began)
                task_status.started(ports)
                await trio.sleep_forever()
            finally:
                listeners.close()
                logs.close(broker.replicas.high_watermarks(), broker.epoch)
    finally:
        listeners.close()
        logs.abandon()


def _warn(config: BrokerConfig) -> None:
    """Says what the configuration asks for and will not get."""
    factor = config.default_replication_factor
    if factor > REPLICATION_FACTOR_MAX:
        log.warning(
            "%s: default.replication.factor=%d: this version keeps one replica of a partition, and refuses to create topics "
            "that leave the number to this key, as every topic does that is created because a client asks for it; set it to %d",
            config.place("default.replication.factor"), factor, REPLICATION_FACTOR_MAX,
        )  # fmt: skip


@contextmanager
def _start_errors(config: BrokerConfig) -> Iterator[None]:
    try:
        yield
    except LogDirError as error:
        name = config.directories_key
        raise StartError(f"{config.place(name)}: {name}: {error}") from error


async def _start(broker: Broker, logs: LogManager, listeners: Listeners, nursery: trio.Nursery) -> None:
    """Everything that runs as long as the broker does, but for its session."""
    await nursery.start(broker.tasks.run)
    nursery.start_soon(broker.clock.run)
    nursery.start_soon(listeners.run)
    nursery.start_soon(broker.groups.offsets.run)
    nursery.start_soon(broker.groups.upkeep.run)
    nursery.start_soon(keep_logs, broker.config, logs, broker.replicas, broker.host.wall)
    listeners.serve()


def assemble(host: Host, config: BrokerConfig) -> tuple[Broker, LogManager]:
    """The parts, wired; nothing is read from disk or tree yet, and nothing runs."""
    logs = LogManager(
        host.disk,
        config.directories,
        host.random,
        config.topic_defaults,
        producer_expiration_ms=config.producer_id_expiration_ms,
    )
    timeout = config.zookeeper_session_timeout_ms / 1000
    session = CoordSession(
        lambda: Client(
            config.zookeeper_connect,
            session_timeout=timeout,
            start_timeout=(config.zookeeper_connection_timeout_ms or config.zookeeper_session_timeout_ms)
            / 1000,
            random=host.random,
        )
    )

    def carry_on() -> None:
        """Ends a step outside of the network's own wake-ups."""
        replicas.wake()
        host.network.flush()

    clock = Clock(carry_on)
    tasks = TaskPool(carry_on)
    metadata = MetadataCache()
    topic_configs = TopicConfigs(session, logs.configure)
    replicas = ReplicaManager(config.broker_id, logs, clock, host.wall, topic_configs.overrides)
    host.network.on_wakeup(replicas.wake)
    controller = ClusterController(
        config.broker_id,
        network=host.network,
        wall=host.wall,
        random=host.random,
        num_partitions=config.num_partitions,
        replication_factor=config.default_replication_factor,
    )
    broker = Broker(
        host=host,
        config=config,
        cluster_id="",
        clock=clock,
        session=session,
        tasks=tasks,
        metadata=metadata,
        topic_configs=topic_configs,
        replicas=replicas,
        groups=GroupService(host, config, clock, metadata, session, tasks),
        producer_ids=ProducerIds(config.broker_id, session),
        controller=controller,
    )
    return broker, logs


async def _listen(listeners: Listeners, config: BrokerConfig) -> list[int]:
    ports = []
    for endpoint in config.listeners:
        try:
            ports.append(await listeners.listen(endpoint))
        except OSError as error:
            place = config.place("listeners")
            raise StartError(f"{place}: listeners={endpoint}: {error.strerror or error}") from error
    return ports


async def _join(broker: Broker, endpoints: list[Endpoint], nursery: trio.Nursery) -> None:
    """Registers, takes part in elections, and waits until the controller has told this broker about itself."""
    config, controller = broker.config, broker.controller
    protocols = config.security_protocols
    registered = tuple(RegisteredEndpoint(e.name, protocols[e.name], e.host, e.port) for e in endpoints)
    registration = Registration(config.broker_id, -1, registered, config.rack)

    async def registers(client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        broker.epoch = await register(client, registration, broker.host.wall)
        task_status.started()

    async def takes_part(client: Client, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await controller.serve(client)

    broker.session.each(broker.topic_configs.run)
    broker.session.each(registers)
    broker.session.each(broker.groups.claims.run)
    broker.session.each(takes_part)
    await nursery.start(broker.session.run)
    await broker.metadata.wait_until(lambda image: config.broker_id in image.brokers, float("inf"))


def _endpoints(config: BrokerConfig, ports: list[int]) -> list[Endpoint]:
    """What is advertised: port 0 is the port that was bound, and no host is this machine's name."""
    bound = {endpoint.name: port for endpoint, port in zip(config.listeners, ports, strict=True)}
    return [
        Endpoint(
            endpoint.name,
            socket.gethostname() if endpoint.host in ANY_HOSTS else endpoint.host,
            endpoint.port or bound[endpoint.name],
        )
        for endpoint in config.advertised_listeners
    ]
