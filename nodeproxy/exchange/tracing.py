"""Decides which exchanges are traced, and what their requests carry on.

Head sampling: the decision of the caller counts, and the ratio decides where there is none. What is not traced goes on
with the context that it came with.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from nodeproxy.exchange.exchange import Exchange
from nodeproxy.protocol.trace_context import (
    B3,
    B3_FIELDS,
    NO_PARENT,
    STATE_LIMIT_BYTES,
    TRACEPARENT,
    TRACESTATE,
    Parent,
    context_lines,
    new_span_id,
    new_trace_id,
    parent_of,
)


class Trace(NamedTuple):
    """The place of an exchange in its trace."""

    trace_id: bytes
    span_id: bytes
    """Of the span of the exchange."""
    parent: Parent
    state: bytes
    """The value of tracestate, b"" without one."""
    bits: Callable[[int], int]

    def new_span_id(self) -> bytes:
        """The id of a new span of it."""
        return new_span_id(self.bits)

    def lines(self, span_id: bytes) -> bytes:
        """The field lines of a request that is sent within the span of this id."""
        return context_lines(self.trace_id, span_id, self.parent)


class Tracing:
    """The sampler of one worker."""

    __slots__ = ("_b3", "_random", "_ratio")

    def __init__(self, random: Random, ratio: float, b3: bool) -> None:
        """A share of `ratio` of what comes without a decision is traced. With `b3`, contexts of B3 are read too."""
        self._random = random
        self._ratio = ratio
        self._b3 = b3

    def __call__(self, exchange: Exchange) -> Trace | None:
        """The trace of `exchange`, whose head has just come; None if it is not traced.

        The context of a request that is traced is taken out of its fields: each attempt adds its own.
        """
        request = exchange.request
        parent = parent_of(request.fields, request.traced, self._b3) if request.traced or self._b3 else NO_PARENT
        sampled = parent.sampled
        if sampled is None:
            sampled = self._ratio > 0.0 and self._random.random() < self._ratio
        if not sampled:
            if parent.b3 and parent.trace_id and parent.sampled is False and not request.traced:
                exchange.added += context_lines(parent.trace_id, parent.span_id, parent, sampled=False)
                _take_out(exchange, parent)
            return None
        bits = self._random.getrandbits
        state = b""
        if parent.trace_id and request.traced:
            state = (request.fields.get(TRACESTATE) or b"")[:STATE_LIMIT_BYTES]
        _take_out(exchange, parent)
        return Trace(parent.trace_id or new_trace_id(bits), new_span_id(bits), parent, state, bits)


def _take_out(exchange: Exchange, parent: Parent) -> None:
    request = exchange.request
    if request.traced:
        request.fields.remove(TRACEPARENT)
    if not (parent.trace_id and request.traced):
        request.fields.remove(TRACESTATE)  # it belongs to a traceparent; here there is none, or none that is valid
    if parent.b3:
        for name in (B3, *B3_FIELDS):
            request.fields.remove(name)
