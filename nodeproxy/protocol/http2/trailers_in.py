"""Makes trailers of decoded fields. Source: RFC 9113, 8.1; RFC 9110, 6.5."""

from collections.abc import Sequence

from nodeproxy.protocol.http1 import grammar
from nodeproxy.protocol.http1.framing import TRAILER_BYTES
from nodeproxy.protocol.http2.fields_in import Malformed, sort
from nodeproxy.protocol.http2.frames import Trailers
from nodeproxy.protocol.http2.hpack.static_table import Pair


def read_trailers(pairs: Sequence[Pair], error: Malformed) -> Trailers:
    """The trailers of decoded fields.

    Raises:
        MalformedRequest, MalformedResponse: `error`, if they are too long, or not allowed behind a body.
    """
    lines = sort(pairs, (), (), error).block
    if len(lines) > TRAILER_BYTES or grammar.NO_TRAILER.search(lines):
        raise error("trailer fields that are too long, or not allowed behind a body")
    return Trailers(lines)
