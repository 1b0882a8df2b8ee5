"""Kafka's error codes: one table of code, name, whether the same request may succeed later, and what it means.

`KafkaError` carries a code as an exception, where code that cannot go on has to say so to whoever answers the request
(broker) or whoever sent it (client).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ErrorCode", "KafkaError", "error_name", "is_retriable", "message_of"]


class ErrorCode(IntEnum):
    """Every code up to Kafka 3.9."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    INVALID_FETCH_SIZE = 4
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    REQUEST_TIMED_OUT = 7
    BROKER_NOT_AVAILABLE = 8
    REPLICA_NOT_AVAILABLE = 9
    MESSAGE_TOO_LARGE = 10
    STALE_CONTROLLER_EPOCH = 11
    OFFSET_METADATA_TOO_LARGE = 12
    NETWORK_EXCEPTION = 13
    COORDINATOR_LOAD_IN_PROGRESS = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    NOT_ENOUGH_REPLICAS = 19
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INCONSISTENT_GROUP_PROTOCOL = 23
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_SESSION_TIMEOUT = 26
    REBALANCE_IN_PROGRESS = 27
    INVALID_COMMIT_OFFSET_SIZE = 28
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_SASL_MECHANISM = 33
    ILLEGAL_SASL_STATE = 34
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    NOT_CONTROLLER = 41
    INVALID_REQUEST = 42
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    DUPLICATE_SEQUENCE_NUMBER = 46
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTION_COORDINATOR_FENCED = 52
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    SECURITY_DISABLED = 54
    OPERATION_NOT_ATTEMPTED = 55
    KAFKA_STORAGE_ERROR = 56
    LOG_DIR_NOT_FOUND = 57
    SASL_AUTHENTICATION_FAILED = 58
    UNKNOWN_PRODUCER_ID = 59
    REASSIGNMENT_IN_PROGRESS = 60
    DELEGATION_TOKEN_AUTH_DISABLED = 61
    DELEGATION_TOKEN_NOT_FOUND = 62
    DELEGATION_TOKEN_OWNER_MISMATCH = 63
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65
    DELEGATION_TOKEN_EXPIRED = 66
    INVALID_PRINCIPAL_TYPE = 67
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    LISTENER_NOT_FOUND = 72
    TOPIC_DELETION_DISABLED = 73
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    STALE_BROKER_EPOCH = 77
    OFFSET_NOT_AVAILABLE = 78
    MEMBER_ID_REQUIRED = 79
    PREFERRED_LEADER_NOT_AVAILABLE = 80
    GROUP_MAX_SIZE_REACHED = 81
    FENCED_INSTANCE_ID = 82
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83
    ELECTION_NOT_NEEDED = 84
    NO_REASSIGNMENT_IN_PROGRESS = 85
    GROUP_SUBSCRIBED_TO_TOPIC = 86
    INVALID_RECORD = 87
    UNSTABLE_OFFSET_COMMIT = 88
    THROTTLING_QUOTA_EXCEEDED = 89
    PRODUCER_FENCED = 90
    RESOURCE_NOT_FOUND = 91
    DUPLICATE_RESOURCE = 92
    UNACCEPTABLE_CREDENTIAL = 93
    INCONSISTENT_VOTER_SET = 94
    INVALID_UPDATE_VERSION = 95
    FEATURE_UPDATE_FAILED = 96
    PRINCIPAL_DESERIALIZATION_FAILURE = 97
    SNAPSHOT_NOT_FOUND = 98
    POSITION_OUT_OF_RANGE = 99
    UNKNOWN_TOPIC_ID = 100
    DUPLICATE_BROKER_REGISTRATION = 101
    BROKER_ID_NOT_REGISTERED = 102
    INCONSISTENT_TOPIC_ID = 103
    INCONSISTENT_CLUSTER_ID = 104
    TRANSACTIONAL_ID_NOT_FOUND = 105
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    INELIGIBLE_REPLICA = 107
    NEW_LEADER_ELECTED = 108
    OFFSET_MOVED_TO_TIERED_STORAGE = 109
    FENCED_MEMBER_EPOCH = 110
    UNRELEASED_INSTANCE_ID = 111
    UNSUPPORTED_ASSIGNOR = 112
    STALE_MEMBER_EPOCH = 113
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    UNKNOWN_CONTROLLER_ID = 116
    UNKNOWN_SUBSCRIPTION_ID = 117
    TELEMETRY_TOO_LARGE = 118
    INVALID_REGISTRATION = 119
    TRANSACTION_ABORTABLE = 120
    INVALID_RECORD_STATE = 121
    SHARE_SESSION_NOT_FOUND = 122
    INVALID_SHARE_SESSION_EPOCH = 123
    FENCED_STATE_EPOCH = 124
    INVALID_VOTER_KEY = 125
    DUPLICATE_VOTER = 126
    VOTER_NOT_FOUND = 127

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later, perhaps at another broker."""
        return is_retriable(self)

    @property
    def message(self) -> str:
        """What happened, in a sentence without a full stop."""
        return message_of(self)


class KafkaError(Exception):
    """An error of the protocol: `code`, and a sentence that names what it is about."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(message or message_of(code))
        self.code = code
        self.message = message or message_of(code)

    @property
    def name(self) -> str:
        """The code's name, as Kafka spells it."""
        return error_name(self.code)

    @property
    def retriable(self) -> bool:
        """Whether the same request may succeed later."""
        return is_retriable(self.code)


