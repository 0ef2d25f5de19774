"""Whatever a client sends over HTTP/2, at most one well-formed request per stream reaches an endpoint, what is held for
the client is bounded, and the worker and its other clients go on.
"""

import socket

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.errors import ConnectionLost
from nodeproxy.protocol.http2.codes import PREFACE
from nodeproxy.protocol.http2.limits import ANSWERS_BYTES, HTTP2_LIMITS, OVERHEAD_BYTES, UNSENT_BYTES
from tests.fakes.http2 import REQUEST, http2_accept, http2_client, meanwhile, request
from tests.fakes.strict import requests_in
from tests.fakes.world import World

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 1, 3, 5, 6, 7, 8, 9, 11


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def number(value):
    return value.to_bytes(4, "big")


def head(stream, fields=REQUEST, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, Encoder().encode(fields, huffman=False))


class Raw:
    """A client that sends bytes, and notes the frames that come."""

    def __init__(self, peer):
        self.peer = peer
        self.frames = []
        self.over = False
        self._rest = b""

    async def send(self, *frames):
        """Send frames; those that come meanwhile are noted."""
        meanwhile(self.peer.world, self.peer.send(b"".join(frames)))
        await self.settle()

    async def settle(self, turns=30):
        for _ in range(turns):
            await self.peer.world.reactor.rest()
            while not self.over and self.peer.channel.has_input():
                await self._read()

    async def _read(self):
        try:
            data = await self.peer.channel.recv()
        except ConnectionLost:
            data = b""
        self.over = not data
        self._rest += data
        while len(self._rest) >= 9 + (size := int.from_bytes(self._rest[:3], "big")):
            whole, self._rest = self._rest[: 9 + size], self._rest[9 + size :]
            self.frames.append((whole[3], int.from_bytes(whole[5:9], "big"), whole[9:]))

    def of(self, kind):
        return [(stream, payload) for each, stream, payload in self.frames if each == kind]

    @property
    def why(self):
        """The texts of the mesh's GOAWAY."""
        return [payload[8:] for _, payload in self.of(GOAWAY)]

    @property
    def goaway(self):
        """The error code with which the mesh ends the connection; None if it has not."""
        codes = [int.from_bytes(payload[4:8], "big") for _, payload in self.of(GOAWAY)]
        return codes[0] if codes else None

    @property
    def resets(self):
        return [(stream, int.from_bytes(payload, "big")) for stream, payload in self.of(RST)]


