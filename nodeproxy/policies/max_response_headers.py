"""`maxResponseHeaders`: how large the header fields of an endpoint's response may be."""

from typing import Annotated

from pydantic import Field

from nodeproxy.exchange.exchange import Handler, Tools
from nodeproxy.policies.block import Bytes, Policy, PolicySettings
from nodeproxy.policies.bounds import ResponseHeads


class MaxResponseHeadersSettings(PolicySettings):
    """A response with larger header fields is given up, and the client gets 502 `response-headers-too-large`.

    For clients that fail on large heads: many HTTP libraries read 8 to 16 KiB.
    """

    limit_bytes: Annotated[Bytes, Field(ge=256, le=64 * 1024)]  # the proxy itself reads no head beyond 64 KiB
    """The size of all header field lines that go on to the client: bytes, or a size such as 16Ki."""


def wrap(settings: MaxResponseHeadersSettings, inner: Handler, tools: Tools, _state: object = None) -> Handler:
    """`inner` with its responses' fields bounded."""
    return ResponseHeads(settings.limit_bytes, inner, tools.decisions)


POLICY: Policy = Policy(
    "maxResponseHeaders",
    MaxResponseHeadersSettings,
    wrap,
    outcomes={"rejected": "an endpoint's response was given up: its header fields are too large"},
)
