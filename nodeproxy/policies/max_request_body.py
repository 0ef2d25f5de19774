"""`maxRequestBody`: how large a request body may be."""

from typing import Annotated

from pydantic import Field

from nodeproxy.exchange.exchange import Tools
from nodeproxy.policies.block import Bytes, Policy, PolicySettings
from nodeproxy.policies.bounds import BodyBound, bounded


class MaxRequestBodySettings(PolicySettings):
    """A request with a larger body is answered with 413, by its Content-Length before any byte of it is read."""

    limit_bytes: Annotated[Bytes, Field(le=2**40)]
    """The largest body that is sent to an endpoint: bytes, or a size such as 64Ki or 1Mi. 0 allows no body.

    nginx's client_max_body_size, which is 1m there; there is no default here.
    """


def state(settings: MaxRequestBodySettings, _before: BodyBound | None, tools: Tools) -> BodyBound:
    """The bound; there is nothing to remember."""
    return BodyBound(settings.limit_bytes, tools.decisions)


POLICY: Policy = Policy(
    "maxRequestBody",
    MaxRequestBodySettings,
    state=state,
    on_request=bounded,
    outcomes={
        "rejected": "answered with 413: the declared body is too large",
        "cut-off": "a body of undeclared length grew too large: 413 unless the response had begun, connections closed",
    },
)
