"""The bytes with which an HTTP/2 client begins. Source: RFC 9113, 3.4."""

from nodeproxy.errors import ClientGone
from nodeproxy.io.channel import SocketChannel
from nodeproxy.protocol.http2.codes import PREFACE, PROTOCOL_ERROR
from nodeproxy.protocol.http2.errors import ConnectionBroken

PREFACE_LINE = b"PRI * HTTP/2.0\r\n\r\n"  # a whole HTTP/1 head, by which a client is recognised


async def behind_preface(channel: SocketChannel, received: bytes) -> bytes:
    """Read the preface, of which `received` has come; returns the bytes behind it that have come as well.

    Raises:
        ClientGone: the client has closed within it.
        ConnectionBroken: it is not a preface.
    """
    while len(received) < len(PREFACE):
        more = await channel.recv()
        if not more:
            raise ClientGone("closed within its preface")
        received += more
    if not received.startswith(PREFACE):
        raise ConnectionBroken(PROTOCOL_ERROR, "the preface of the connection is malformed")
    return received[len(PREFACE) :]
