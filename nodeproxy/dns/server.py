"""The node's DNS server for the mesh's zones, over UDP and TCP (RFC 7766)."""

import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import trio

from nodeproxy.dns.kept import KeptResponses
from nodeproxy.dns.query import HEADER_BYTES, parsed
from nodeproxy.dns.zone import PAYLOAD_BYTES, needs_endpoints, respond, service_of
from nodeproxy.io.capacity import DNS_TCP_MOST
from nodeproxy.table.table import Table

DATAGRAM_BYTES = 4096  # a query is far smaller; a longer one is truncated and refused
TCP_BYTES = 65535
TCP_IDLE_S = 10.0  # RFC 7766, 6.2.3: a few seconds
BACKLOG = 128
ANSWER_S = 3.0  # limit of a response, also during shutdown; longer than the wait for endpoints
UDP_MOST = 256  # concurrent queries; only those for names of pods wait
_SIZE = struct.Struct("!H")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The source of responses: the table in force, and subscriptions to services without endpoints yet."""

    table: Callable[[], Table]
    want: Callable[[str], bool]
    """Subscribes to the service with this key; returns whether its endpoints are unknown."""
    until_subscribed: Callable[[str], Awaitable[None]]
    """Waits until they are known, for a bounded time."""
    kept: KeptResponses = field(default_factory=KeptResponses)


async def serve_dns(datagrams: socket.socket, stream: socket.socket, knowledge: Knowledge) -> None:
    """Answer queries on both sockets, which are bound, forever."""
    stream.listen(BACKLOG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve_datagrams, datagrams, knowledge)
        limit, turn = trio.CapacityLimiter(DNS_TCP_MOST), trio.Lock()
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(stream))

        async def attend(connection: trio.SocketStream) -> None:
            async with connection:
                await _serve_stream(connection, knowledge, limit, turn)

        nursery.start_soon(trio.serve_listeners, attend, [listener])


async def response_to(received: bytes, knowledge: Knowledge, limit_bytes: int | None) -> bytes | None:
    """The response to `received`, within `limit_bytes` and the client's payload size; None if it is not a query.

    A query for a service precedes a request to it, so it subscribes to the endpoints. A query for a pod waits for them.
    """
    kept = knowledge.kept.find(received, limit_bytes, knowledge.table())
    if kept is not None:
        return kept
    try:
        query = parsed(received)
    except dns.exception.DNSException:
        return _malformed(received)
    if query.flags & dns.flags.QR:
        return None  # a response to a response could loop between two servers
    also_zones = knowledge.table().also_zones
    key = service_of(query, also_zones)
    if key and knowledge.want(key) and needs_endpoints(query, also_zones):
        await knowledge.until_subscribed(key)
    table = knowledge.table()
    most = TCP_BYTES if limit_bytes is None else min(limit_bytes, _taken_bytes(query))
    response = respond(query, table).to_wire(max_size=most, prefer_truncation=True)
    if key:
        knowledge.kept.keep(received, limit_bytes, table, key, response)
    return response


def _taken_bytes(query: dns.message.Message) -> int:
    """How large a datagram the client takes."""
    return max(512, query.payload) if query.edns >= 0 else 512


def _malformed(received: bytes) -> bytes | None:
    """FORMERR, if `received` has at least the header of a query (RFC 1035, 4.1.1)."""
    if len(received) < HEADER_BYTES or received[2] & 0x80:
        return None
    return received[:2] + bytes([0x80 | (received[2] & 0x79), dns.rcode.FORMERR]) + bytes(8)


async def _serve_datagrams(datagrams: socket.socket, knowledge: Knowledge) -> None:
    sock = trio.socket.from_stdlib_socket(datagrams)

    async def attend(received: bytes, client: tuple[str, int]) -> None:
        # a received query is answered also during shutdown
        with trio.move_on_after(ANSWER_S, shield=True):
            try:
                response = await response_to(received, knowledge, PAYLOAD_BYTES)
                if response is not None:
                    await sock.sendto(response, client)
            except OSError as error:  # the client is unreachable
                log.debug("dns response not sent", extra={"error": str(error)})

    with sock:
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    try:
                        received, client = await sock.recvfrom(DATAGRAM_BYTES)
                    except OSError as error:  # ICMP error of an earlier response
                        log.debug("dns query not received", extra={"error": str(error)})
                    else:
                        if len(nursery.child_tasks) < UDP_MOST:  # resolvers retry the others
                            nursery.start_soon(attend, received, client)
        finally:  # no other proxy receives what this socket has queued, and resolvers retry only after seconds
            with suppress(OSError):  # the queue is empty
                while True:
                    await attend(*datagrams.recvfrom(DATAGRAM_BYTES))


async def _serve_stream(
    stream: trio.SocketStream, knowledge: Knowledge, limit: trio.CapacityLimiter, turn: trio.Lock
) -> None:
    if limit.available_tokens < 1:
        return
    async with limit:
        held = b""
        while True:
            with trio.move_on_after(TCP_IDLE_S) as idle:
                try:
                    while len(held) < 2 or len(held) < 2 + _SIZE.unpack_from(held)[0]:
                        piece = await stream.receive_some(TCP_BYTES)
                        if not piece:
                            return
                        held += piece
                    async with turn:  # one response, then the hot lane: all connections may have hundreds of queries
                        pass
                    end = 2 + _SIZE.unpack_from(held)[0]
                    response, held = await response_to(held[2:end], knowledge, None), held[end:]
                    if response is None:
                        return
                    await stream.send_all(_SIZE.pack(len(response)) + response)
                except trio.BrokenResourceError:
                    return
            if idle.cancelled_caught:
                return
