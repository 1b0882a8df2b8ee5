"""Keys of Apache ZooKeeper 3.8 that this server knows and does not act on: features that are not served here, and settings
of parts that this server does not have. A configuration of Apache's starts as it is; one warning names what is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["WITHOUT_EFFECT", "Feature", "left_out"]


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that Apache's server does and this one does not.

    keys: a key, or the beginning of several where it ends in `.` or `_`. off: the key and value that switch it off;
    nothing is left out then.
    """

    name: str
    keys: tuple[str, ...]
    off: tuple[str, str] | None = None

    def asked_for(self, keys: Collection[str], values: Mapping[str, str]) -> list[str]:
        """The keys that want it."""
        if self.off is not None and values.get(self.off[0], "").strip().lower() == self.off[1]:
            return []
        return [key for key in keys if _is_one_of(key, self.keys)]


FEATURES = (
    Feature("the admin server", ("admin.",), ("admin.enableServer", "false")),
    Feature("metrics providers", ("metricsProvider.",)),
    Feature(
        "TLS",
        ("secureClientPort", "secureClientPortAddress", "ssl.", "sslQuorumReloadCertFiles", "client.certReload", "fips-mode",
         "X509AuthenticationProvider."),
    ),
    Feature("TLS between servers", ("sslQuorum",), ("sslQuorum", "false")),
    Feature("TLS and plain clients at one port", ("client.portUnification",), ("client.portUnification", "false")),
    Feature("TLS and plain servers at one port", ("portUnification",), ("portUnification", "false")),
    Feature(
        "SASL",
        ("authProvider.", "jaasLoginRenew", "kerberos.", "requireClientAuthScheme", "sessionRequireClientSASLAuth",
         "allowSaslFailedClients", "superUser", "SASLAuthenticationProvider.", "sasl.", "java.security.auth.login.config",
         "letAnySaslUserDoX"),
    ),
    Feature("SASL between servers", ("quorum.auth.",), ("quorum.auth.enableSasl", "false")),
    Feature("required authentication", ("enforce.auth.",), ("enforce.auth.enabled", "false")),
    Feature("a name for the ensemble", ("ensembleAuthName",)),
    Feature("the audit log", ("audit.",), ("audit.enable", "false")),
    Feature("observer masters", ("observerMasterPort", "observerMaster.")),
    Feature("several addresses for a server", ("multiAddress.",), ("multiAddress.enabled", "false")),
    Feature("an oracle", ("oraclePath",)),
    Feature(
        "throttling",
        ("connection_throttle_", "request_throttle_", "request_throttler.", "request_stale_", "largeRequestMaxBytes",
         "largeRequestThreshold", "throttled_op_wait_time", "connectionMaxTokens", "requestThrottleLimit"),
    ),
    Feature("a data folder that must be initialized", ("db.autocreate",), ("db.autocreate", "true")),
    Feature("TTL nodes of ZooKeeper 3.5.3", ("emulate353TTLNodes",), ("emulate353TTLNodes", "false")),
    Feature("observers without a log", ("syncEnabled",), ("syncEnabled", "true")),
)  # fmt: skip
WITHOUT_EFFECT = (
    "serverCnxnFactory", "clientPortListenBacklog", "clientTcpKeepAlive", "tcpKeepAlive", "cnxTimeout", "quorumCnxnTimeoutMs",
    "electionPortBindRetry", "preAllocSize", "flushDelay", "maxBatchSize", "maxWriteQueuePollTime", "maxResponseCacheSize",
    "maxGetChildrenResponseCacheSize", "jute.maxbuffer.extrasize", "connectToLearnerMasterLimit", "watchManagerName",
    "watcherCleanIntervalInSeconds", "watcherCleanThreadsNum", "watcherCleanThreshold", "maxInProcessingDeadWatchers",
    "bitHashCacheSize", "intBufferStartingSizeBytes", "closeSessionTxn.enabled", "enableEagerACLCheck", "forceSnapshotSync",
    "maxTimeToWaitForEpoch", "quorum.cnxn.threads.size", "version", "nio.", "netty.", "commitProcessor.", "leader.", "learner.",
    "txnLogSizeLimitInKb", "forward_learner_requests_to_commit_processor_disabled", "follower.", "observer.", "fastleader.", "messageTracker.", "pathStats.", "jmx.", "DigestAuthenticationProvider.enabled",
)  # fmt: skip
"""Settings of Apache's threads, caches and buffers, or of what is the same here in any case."""


def left_out(keys: Collection[str], values: Mapping[str, str]) -> str:
    """One sentence about keys that no field of the configuration has taken, or "". values: of all keys."""
    features: list[str] = []
    silent: set[str] = set()
    for feature in FEATURES:
        mine = [key for key in keys if _is_one_of(key, feature.keys)]
        silent.update(mine)
        if wanted := feature.asked_for(mine, values):
            features.append(f"{feature.name} ({', '.join(wanted)})")
    rest = [key for key in keys if key not in silent]
    idle = [key for key in rest if _is_one_of(key, WITHOUT_EFFECT)]
    unknown = [key for key in rest if key not in idle]
    parts = (
        ("not served here: ", features),
        ("without effect here: ", idle),
        ("unknown keys: ", unknown),
    )
    return "; ".join(what + ", ".join(items) for what, items in parts if items)


def _is_one_of(key: str, names: Collection[str]) -> bool:
    return any(key.startswith(name) if name[-1] in "._" else key == name for name in names)
