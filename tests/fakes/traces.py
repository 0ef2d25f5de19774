"""Traced exchanges of a world, and what of a trace is in a request that an endpoint has received."""

import random
import re

import msgspec

from nodeproxy.exchange.sampling import Sampler
from nodeproxy.exchange.tracing import Tracing
from nodeproxy.mesh.samples import ExchangeSample, encoded

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
SAMPLED = b"traceparent: 00-%b-%b-01\r\n" % (TRACE, SPAN)
NOT_SAMPLED = SAMPLED.replace(b"-01\r", b"-00\r")
_PARENT = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r\n")


def get(*lines):
    """A GET with these field lines."""
    return b"GET /basket?key=1 HTTP/1.1\r\nHost: web.shop.mesh\r\n%b\r\n" % b"".join(lines)


def arrived(row):
    """A sample as the control process has it."""
    return msgspec.json.decode(encoded(row), type=ExchangeSample)


def traced(world, ratio=1.0, b3=True):
    """Trace the requests of `world`; returns the list that gets their samples."""
    samples = []
    sampler = Sampler(lambda row: samples.append(arrived(row)), lambda: 1.7e9)
    world.plane.recorder.trace(Tracing(random.Random(5), ratio, b3), sampler)
    return samples


def context_in(head):
    """Trace id, parent id and flags of the one traceparent in `head`; None without one."""
    found = _PARENT.findall(head)
    assert len(found) <= 1, head
    return found[0] if found else None
