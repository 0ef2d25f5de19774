"""Whatever comes in, never more than one well-formed request per client request goes out, and the worker lives."""

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeproxy.errors import ConnectionLost
from nodeproxy.io.task import Cancelled
from tests.fakes.strict import requests_in
from tests.fakes.world import World

CORPUS = (
    b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
    b"GET http://web.shop.mesh/abs HTTP/1.1\r\nHost: other\r\nConnection: x-one, keep-alive\r\nX-One: 1\r\n\r\n",
    b"\r\nHEAD /h HTTP/1.1\r\nHost: web.shop.mesh\r\nExpect: 100-continue\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: web.shop.mesh\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
    b"GET /old HTTP/1.0\r\nHost: web.shop.mesh\r\nConnection: keep-alive\r\n\r\n",
)
HOSTILE = (
    b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n/evil",
    b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: web.shop.mesh\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcGET /evil HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nContent-Length : 5\r\n\r\nhello",
    b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\n X: folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: content-length, host\r\nContent-Length: 3\r\n\r\nabc",
)


async def play(world, pieces, log):
    """Send `pieces`, one after the other, end, and collect what the endpoint received and the client was told."""
    endpoint = world.endpoint()
    world.serve(endpoint, policies={"retries": {"attempts": 0}})
    client = await world.client()

    async def serve_all():
        while True:
            world.reactor.current.start(answer(await endpoint.accept()))

    async def answer(peer):
        index = len(log)
        log.append(b"")
        with suppress(ConnectionLost):  # the mesh may hang up on what it has to give up
            while data := await peer.channel.recv():
                log[index] += data
                if log[index].endswith((b"\r\n\r\n", b"hello", b"abc")):
                    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.close()

    server = world.reactor.spawn(serve_all())
    for piece in pieces:
        await client.send(piece)
        await world.settle(4)
    client.channel.half_close()
    for _ in range(12):
        await world.settle(4)
        world.advance(3)  # every deadline of the mesh's own is reached
    answered = await client.rest()
    server.cancel()
    await server.join()
    return answered


def check(pieces):
    log = []
    with World() as world:
        answered = []

        async def scenario():
            answered.append(await play(world, pieces, log))

        world.run(scenario())
        world.bugs = [bug for bug in world.bugs if not isinstance(bug, Cancelled)]
        asked = [request for received in log for request in requests_in(received)]
        assert not any(b"/evil" in request for request in asked)
        assert not world.stats.bugs
        return asked, answered[0]


@pytest.mark.parametrize("request_bytes", CORPUS)
def test_every_split_of_a_request_gives_the_same_request(request_bytes):
    whole, _ = check([request_bytes])
    assert len(whole) == 1

    for end in range(1, len(request_bytes), 3):
        split, _ = check([request_bytes[:end], request_bytes[end:]])

        assert [without_trace(r) for r in split] == [without_trace(r) for r in whole], end


@pytest.mark.parametrize("request_bytes", CORPUS)
def test_a_prefix_of_a_request_is_at_most_one_request(request_bytes):
    for end in range(0, len(request_bytes), 3):
        asked, _ = check([request_bytes[:end]])

        assert len(asked) <= 1


@pytest.mark.parametrize("request_bytes", HOSTILE)
def test_a_smuggled_request_goes_nowhere(request_bytes):
    asked, answered = check([request_bytes])

    assert len(asked) <= 1
    assert len(re.findall(rb"HTTP/1\.1 [2-5]\d\d ", answered)) == 1


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(
    messages=st.lists(st.sampled_from(CORPUS + HOSTILE), min_size=1, max_size=3),
    where=st.floats(0, 1),
    change=st.sampled_from((b"", b"\r", b"\n", b"\0", b" ", b":", b"\r\n\r\n", b"0", b"\t", b"\xff", b";", b"-1")),
    cut=st.integers(0, 3),
)
def test_a_mutated_stream_is_never_more_requests_than_were_sent(messages, where, change, cut):
    stream = b"".join(messages)
    at = int(where * len(stream))

    asked, _ = check([stream[:at] + change + stream[at + cut :]])

    assert len(asked) <= len(messages) + (b"\r\n\r\n" in change)


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=400))
def test_random_bytes_are_answered_or_dropped(data):
    asked, answered = check([data])

    assert not asked
    assert answered == b"" or answered.startswith(b"HTTP/1.1 ")


def without_trace(request):
    return re.sub(rb"traceparent: [^\r]*", b"", request)
