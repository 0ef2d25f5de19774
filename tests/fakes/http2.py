"""HTTP/2 peers made of the library h2, in the reactor of a `World`: clients of the mesh, and endpoints behind it."""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"web.shop.mesh")]


def request(method=b"GET", path=b"/", *fields):
    """The fields of a request to the service web in the namespace shop."""
    pseudo = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"web.shop.mesh")]
    return [*pseudo, *fields]


class Http2Peer:
    """One end of an HTTP/2 connection. What comes is kept until the test asks for it."""

    def __init__(self, peer, client_side):
        self.peer = peer
        self.world = peer.world
        self.h2 = H2Connection(
            H2Configuration(client_side=client_side, header_encoding=None, validate_outbound_headers=False,
                            normalize_outbound_headers=False)
        )  # fmt: skip
        self.events = []
        self.credits = True
        """Whether it returns the window for data that it receives."""
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
        data = await self.peer.channel.recv()
        assert data, f"the connection ended; before it: {self.events}"
        for event in self.h2.receive_data(data):
            if isinstance(event, DataReceived) and self.credits:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.events.append(event)
        await self.flush()

    async def data(self, number):
        """The next data of a stream."""
        event = await self.event(DataReceived, number)
        return event.data

    async def look(self):
        """Take in what has come, without waiting for more."""
        while self.peer.channel.has_input():
            await self._more()

    async def received_request(self):
        """The next request: its stream's number and its fields."""
        event = await self.event(RequestReceived)
        return event.stream_id, event.headers

    async def response(self, number):
        """The whole response on a stream: status, fields, body, trailers."""
        head = await self.event(ResponseReceived, number)
        while not any(isinstance(each, StreamEnded | StreamReset) and each.stream_id == number for each in self.events):
            await self._more()
        body = b"".join(
            each.data for each in self.events if isinstance(each, DataReceived) and each.stream_id == number
        )
        trailers = [
            each.headers for each in self.events if isinstance(each, TrailersReceived) and each.stream_id == number
        ]
        resets = [each for each in self.events if isinstance(each, StreamReset) and each.stream_id == number]
        assert not resets, resets
        self.events = [each for each in self.events if getattr(each, "stream_id", None) != number]
        fields = [(name, value) for name, value in head.headers if name != b":status"]
        return int(dict(head.headers)[b":status"]), fields, body, trailers[0] if trailers else None


async def http2_client(world):
    """A client of the mesh that speaks HTTP/2 with prior knowledge."""
    client = Http2Peer(await world.client(), client_side=True)
    await client.flush()
    return client


async def http2_accept(*endpoints):
    """The next connection of the mesh to one of these endpoints, as its server."""
    while not (peers := [peer for endpoint in endpoints if (peer := endpoint.waiting()) is not None]):
        await endpoints[0].world.reactor.rest()
    server = Http2Peer(peers[0], client_side=False)
    await server.flush()
    return server