@pytest.fixture
def endpoint(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    return endpoint


@pytest.fixture
def world():
    """As everywhere; in the end its bugs are looked at, and another client is served."""
    with World() as world:
        yield world
        if world.plane.live.table:
            world.run(another_is_served(world))
        assert world.stats.bugs == 0


async def another_is_served(world):
    endpoint = world.endpoint()
    world.serve(endpoint)
    client = await http2_client(world)
    stream = await client.request()
    served = await endpoint.accept()
    await served.head()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert (await client.response(stream))[2] == b"ok"


async def hostile(world):
    raw = Raw(await world.client())
    await raw.send(PREFACE, frame(SETTINGS, 0, 0), frame(WINDOW, 0, 0, number(1 << 30)))
    raw.frames.clear()
    return raw


def held(world):
    """Bytes that the worker holds for its HTTP/2 clients."""
    links = [connection._link for connection in world.connections.open if hasattr(connection, "_link")]
    return sum(
        link.outbox.size + len(link._reader._held)
        + sum(sum(map(len, stream.pieces)) for stream in link.streams.values())
        for link in links
    )  # fmt: skip


async def test_rapid_reset_ends_the_connection(world, endpoint):
    """CVE-2023-44487."""
    raw = await hostile(world)
    streams = range(1, 4001, 2)
    for at in range(0, len(streams), 50):
        await raw.send(*[head(each) + frame(RST, 0, each, number(CANCEL)) for each in streams[at : at + 50]])
        if raw.over:
            break

    assert raw.goaway == CALM
    assert len(world.log) <= HTTP2_LIMITS.quick_resets + 51
    assert raw.over and world.stats.http2_floods == 1


async def test_a_client_that_gives_up_some_of_its_requests_is_not_ended(world, endpoint):
    raw = await hostile(world)
    unknown = request()
    unknown[3] = (b":authority", b"nobody.shop.mesh")
    for each in range(1, 3000, 6):
        await raw.send(
            head(each), frame(RST, 0, each, number(CANCEL)), head(each + 2, unknown), head(each + 4, unknown)
        )

    assert raw.goaway is None, raw.why


@pytest.mark.parametrize("provoked", [
    lambda stream: frame(WINDOW, 0, stream, number(0)),
    lambda stream: frame(WINDOW, 0, stream, number(2**31 - 1)),
    lambda stream: frame(DATA, 0, stream, b"behind the end"),
    lambda stream: head(stream),
    lambda stream: frame(PRIORITY, 0, stream, number(stream) + b"\0"),
], ids=["window by 0", "window overflow", "data behind the end", "head twice", "depends on itself"])  # fmt: skip
async def test_resets_that_a_client_provokes_end_the_connection(world, endpoint, provoked):
    """MadeYouReset, CVE-2025-8671."""
    raw = await hostile(world)
    for at in range(1, 4001, 100):
        await raw.send(*[head(each) + provoked(each) for each in range(at, at + 100, 2)])
        if raw.over:
            break

    assert raw.goaway == CALM
    assert len(world.log) <= HTTP2_LIMITS.quick_resets + 51


async def test_malformed_requests_without_end_end_the_connection(world, endpoint):
    raw = await hostile(world)
    for at in range(1, 4001, 100):
        await raw.send(*[head(each, [(b"x", b"no pseudo-fields")]) for each in range(at, at + 100, 2)])
        if raw.over:
            break

    assert raw.goaway == CALM and endpoint.nobody_came()


async def test_a_continuation_flood_ends_the_connection(world, endpoint):
    """CVE-2024-27316."""
    raw = await hostile(world)
    await raw.send(frame(HEADERS, 0, 1), *[frame(CONTINUATION, 0, 1)] * 1000)

    assert raw.goaway == CALM and endpoint.nobody_came()


async def test_a_header_block_without_end_is_bounded(world, endpoint):
    raw = await hostile(world)
    block = b"\0\1a\x7f\xf9\x1e" + b"x" * 4088  # a literal of 4 kB
    await raw.send(frame(HEADERS, 0, 1, block), *[frame(CONTINUATION, 0, 1, block * 3)] * 50)

    assert raw.goaway == CALM and held(world) < 200_000


async def test_a_head_that_is_too_large_is_answered_and_the_connection_lives(world, endpoint):
    raw = await hostile(world)
    large = [*REQUEST, *[(b"x-%d" % each, b"v" * 1000) for each in range(70)]]
    block = Encoder().encode(large, huffman=False)
    pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    await raw.send(
        frame(HEADERS, END_STREAM, 1, pieces[0]),
        *[frame(CONTINUATION, 0, 1, piece) for piece in pieces[1:-1]],
        frame(CONTINUATION, END_HEADERS, 1, pieces[-1]),
    )

    assert raw.goaway is None and b"431" in raw.of(HEADERS)[0][1]
    assert endpoint.nobody_came()


async def test_a_header_bomb_ends_the_connection(world, endpoint):
    """A table entry of 4 kB, and a thousand references to it of one byte."""
    raw = await hostile(world)
    entry = b"\x40\1a\x7f\x81\x1e" + b"x" * 3968
    await raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, entry + b"\xbe" * 10_000))

    assert raw.goaway == CALM and endpoint.nobody_came()


