"""Streams of one connection, with the library h2 as the peer: whatever the windows are and however bytes are split,
all bodies arrive in order in both directions, no window is exceeded, and no stream starves.
"""

import socket
from random import Random

import pytest
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeproxy.errors import ClientGone, ConnectionLost
from nodeproxy.io.channel import SocketChannel
from nodeproxy.multiplex.body import StreamBody
from nodeproxy.multiplex.link import Link
from nodeproxy.protocol.http1.head import HeadLimits
from nodeproxy.protocol.http2 import codes
from nodeproxy.protocol.http2.frames import header_frames
from nodeproxy.protocol.http2.limits import CONNECTION_WINDOW_BYTES, Http2Limits
from nodeproxy.protocol.http2.reader import FrameReader
from nodeproxy.protocol.message import UNKNOWN, Request
from tests.fakes.http2 import Http2Peer, meanwhile, request
from tests.fakes.world import Peer, World

WINDOW = 64 * 1024


def pattern(number, size):
    """Bytes that no other stream has in that order."""
    return bytes((number * 31 + each * 7) & 0xFF for each in range(256)) * (size // 256) + bytes(size % 256)


class Server:
    """The side of a link in this test: reads each request's body, and sends one of the length that its path says."""

    serves = True

    def __init__(self, world, sock, limits):
        self.world = world
        self.read = {}
        self.sent = {}
        self.pieces = [1, 100, 16_384, 16_385, 65_536]
        self.stopped = set()
        """Streams whose bodies are not."""
        channel = world.own(SocketChannel(world.reactor, sock, ClientGone))
        self.link = Link(channel, FrameReader("requests", HeadLimits()), limits, self)
        self.link.begin([])
        self.error = None
        world.reactor.spawn(self.run())

    async def run(self):
        try:
            await self.link.run((await self.link._channel.recv())[len(codes.PREFACE) :])
        except Exception as error:
            self.error = error

    def headers(self, frame):
        if isinstance(frame.payload, Request):
            stream = self.link.open(frame.stream)
            self.read[frame.stream] = b""
            stream.ended = bool(frame.flags & codes.END_STREAM)
            self.world.reactor.spawn(self.serve(stream, int(frame.payload.path[1:])))

    async def serve(self, stream, size):
        collecting = self.world.reactor.current.start(self.collect(stream))
        await self.reply(stream, size)
        await collecting.join()
        stream.release()

    async def collect(self, stream):
        body, number = StreamBody(stream, UNKNOWN), stream.number
        while number in self.stopped:
            await self.world.reactor.rest()
        while piece := await body.read():
            self.read[number] += piece

    async def reply(self, stream, size):
        stream.head(header_frames(b"\x88", stream.number, False), False)
        data, random = pattern(stream.number, size), Random(size)
        while data:
            most = random.choice(self.pieces)
            if not stream.try_write(data[:most], False):
                await stream.write(data[:most], False)
            data = data[most:]
            self.sent[stream.number] = size - len(data)
        stream.finish(b"")

    def never_opened(self, number):
        return number not in self.read

    def stream_over(self, stream):
        pass

    def settings_changed(self):
        pass

    def ignores(self, number):
        return False


def pair(world, limits=None, settings=None):
    """A server, and a client of the library."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    server = Server(world, ours, limits or Http2Limits(window_bytes=WINDOW))
    client = Http2Peer(Peer(world, SocketChannel(world.reactor, theirs, ConnectionLost)), True, settings)
    return server, client


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 200_000), min_size=1, max_size=6),
    window=st.sampled_from([0, 1, 100, 16_384, 65_535, 1 << 20]),
    seed=st.integers(0, 1000),
)
def test_all_bytes_arrive_whatever_the_windows(sizes, window, seed):
    random = Random(seed)
    with World() as world:
        world.run(transfer(world, sizes, window, random))


async def transfer(world, sizes, window, random):
    server, client = pair(world, settings={SettingCodes.INITIAL_WINDOW_SIZE: window})
    client.credits = False
    numbers = {}
    for size in sizes:
        numbers[await client.request(request(b"PUT", b"/%d" % size), ended=False)] = size
    for number in numbers:
        meanwhile(world, client.upload(number, pattern(number, sizes[0])))
    for _ in range(2000):
        if all(number in client.ended_streams for number in numbers):
            break
        await client.settled(2)
        change = random.random()
        if change < 0.1:
            client.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: random.choice([0, 1, 500, 70_000])})
        number = random.choice(list(numbers))
        step = random.choice([1, 1000, 16_384, 300_000])
        if number not in client.ended_streams and client.h2.remote_flow_control_window(number) < 1_000_000:
            client.h2.increment_flow_control_window(step, number)
        if client.h2.inbound_flow_control_window < 1_000_000:
            client.h2.increment_flow_control_window(step)
        await client.flush()
    assert client.ended_streams == set(numbers), (server.error, server.sent)
    for number, size in numbers.items():
        assert client.received(number) == pattern(number, size)
    for _ in range(2000):
        if sum(map(len, server.read.values())) == len(numbers) * sizes[0]:
            break
        await client.settled(1)
    await client.settled()
    assert server.read == {number: pattern(number, sizes[0]) for number in numbers}
    assert not server.link.streams and not server.link.starved and server.error is None


@pytest.mark.parametrize("increment", [1, 4096, 16_384, 40_000])
def test_the_connections_window_goes_round(increment):
    """A peer that returns it in small pieces, as Go does, gives none to the first stream alone."""
    with World() as world:

        async def scenario():
            server, client = pair(world, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24})
            client.credits = False
            server.pieces = [65_536]
            for _ in range(5):
                await client.request(request(b"GET", b"/1000000"))
            await client.settled()
            before = [client.data(number) for number in (1, 3, 5, 7, 9)]
            for _ in range(50):
                client.h2.increment_flow_control_window(increment)
                await client.flush()
                await client.settled(2)
            await client.settled(20)
            shares = [client.data(number) - at for number, at in zip((1, 3, 5, 7, 9), before, strict=True)]
            assert sum(shares) == 50 * increment
            assert max(shares) - min(shares) <= 2 * increment

        world.run(scenario())


def test_large_and_small_bodies_have_turns():
    with World() as world:

        async def scenario():
            _, client = pair(world, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24})
            client.h2.increment_flow_control_window(1 << 24)
            large = [await client.request(request(b"GET", b"/2000000")) for _ in range(8)]
            small = await client.request(request(b"GET", b"/40000"))
            await client.until_over(small)
            assert sum(client.data(number) for number in large) < 1_000_000
            for number in large:
                await client.until_over(number)

        world.run(scenario())


def test_one_body_that_is_not_read_leaves_the_connection_to_the_others():
    with World() as world:

        async def scenario():
            server, client = pair(world)
            server.stopped = {1}
            stuck = await client.request(request(b"PUT", b"/0"), ended=False)
            meanwhile(world, client.upload(stuck, bytes(1_000_000)))
            for _ in range(3):
                number = await client.request(request(b"PUT", b"/0"), ended=False)
                await client.upload(number, bytes(CONNECTION_WINDOW_BYTES))
                await client.settled()
                assert len(server.read[number]) == CONNECTION_WINDOW_BYTES
            stream = server.link.streams[stuck]
            assert sum(map(len, stream.pieces)) == WINDOW
            server.stopped = set()
            await client.settled(300)
            assert len(server.read[stuck]) == 1_000_000

        world.run(scenario())


@pytest.mark.parametrize("size", [1, 2])
def test_tiny_frames_are_joined(size):
    with World() as world:

        async def scenario():
            server, client = pair(world)
            server.stopped = {1}
            number = await client.request(request(b"PUT", b"/0"), ended=False)
            for _ in range(1000):
                client.h2.send_data(number, b"x" * size)
            await client.flush()
            await world.settle()
            assert len(server.link.streams[number].pieces) <= 65
            server.stopped = set()
            client.h2.end_stream(number)
            await client.flush()
            await world.settle()
            assert server.read[number] == b"x" * size * 1000

        world.run(scenario())


def test_padding_does_not_use_up_a_window():
    with World() as world:

        async def scenario():
            server, client = pair(world)
            number = await client.request(request(b"PUT", b"/0"), ended=False)
            for _ in range(600):  # 600 x 256 bytes that carry nothing
                while client.h2.local_flow_control_window(number) < 256:
                    await client.settled(1)
                client.h2.send_data(number, b"", pad_length=255)
                await client.flush()
                await world.settle(2)
            client.h2.send_data(number, b"end", end_stream=True)
            await client.flush()
            await world.settle()
            assert server.read[number] == b"end"

        world.run(scenario())
