"""Exemplars: the trace of one request for each bucket of a service port's durations.

Only a request that came with a sampled trace (W3C Trace Context) becomes one: the trace of any other is not kept.
"""

import re
from typing import NamedTuple

from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.trace_context import TRACEPARENT, usual_parent

EXEMPLAR_S = 1.0  # at least, before a newer one takes its place: a scrape sees no more of them
# Source: W3C Trace Context, 3.2.2: the last bit of the flags is `sampled`. A later version may be longer.
_SAMPLED = re.compile(
    rb"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f][13579bdf](?:-.*)?", re.DOTALL
)


class Exemplar(NamedTuple):
    """The newest traced request of one bucket."""

    trace_id: str
    seconds: float
    at: float
    """When it ended, Unix time in seconds."""


def sampled_trace_id(fields: Fields) -> str:
    """The id of the trace in the field traceparent; "" if it is not valid or not sampled."""
    block = fields.block()
    if (usual := usual_parent(block)) is not None and block.find(TRACEPARENT, usual.end()) < 0:
        return usual[1].decode() if usual[3] in b"13" else ""
    match = _SAMPLED.fullmatch(fields.get(TRACEPARENT) or b"")
    return "" if match is None else match[1].decode()
