"""The compiled twin is the Python scanner, faster: same results, same refusals, on whatever comes."""

import gc
import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.errors import ProxyError
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http1.request_head import RequestHead, scan_request
from nodeproxy.protocol.http1.response_head import ResponseHead, scan_response
from nodeproxy.protocol.message import Request, Response
from tests.fakes.builds import OUT_OF_MEMORY, counted_types
from tests.fakes.heads import flat
from tests.protocol.test_request_refusals import MALFORMED

compiled = pytest.importorskip("nodeproxy.protocol.http1.twin", reason="the compiled twin was not built")
twin = flat(compiled.scan_request, compiled.scan_response)
python = flat(scan_request, scan_response)

LIMITS = (HeadLimits(), HeadLimits(head_bytes=120, fields=4, line_bytes=40))
TOKENS = (
    b"GET ", b"POST ", b"OPTIONS ", b"CONNECT ", b"/", b"*", b"http://a.b.mesh", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 404 \r\n", b"Host: a.b.mesh\r\n", b"Content-Length: 5\r\n",
    b"content-length:05 \r\n",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close, x-a\r\n", b"X-A: 1\r\n", b"x_forwarded_for: 1\r\n",
    b"X-Real-IP:\t1\r\n", b"Expect: 100-continue\r\n", b"traceparent: 00-1\r\n", b"x-mesh-service: a.b\r\n",
    b"TE: x\r\n", b"TE: trailers\r\nConnection: te\r\n", b"TRACE ", b"Max-Forwards: 2\r\n", b"HTTP/1.1 426\r\n",
    b"Upgrade: a\r\n", b"Connection: upgrade\r\n", b"HTTP/1.1 101\r\n", b"date: d\r\n", b"tracestate: a\r\n",
    b"Keep-Alive: 1\r\n", b"X: y\r\n", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\x7f", b"\x80", b"[", b"a",
)  # fmt: skip
CORPUS = (
    *MALFORMED.values(),
    b"GET / HTTP/1.1\r\nHost: a.b.mesh\r\nA: 1\r\n\r\nGET",
    b"POST http://x/p?q HTTP/1.1\r\nX-A: 1\r\nHost: a\r\nConnection: x-a , close\r\nContent-Length: 3\r\n\r\nabc",
    b"PUT / HTTP/1.0\r\nConnection: keep-alive\r\ntraceparent: x\r\nExpect: 100-continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: x\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
    b"HTTP/1.0 304 Not Modified\r\nServer: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nmax-forwards: 3\r\nTE: trailers\r\nConnection: te, x\r\ntraceparent: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, a/1, b\r\n\r\n",
    b"HTTP/1.1 101 x\r\nUpgrade: a/1\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 426\r\nUpgrade: h2c\r\nDate: d\r\nConnection: upgrade, a\r\nA: 1\r\n\r\n",
)


def outcome(scan_one, data, limits):
    try:
        return scan_one(data, limits)
    except ProxyError as error:
        return type(error), str(error)


def assert_same(data):
    for limits in LIMITS:
        for name in ("scan_request", "scan_response"):
            ours, theirs = (outcome(getattr(scanner, name), data, limits) for scanner in (twin, python))
            assert ours == theirs
            if ours is not None:
                assert [type(item) for item in ours] == [type(item) for item in theirs]  # 1 == True


@pytest.mark.parametrize(
    "limits", [HeadLimits(-1), HeadLimits(fields=-1), HeadLimits(line_bytes=2**80), HeadLimits(0, 0)]
)
def test_with_limits_out_of_the_ordinary(limits):
    for data in (b"", *CORPUS):
        assert outcome(twin.scan_request, data, limits) == outcome(python.scan_request, data, limits)
        assert outcome(twin.scan_response, data, limits) == outcome(python.scan_response, data, limits)


@pytest.mark.parametrize("arguments", [(), (b"",), (b"", None), ("", LIMITS[0]), (b"", LIMITS[0], 1)])
def test_what_it_is_not_meant_for_is_an_error_as_in_python(arguments):
    with pytest.raises((TypeError, AttributeError)):
        twin.scan_request(*arguments)


def test_on_every_beginning_of_the_corpus():
    for received in CORPUS:
        for size in range(len(received) + 1):
            assert_same(received[:size])


def test_on_mutations_of_the_corpus():
    chance = random.Random(20)
    for _ in range(20_000):
        received = bytearray(chance.choice(CORPUS))
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(received))
            received[at : at + chance.randint(0, 3)] = chance.choice(
                (b"", bytes([chance.randrange(256)]), b"\r\n", b": ")
            )
            received = received or bytearray(b"x")
        assert_same(bytes(received))


@settings(max_examples=2000)
@given(st.lists(st.sampled_from(TOKENS), max_size=16).map(b"".join))
def test_on_heads_of_chance(data):
    assert_same(data)
    assert_same(data + b"\r\n\r\n")


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_on_bytes_of_chance(data):
    assert_same(data)


REQUEST = b"POST /p HTTP/1.1\r\nHost: a.b.mesh\r\nX-Real-IP: 1\r\nContent-Length: 300000\r\nA: %b\r\n\r\n" % (
    b"x" * 600
)
RESPONSE = b"HTTP/1.1 200 Fine\r\nKeep-Alive: 1\r\nContent-Length: 300000\r\nA: %b\r\n\r\n" % (b"x" * 600)
SCANS = {
    "request": lambda: compiled.scan_request(REQUEST, LIMITS[0]),
    "response": lambda: compiled.scan_response(RESPONSE, LIMITS[0]),
    "chunks": lambda: compiled.plain_chunks(b"12c\r\n%b\r\n" % (b"x" * 300) * 3, 0, 9),
}
# What its objects refer to and others too: their types, and the values that they share.
SHARED = (*counted_types(Request, Response, Fields), RequestHead, ResponseHead, *(
    getattr(message, name)
    for message, names in (
        (SCANS["request"]().request, ("scheme", "version", "service")), (SCANS["response"]().response, ("reason",)),
    )
    for name in names
))  # fmt: skip


def references():
    gc.collect()
    return [sys.getrefcount(value) for value in SHARED]


@pytest.mark.parametrize("scan_one", SCANS.values(), ids=SCANS)
def test_what_it_makes_is_freed_with_its_last_reference(scan_one):
    for _ in range(100):
        scan_one()
    before, blocks = references(), sys.getallocatedblocks()

    for _ in range(2000):
        scan_one()

    assert references() == before
    assert sys.getallocatedblocks() - blocks < 200


@pytest.mark.parametrize("scan_one", SCANS.values(), ids=SCANS)
def test_memory_that_fails_at_any_step_is_an_error_and_nothing_is_left(scan_one):
    testcapi = pytest.importorskip("_testcapi", reason="this Python was built without its test modules")
    scan_one()
    before, failures = references(), 0

    for step in range(40):
        testcapi.set_nomemory(step, step + 1)
        try:
            made = scan_one()
        except OUT_OF_MEMORY:
            made = None
            failures += 1
        finally:
            testcapi.remove_mem_hooks()

    del made
    assert failures
    assert references() == before


def test_what_it_makes_is_seen_by_the_collector():
    request, response = SCANS["request"]().request, SCANS["response"]().response

    assert all(map(gc.is_tracked, (request, request.fields, response, response.fields)))
