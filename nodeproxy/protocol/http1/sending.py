"""Serializes heads of HTTP/1.1 messages: the first line, the fields, and the framing of the body."""

from nodeproxy.protocol.message import UNKNOWN, Request, Response

_END = b"\r\n"
_END_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_TRAILERS = b"TE: trailers\r\nConnection: TE\r\n"
_SWITCH = b"Connection: Upgrade\r\nUpgrade: %b\r\n"
_TRAILERS_AND_SWITCH = b"TE: trailers\r\nConnection: TE, Upgrade\r\nUpgrade: %b\r\n"


def request_head(request: Request, added: bytes) -> bytes:
    """The head of `request`, with the field lines `added` after its own and the final empty line."""
    end = _END
    if request.length == UNKNOWN:
        # RFC 9112, 6.2: not together with Content-Length, which remains if a policy has replaced the body
        request.fields.drop_length()
        end = _END_CHUNKED
    if request.takes_trailers or request.upgrade:
        end = _options(request) + end
    return b"%b %b HTTP/1.1\r\n%b%b%b" % (request.method, request.path, request.fields.block(), added, end)


def _options(request: Request) -> bytes:
    """Hop-by-hop fields, in one Connection line: some servers read only one of several."""
    if not request.upgrade:
        return _TRAILERS
    return (_TRAILERS_AND_SWITCH if request.takes_trailers else _SWITCH) % request.upgrade


def switching_head(response: Response, added: bytes) -> bytes:
    """The head of a 101, with the lines `added` after its fields and the final empty line."""
    return response_head(response, added + _SWITCH % response.upgrade + _END)


def response_head(response: Response, added: bytes) -> bytes:
    """The head of `response`, with `added` after its fields; `added` includes the final empty line."""
    # RFC 9112, 4: the space is sent even without a reason phrase
    return b"HTTP/1.1 %d %b\r\n%b%b" % (response.status, response._phrase, response.fields.block(), added)