def error_name(code: int) -> str:
    """The name of a code; codes of later Kafkas have their number only."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"ERROR_{code}"


def is_retriable(code: int) -> bool:
    """Whether the same request may succeed later; unknown codes are not."""
    return code in _RETRIABLE


def message_of(code: int) -> str:
    """What a code means, in a sentence without a full stop."""
    return _MESSAGES.get(code) or error_name(code).lower().replace("_", " ").capitalize()


_RETRIABLE = frozenset(
    [2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89, 100, 103, 106, 122, 123]
)

_MESSAGES = {
    -1: "The broker met an error that it did not expect; its log says more",
    0: "No error",
    1: "The offset lies outside of the partition's log",
    2: "The record batch is damaged: its checksum, size or layout is wrong",
    3: "The broker has no such topic or partition",
    4: "The number of bytes to fetch is not valid",
    5: "The partition has no leader at present",
    6: "The broker is not the partition's leader, or holds no replica of it",
    7: "The request was not finished in time",
    8: "The broker is not available",
    9: "The replica is not available",
    10: "A record batch is larger than the topic's max.message.bytes",
    11: "A newer controller has taken over",
    12: "The metadata of the offset is longer than offset.metadata.max.bytes",
    13: "The connection was lost before the answer came",
    14: "The group's coordinator is still loading",
    15: "The group's coordinator is not available",
    16: "The broker is not this group's coordinator",
    17: "The topic name is not valid, or the topic is not open to clients",
    18: "The record batch is larger than the topic's segment.bytes",
    19: "The partition has fewer in-sync replicas than min.insync.replicas; nothing was written",
    20: "The records were written, then fewer replicas were in sync than min.insync.replicas asks for",
    21: "acks is none of -1, 0 and 1",
    22: "The group's generation is another one",
    23: "The member's protocols do not fit those of the group",
    24: "The group id is not valid",
    25: "The group has no such member",
    26: "The session timeout is outside of the broker's limits",
    27: "The group is rebalancing: join it again",
    28: "The commit is larger than the broker allows",
    29: "No permission on the topic",
    30: "No permission on the group",
    31: "No permission on the cluster",
    32: "The record's timestamp is outside of what the topic accepts",
    33: "The broker does not offer this SASL mechanism",
    34: "The request does not fit the state of authentication",
    35: "The broker does not speak this version of the request",
    36: "A topic of this name exists already",
    37: "The number of partitions is not valid",
    38: "The cluster does not offer this replication factor; the broker's log says why",
    39: "The assignment of replicas is not valid",
    40: "The configuration is not valid",
    41: "The broker is not the controller",
    42: "The request does not make sense to the broker",
    43: "The partition's message format does not support the request",
    44: "The request violates a policy of the cluster",
    45: "A batch's sequence number does not follow the producer's last one",
    46: "A batch with this sequence number was written before",
    47: "A newer producer with the same id has taken over",
    48: "The transaction is in a state that does not allow this",
    49: "The producer id does not belong to the transactional id",
    50: "The transaction's timeout is longer than transaction.max.timeout.ms",
    51: "Another operation on the same transaction is under way",
    52: "A newer transaction coordinator has taken over",
    53: "No permission on the transactional id",
    54: "Security is not configured",
    55: "The operation was not tried, because another one of the request failed",
    56: "The broker's disk failed",
    57: "The broker has no such log directory",
    58: "Authentication failed",
    59: "The broker knows nothing of this producer id",
    60: "A reassignment of the partition is under way",
    61: "Delegation tokens are not configured",
    62: "There is no such delegation token",
    63: "The principal is neither owner nor renewer of the token",
    64: "Delegation tokens cannot be requested over this connection",
    65: "No permission on the delegation token",
    66: "The delegation token has expired",
    67: "The broker does not know this type of principal",
    68: "The group has members",
    69: "There is no such group",
    70: "The broker does not know this fetch session",
    71: "The fetch session is at another epoch",
    72: "The leader has no listener of this name",
    73: "Deletion of topics is switched off",
    74: "The leader epoch of the request is older than the broker's",
    75: "The leader epoch of the request is newer than the broker's",
    76: "The request's version does not carry this compression",
    77: "The broker has been registered again since",
    78: "The new leader does not know the high watermark yet",
    79: "Join again with the member id given here",
    80: "The preferred leader is not available",
    81: "The group is full",
    82: "Another member has taken over this group.instance.id",
    83: "No replica is eligible to lead",
    84: "The partition has the wanted leader already",
    85: "No reassignment of the partition is under way",
    86: "The group is subscribed to the topic",
    87: "A record was refused",
    88: "Offsets of open transactions stand in the way",
    89: "A quota is used up: try later",
    90: "A newer producer with this transactional id has taken over",
    91: "There is no such resource",
    92: "A resource is named twice",
    93: "The credential is not acceptable",
    100: "The broker has no topic with this id",
    102: "No broker of this id is registered",
    103: "The partition's log belongs to another topic id",
    104: "The request is meant for another cluster",
    105: "There is no such transactional id",
    107: "A replica of the new in-sync set is not eligible",
    108: "The partition was changed, and it has a new leader",
    110: "The member's epoch is over: it must join again",
    113: "The member's epoch has moved on",
    120: "The transaction failed; it can be aborted",
}
