"""Decides which exchanges are traced, and what their requests carry on.

Head sampling: the decision of the caller counts, and the ratio decides where there is none. What is not traced goes on
with the context that it came with.
"""

from random import Random
from re import Match

from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.message import Request
from nodeproxy.protocol.trace_context import (
    B3,
    B3_FIELDS,
    NO_PARENT,
    STATE_LIMIT_BYTES,
    TRACEPARENT,
    TRACESTATE,
    Ids,
    Parent,
    context_lines,
    has_b3,
    parent_of,
    usual_parent,
)

_SAMPLED = (b"1", b"3")  # the last digit of the flags


class Trace:
    """The place of an exchange in its trace."""

    __slots__ = ("_ids", "_next", "parent", "span_id", "state", "trace_id")

    def __init__(self, trace_id: bytes, spans: bytes, parent: Parent, state: bytes, ids: Ids) -> None:
        """`spans` are the digits of two new ids: that of the span of the exchange, and the first of `new_span_id`."""
        self.trace_id = trace_id
        self.span_id = spans[:16]
        """Of the span of the exchange."""
        self._next = spans[16:]
        self.parent = parent
        self.state = state
        """The value of tracestate, b"" without one."""
        self._ids = ids

    def new_span_id(self) -> bytes:
        """The id of a new span of it."""
        span_id, self._next = self._next, b""
        return span_id or self._ids.take(16)

    def lines(self, span_id: bytes) -> bytes:
        """The field lines of a request that is sent within the span of this id."""
        if not self.parent.b3 and not self.parent.flags:
            return b"traceparent: 00-%b-%b-01\r\n" % (self.trace_id, span_id)
        return context_lines(self.trace_id, span_id, self.parent)


class Tracing:
    """The sampler of one worker."""

    __slots__ = ("_b3", "_ids", "_random", "_ratio")

    def __init__(self, random: Random, ratio: float, b3: bool) -> None:
        """A share of `ratio` of what comes without a decision is traced. With `b3`, contexts of B3 are read too."""
        self._random = random.random
        self._ids = Ids(random.randbytes)
        self._ratio = ratio
        self._b3 = b3

    def __call__(self, exchange: Exchange) -> Trace | None:
        """The trace of `exchange`, whose head has just come; None if it is not traced.

        The context of a request that is traced is taken out of its fields: each attempt adds its own.
        """
        request = exchange.request
        block = request.fields.block()
        if request.traced:
            if (usual := usual_parent(block)) is not None:
                return self._continued(exchange, block, usual) if usual[3] in _SAMPLED else None
            return self._unusual(exchange)
        lines = block.lower()
        if self._b3 and has_b3(lines):
            return self._unusual(exchange)
        if self._random() >= self._ratio:
            return None
        if TRACESTATE in lines:
            request.fields.remove(TRACESTATE)  # it belongs to a traceparent, and there is none
        return self._begun(NO_PARENT)

    def _begun(self, parent: Parent) -> Trace:
        digits = self._ids.take(64)
        return Trace(digits[:32], digits[32:], parent, b"", self._ids)

    def _continued(self, exchange: Exchange, block: bytes, usual: Match[bytes]) -> Trace | None:
        """The trace of a sampled request, without a walk over its fields."""
        lines, fields = block.lower(), exchange.request.fields
        if lines.count(TRACEPARENT) > 1 or (self._b3 and has_b3(lines)):
            return self._unusual(exchange)
        fields.cut(*usual.span())
        state = (fields.get(TRACESTATE) or b"")[:STATE_LIMIT_BYTES] if TRACESTATE in lines else b""
        trace_id, span_id, flags = usual.groups()
        parent = Parent(trace_id, span_id, True, 2 if flags == b"3" else 0)
        return Trace(trace_id, self._ids.take(32), parent, state, self._ids)

    def _unusual(self, exchange: Exchange) -> Trace | None:
        """The trace of a request whose context takes a walk over its fields."""
        request = exchange.request
        parent = parent_of(request.fields, request.traced, self._b3)
        sampled = parent.sampled
        if sampled is None:
            sampled = self._random() < self._ratio  # below 1
        if not sampled:
            if parent.b3 and parent.trace_id and parent.sampled is False and not request.traced:
                exchange.added += context_lines(parent.trace_id, parent.span_id, parent, sampled=False)
                _take_out(request, parent)
            return None
        state = _take_out(request, parent)
        if not parent.trace_id:
            return self._begun(parent)
        return Trace(parent.trace_id, self._ids.take(32), parent, state, self._ids)


def _take_out(request: Request, parent: Parent) -> bytes:
    """Remove the context from the fields of `request`; returns the value of tracestate, which stays if it counts."""
    fields, state = request.fields, b""
    if request.traced and not fields.drop_only(TRACEPARENT):
        fields.remove(TRACEPARENT)
    if fields.mentions(TRACESTATE):
        if parent.trace_id and request.traced:
            state = (fields.get(TRACESTATE) or b"")[:STATE_LIMIT_BYTES]
        else:
            fields.remove(TRACESTATE)  # it belongs to a traceparent, and there is none, or none that is valid
    if parent.b3:
        for name in (B3, *B3_FIELDS):
            fields.remove(name)
    return state