FLOODS = {
    "PING": frame(PING, 0, 0, b"12345678"),
    "PING ACK": frame(PING, 1, 0, b"12345678"),
    "SETTINGS": frame(SETTINGS, 0, 0),
    "SETTINGS with values": frame(SETTINGS, 0, 0, b"\0\4\0\0\1\0" * 30),
    "SETTINGS ACK": frame(SETTINGS, 1, 0),
    "PRIORITY": frame(PRIORITY, 0, 5, number(3) + b"\0"),
    "empty DATA": frame(DATA, 0, 1),
    "padded DATA": frame(DATA, PADDED, 1, b"\7" + bytes(7)),
    "WINDOW_UPDATE": frame(WINDOW, 0, 1, number(1)),
    "unknown": frame(99, 0, 1, b"what"),
    "GOAWAY": frame(GOAWAY, 0, 0, bytes(8)),
    "RST_STREAM": frame(RST, 0, 1, number(CANCEL)),
}


@pytest.mark.parametrize(
    ("flood", "reads"),
    [*((each, True) for each in FLOODS.values()), *((FLOODS[name], False) for name in ("PING", "SETTINGS", "unknown"))],
    ids=[*FLOODS, "PING not read", "SETTINGS not read", "unknown not read"],
)
async def test_a_flood_ends_the_connection(world, endpoint, flood, reads):
    """CVE-2019-9512, 9515, 9518 and their like: a little more than any honest client sends, and it is over."""
    raw = await hostile(world)
    await raw.send(head(1, request(b"PUT"), END_HEADERS))
    many = flood * (32_768 // len(flood))
    sent = 0
    while not raw.over and sent < 3 * OVERHEAD_BYTES:
        sent += len(many)
        if reads:
            await raw.send(many)
        else:
            meanwhile(world, raw.peer.send(many))
            await world.settle(2)
        assert held(world) <= UNSENT_BYTES + ANSWERS_BYTES + 500_000
        if not world.connections.open:
            break
    await raw.settle()

    assert raw.goaway in ((CALM, CLOSED) if reads else (CALM, CLOSED, None))
    await world.settle()
    world.advance(5)
    await world.settle()
    assert not world.connections.open


async def test_large_heads_are_no_flood(world):
    world.serve()
    client = await http2_client(world)
    unknown = request(b"GET", b"/", (b"cookie", b"x" * 5000))
    unknown[3] = (b":authority", b"nobody.shop.mesh")
    for _ in range(250):  # 1.25 MB
        stream = await client.request(unknown)
        assert (await client.response(stream))[0] == 404


async def test_answers_that_a_client_does_not_read_are_bounded(world):
    """Responses to HEAD that the mesh makes: they end at once, so no limit of streams and no window bounds them."""
    world.serve()
    raw = Raw(await world.client())
    await raw.peer.send(PREFACE + frame(SETTINGS, 0, 0))
    await world.settle()
    (connection,) = world.connections.open
    for channel, buffer in ((raw.peer.channel, socket.SO_RCVBUF), (connection._channel, socket.SO_SNDBUF)):
        channel._sock.setsockopt(socket.SOL_SOCKET, buffer, 4096)  # the kernel takes megabytes otherwise
    unknown = request(b"HEAD")
    unknown[3] = (b":authority", b"nobody.shop.mesh")
    stream, most = 1, 0
    for _ in range(400):
        meanwhile(world, raw.peer.send(b"".join(head(each, unknown) for each in range(stream, stream + 100, 2))))
        stream += 100
        await world.settle(10)
        most = max(most, held(world))

    assert UNSENT_BYTES < most <= UNSENT_BYTES + 100_000  # it has been that many, and then no more was read
    assert connection in world.connections.open and not connection._link.streams


async def test_a_zero_window_holds_no_more_than_its_streams(world, endpoint):
    raw = Raw(await world.client())
    await raw.send(PREFACE, frame(SETTINGS, 0, 0, b"\0\4\0\0\0\0"))
    await raw.send(*[head(each) for each in range(1, 21, 2)])
    for _ in range(10):
        served = await endpoint.accept()
        await served.head()
        meanwhile(world, served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + bytes(9_999_999)))
    await raw.settle(100)

    assert held(world) < 100_000
    assert not raw.of(DATA) and raw.goaway is None
    world.advance(301)  # `timeouts.idle`: nothing moves
    await raw.settle()
    assert {stream for stream, _ in raw.resets} == set(range(1, 21, 2))


