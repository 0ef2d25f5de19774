"""The end of a client's connection: where it may still be sending, and where it has sent nothing yet."""

from nodeproxy.errors import ClientGone, ProxyError
from nodeproxy.io.channel import SocketChannel

LINGER_S = 2.0  # for the client to read its response before its unread bytes turn it into a reset; nginx: 5 s
LINGER_BYTES = 1024 * 1024


def closed_unused(channel: SocketChannel, why: str) -> bool:
    """Close a connection that waits for its client, and end its task; returns False where there is something to read.

    `why` is the text of the ClientGone that the task gets.
    """
    if channel.closed or channel.has_input():
        return False
    waiting = channel.reader
    channel.close()
    if waiting is not None:
        waiting.interrupt(ClientGone(why))
    return True


async def linger(channel: SocketChannel) -> None:
    """Discard what the client still sends, bounded: a close over unread bytes would destroy the response.

    The task that calls it is limited to LINGER_S. Source: RFC 9112, 9.6.
    """
    reactor = channel.reactor
    reactor.current.limit(reactor.now + LINGER_S)
    try:
        channel.half_close()
        discarded = 0
        while discarded < LINGER_BYTES and (data := await channel.recv()):
            discarded += len(data)
            await reactor.rest()
    except ProxyError:
        pass
