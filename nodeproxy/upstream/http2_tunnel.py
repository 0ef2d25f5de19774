"""WebSocket over a stream to an endpoint, by extended CONNECT. Source: RFC 8441."""

from nodeproxy.errors import ConnectionLost, MethodNotSupported
from nodeproxy.multiplex.body import StreamBody
from nodeproxy.multiplex.link import Link
from nodeproxy.multiplex.stream import Stream
from nodeproxy.multiplex.tunnel import StreamTunnel
from nodeproxy.protocol import websocket
from nodeproxy.protocol.http2.request_in import VERSION
from nodeproxy.protocol.http2.sending import connect_headers
from nodeproxy.protocol.message import Request, Response


def key_to_connect(link: Link, stream: Stream, request: Request) -> bytes:
    """The key of a WebSocket that `request` opens by extended CONNECT; b"" if it goes as what it is without Upgrade.

    `stream` is new, and closed by an error.

    Raises:
        MethodNotSupported: it was an extended CONNECT, and the endpoint understands none.
    """
    key = websocket.key_of(request)
    if key and not link.peer_connects:
        if request.version == VERSION:
            stream.close()  # nothing was sent on it: RST_STREAM would violate RFC 9113, 6.4
            raise MethodNotSupported(
                "the endpoint does not announce WebSocket over HTTP/2 (SETTINGS_ENABLE_CONNECT_PROTOCOL); give "
                "WebSocket a port of its own with appProtocol kubernetes.io/ws"
            )
        return b""
    return key


def connect(link: Link, stream: Stream, request: Request, added: bytes) -> None:
    """Ask for the WebSocket that `request` opens, with the field lines `added`."""
    stream.awaits_head = True
    stream.head(connect_headers(request, added, stream.number, link.prefix), False)
    link.prefix = b""


def answered(stream: Stream, response: Response, key: bytes) -> Response:
    """The 101 for the final response on `stream` where that opens the WebSocket, else the response that declines it."""
    if response.status == 200:
        response = websocket.switched(response, key)
        response.tunnel = StreamTunnel(stream, ConnectionLost)
        return response
    stream.finish(b"")
    if response.status in (204, 304):
        response.length = 0
    response.body = StreamBody(stream, response.length)
    return response
