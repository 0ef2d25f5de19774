"""`maxRequestBody`: how large a request body may be."""

from typing import Annotated

from pydantic import Field

from nodeproxy.errors import BodyTooLarge
from nodeproxy.exchange.exchange import Exchange, Tools
from nodeproxy.policies.block import Bytes, Policy, PolicySettings
from nodeproxy.policies.bounds import BodyBound, BoundedBody, too_large
from nodeproxy.protocol.errors_as_responses import error_response
from nodeproxy.protocol.message import UNKNOWN, Response


class MaxRequestBodySettings(PolicySettings):
    """A request with a larger body is answered with 413, by its Content-Length before any byte of it is read."""

    limit_bytes: Annotated[Bytes, Field(le=2**40)]
    """The largest body that is sent to an endpoint: bytes, or a size such as 64Ki or 1Mi. 0 allows no body.

    nginx's client_max_body_size, which is 1m there; there is no default here.
    """


def state(settings: MaxRequestBodySettings, _before: BodyBound | None, tools: Tools) -> BodyBound:
    """The bound; there is nothing to remember."""
    return BodyBound(settings.limit_bytes, tools.decisions)


def on_request(exchange: Exchange, bound: BodyBound) -> Response | None:
    """413 for a body whose length is known and too large; nothing has been sent, and no 100 (Continue).

    Source: RFC 9110, 10.1.1 (a final status in place of 100) and 15.5.14.
    """
    length = exchange.request.length
    if length > bound.limit_bytes:
        return error_response(BodyTooLarge(too_large(length, bound.limit_bytes)))
    if length == UNKNOWN:
        exchange.body = BoundedBody(exchange.body, bound)
    return None


POLICY = Policy(
    "maxRequestBody",
    MaxRequestBodySettings,
    state=state,
    on_request=on_request,
    outcomes={
        "rejected": "answered with 413: the declared body is too large",
        "cut-off": "a body of undeclared length grew too large: 413 unless the response had begun, connections closed",
    },
)
