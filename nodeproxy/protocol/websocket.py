"""The handshake of WebSocket, where it is in HTTP/1.1 on one side and in HTTP/2 on the other.

HTTP/1.1 proves by a key and its answer that a server understands WebSocket; HTTP/2 has no such fields.
Source: RFC 6455, 4.1 and 4.2.2; RFC 8441, 5.
"""

import re
from base64 import b64encode
from hashlib import sha1

from nodeproxy.errors import BadResponse
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.message import Request, Response

WEBSOCKET = b"websocket"
KEY = b"sec-websocket-key"
ACCEPT = b"sec-websocket-accept"
KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_KEY = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes in base64


def accept_of(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that answers `key`."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def add_key(request: Request, nonce: bytes) -> None:
    """Make `request`, which has no key, one that HTTP/1.1 can carry; `nonce` has KEY_BYTES random bytes."""
    request.fields.add(KEY, b64encode(nonce))


def key_of(request: Request) -> bytes:
    """The key of a request that opens a WebSocket; b"" if it opens none, or not in due form."""
    if request.method != b"GET" or WEBSOCKET not in request.upgrade.lower().split(b", "):
        return b""
    keys = request.fields.values(KEY)
    return keys[0] if len(keys) == 1 and _KEY.fullmatch(keys[0]) else b""


def check_accept(request: Request, response: Response) -> None:
    """Check the 101 of an HTTP/1.1 endpoint for a client that cannot, because it has not chosen the key.

    Raises:
        BadResponse: it does not answer the key.
    """
    if response.fields.values(ACCEPT) != [accept_of(key_of(request))]:
        raise BadResponse("101 with another Sec-WebSocket-Accept than the key's: the endpoint does not speak WebSocket")


def opened(fields: Fields, version: bytes) -> Response:
    """The 200 that opens a WebSocket over HTTP/2, for its 101 or its 200; without fields of the handshake."""
    fields.remove(ACCEPT)
    fields.drop_length()  # RFC 9110, 9.3.6: ignored in a 2xx to CONNECT
    response = Response(200, fields, 0)
    response.version = version
    return response


def switched(response: Response, key: bytes) -> Response:
    """The 101 in HTTP/1.1 for the 200 `response` that opens a WebSocket over HTTP/2."""
    fields = response.fields
    fields.drop_length()
    fields.set(ACCEPT, accept_of(key))
    made = Response(101, fields, 0)
    made.phrase = b"Switching Protocols"
    made.version, made.dated, made.upgrade = response.version, response.dated, WEBSOCKET
    return made


def check_declined(response: Response) -> None:
    """Check the `response` that a client gets in place of a WebSocket over HTTP/2.

    Raises:
        BadResponse: its status would tell the client that the WebSocket is open.
    """
    if 200 <= response.status < 300:
        raise BadResponse(
            f"{response.status} to a WebSocket, which would be open by that: what has answered does not speak WebSocket"
        )
