"""A broker for tests of the client: one node, records in memory, faults to order. Runs inside the test's own trio loop."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from broker.client.background import background
from broker.wire import codec
from broker.wire.api import encode_response, parse_request_header, request_class, versions
from broker.wire.batches import batches, stamp, validate
from broker.wire.errors import ErrorCode
from broker.wire.fields import Message
from broker.wire.messages import (
    ApiVersionsResponse,
    ApiVersionsResponseApiKey,
    CreateTopicsRequest,
    CreateTopicsResponse,
    CreateTopicsResponseTopic,
    FetchRequest,
    FetchResponse,
    FetchResponsePartition,
    FetchResponseTopic,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    InitProducerIdResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
    LeaveGroupResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsResponsePartition,
    ListOffsetsResponseTopic,
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
    ProduceRequest,
    ProduceResponse,
    ProduceResponsePartition,
    ProduceResponseTopic,
    SyncGroupRequest,
    SyncGroupResponse,
)

KEYS = (0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 19, 22)
DROP = object()
"""A fault: the connection is closed instead of an answer."""


class FakeBroker:
    """`faults[key]` holds what to answer instead, in order: a message, DROP, or a function of the request."""

    def __init__(self, topics: dict[str, int] | None = None) -> None:
        self.port = 0
        self.topics = dict(topics or {})
        self.logs: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self.ends: dict[tuple[str, int], int] = defaultdict(int)
        self.starts: dict[tuple[str, int], int] = defaultdict(int)
        self.faults: dict[int, deque[Any]] = defaultdict(deque)
        self.ranges = {key: versions(key) for key in KEYS}
        self.requests: list[Message] = []
        self.committed: dict[tuple[str, int], int] = {}
        self.leaders: dict[int, int] = {}
        """Partitions, of any topic, that another broker leads, or none (-1)."""
        self.rebalance = False
        self.appended = trio.Event()
        self.connections = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        buffer = bytearray()
        try:
            while data := await stream.receive_some(1 << 16):
                buffer += data
                while len(buffer) >= 4 and len(buffer) >= 4 + int.from_bytes(buffer[:4], "big"):
                    size = int.from_bytes(buffer[:4], "big")
                    frame = bytes(buffer[4 : 4 + size])
                    del buffer[: 4 + size]
                    answer = await self.answer(frame)
                    if answer is DROP:
                        return
                    if answer:
                        await stream.send_all(answer)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def answer(self, frame: bytes) -> Any:
        header, at = parse_request_header(frame)
        low, high = self.ranges.get(header.api_key, (0, -1))
        if not low <= header.api_version <= high:
            assert header.api_key == 18, "a client asks for what is offered"
            return b"".join(encode_response(ApiVersionsResponse(ErrorCode.UNSUPPORTED_VERSION), 0, header.correlation_id))
        request, _ = codec.decode(request_class(header.api_key), header.api_version, frame, at)
        self.requests.append(request)
        queue = self.faults[header.api_key]
        found: Any = queue.popleft() if queue else None
        if found is DROP:
            return DROP
        if callable(found) and not isinstance(found, Message):
            found = found(request)
        if found is None:
            found = getattr(self, f"on_{type(request).__name__}")(request)
            if isinstance(request, FetchRequest):
                found = await self.wait_for_records(request, found)
        if isinstance(request, ProduceRequest) and request.acks == 0:
            return b""
        return b"".join(encode_response(found, header.api_version, header.correlation_id))

    async def wait_for_records(self, request: FetchRequest, found: FetchResponse) -> FetchResponse:
        with trio.move_on_after(request.max_wait_ms / 1000):
            while not any(row.records or row.error_code for topic in found.responses for row in topic.partitions):
                await self.appended.wait()
                found = self.on_FetchRequest(request)
        return found

    def sent(self, kind: type[Message]) -> list[Any]:
        return [request for request in self.requests if isinstance(request, kind)]

    # one method for each API

    def on_ApiVersionsRequest(self, request: Message) -> Message:
        rows = [ApiVersionsResponseApiKey(key, *bounds) for key, bounds in self.ranges.items()]
        return ApiVersionsResponse(api_keys=rows)

    def on_MetadataRequest(self, request: MetadataRequest) -> Message:
        names = list(self.topics) if request.topics is None else [row.name or "" for row in request.topics]
        rows = []
        for name in names:
            count = self.topics.get(name)
            if count is None:
                rows.append(MetadataResponseTopic(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name))
            else:
                partitions = [MetadataResponsePartition(0, at, self.leaders.get(at, 1), 0, [1], [1]) for at in range(count)]
                rows.append(MetadataResponseTopic(0, name, bytes([len(name)]) * 16, partitions=partitions))
        return MetadataResponse(
            brokers=[MetadataResponseBroker(1, "127.0.0.1", self.port)], cluster_id="c", controller_id=1, topics=rows
        )

    def on_CreateTopicsRequest(self, request: CreateTopicsRequest) -> Message:
        (row,) = request.topics
        code = ErrorCode.TOPIC_ALREADY_EXISTS if row.name in self.topics else ErrorCode.NONE
        self.topics.setdefault(row.name, max(row.num_partitions, 1))
        message = f"Topic '{row.name}' already exists." if code else None
        return CreateTopicsResponse(topics=[CreateTopicsResponseTopic(row.name, error_code=code, error_message=message)])

    def on_InitProducerIdRequest(self, request: Message) -> Message:
        return InitProducerIdResponse(producer_id=100 + len(self.sent(type(request))), producer_epoch=0)

    def on_ProduceRequest(self, request: ProduceRequest) -> ProduceResponse:
        topics = []
        for topic in request.topic_data:
            rows = []
            for row in topic.partition_data:
                key = (topic.name, row.index)
                batch = bytearray(row.records or b"")
                header = validate(batch)
                stamp(batch, 0, self.ends[key], 0)
                rows.append(ProduceResponsePartition(row.index, 0, self.ends[key]))
                self.logs[key].append(bytes(batch))
                self.ends[key] += header.record_count
            topics.append(ProduceResponseTopic(topic.name, rows))
        self.appended.set()
        self.appended = trio.Event()
        return ProduceResponse(responses=topics)

    def on_ListOffsetsRequest(self, request: ListOffsetsRequest) -> Message:
        topics = []
        for topic in request.topics:
            rows = [
                ListOffsetsResponsePartition(
                    row.partition_index,
                    offset=(self.ends if row.timestamp == -1 else self.starts)[topic.name, row.partition_index],
                )
                for row in topic.partitions
            ]
            topics.append(ListOffsetsResponseTopic(topic.name, rows))
        return ListOffsetsResponse(topics=topics)

    def on_FetchRequest(self, request: FetchRequest) -> FetchResponse:
        topics = []
        for topic in request.topics:
            rows = []
            for row in topic.partitions:
                key = (topic.topic, row.partition)
                code = 0 if self.starts[key] <= row.fetch_offset <= self.ends[key] else ErrorCode.OFFSET_OUT_OF_RANGE
                held = [
                    batch
                    for batch in self.logs[key]
                    if code == 0 and all(header.next_offset > row.fetch_offset for _, header in batches(batch))
                ]
                rows.append(FetchResponsePartition(row.partition, code, self.ends[key], records=b"".join(held[:3])))
            topics.append(FetchResponseTopic(topic.topic, partitions=rows))
        return FetchResponse(responses=topics)

    def on_FindCoordinatorRequest(self, request: Message) -> Message:
        return FindCoordinatorResponse(node_id=1, host="127.0.0.1", port=self.port)

    def on_JoinGroupRequest(self, request: JoinGroupRequest) -> Message:
        if not request.member_id:
            return JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id="m-1")
        self.rebalance = False
        members = [JoinGroupResponseMember(request.member_id, metadata=request.protocols[0].metadata)]
        return JoinGroupResponse(
            generation_id=len(self.sent(JoinGroupRequest)), protocol_name="range", protocol_type="consumer",
            leader=request.member_id, member_id=request.member_id, members=members,
        )  # fmt: skip

    def on_SyncGroupRequest(self, request: SyncGroupRequest) -> Message:
        (row,) = request.assignments
        return SyncGroupResponse(assignment=row.assignment, protocol_type="consumer", protocol_name="range")

    def on_HeartbeatRequest(self, request: HeartbeatRequest) -> Message:
        return HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS if self.rebalance else ErrorCode.NONE)

    def on_LeaveGroupRequest(self, request: Message) -> Message:
        return LeaveGroupResponse()

    def on_OffsetFetchRequest(self, request: OffsetFetchRequest) -> Message:
        topics = [
            OffsetFetchResponseTopic(
                topic.name, [OffsetFetchResponsePartition(at, self.committed.get((topic.name, at), -1)) for at in topic.partition_indexes]
            )
            for topic in request.topics or []
        ]
        return OffsetFetchResponse(topics=topics)

    def on_OffsetCommitRequest(self, request: OffsetCommitRequest) -> Message:
        topics = []
        for topic in request.topics:
            for row in topic.partitions:
                self.committed[topic.name, row.partition_index] = row.committed_offset
            topics.append(
                OffsetCommitResponseTopic(topic.name, [OffsetCommitResponsePartition(row.partition_index) for row in topic.partitions])
            )
        return OffsetCommitResponse(topics=topics)


@asynccontextmanager
async def fake_broker(topics: dict[str, int] | None = None) -> AsyncIterator[FakeBroker]:
    """A fake broker that listens on a free port of loopback."""
    broker = FakeBroker(topics)
    async with background() as nursery:
        listeners = await nursery.start(lambda task_status: trio.serve_tcp(broker.serve, 0, host="127.0.0.1", task_status=task_status))
        broker.port = listeners[0].socket.getsockname()[1]
        yield broker
