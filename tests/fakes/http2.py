"""HTTP/2 peers made of the library h2, in the reactor of a `World`: clients of the mesh, and endpoints behind it."""

from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

from nodeproxy.errors import ConnectionLost

REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"web.shop.mesh")]


def request(method=b"GET", path=b"/", *fields):
    """The fields of a request to the service web in the namespace shop."""
    pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"web.shop.mesh")]
    return [*pseudo, *fields]


class Http2Peer:
    """One end of an HTTP/2 connection. What comes is kept until the test asks for it."""

    def __init__(self, peer, client_side, settings=None):
        self.peer = peer
        self.world = peer.world
        self.h2 = H2Connection(
            H2Configuration(client_side=client_side, header_encoding=None, validate_outbound_headers=False,
                            normalize_outbound_headers=False)
        )  # fmt: skip
        self.events = []
        self.frames = []
        """Kind, flags and stream of every frame that has come: the library drops some."""
        self.goaways = []
        self.over = False
        """Whether `look` has found the end of the connection."""
        self._unread = b""
        self._preface = not client_side
        self._reading = False
        self.credits = True
        """Whether it returns the window for data that it receives."""
        self.h2.local_settings.update(settings or {})
        self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()

    async def flush(self):
        """Send what the library wants to be sent."""
        data = self.h2.data_to_send()
        if data:
            await self.peer.channel.send(data)

    async def request(self, fields=REQUEST, body=None, ended=True):
        """Open a stream; returns its number."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, fields, end_stream=ended and body is None)
        if body is not None:
            self.h2.send_data(number, body, end_stream=ended)
        await self.flush()
        return number

    async def respond(self, number, body=b"", fields=(), status=b"200", trailers=None):
        """Send a whole response."""
        self.h2.send_headers(number, [(b":status", status), *fields], end_stream=not body and trailers is None)
        if body:
            self.h2.send_data(number, body, end_stream=trailers is None)
        if trailers is not None:
            self.h2.send_headers(number, trailers, end_stream=True)
        await self.flush()

    async def event(self, kind, number=None):
        """The next event of this kind, of the stream with this number if one is given."""
        while True:
            for event in self.events:
                if isinstance(event, kind) and number in (None, getattr(event, "stream_id", None)):
                    self.events.remove(event)
                    return event
            await self._more()

    async def _more(self):
        if self._reading:  # another task of the test does
            await self.world.reactor.rest()
            return
        self._reading = True
        try:
            data = await self.peer.channel.recv()
        finally:
            self._reading = False
        assert data, f"the connection ended; before it: {self.events}"
        await self._take(data)

    async def _take(self, data):
        for event in self.h2.receive_data(self._noted(data)):
            if isinstance(event, DataReceived) and self.credits:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.events.append(event)
        await self.flush()

    async def look(self):
        """Take in what has come, without waiting for more."""
        while not self.over and self.peer.channel.has_input():
            data = await self.peer.channel.recv()
            if data:
                await self._take(data)
            else:
                self.over = True

    async def received_request(self):
        """The next request: its stream's number and its fields."""
        event = await self.event(RequestReceived)
        return event.stream_id, event.headers

    async def upload(self, number, data, trailers=None):
        """Send a body to its end, as the windows allow; the events of the stream stay for others."""
        while data:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if room <= 0:
                await self._more()
                continue
            self.h2.send_data(number, data[:room])
            data = data[room:]
            await self.flush()
        if trailers is None:
            self.h2.end_stream(number)
        else:
            self.h2.send_headers(number, trailers, end_stream=True)
        await self.flush()

    async def body(self, number):
        """The body of a request to its end, and its trailers."""
        await self.until_over(number)
        assert not self._resets_of(number)
        own = [each for each in self.events if getattr(each, "stream_id", None) == number]
        trailers = [each.headers for each in own if isinstance(each, TrailersReceived)]
        self.events = [each for each in self.events if each not in own]
        return b"".join(each.data for each in own if isinstance(each, DataReceived)), trailers[0] if trailers else None

    async def interim(self, number):
        """The status of the next 1xx response on a stream."""
        return int(dict((await self.event(InformationalResponseReceived, number)).headers)[b":status"])

    async def was_reset(self, number):
        """The error code with which the other side resets a stream."""
        return (await self.event(StreamReset, number)).error_code

    async def goaway(self):
        """The next GOAWAY: the last stream and the error code."""
        while not self.goaways:
            await self._more()
        return self.goaways.pop(0)

    async def settled(self, turns=10):
        """Let everything that can happen now happen, and note what has come."""
        for _ in range(turns):
            await self.world.reactor.rest()
            if self.peer.channel.readable and self.peer.channel.has_input():
                await self._more()

    @property
    def resets(self):
        """The streams of all RST_STREAM that have come, also those that the library drops."""
        return [stream for kind, _, stream in self.frames if kind == 3]

    def _noted(self, data):
        """The whole frames, but GOAWAY: the library ends its connection there, which others do not."""
        self._unread += data
        passed = b""
        if self._preface and len(self._unread) >= 24:
            passed, self._unread, self._preface = self._unread[:24], self._unread[24:], False
        while not self._preface and len(self._unread) >= 9 + (size := int.from_bytes(self._unread[:3], "big")):
            frame, self._unread = self._unread[: 9 + size], self._unread[9 + size :]
            self.frames.append((frame[3], frame[4], int.from_bytes(frame[5:9], "big")))
            if frame[3] == 7:
                self.goaways.append((int.from_bytes(frame[9:13], "big"), int.from_bytes(frame[13:17], "big")))
            else:
                passed += frame
        return passed

    def _resets_of(self, number):
        return [each for each in self.events if isinstance(each, StreamReset) and each.stream_id == number]

    def data(self, number):
        """How many bytes of a body have come on a stream."""
        return sum(
            len(each.data) for each in self.events if isinstance(each, DataReceived) and each.stream_id == number
        )

    def received(self, number):
        """The body that has come on a stream so far."""
        return b"".join(
            each.data for each in self.events if isinstance(each, DataReceived) and each.stream_id == number
        )

    @property
    def ended_streams(self):
        """The streams that the other side has ended."""
        return {each.stream_id for each in self.events if isinstance(each, StreamEnded)}

    async def until_over(self, number):
        """Wait for the end of a stream, or its reset."""
        while not any(isinstance(each, StreamEnded | StreamReset) and each.stream_id == number for each in self.events):
            await self._more()

    async def response(self, number, resets=()):
        """The whole response on a stream: status, fields, body, trailers; `resets` are the codes of its resets."""
        head = await self.event(ResponseReceived, number)
        await self.until_over(number)
        body = b"".join(
            each.data for each in self.events if isinstance(each, DataReceived) and each.stream_id == number
        )
        trailers = [
            each.headers for each in self.events if isinstance(each, TrailersReceived) and each.stream_id == number
        ]
        assert [each.error_code for each in self._resets_of(number)] == list(resets)
        self.events = [each for each in self.events if getattr(each, "stream_id", None) != number]
        fields = [(name, value) for name, value in head.headers if name != b":status"]
        return int(dict(head.headers)[b":status"]), fields, body, trailers[0] if trailers else None


def meanwhile(world, coroutine):
    """Run `coroutine` beside the test, until it or the connection that it uses ends."""

    async def run():
        with suppress(AssertionError, ConnectionLost):
            await coroutine

    world.reactor.spawn(run())


async def http2_client(world):
    """A client of the mesh that speaks HTTP/2 with prior knowledge."""
    client = Http2Peer(await world.client(), client_side=True)
    await client.flush()
    return client


async def http2_accept(endpoint, settings=None):
    """The next connection of the mesh to an endpoint, as its server, which begins with these settings."""
    return await http2_server(await endpoint.accept(), settings)


async def http2_accept_any(*endpoints):
    """The next connection of the mesh to one of these endpoints, as its server."""
    while not (peers := [peer for each in endpoints if (peer := each.waiting()) is not None]):
        await endpoints[0].world.reactor.rest()
    return await http2_server(peers[0])


async def http2_server(peer, settings=None):
    """The server at this end of a connection."""
    server = Http2Peer(peer, client_side=False, settings=settings)
    await server.flush()
    return server