async def test_unread_uploads_are_bounded_by_their_windows(world, endpoint):
    raw = await hostile(world)
    streams = range(1, 41, 2)
    await raw.send(*[head(each, request(b"PUT"), END_HEADERS) for each in streams])
    for each in streams:
        for _ in range(4):
            await raw.send(frame(DATA, 0, each, bytes(16_000)))

    assert held(world) <= len(streams) * HTTP2_LIMITS.window_bytes
    assert raw.goaway is None
    await raw.send(*[frame(DATA, 0, 1, bytes(16_384))] * 80)
    assert raw.goaway == FLOW or (1, FLOW) in raw.resets


@pytest.mark.parametrize(("frames", "code"), [
    ([frame(DATA, 0, 1, b"x")], PROTOCOL),
    ([frame(WINDOW, 0, 1, number(1))], PROTOCOL),
    ([frame(RST, 0, 1, number(8))], PROTOCOL),
    ([frame(CONTINUATION, 4, 1, b"")], PROTOCOL),
    ([frame(PUSH, 4, 1, number(2))], PROTOCOL),
    ([head(2)], PROTOCOL),
    ([head(0)], PROTOCOL),
    ([head(3), head(1)], (CLOSED, PROTOCOL)),
    ([frame(PING, 0, 0, b"short")], SIZE),
    ([frame(SETTINGS, 0, 0, b"12345")], SIZE),
    ([frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff")], FLOW),
    ([frame(SETTINGS, 0, 0, b"\0\5\0\0\0\0")], PROTOCOL),
    ([frame(WINDOW, 0, 0, number(0))], PROTOCOL),
    ([frame(WINDOW, 0, 0, number(2**31 - 1))], FLOW),
    ([frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff")], COMPRESSION),
    ([frame(HEADERS, 5, 1, b"\x3f\xff\xff\xff\x0f")], COMPRESSION),
    ([frame(DATA, PADDED, 1, b"\5abc")], PROTOCOL),
    ([(16_385).to_bytes(3, "big") + bytes(6) + bytes(16_385)], SIZE),
])  # fmt: skip
async def test_what_no_connection_may_carry_ends_it(world, endpoint, frames, code):
    raw = await hostile(world)
    await raw.send(*frames)

    assert raw.goaway in (code if isinstance(code, tuple) else (code,))
    assert raw.over or raw.frames[-1][0] == GOAWAY
    await world.settle()
    assert [line[2] for line in world.log] == [499] * frames.count(head(3))  # the one request among them that is valid


@pytest.mark.parametrize("end", ["client", "mesh"])
async def test_frames_on_a_stream_that_is_over_disturb_no_other(world, endpoint, end):
    raw = await hostile(world)
    await raw.send(head(1, request(b"PUT"), END_HEADERS), head(3))
    first = await endpoint.accept()
    second = await endpoint.accept()
    if b"PUT" in await first.head():
        first, second = second, first
    if end == "client":
        await raw.send(frame(RST, 0, 1, number(CANCEL)))
    else:
        second.reset()  # the request of stream 1 has failed
        await raw.settle()
    await raw.send(frame(WINDOW, 0, 1, number(5)), frame(PRIORITY, 0, 1, bytes(5)))
    await raw.send(frame(DATA, 0, 1, b"late"))
    await first.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await raw.settle()

    assert raw.goaway is None
    assert (3, b"ok") in raw.of(DATA)


INJECTED = [
    (b"x-a", b"1\r\nx-b: 2"), (b"x-a", b"1\nx-b: 2"), (b"x-a", b"1\r"), (b"x-a", b"\0"), (b"x-a", b" 1"),
    (b"x-a", b"1\t"), (b"x-a\r\nx-b", b"1"), (b"x-a: 1\r\nx-b", b"1"), (b"x a", b"1"), (b"X-A", b"1"), (b"", b"1"),
    (b"transfer-encoding", b"chunked"), (b"connection", b"close"), (b"keep-alive", b"1"), (b"upgrade", b"h2c"),
    (b"proxy-connection", b"x"), (b"te", b"gzip"), (b"host", b"other.shop.mesh"), (b"content-length", b"+3"),
    (b"content-length", b"3, 3"), (b"content-length", b""), (b":path", b"/again"), (b":authority", b"x"),
    (b":status", b"200"), (b":what", b"x"), (b"content-length", b"1" * 19),
]  # fmt: skip
REPLACED = [
    (b":method", b"GET / HTTP/1.1\r\nx: y"), (b":method", b"GET /x"), (b":method", b""), (b":method", b"G\0T"),
    (b":path", b"/ HTTP/1.1\r\nhost: other\r\n\r\nGET /"), (b":path", b"/\r\nx: y"), (b":path", b"/a b"),
    (b":path", b""), (b":path", b"x"), (b":path", b"/#x"), (b":path", b"http://other/"), (b":path", b"/\xc3\xa4"),
    (b":path", b"*"), (b":scheme", b"http://x"), (b":scheme", b"file"), (b":scheme", b""),
    (b":authority", b"a\r\nx: y"), (b":authority", b"a b"), (b":authority", b"user@web.shop.mesh"),
    (b":authority", b""), (b":authority", b"web.shop.mesh/x"), (b":authority", b"web.shop.mesh:80:80"),
    (b":authority", b"a,b"),
]  # fmt: skip


@pytest.mark.parametrize("field", INJECTED, ids=repr)
async def test_no_field_becomes_another_one_in_http1(world, endpoint, field):
    raw = await hostile(world)
    await raw.send(head(1, [*REQUEST, field]))

    assert raw.resets == [(1, PROTOCOL)]
    assert raw.goaway is None and endpoint.nobody_came()


@pytest.mark.parametrize("field", REPLACED, ids=repr)
async def test_no_pseudo_field_becomes_more_than_its_part_of_the_first_line(world, endpoint, field):
    raw = await hostile(world)
    await raw.send(head(1, [field if each[0] == field[0] else each for each in REQUEST]))

    assert raw.resets == [(1, PROTOCOL)]
    assert raw.goaway is None and endpoint.nobody_came()


@pytest.mark.parametrize("trailer", [
    (b"content-length", b"3"), (b"transfer-encoding", b"chunked"), (b":path", b"/"),
    (b"x", b"1\r\n\r\nGET / HTTP/1.1"), (b"host", b"x"), (b"X", b"1"),
], ids=repr)  # fmt: skip
async def test_no_trailer_becomes_more_than_that(world, endpoint, trailer):
    raw = await hostile(world)
    await raw.send(head(1, request(b"PUT"), END_HEADERS), frame(DATA, 0, 1, b"abc"))
    await raw.send(head(1, [trailer]))

    served = await endpoint.accept()
    received = await served.rest()
    assert not received.endswith(b"0\r\n\r\n")  # the endpoint knows that it has not got the whole
    assert (1, PROTOCOL) in raw.resets and raw.goaway is None


@pytest.mark.parametrize(("said", "sent", "ended"), [(3, b"ab", True), (3, b"abcd", True), (3, b"abcd", False),
                                                     (0, b"a", True), (3, b"", True)])  # fmt: skip
async def test_a_body_of_another_length_than_announced_never_looks_complete(world, endpoint, said, sent, ended):
    raw = await hostile(world)
    await raw.send(head(1, request(b"PUT", b"/", (b"content-length", b"%d" % said)), END_HEADERS))
    await raw.send(frame(DATA, END_STREAM if ended else 0, 1, sent))

    assert (1, PROTOCOL) in raw.resets and raw.goaway is None
    served = endpoint.waiting()
    if served is not None:
        received = await served.rest()
        assert len(received.partition(b"\r\n\r\n")[2]) < max(said, 1)


@pytest.mark.parametrize("fields", [
    [(b":method", b"CONNECT"), (b":authority", b"web.shop.mesh:80")],
    [(b":method", b"CONNECT"), (b":authority", b"web.shop.mesh:80"), (b"content-length", b"30")],
], ids=["plain", "with a length"])  # fmt: skip
async def test_a_connect_with_a_body_poisons_no_connection(world, endpoint, fields):
    """Traefik's GHSA-3ccp-42pg-hgv6."""
    raw = await hostile(world)
    body = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
    await raw.send(head(1, fields, END_HEADERS), frame(DATA, END_STREAM, 1, body), head(3))

    served = await endpoint.accept()
    assert (await served.head()).startswith(b"GET / HTTP/1.1\r\n")
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await raw.settle()
    assert (3, b"ok") in raw.of(DATA) and endpoint.nobody_came() and served.received == b""


async def test_a_request_to_upgrade_to_h2c_stays_http1(world, endpoint):
    """h2csmuggler: no endpoint is asked to speak HTTP/2 behind the back of the mesh."""
    client = await world.client()
    await client.send(
        b"GET / HTTP/1.1\r\nHost: web.shop.mesh\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    served = await endpoint.accept()

    assert b"h2c" not in (head := await served.head()).lower() and b"http2-settings" not in head.lower()
    await served.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 200")


names = st.sampled_from([b":method", b":path", b":authority", b":scheme", b"host", b"content-length", b"te", b"cookie",
                         b"transfer-encoding", b"connection", b"x-forwarded-for", b"x-mesh-service", b"expect",
                         b"x\r\ny", b"X", b"x", b"trailer"])  # fmt: skip
values = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"GET", b"/", b"web.shop.mesh", b"http", b"0", b"3", b"trailers", b"chunked", b"6.6.6.6",
                     b"100-continue", b"/\r\n\r\nGET /x HTTP/1.1\r\n"]),
)  # fmt: skip
whole = st.builds(lambda extra: [*REQUEST, *extra], st.lists(st.tuples(names, values), max_size=3))
any_head = st.one_of(whole, whole, st.lists(st.tuples(names, values), max_size=6))
steps = st.one_of(
    st.tuples(st.just("head"), st.integers(1, 9), any_head, st.booleans()),
    st.tuples(st.just("data"), st.integers(1, 9), st.binary(max_size=40), st.booleans()),
    st.tuples(st.just("frame"), st.integers(0, 9), st.integers(0, 12), st.binary(max_size=12)),
)


@settings(max_examples=150)
@given(script=st.lists(steps, max_size=12))
def test_whatever_comes_the_endpoint_sees_whole_requests(script):
    with World() as world:
        world.run(play(world, script))
        assert world.stats.bugs == 0


async def play(world, script):
    endpoint = world.endpoint()
    world.serve(endpoint)
    raw = await hostile(world)
    encoder, heads = Encoder(), 0
    for kind, stream, what, last in script:
        if kind == "head":
            flags = END_HEADERS | (END_STREAM if last else 0)
            await raw.send(frame(HEADERS, flags, stream, encoder.encode(what, huffman=last)))
            heads += 1
        elif kind == "data":
            await raw.send(frame(DATA, END_STREAM if last else 0, stream, what))
        else:
            await raw.send(frame(what, stream, stream, last))
    raw.peer.close()
    await world.settle()
    seen = []
    while (served := endpoint.waiting()) is not None:
        await world.settle()
        data = b""
        while served.channel.has_input() and (more := await read(served)):
            data += more
        seen += requests_in(data)
    assert len(seen) <= heads


async def read(served):
    try:
        return await served.channel.recv()
    except ConnectionLost:
        return b""


async def test_two_clients_share_an_http2_endpoint_and_one_cannot_end_its_connection(world):
    endpoint = world.endpoint()
    world.serve(endpoint, protocol="http2")
    victim = await http2_client(world)
    waiting = await victim.request()
    served = await http2_accept(endpoint)
    stream, _ = await served.received_request()
    raw = await hostile(world)
    for at in range(1, 4001, 100):
        await raw.send(*[head(each) + frame(RST, 0, each, number(CANCEL)) for each in range(at, at + 100, 2)])
        await served.settled(2)
        if raw.over:
            break

    await served.respond(stream, b"ok")

    assert (await victim.response(waiting))[2] == b"ok"
    assert len(served.resets) <= 2 * HTTP2_LIMITS.quick_resets
