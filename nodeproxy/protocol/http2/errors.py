"""Errors of HTTP/2: of a whole connection, and of one stream. Source: RFC 9113, 5.4 and 8.1.1."""

from nodeproxy.errors import BadRequest, BadResponse, ProxyError
from nodeproxy.protocol.http2.codes import PROTOCOL_ERROR


class ConnectionBroken(ProxyError):
    """The peer violates the protocol: the connection ends with GOAWAY and the error code `code`.

    It is no response: a connection converts it for the exchanges that it ends.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class MalformedRequest(BadRequest):
    """A message that is no request: its stream ends with RST_STREAM and the error code `code`, without a response."""

    def __init__(self, text: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.code = code


class MalformedResponse(BadResponse):
    """A message of an endpoint that is no response: its stream ends with RST_STREAM and the error code `code`."""

    def __init__(self, text: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(text)
        self.code = code


StreamBroken = MalformedRequest | MalformedResponse
"""An error that ends one stream, of either side; for `isinstance` too."""


class StreamError(Exception):
    """What a peer sent violates the protocol on one stream, which ends with RST_STREAM and the error code `code`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
