"""The end of a connection on which the client may still be sending."""

from contextlib import suppress

from nodeproxy.errors import ProxyError
from nodeproxy.io.channel import SocketChannel

LINGER_S = 2.0  # for the client to read its response before its unread bytes turn it into a reset; nginx: 5 s
LINGER_BYTES = 1024 * 1024


async def linger(channel: SocketChannel) -> None:
    """Discard what the client still sends, bounded: a close over unread bytes would destroy the response.

    The task that calls it is limited to LINGER_S. Source: RFC 9112, 9.6.
    """
    reactor = channel.reactor
    reactor.current.limit(reactor.now + LINGER_S)
    with suppress(ProxyError):
        channel.half_close()
        discarded = 0
        while discarded < LINGER_BYTES and (data := await channel.recv()):
            discarded += len(data)
            await reactor.rest()
