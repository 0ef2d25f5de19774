"""Makes responses of decoded fields, by the rules of HTTP/1 (`http1/response_head.py`) and RFC 9113, 8.3.2."""

import re
from collections.abc import Sequence

from nodeproxy.errors import ResponseHeadersTooLarge
from nodeproxy.protocol.fields import Fields, without
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2.errors import MalformedResponse
from nodeproxy.protocol.http2.fields_in import length, sort
from nodeproxy.protocol.http2.hpack.static_table import Pair
from nodeproxy.protocol.message import Response

VERSION = b"2"
_PSEUDO = (b":status",)
_APART = frozenset((b"te", b"x-mesh-error"))
_STATUS = re.compile(rb"[1-9][0-9]{2}")


def read_response(pairs: Sequence[Pair], ended: bool, limits: HeadLimits) -> Response:
    """The response of decoded fields. `ended` is whether no body follows; its `length` is the announced one even then.

    Raises:
        MalformedResponse: the fields are no response.
        ResponseHeadersTooLarge: there are more fields than `limits` allow.
    """
    pseudo, found, block = sort(pairs, _PSEUDO, _APART, MalformedResponse)
    if _STATUS.fullmatch(pseudo.get(b":status", b"")) is None:
        raise MalformedResponse(":status is missing or malformed")
    status = int(pseudo[b":status"])
    if status == 101:
        raise MalformedResponse("101, which HTTP/2 does not have (RFC 9113, 8.6)")
    if status < 200 and ended:
        raise MalformedResponse(f"{status} as the end of a response (RFC 9113, 8.1)")
    if len(pairs) - len(pseudo) > limits.fields:
        raise ResponseHeadersTooLarge(f"a head of more than {limits.fields} fields")
    size = length(found, ended, MalformedResponse)
    if b"content-length" in found and (status < 200 or status == 204):
        block = without(block, (b"content-length",))  # RFC 9110, 8.6: not allowed for these statuses
    response = Response(status, Fields(block), size)
    response.version = VERSION
    response.dated = b"date" in found
    return response
