"""What a running node says of itself, asked the way any tool would: `srvr` of a coordination server, Metadata of a broker."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from broker.wire.api import encode_request, parse_response
from broker.wire.messages import MetadataRequest, MetadataResponse

from .layout import HOST, Node

__all__ = ["Health", "probe"]

TIMEOUT_S = 1.0
REPLY_MAX = 1 << 20
METADATA_VERSION = 4


@dataclass(frozen=True, slots=True)
class Health:
    """What one node answered. `role` is empty while it does not serve."""

    role: str = ""
    detail: str = ""
    brokers: frozenset[int] = field(default_factory=frozenset)
    """The brokers that this broker knows to be alive."""


async def probe(node: Node) -> Health:
    """Asks one node; a node that does not answer in time has no role."""
    with trio.move_on_after(TIMEOUT_S):
        try:
            return await (_coord(node) if node.kind == "coord" else _broker(node))
        except (OSError, trio.BrokenResourceError, ValueError):
            pass
    return Health()


async def _coord(node: Node) -> Health:
    async with await trio.open_tcp_stream(HOST, node.port) as stream:
        await stream.send_all(b"srvr")
        text = b""
        while len(text) < REPLY_MAX and (chunk := await stream.receive_some()):
            text += chunk
    values = dict(line.split(": ", 1) for line in text.decode(errors="replace").splitlines() if ": " in line)
    if "Mode" not in values:
        return Health()
    return Health(values["Mode"], f"zxid {values.get('Zxid', '?')}, {values.get('Node count', '?')} znodes")


async def _broker(node: Node) -> Health:
    request = b"".join(encode_request(MetadataRequest(topics=[]), METADATA_VERSION, 1, "quorate-up"))
    async with await trio.open_tcp_stream(HOST, node.port) as stream:
        await stream.send_all(request)
        reply = b""
        while len(reply) < 4 or len(reply) < 4 + int.from_bytes(reply[:4], "big"):
            chunk = await stream.receive_some()
            if not chunk or len(reply) > REPLY_MAX:
                return Health()
            reply += chunk
    _, response = parse_response(MetadataResponse, METADATA_VERSION, reply[4:])
    alive = frozenset(broker.node_id for broker in response.brokers)
    if node.number not in alive or response.controller_id < 0:
        return Health(detail="joining the cluster")
    role = "controller" if response.controller_id == node.number else "broker"
    return Health(role, f"sees {len(alive)} brokers", alive)
