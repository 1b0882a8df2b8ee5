"""The operations: their codes, and the one table of which request and which reply belong to each.

`REQUESTS` and `RESPONSES` map an operation code to its record, for tools and for the client; the server's hot paths
decode by hand.
"""

from __future__ import annotations

from . import records
from .codes import (
    AUTH_XID,
    MULTI_READS,
    MULTI_WRITES,
    NOTIFICATION_XID,
    PING_XID,
    READS,
    SET_WATCHES_XID,
    WRITES,
    AddWatchMode,
    CreateMode,
    EventType,
    KeeperState,
    OpCode,
    Perms,
    WatcherType,
)

__all__ = [
    "AUTH_XID",
    "MULTI_READS",
    "MULTI_WRITES",
    "NOTIFICATION_XID",
    "PING_XID",
    "READS",
    "REQUESTS",
    "RESPONSES",
    "SET_WATCHES_XID",
    "WRITES",
    "AddWatchMode",
    "CreateMode",
    "EventType",
    "KeeperState",
    "OpCode",
    "Perms",
    "WatcherType",
]

REQUESTS: dict[int, type[records.Record]] = {
    OpCode.CREATE: records.CreateRequest,
    OpCode.CREATE2: records.CreateRequest,
    OpCode.CREATE_CONTAINER: records.CreateRequest,
    OpCode.CREATE_TTL: records.CreateTTLRequest,
    OpCode.DELETE: records.DeleteRequest,
    OpCode.DELETE_CONTAINER: records.DeleteContainerRequest,
    OpCode.EXISTS: records.ExistsRequest,
    OpCode.GET_DATA: records.GetDataRequest,
    OpCode.SET_DATA: records.SetDataRequest,
    OpCode.GET_ACL: records.GetACLRequest,
    OpCode.SET_ACL: records.SetACLRequest,
    OpCode.GET_CHILDREN: records.GetChildrenRequest,
    OpCode.GET_CHILDREN2: records.GetChildren2Request,
    OpCode.SYNC: records.SyncRequest,
    OpCode.CHECK: records.CheckVersionRequest,
    OpCode.MULTI: records.MultiRequest,
    OpCode.MULTI_READ: records.MultiRequest,
    OpCode.RECONFIG: records.ReconfigRequest,
    OpCode.CHECK_WATCHES: records.CheckWatchesRequest,
    OpCode.REMOVE_WATCHES: records.RemoveWatchesRequest,
    OpCode.AUTH: records.AuthPacket,
    OpCode.SET_WATCHES: records.SetWatches,
    OpCode.SASL: records.GetSASLRequest,
    OpCode.GET_EPHEMERALS: records.GetEphemeralsRequest,
    OpCode.GET_ALL_CHILDREN_NUMBER: records.GetAllChildrenNumberRequest,
    OpCode.SET_WATCHES2: records.SetWatches2,
    OpCode.ADD_WATCH: records.AddWatchRequest,
    OpCode.CREATE_SESSION: records.CreateSessionRequest,
}
"""Operations that are not here (ping, closeSession, whoAmI) have an empty body."""

RESPONSES: dict[int, type[records.Record]] = {
    OpCode.CREATE: records.CreateResponse,
    OpCode.CREATE2: records.Create2Response,
    OpCode.CREATE_CONTAINER: records.Create2Response,
    OpCode.CREATE_TTL: records.Create2Response,
    OpCode.EXISTS: records.ExistsResponse,
    OpCode.GET_DATA: records.GetDataResponse,
    OpCode.SET_DATA: records.SetDataResponse,
    OpCode.GET_ACL: records.GetACLResponse,
    OpCode.SET_ACL: records.SetACLResponse,
    OpCode.GET_CHILDREN: records.GetChildrenResponse,
    OpCode.GET_CHILDREN2: records.GetChildren2Response,
    OpCode.SYNC: records.SyncResponse,
    OpCode.MULTI: records.MultiResponse,
    OpCode.MULTI_READ: records.MultiResponse,
    OpCode.RECONFIG: records.GetDataResponse,
    OpCode.SASL: records.SetSASLResponse,
    OpCode.GET_EPHEMERALS: records.GetEphemeralsResponse,
    OpCode.GET_ALL_CHILDREN_NUMBER: records.GetAllChildrenNumberResponse,
    OpCode.ADD_WATCH: records.ErrorResponse,
    OpCode.WHO_AM_I: records.WhoAmIResponse,
}
"""Operations that are not here (delete, ping, setWatches, …) are answered by the header alone."""
