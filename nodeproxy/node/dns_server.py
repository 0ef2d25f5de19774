"""The node's DNS server for the mesh's zone, over UDP and TCP (RFC 7766)."""

import logging
import socket
import struct
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import trio

from nodeproxy.live import Table
from nodeproxy.node.zone import PAYLOAD_BYTES, respond

DATAGRAM_BYTES = 4096  # a query is far smaller; what is longer is cut and refused
TCP_BYTES = 65535
TCP_IDLE_S = 10.0  # RFC 7766, 6.2.3: a few seconds
BACKLOG = 128
TCP_MOST = 64  # connections at once; resolvers keep one or two
_SIZE = struct.Struct("!H")
log = logging.getLogger(__name__)


async def serve_dns(datagrams: socket.socket, stream: socket.socket, table: Callable[[], Table]) -> None:
    """Answer on both sockets, bound before, for ever."""
    stream.listen(BACKLOG)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve_datagrams, trio.socket.from_stdlib_socket(datagrams), table)
        limit = trio.CapacityLimiter(TCP_MOST)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(stream))

        async def attend(connection: trio.SocketStream) -> None:
            async with connection:
                await _serve_stream(connection, table, limit)

        nursery.start_soon(trio.serve_listeners, attend, [listener])


def response_to(received: bytes, table: Table, limit_bytes: int | None) -> bytes | None:
    """The bytes that answer `received`, at most `limit_bytes` or what the client takes; None for what is no query."""
    try:
        query = dns.message.from_wire(received, ignore_trailing=False)
    except dns.exception.DNSException:
        return _malformed(received)
    if query.flags & dns.flags.QR:
        return None  # never answer an answer: two servers could talk for ever
    response = respond(query, table)
    if limit_bytes is None:
        return response.to_wire(max_size=TCP_BYTES, prefer_truncation=True)
    taken = max(512, query.payload) if query.edns >= 0 else 512
    return response.to_wire(max_size=min(limit_bytes, taken), prefer_truncation=True)


def _malformed(received: bytes) -> bytes | None:
    """FORMERR to what has at least a query's head (RFC 1035, 4.1.1)."""
    if len(received) < 12 or received[2] & 0x80:
        return None
    return received[:2] + bytes([0x80 | (received[2] & 0x79), dns.rcode.FORMERR]) + bytes(8)


async def _serve_datagrams(sock: trio.socket.SocketType, table: Callable[[], Table]) -> None:
    with sock:
        while True:
            try:
                received, client = await sock.recvfrom(DATAGRAM_BYTES)
                response = response_to(received, table(), PAYLOAD_BYTES)
                if response is not None:
                    await sock.sendto(response, client)
            except OSError as error:  # an earlier answer's client is gone, or there is no way to this one
                log.debug("dns answer not sent", extra={"error": str(error)})


async def _serve_stream(stream: trio.SocketStream, table: Callable[[], Table], limit: trio.CapacityLimiter) -> None:
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
                    end = 2 + _SIZE.unpack_from(held)[0]
                    response, held = response_to(held[2:end], table(), None), held[end:]
                    if response is None:
                        return
                    await stream.send_all(_SIZE.pack(len(response)) + response)
                except trio.BrokenResourceError:
                    return
            if idle.cancelled_caught:
                return
