"""What a broker needs of the tree before it can look at its own disk: the folders, the cluster's id, topics' configuration.

It takes a session of its own, which is over before the logs are recovered: a recovery may last longer than a session.
"""

from __future__ import annotations

import logging
from random import Random

from coord.client import CoordError, connect
from coord.kit.cliutil import StartError

from .config import BrokerConfig
from .registration import cluster_id, ensure_paths
from .topic_configs import TopicConfigs

__all__ = ["prepare_tree"]

log = logging.getLogger(__name__)


async def prepare_tree(config: BrokerConfig, configs: TopicConfigs, random: Random) -> str:
    """Makes the folders (and the chroot) where they are missing, reads the configuration of topics into `configs`,
    and returns the cluster's id. Raises StartError.
    """
    servers, slash, chroot = config.zookeeper_connect.partition("/")
    timeout = (config.zookeeper_connection_timeout_ms or config.zookeeper_session_timeout_ms) / 1000
    session_timeout = config.zookeeper_session_timeout_ms / 1000
    try:
        if chroot:
            async with connect(servers, session_timeout=session_timeout, start_timeout=timeout) as client:
                await client.ensure_path(slash + chroot)
        async with connect(
            config.zookeeper_connect, session_timeout=session_timeout, start_timeout=timeout
        ) as client:
            await ensure_paths(client)
            await configs.load(client)
            return await cluster_id(client, random)
    except (CoordError, ValueError) as error:
        place = config.place("zookeeper.connect")
        raise StartError(f"{place}: zookeeper.connect={config.zookeeper_connect}: {error}") from error
