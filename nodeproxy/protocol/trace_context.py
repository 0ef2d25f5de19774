"""Trace contexts as requests carry them: W3C Trace Context and B3, read and written.

A context that is not valid counts as absent: the trace begins anew. Nothing is repaired.
Source: W3C Trace Context, 2.2 and 3.2 (traceparent); openzipkin/b3-propagation (b3 and x-b3-*).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from nodeproxy.protocol.fields import Fields

TRACEPARENT, TRACESTATE, B3 = b"traceparent", b"tracestate", b"b3"
B3_FIELDS = (b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags")
STATE_LIMIT_BYTES = 512  # W3C Trace Context, 3.3.1.5: at least so much is to be passed on; a span keeps no more
IDS_BYTES = 4096  # made at once: those of 128 requests that begin a trace
_SAMPLED, _RANDOM = 1, 2
_USUAL_START = b"traceparent: 00-"
_USUAL = re.compile(_USUAL_START + rb"(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-0([0-3])\r\n")
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16
# W3C Trace Context, 2.2.4: a higher version may be longer, and begins alike.
_PARENT = re.compile(rb"(?!ff)(?:00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})|"
                     rb"(?!00)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?)")  # fmt: skip
_B3 = re.compile(rb"([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-([01d]))?(?:-[0-9a-f]{16})?", re.IGNORECASE)
_TRACE_ID = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{16}", re.IGNORECASE)
_SPAN_ID = re.compile(rb"[0-9a-f]{16}", re.IGNORECASE)
_DECISIONS = {b"0": False, b"1": True, b"d": True, b"D": True, b"false": False, b"true": True}


class Parent(NamedTuple):
    """The context that a request came with; ids are in lower-case hexadecimal digits."""

    trace_id: bytes
    """b"" where there is only a decision (B3)."""
    span_id: bytes
    sampled: bool | None
    """None: the sender leaves the decision to others (B3)."""
    flags: int = 0
    """Those of traceparent that are passed on as they are."""
    b3: bytes = b""
    """The form of B3 that it came in, beside or instead of traceparent: `b3` or `x-b3`."""


NO_PARENT = Parent(b"", b"", None)


def parent_of(fields: Fields, traced: bool, b3: bool) -> Parent:
    """The context of a request with these fields; `traced` is whether traceparent is among them.

    With `b3`, B3 is read too; traceparent has precedence over it.
    """
    other = _b3_of(fields) if b3 and has_b3(fields.block().lower()) else NO_PARENT
    if traced:
        found = parse_traceparent(fields.only(TRACEPARENT) or b"")
        if found is not None:
            return found._replace(b3=other.b3) if other.b3 else found
    return other


def usual_parent(block: bytes) -> re.Match[bytes] | None:
    """The line traceparent in these field lines as almost all clients write it; None for everything else.

    Its groups are trace id, span id and the last digit of the flags. It says yes only where `parse_traceparent` does,
    at a third of the cost.
    """
    at = block.find(_USUAL_START)
    return _USUAL.match(block, at) if at == 0 or (at > 0 and block[at - 1] == 10) else None


def has_b3(lines: bytes) -> bool:
    """Whether there may be a field of B3 in these field lines, in lower case: if not, there is none."""
    return b"b3" in lines and (b"b3:" in lines or b"x-b3-" in lines)


def parse_traceparent(value: bytes) -> Parent | None:
    """The context in a field traceparent; None if it is not valid."""
    match = _PARENT.fullmatch(value)
    if match is None:
        return None
    trace_id, span_id, flags = (match[1], match[2], match[3]) if match[1] else (match[4], match[5], match[6])
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    bits = int(flags, 16)
    return Parent(trace_id, span_id, bool(bits & _SAMPLED), bits & _RANDOM)


def _b3_of(fields: Fields) -> Parent:
    found = {name: value for name, value in fields.pairs() if name == B3 or name in B3_FIELDS}
    if (single := found.get(B3)) is not None:
        if single in _DECISIONS:
            return Parent(b"", b"", _DECISIONS[single], b3=B3)
        if (match := _B3.fullmatch(single)) is not None:
            return _b3(match[1], match[2], _DECISIONS.get(match[3] or b""), B3)
    sampled = True if found.get(B3_FIELDS[4]) == b"1" else _DECISIONS.get(found.get(B3_FIELDS[3], b"").lower())
    trace_id, span_id = found.get(B3_FIELDS[0], b""), found.get(B3_FIELDS[1], b"")
    if _TRACE_ID.fullmatch(trace_id) and _SPAN_ID.fullmatch(span_id):
        return _b3(trace_id, span_id, sampled, b"x-b3")
    return NO_PARENT if sampled is None else Parent(b"", b"", sampled, b3=b"x-b3")


def _b3(trace_id: bytes, span_id: bytes, sampled: bool | None, form: bytes) -> Parent:
    if not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return NO_PARENT if sampled is None else Parent(b"", b"", sampled, b3=form)
    return Parent(trace_id.lower().rjust(32, b"0"), span_id.lower(), sampled, b3=form)


class Ids:
    """Random ids of traces and spans, made hundreds at a time: each costs a slice."""

    __slots__ = ("_at", "_digits", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        """`random_bytes(n)` returns so many, as `random.randbytes`."""
        self._random_bytes = random_bytes
        self._digits = b""
        self._at = 0

    def take(self, digits: int) -> bytes:
        """So many hexadecimal digits that are not all zero, at least 16: an id, or several."""
        end = self._at + digits
        if end > len(self._digits):
            self._digits = self._random_bytes(IDS_BYTES).hex().encode()
            while _NO_SPAN in self._digits:  # zero is not valid
                self._digits = self._random_bytes(IDS_BYTES).hex().encode()
            end = digits
        self._at = end
        return self._digits[end - digits : end]


def context_lines(trace_id: bytes, span_id: bytes, parent: Parent, sampled: bool = True) -> bytes:
    """The field lines that make the span of this id the parent of what the endpoint does.

    W3C always, and B3 in the form in which it came from `parent`.
    """
    lines = b"traceparent: 00-%b-%b-%02x\r\n" % (trace_id, span_id, parent.flags | sampled)
    if not parent.b3:
        return lines
    if parent.b3 == B3:
        return b"%bb3: %b-%b-%d\r\n" % (lines, trace_id, span_id, sampled)
    return b"%bX-B3-TraceId: %b\r\nX-B3-SpanId: %b\r\nX-B3-Sampled: %d\r\n" % (lines, trace_id, span_id, sampled)
